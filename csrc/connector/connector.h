// Connector: what a user does: open, list, stat. The public face of the core for bindings and C++
// programs alike.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/credentials.h"
#include "base/histogram.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/wait.h"
#include "connector/config.h"
#include "connector/engine.h"
#include "connector/object_listing.h"
#include "connector/object_ranges.h"
#include "connector/object_reader.h"
#include "connector/opened_streams.h"
#include "fetch/response_check.h"
#include "listing/object_columns.h"

namespace ossmc {

// Counted since construction.
struct ConnectorStats {
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  std::uint64_t throttles = 0;
  std::uint64_t hedges = 0;
  std::uint64_t refetches = 0;
  std::uint64_t prefetch_hits = 0;
  std::uint64_t prefetch_misses = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t memory_limit_bytes = 0;
  std::uint64_t connections = 0;
  std::string limited_by = "idle";
};

// How long the attempts took that completed a chunk, in microseconds; since construction.
struct ChunkLatencies {
  HistogramCounts first_byte_us;  // from the request's start to the first byte of the reply
  HistogramCounts whole_us;       // to the last byte
};

// What HEAD tells of an object.
struct ObjectStat {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;
  double last_modified_unix = 0.0;
  std::string storage_class;
  std::string version_id;  // empty outside of versioned buckets
};

// An object to open.
struct ObjectToOpen {
  std::string uri;
  std::string version_id = {};  // empty: the current version
  // What a listing told of it. Where the ETag is strong and not empty it is read in that version
  // alone: kObjectChanged.
  std::optional<ListedVersion> listed = {};
  // False: nothing is fetched that no read asks for. Opening costs a HEAD, or nothing where the
  // version is listed: what is wrong with the object is then told by the first read.
  bool prefetches = true;
  // True: a reply has told what `listed` says, so prefetching too begins without asking.
  bool is_confirmed = false;
};

// How the scheduler is to open it: whether it is pinned to what a listing told.
StreamOptions stream_options(const ObjectToOpen& object);

// Thread-safe; blocking calls take an Interrupt. The first of them starts the engine, which takes
// its time; stats(), arrived(), chunk_latencies() and is_closed() wait for none. Shared by its
// readers.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  // Checks everything that can be checked without a request. `region` may be empty: then it is read
  // off the endpoint.
  static Result<std::shared_ptr<Connector>> make(std::string_view endpoint, std::string_view region,
                                                 Config config,
                                                 std::shared_ptr<CredentialsCache> credentials);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  Result<std::shared_ptr<ObjectReader>> open(const ObjectToOpen& object, Interrupt& interrupt);
  // All asked for at once, in this order; the first failure in this order, after the others were
  // closed.
  Result<std::vector<std::shared_ptr<ObjectReader>>> open_many(
      const std::vector<ObjectToOpen>& objects, Interrupt& interrupt);
  // The same for reads of ranges of them, without readers.
  Result<std::unique_ptr<ObjectRanges>> open_ranges(const std::vector<ObjectToOpen>& objects,
                                                    Interrupt& interrupt);
  // `version_id` empty: of the current version.
  Result<ObjectStat> stat(std::string_view uri, std::string_view version_id, Interrupt& interrupt);
  // In the order of the keys unless `fast`. kBucketNotFound for a missing bucket.
  Result<ObjectColumns> list(std::string_view bucket, std::string_view prefix, bool fast,
                             Interrupt& interrupt);
  // The same, as rows that come page after page. No request yet. With a delimiter, which a fast one
  // cannot have, keys that have it behind the prefix are rolled up into common prefixes.
  Result<std::unique_ptr<ObjectListing>> start_list(std::string_view bucket,
                                                    std::string_view prefix, bool fast,
                                                    std::string_view delimiter = {});
  ConnectorStats stats() const;
  // For who watches a transfer: what has come and what is to come. Zeros: nothing was asked for.
  ArrivedBytes arrived() const;
  std::string_view limited_by() const;
  // What one connection brings in the time of a round trip; 0: nothing measured yet.
  std::uint64_t bytes_per_round_trip() const;
  // Server minus this machine, where the server refused a date of ours and told its own; else 0.
  double clock_offset_seconds() const;
  ChunkLatencies chunk_latencies() const;
  // Closes all readers. No-op the second time.
  void close();
  bool is_closed() const { return closed_.load(); }

  const Config& config() const { return config_; }
  const SigningOptions& signing() const { return request_options_.signing; }
  std::string endpoint_text() const { return request_options_.endpoint.text(); }
  // Signs V1 only because the region is not known: worth a warning.
  bool lacks_region() const { return lacks_region_; }

  // In a forked child, before anything else uses the connector there: leaves the parent's machinery
  // alone and makes its own when it is needed.
  void after_fork_in_child(std::shared_ptr<CredentialsCache> credentials);

  // For readers. kClosed after close(). It stays as long as the connector, or is leaked in a forked
  // child.
  Result<std::shared_ptr<Engine>> engine();
  ReadOptions read_options(bool sequential) const;
  // kInvalidArgument, before any request.
  Result<ObjectName> checked_name(std::string_view uri, std::string_view version_id) const;

 private:
  // Replaced as a whole in a forked child, where the mutex may be held by a thread that is not
  // there.
  struct Live {
    explicit Live(std::shared_ptr<CredentialsCache> cache) : credentials(std::move(cache)) {}

    const std::shared_ptr<CredentialsCache> credentials;
    Mutex starting;  // held while an engine is made and its threads start: no leaf
    std::shared_ptr<Engine> engine OSSMC_GUARDED_BY(starting);
    // The same, once it has started. With closed_ a Dekker pair (seq_cst): engine() sets this one,
    // then looks at the other; close() the other way round.
    std::atomic<Engine*> running{nullptr};
  };

  Connector(Config config, RequestBuilderOptions request_options, bool lacks_region,
            std::shared_ptr<CredentialsCache> credentials);
  Result<OpenedStreams> open_streams(const std::vector<ObjectToOpen>& objects,
                                     Interrupt& interrupt);
  const Config config_;
  const RequestBuilderOptions request_options_;
  const bool lacks_region_;
  std::atomic<bool> closed_{false};
  std::unique_ptr<Live> live_;
};

}  // namespace ossmc
