// How should chunk memory lie? Measures what each candidate layout adds to a byte's way, in CPU
// seconds a GB (1e9 bytes), user and system together. The decision it led to:
// docs/decisions/0001-chunk-memory.md.
//
//   g++ -O2 -std=c++20 -pthread tests/bench/memory_layout.cc -o memory_layout && ./memory_layout
//
// Takes under half a minute and about 2 GiB of memory. Every thread works on memory of its own;
// what they share is the address space, so that one's changes to the page tables interrupt the
// other (TLB shootdown). Run it twice: a virtual machine's first touch of memory includes what the
// host does to provide it.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace {

constexpr std::size_t kHuge = 2u << 20;
constexpr std::size_t kPoolBytes = 256u << 20;  // a thread; beyond every cache
constexpr int kRounds = 7;                      // the median is told

void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// An anonymous or memfd mapping, 2 MiB aligned.
class Mapping {
 public:
  Mapping(std::size_t bytes, bool huge, int fd = -1) : bytes_(bytes) {
    void* raw = ::mmap(nullptr, bytes + kHuge, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) fail("mmap");
    raw_ = raw;
    const auto address = (reinterpret_cast<std::uintptr_t>(raw) + kHuge - 1) & ~(kHuge - 1);
    data_ = reinterpret_cast<std::byte*>(address);
    const int flags =
        MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED);
    if (::mmap(data_, bytes, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED)
      fail("mmap fixed");
    ::madvise(data_, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  }
  ~Mapping() { ::munmap(raw_, bytes_ + kHuge); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::size_t bytes_;
  void* raw_ = nullptr;
  std::byte* data_ = nullptr;
};

// What a network delivers: a receive buffer that is warm in the cache, copied to where the bytes
// stay.
void write_chunk(std::byte* to, std::size_t bytes) {
  static const std::vector<std::byte> source(256u << 10, std::byte{0x5A});
  for (std::size_t at = 0; at < bytes; at += source.size()) {
    std::memcpy(to + at, source.data(), std::min(source.size(), bytes - at));
  }
}

void touch(std::byte* at, std::size_t bytes, std::size_t step) {
  for (std::size_t i = 0; i < bytes; i += step) at[i] = std::byte{1};
}

void move_pages(std::byte* from, std::size_t bytes, std::byte* to, int flags) {
  if (::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to) == MAP_FAILED)
    fail("mremap");
}

// One thread's turn: setup() is not measured, run() is. Returns what run() handled, in bytes.
struct Turn {
  std::function<void()> setup;
  std::function<std::size_t()> run;
};
using Candidate = std::function<Turn(std::size_t chunk)>;

double measure(const Candidate& candidate, std::size_t chunk, int threads) {
  std::vector<double> costs;
  std::vector<double> cpu(static_cast<std::size_t>(threads));
  std::vector<std::size_t> bytes(static_cast<std::size_t>(threads));
  std::barrier barrier(threads);
  std::vector<std::jthread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      const auto mine = static_cast<std::size_t>(t);
      Turn turn = candidate(chunk);
      for (int round = 0; round < kRounds; ++round) {
        if (turn.setup) turn.setup();
        barrier.arrive_and_wait();
        const double before = thread_cpu_seconds();
        bytes[mine] = turn.run();
        cpu[mine] = thread_cpu_seconds() - before;
        barrier.arrive_and_wait();
        if (mine == 0) {
          double seconds = 0;
          double total = 0;
          for (std::size_t i = 0; i < cpu.size(); ++i) {
            seconds += cpu[i];
            total += static_cast<double>(bytes[i]);
          }
          costs.push_back(seconds / total * 1e9);
        }
      }
    });
  }
  workers.clear();  // joins
  std::sort(costs.begin(), costs.end());
  return costs[costs.size() / 2];
}

// Calls each(offset of a chunk) over one pool's worth of memory.
std::size_t for_each_chunk(std::size_t chunk, const std::function<void(std::size_t)>& each) {
  for (std::size_t at = 0; at + chunk <= kPoolBytes; at += chunk) each(at);
  return kPoolBytes;
}

bool fits_huge(std::size_t chunk) { return chunk % kHuge == 0; }

Turn warm_slabs(std::size_t chunk) {
  // Slabs are huge pages whatever the chunk: several small chunks share one.
  auto pool = std::make_shared<Mapping>(kPoolBytes, true);
  touch(pool->data(), kPoolBytes, 4096);
  return {{}, [=] {
            return for_each_chunk(chunk,
                                  [&](std::size_t at) { write_chunk(pool->data() + at, chunk); });
          }};
}

// Page faults of memory nobody had before, with the copy into it.
Candidate fresh(bool huge, bool populate) {
  return [=](std::size_t chunk) -> Turn {
    auto slot = std::make_shared<std::unique_ptr<Mapping>>();
    return {[=] {
              slot->reset();
              *slot = std::make_unique<Mapping>(kPoolBytes, huge);
            },
            [=] {
              return for_each_chunk(chunk, [&](std::size_t at) {
                if (populate) ::madvise((*slot)->data() + at, chunk, MADV_POPULATE_WRITE);
                write_chunk((*slot)->data() + at, chunk);
              });
            }};
  };
}

