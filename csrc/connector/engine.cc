#include "connector/engine.h"

#include <algorithm>
#include <utility>

#include "base/thread_load.h"

namespace ossmc {

namespace {

// Free chunk memory that stays mapped for reuse.
constexpr std::uint64_t kMaxKeptBytes = 256u << 20;
// Connections that an I/O thread keeps besides those for ordinary work.
constexpr int kSpareConnections = 16;

std::string user_agent(const Config& config) {
  const std::string ours = "ossmodelconnector/" OSSMC_VERSION;
  return config.user_agent.empty() ? ours : ours + " " + config.user_agent;
}

std::unique_ptr<RateLimit> make_rate_limit(const Config& config, const Clock& clock) {
  const std::uint64_t bytes = config.transfer_most_bytes_per_second;
  return bytes == 0 ? nullptr : std::make_unique<RateLimit>(bytes, clock);
}

IoPoolOptions io_options(const Config& config, int threads, int slots, const char* name,
                         RateLimit* rate_limit = nullptr) {
  IoPoolOptions options;
  options.rate_limit = rate_limit;
  options.threads = threads;
  options.max_connections_per_thread = slots + kSpareConnections;
  options.connect_timeout = config.connect_timeout;
  options.stall_timeout = config.stall_timeout;
  options.ca_file = config.tls_ca_file;
  options.ca_path = config.tls_ca_path;
  options.proxy_from_environment = !config.proxy.has_value();
  options.proxy = config.proxy.value_or("");
  options.user_agent = user_agent(config);
  options.thread_name = name;
  return options;
}

// Its reads can go on with two chunks, whatever others who share the budget want.
std::shared_ptr<Budget> make_budget(const Config& config, const MemoryArbiter* arbiter) {
  if (arbiter == nullptr) return std::make_shared<Budget>(*config.prefetch_memory_bytes);
  return std::make_shared<Budget>(arbiter->budget(),
                                  2 * config.chunk_bytes(arbiter->budget()->limit_bytes()));
}

RetryOptions retry_options(const Config& config) {
  RetryOptions options;
  options.max_attempts = config.retry_max_attempts;
  options.longest_asked_wait = std::min(config.read_timeout / 10, options.cap);
  return options;
}

}  // namespace

Engine::Engine(const Config& config, RequestBuilderOptions request_options,
               std::shared_ptr<CredentialsCache> credentials)
    : clock_(system_clock()),
      credentials_(std::move(credentials)),
      random_(make_system_random()),
      builder_(std::move(request_options), *credentials_, clock_),
      store_(builder_.endpoint()),
      context_{clock_,
               *random_,
               counters_,
               builder_,
               quota_,
               store_,
               retry_options(config),
               config.verify_crc64},
      arbiter_(config.prefetch_memory_bytes ? nullptr : &MemoryArbiter::of_process()),
      budget_(make_budget(config, arbiter_)),
      chunk_bytes_(static_cast<std::uint32_t>(config.chunk_bytes(budget_->limit_bytes()))),
      pages_(PagePool::make({.slot_bytes = chunk_bytes_,
                             .keep_bytes = static_cast<std::size_t>(
                                 std::min(kMaxKeptBytes, budget_->limit_bytes() / 8)),
                             .fresh = arbiter_},
                            clock_)),
      rate_limit_(make_rate_limit(config, clock_)),
      scheduler_({.chunk_bytes = chunk_bytes_,
                  .slots = {.threads = config.prefetch_vcpus,
                            .start_per_thread = config.workers_at_start(),
                            .most_per_thread = config.workers_at_most(),
                            .load = &system_thread_load()}},
                 context_, budget_, pages_),
      list_requests_(context_, config.fast_list_workers),
      io_(io_options(config, config.prefetch_vcpus, config.workers_at_most(), "ossmc-io",
                     rate_limit_.get()),
          scheduler_, clock_, counters_),
      list_io_(io_options(config, config.fast_list_vcpus, config.fast_list_workers, "ossmc-list"),
               list_requests_, clock_, counters_) {
  scheduler_.set_transport(&io_);
  list_requests_.set_transport(&list_io_);
  credentials_->set_listener(this);
}

Engine::~Engine() { shutdown(); }

Status Engine::start() {
  budget_->set_listener(&scheduler_);
  if (arbiter_ != nullptr) arbiter_->add(pages_);
  return io_.start();
}

void Engine::shutdown() {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  credentials_->set_listener(nullptr);
  budget_->set_listener(nullptr);
  scheduler_.objects().close_all();
  list_requests_.close();
  io_.stop();
  list_io_.stop();
  pages_->retire();
  if (arbiter_ != nullptr) arbiter_->remove(*pages_);
}

Result<SmallRequestQueue*> Engine::list_queue() {
  MutexLock lock(mutex_);
  if (!lists_started_ && !stopped_) {
    const Status status = list_io_.start();
    if (!status.is_ok()) return status;
    lists_started_ = true;
  }
  return &list_requests_;
}

void Engine::on_credentials_changed() {
  io_.wake();
  list_io_.wake();
}

}  // namespace ossmc
