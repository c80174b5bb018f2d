#include "bench/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "bench/json_text.h"
#include "connector/config.h"
#include "connector/config_values.h"
#include "protocol/object_name.h"

namespace ossmc::bench {

namespace {

constexpr const char* kAbout =
    "ossmc_bench: measures how fast objects of Alibaba Cloud OSS, or of a server that speaks like "
    "it, are read through the C++ core of ossmodelconnector.\n";

constexpr const char* kFooter =
    R"(Keys are taken from OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN, from a file
(--credentials) or not at all (--anonymous); never from the command line.
`ossmc_bench WORKLOAD --help` lists the options of a workload.

Examples:
  export OSS_ENDPOINT=https://oss-cn-hangzhou-internal.aliyuncs.com
  ossmc_bench download --bucket models --prefix qwen/ --memory 512MiB
  ossmc_bench download oss://models/a.safetensors --seconds 20 --workers auto
  ossmc_bench download oss://models/a.safetensors --into buffer --read-size 4MiB --json out.json
  ossmc_bench first-byte oss://models/a.safetensors --bytes 64KiB
  ossmc_bench small --bucket images --prefix train/ --at-most 10000
  ossmc_bench list --bucket images --prefix train/

Exit code: 0 done, 1 the run failed, 2 it could not be begun as asked.)";

bool is_whole_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos &&
         (text.size() == 1 || text[0] != '0');
}

// Sizes as the configuration takes them: "8MiB", "8 MiB", or bytes. Returns what is wrong.
std::string size_in_bytes(std::string& text) {
  std::uint64_t bytes = 0;
  if (is_whole_number(text)) return {};
  std::string wrong = check_size(text, &bytes);
  if (wrong.empty()) text = std::to_string(bytes);
  return wrong;
}

std::string not_empty(const std::string& text) { return text.empty() ? "must not be empty" : ""; }

// Like CLI::Range, but without its words in the help.
CLI::Validator between(double least, double most) {
  return CLI::Range(least, most).description("");
}

// Options that are keys of the configuration: they go to the core as they stand, which knows their
// range, and explains them in the help.
class ConfigOptions {
 public:
  void add(CLI::App& app, const std::string& option, const std::string& key,
           const std::string& type) {
    std::string about = key;
    for (const ConfigKey& known : config_keys()) {
      if (known.name == key)
        about = known.meaning + " (" + key + "; default " + known.default_text + ")";
    }
    app.add_option(option, given_[key], about)
        ->check(CLI::Validator(not_empty, ""))
        ->type_name(type)
        ->group("Connector");
  }
  std::string json(bool verify_crc64) const {
    std::string text;
    const auto put = [&text](const std::string& key, const std::string& value) {
      text += (text.empty() ? "{" : ", ") + json_string(key) + ": " + value;
    };
    for (const auto& [key, value] : given_) {
      if (!value.empty()) put(key, is_whole_number(value) ? value : json_string(value));
    }
    if (!verify_crc64) put("verify.crc64", "false");
    return text.empty() ? text : text + "}";
  }

 private:
  std::map<std::string, std::string> given_;  // by key; empty: not given
};

// All that the subcommands write into.
struct Target {
  Options options;
  ConfigOptions config;
  std::string into = "drop";
  std::string place;  // of a listing
  bool no_crc = false;
  bool progress = false;
  bool no_progress = false;
  std::optional<int> warmup;
};

void add_store(CLI::App& app, Target& target, bool objects) {
  Options& o = target.options;
  const char* const group = "Store";
  app.add_option("--endpoint", o.endpoint, "of the store, http:// or https://")
      ->envname("OSS_ENDPOINT")
      ->type_name("URL")
      ->required()
      ->group(group);
  app.add_option("--region", o.region, "for signature V4, if the endpoint does not tell it")
      ->envname("OSS_REGION")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--bucket", o.bucket, "whose keys are meant where no oss:// URI is given")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--prefix", o.prefix, "of the keys to list")->type_name("TEXT")->group(group);
  CLI::Option* file =
      app.add_option("--credentials", o.credentials_file,
                     "JSON file with AccessKeyId, AccessKeySecret and maybe SecurityToken")
          ->type_name("FILE")
          ->group(group);
  app.add_flag("--anonymous", o.anonymous, "do not sign requests")->excludes(file)->group(group);
  if (!objects) return;
  app.add_option("OBJECT", o.objects,
                 "oss://bucket/key, or a key of --bucket; with neither, all keys of --bucket that "
                 "begin with --prefix")
      ->type_name("");
  app.add_option("--objects-from", o.objects_file, "more of them, one a line; - for standard input")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--at-most", o.at_most, "no more than so many of the objects")
      ->type_name("N")
      ->group(group);
}