// A: each chunk's pages move from the pool to the object's reservation, and back when the reader
// has them. The moves alone, with one touch of each page at either end to pay for its TLB entry.
Candidate move_in_and_out(int flags) {
  return [=](std::size_t chunk) -> Turn {
    auto pool = std::make_shared<Mapping>(kPoolBytes, fits_huge(chunk));
    auto object = std::make_shared<Mapping>(kPoolBytes, fits_huge(chunk));
    touch(pool->data(), kPoolBytes, 4096);
    const std::size_t page = fits_huge(chunk) ? kHuge : 4096;
    return {{}, [=] {
              return for_each_chunk(chunk, [&](std::size_t at) {
                move_pages(pool->data() + at, chunk, object->data() + at, flags);
                touch(object->data() + at, chunk, page);
                move_pages(object->data() + at, chunk, pool->data() + at, flags);
                touch(pool->data() + at, chunk, page);
              });
            }};
  };
}

// B, a view of chunks that streams have fetched already: their pages move once, or are copied into
// fresh memory.
Turn move_at_view(std::size_t chunk) {
  auto pool = std::make_shared<Mapping>(kPoolBytes, fits_huge(chunk));
  auto region = std::make_shared<std::unique_ptr<Mapping>>();
  return {[=] {
            region->reset();
            *region = std::make_unique<Mapping>(kPoolBytes, fits_huge(chunk));
            touch(pool->data(), kPoolBytes, 4096);
          },
          [=] {
            return for_each_chunk(chunk, [&](std::size_t at) {
              move_pages(pool->data() + at, chunk, (*region)->data() + at, MREMAP_DONTUNMAP);
            });
          }};
}

Turn copy_at_view(std::size_t chunk) {
  auto pool = std::make_shared<Mapping>(kPoolBytes, true);
  auto region = std::make_shared<std::unique_ptr<Mapping>>();
  touch(pool->data(), kPoolBytes, 4096);
  return {[=] {
            region->reset();
            *region = std::make_unique<Mapping>(kPoolBytes, true);
          },
          [=] {
            return for_each_chunk(chunk, [&](std::size_t at) {
              std::memcpy((*region)->data() + at, pool->data() + at, chunk);
            });
          }};
}

// C: the pool is a memfd whose pages are there; a chunk's slot is mapped at its place in the
// object's reservation, filled, and the place is given to the next. With the copy, since the faults
// come with it.
Candidate remap_memfd(bool populate) {
  return [=](std::size_t chunk) -> Turn {
    const int fd = ::memfd_create("memory_layout", MFD_CLOEXEC);
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(kPoolBytes)) != 0) fail("memfd_create");
    {
      const Mapping once(kPoolBytes, true, fd);
      touch(once.data(), kPoolBytes, 4096);
    }
    auto object = std::make_shared<Mapping>(kPoolBytes, true);
    auto closer = std::shared_ptr<void>(nullptr, [fd](void*) { ::close(fd); });
    return {{}, [=, keep = closer] {
              return for_each_chunk(chunk, [&](std::size_t at) {
                const int flags = MAP_SHARED | MAP_FIXED | (populate ? MAP_POPULATE : 0);
                void* got = ::mmap(object->data() + at, chunk, PROT_READ | PROT_WRITE, flags, fd,
                                   static_cast<off_t>(at));
                if (got == MAP_FAILED) fail("mmap memfd");
                write_chunk(object->data() + at, chunk);
              });
            }};
  };
}

void print_setting(const char* path) {
  char text[200] = "?";
  if (std::FILE* file = std::fopen(path, "r")) {
    if (std::fgets(text, sizeof(text), file) != nullptr) text[std::strcspn(text, "\n")] = '\0';
    std::fclose(file);
  }
  std::printf("%s: %s\n", path, text);
}

}  // namespace

int main() {
  print_setting("/sys/kernel/mm/transparent_hugepage/enabled");
  print_setting("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  struct Row {
    const char* name;
    Candidate candidate;
  };
  const Row rows[] = {
      {"floor: write to warm slabs", warm_slabs},
      {"write to fresh memory, 4 KiB pages", fresh(false, false)},
      {"write to fresh memory, huge pages", fresh(true, false)},
      {"  the same, MADV_POPULATE_WRITE first", fresh(true, true)},
      {"A: mremap in and out, no write", move_in_and_out(0)},
      {"  the same, MREMAP_DONTUNMAP", move_in_and_out(MREMAP_DONTUNMAP)},
      {"B: mremap into a view, once, no write", move_at_view},
      {"B: copy into a fresh view, huge pages", copy_at_view},
      {"C: map memfd slot, write", remap_memfd(false)},
      {"  the same, MAP_POPULATE", remap_memfd(true)},
  };
  const std::pair<std::size_t, int> columns[] = {
      {8u << 20, 1}, {8u << 20, 2}, {1u << 20, 1}, {1u << 20, 2}};
  std::printf("cpu-s/GB, %d rounds, median\n%-42s", kRounds, "");
  for (const auto& [chunk, threads] : columns) std::printf(" %zu MiB x%d", chunk >> 20, threads);
  std::printf("\n");
  for (const Row& row : rows) {
    std::printf("%-42s", row.name);
    for (const auto& [chunk, threads] : columns) {
      std::printf(" %8.4f", measure(row.candidate, chunk, threads));
      std::fflush(stdout);
    }
    std::printf("\n");
  }
  return 0;
}
