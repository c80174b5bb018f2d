#include "fetch/request_builder.h"

#include <utility>

namespace ossmc {

RequestBuilder::RequestBuilder(RequestBuilderOptions options, CredentialsCache& credentials,
                               const Clock& clock)
    : options_(std::move(options)),
      credentials_(credentials),
      clock_(clock),
      signer_(options_.signing) {}

bool RequestBuilder::credentials_settled() const {
  const CredentialsCache::Pull pull = credentials_.get();
  return pull.snapshot.credentials != nullptr || !pull.status.is_ok();
}

Result<SignedRequest> RequestBuilder::build(StoreRequest request) const {
  CredentialsCache::Pull pull = credentials_.get();
  if (!pull.status.is_ok()) return pull.status;
  if (pull.snapshot.credentials == nullptr) {
    return Status(StatusCode::kCredentials, "no credentials yet: the provider has not answered");
  }
  for (const NameValue& header : options_.extra_headers) request.headers.push_back(header);
  const double now = clock_.unix_seconds() + offset_seconds_.load(std::memory_order_relaxed);
  Status status = signer_.sign(request, *pull.snapshot.credentials, now);
  if (!status.is_ok()) return status;
  SignedRequest result;
  result.http.method = request.method;
  result.http.url = request_url(options_.endpoint, options_.addressing, request);
  result.http.headers = std::move(request.headers);
  result.credentials_generation = pull.snapshot.generation;
  return result;
}

void RequestBuilder::set_server_time(double server_unix_seconds) {
  offset_seconds_.store(server_unix_seconds - clock_.unix_seconds(), std::memory_order_relaxed);
}

}  // namespace ossmc