void add_connector(CLI::App& app, Target& target) {
  target.config.add(app, "--threads", "prefetch.vcpus", "N");
  target.config.add(app, "--workers", "prefetch.workers", "N|auto");
  target.config.add(app, "--chunk-size", "prefetch.chunkBytes", "SIZE");
  target.config.add(app, "--memory", "prefetch.memoryBytes", "SIZE");
  target.config.add(app, "--ca-file", "tls.caFile", "FILE");
  app.add_flag("--no-crc", target.no_crc, "do not check the object's CRC-64 (verify.crc64)")
      ->group("Connector");
  app.add_option("--config", target.options.config_file,
                 "JSON file with more of the configuration; the options above win")
      ->type_name("FILE")
      ->group("Connector");
}

void add_output(CLI::App& app, Target& target) {
  Options& o = target.options;
  app.add_option("--json", o.json_file, "write all figures there; - for standard output")
      ->type_name("FILE")
      ->group("Output");
  CLI::Option* const progress =
      app.add_flag("--progress", target.progress,
                   "show a progress line on standard error, terminal or not")
          ->group("Output");
  app.add_flag("--no-progress", target.no_progress, "show none")
      ->excludes(progress)
      ->group("Output");
  app.add_flag("--verbose", o.verbose, "print all log records, not only warnings")->group("Output");
}

void add_passes(CLI::App& app, Target& target) {
  app.add_option("--passes", target.options.passes, "that are measured")
      ->check(between(1, 1'000'000))
      ->capture_default_str()
      ->type_name("N")
      ->group("Measurement");
  app.add_option("--warmup", target.warmup,
                 "passes before those, not counted; default 1, or 0 with --seconds")
      ->check(between(0, 1'000'000))
      ->type_name("N")
      ->group("Measurement");
}

void add_download(CLI::App& app, Target& target) {
  Options& o = target.options;
  add_passes(app, target);
  app.add_option("--seconds", o.seconds,
                 "instead of passes: read the objects again and again for so long, and report each "
                 "second")
      ->check(between(1, 1'000'000))
      ->type_name("S")
      ->excludes("--passes")
      ->group("Measurement");
  app.add_option("--into", target.into,
                 "drop: each chunk is filled in chunk memory, checked, marked read and recycled, "
                 "without a copy; keep: each object as one contiguous view, all kept until the end "
                 "of the pass; buffer: copied into one buffer of the caller")
      ->check(CLI::IsMember({"drop", "keep", "buffer"}).description(""))
      ->capture_default_str()
      ->type_name("PLACE")
      ->group("Measurement");
  app.add_option("--read-size", o.read_bytes, "of that buffer")
      ->transform(CLI::Validator(size_in_bytes, ""))
      ->type_name("SIZE")
      ->default_str("4MiB")
      ->group("Measurement");
}

void add_first_byte(CLI::App& app, Target& target) {
  Options& o = target.options;
  app.add_option("--count", o.count, "samples of each kind of connection")
      ->check(between(1, 10'000'000))
      ->capture_default_str()
      ->type_name("N")
      ->group("Measurement");
  app.add_option("--bytes", o.first_bytes, "to read from the object's start")
      ->transform(CLI::Validator(size_in_bytes, ""))
      ->type_name("SIZE")
      ->default_str("1KiB")
      ->group("Measurement");
}

