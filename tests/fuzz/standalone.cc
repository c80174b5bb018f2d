// Runs a fuzz target without libFuzzer: its corpus, and random changes to it. Not guided by
// coverage; that is libFuzzer's (see docs/development.md). For a bounded run with every build.
//
//   TARGET_fuzz [--runs N] [--seconds S] [--seed N] CORPUS_FOLDER
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// There in a sanitized build: what a sanitizer finds ends the process by no signal.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

// The input that is being tried, for who looks at a crash.
std::string current;

void run(std::string input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
}

void keep_input() {
  std::FILE* file = std::fopen("crash-input", "wb");
  if (file != nullptr) {
    std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
  }
}

extern "C" void keep_input_of_signal(int) {
  keep_input();
  std::_Exit(1);
}

std::string changed(std::string text, const std::vector<std::string>& corpus,
                    std::mt19937_64& random) {
  const auto below = [&random](std::size_t end) { return end == 0 ? 0 : random() % end; };
  for (std::size_t changes = 1 + below(6); changes > 0; --changes) {
    const std::size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 2:
        text.erase(at, below(16));
        break;
      case 3:
        text.insert(at, std::string(1 + below(4), static_cast<char>(random())));
        break;
      case 4: {  // a piece of an input, this one or another
        const std::string& other = corpus[below(corpus.size())];
        const std::size_t from = below(other.size() + 1);
        text.insert(at, other.substr(from, below(200)));
        break;
      }
      default:
        text.resize(at);
    }
  }
  return text;
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t runs = 20'000;
  double seconds = 1e9;
  std::uint64_t seed = 1;
  std::vector<std::string> corpus;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    const char* const value = i + 1 < count ? arguments[i + 1] : "0";
    if (word == "--runs") {
      runs = std::strtoull(value, nullptr, 10);
      ++i;
    } else if (word == "--seconds") {
      seconds = std::strtod(value, nullptr);
      runs = UINT64_MAX;
      ++i;
    } else if (word == "--seed") {
      seed = std::strtoull(value, nullptr, 10);
      ++i;
    } else {
      std::vector<std::filesystem::path> paths;
      for (const auto& entry : std::filesystem::directory_iterator(word)) {
        paths.push_back(entry.path());
      }
      // A folder gives them in an order of its own, and a seed should mean the same everywhere.
      std::sort(paths.begin(), paths.end());
      for (const auto& path : paths) {
        std::ifstream file(path, std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
      }
    }
  }
  if (corpus.empty()) {
    std::fputs("no corpus\n", stderr);
    return 2;
  }
  std::signal(SIGABRT, keep_input_of_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_input);
  std::mt19937_64 random(seed);
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& input : corpus) run(input);
  std::uint64_t done = 0;
  for (; done < runs; ++done) {
    if (done % 256 == 0 &&
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds)
      break;
    run(changed(corpus[random() % corpus.size()], corpus, random));
  }
  std::printf("%llu inputs\n", static_cast<unsigned long long>(done + corpus.size()));
  return 0;
}