void add_small(CLI::App& app, Target& target) {
  add_passes(app, target);
  app.add_option("--batch", target.options.batch, "objects that are opened at once")
      ->check(between(1, 100'000))
      ->capture_default_str()
      ->type_name("N")
      ->group("Measurement");
}

void add_list(CLI::App& app, Target& target) {
  app.add_option("PLACE", target.place, "oss://bucket/prefix, in place of --bucket and --prefix")
      ->type_name("");
  add_passes(app, target);
  app.add_flag("--fast", target.options.fast, "by the concurrent listing")->group("Measurement");
}

// What CLI11 cannot check by itself; empty: nothing is wrong.
std::string finish(Target& target) {
  Options& o = target.options;
  o.config_overrides = target.config.json(!target.no_crc);
  if (target.progress || target.no_progress) o.progress = target.progress;
  o.warmup = target.warmup.value_or(o.seconds > 0 ? 0 : 1);
  o.into = target.into == "keep"     ? Into::kKeep
           : target.into == "buffer" ? Into::kBuffer
                                     : Into::kDrop;
  if (!target.place.empty()) {
    if (!target.place.starts_with(kUriScheme) || !o.bucket.empty() || !o.prefix.empty())
      return "what to list is oss://bucket/prefix, or --bucket and --prefix";
    const std::string place = target.place.substr(kUriScheme.size());
    const std::size_t slash = std::min(place.find('/'), place.size());
    o.bucket = place.substr(0, slash);
    o.prefix = place.substr(std::min(slash + 1, place.size()));
  }
  if (o.read_bytes == 0) return "--read-size must not be 0";
  if (o.first_bytes == 0) return "--bytes must not be 0";
  if (o.objects.empty() && o.objects_file.empty() && o.bucket.empty())
    return o.workload == Workload::kList ? "name what to list: oss://bucket/prefix, or --bucket"
                                         : "name objects: oss://bucket/key, or --bucket";
  if (!o.prefix.empty() && (!o.objects.empty() || !o.objects_file.empty()))
    return "--prefix lists keys; it does not go with named objects";
  const bool needs_bucket =
      o.bucket.empty() && std::any_of(o.objects.begin(), o.objects.end(), [](const auto& object) {
        return !object.starts_with("oss://");
      });
  if (needs_bucket) return "a key needs its --bucket; or write oss://bucket/key";
  return {};
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CLI::App app(kAbout, "ossmc_bench");
  app.footer(kFooter);
  app.set_version_flag("--version", "ossmc_bench " OSSMC_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);

  Target target;
  struct Sub {
    Workload workload;
    const char* name;
    const char* about;
    void (*add)(CLI::App&, Target&);
  };
  constexpr Sub kSubs[] = {
      {Workload::kDownload, "download",
       "Opens all objects, then reads them in that order, from first to last byte", add_download},
      {Workload::kFirstByte, "first-byte",
       "Opens an object and reads its first bytes, over new and over used connections",
       add_first_byte},
      {Workload::kSmall, "small", "Reads many small objects, opened in batches", add_small},
      {Workload::kList, "list", "Lists keys", add_list},
  };
  for (const Sub& sub : kSubs) {
    CLI::App* const command = app.add_subcommand(sub.name, sub.about);
    command->footer(kFooter);
    add_store(*command, target, sub.workload != Workload::kList);
    sub.add(*command, target);
    add_connector(*command, target);
    add_output(*command, target);
  }

  CommandLine result;
  if (argc <= 1) {
    result.exit_code = kExitUsage;
    result.text = app.help();
    return result;
  }
  // CLI11 would say that a subcommand is missing.
  const std::string_view first = argv[1];
  if (!first.starts_with('-') && std::none_of(std::begin(kSubs), std::end(kSubs),
                                              [&](const Sub& sub) { return first == sub.name; })) {
    result.exit_code = kExitUsage;
    result.text = "ossmc_bench: no such workload: " + printable(first, 40) +
                  "\nRun with --help for more information.\n";
    return result;
  }
  try {
    app.parse(argc, argv);
    for (const Sub& sub : kSubs) {
      if (app.got_subcommand(sub.name)) target.options.workload = sub.workload;
    }
    const std::string wrong = finish(target);
    if (wrong.empty()) {
      result.options = std::move(target.options);
    } else {
      result.exit_code = kExitUsage;
      result.text = "ossmc_bench: " + wrong + "\nRun with --help for more information.\n";
    }
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    result.exit_code = app.exit(error, out, err) == 0 ? 0 : kExitUsage;
    result.text = result.exit_code == 0 ? out.str() : "ossmc_bench: " + err.str();
  }
  return result;
}

}  // namespace ossmc::bench
