// Whatever a server sends as an error, in a reply of any status. The first byte says which status,
// to which request, and where the bytes behind it stand.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error_document.h"
#include "protocol/error_reply.h"
#include "protocol/http.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int kStatuses[] = {206, 302, 304, 400, 401, 403, 404, 407,
                               408, 409, 412, 416, 429, 500, 502, 503};
  constexpr ossmc::Operation kOperations[] = {
      ossmc::Operation::kGetObject, ossmc::Operation::kHeadObject, ossmc::Operation::kList};
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  require(ossmc::parse_error_body(bytes).message.find('\n') == std::string::npos,
          "a message is one line");
  const std::string excerpt = ossmc::body_excerpt(bytes);
  require(excerpt.size() <= 512 && is_one_line(excerpt), "an excerpt is one short line");

  ossmc::ResponseHead head;
  head.status = kStatuses[data[0] & 0xF];
  head.request_id = "5C3D9175B6FC201293AD0000";
  head.is_of_store = (data[0] & 0x10) != 0;
  std::string_view body;
  switch (data[0] >> 6) {
    case 0:
      body = bytes;
      break;
    case 1:
      head.error_header = bytes;
      break;
    case 2:
      head.location = bytes;
      break;
    default:
      head.date = bytes;
      body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
  }
  const ossmc::Failure failure = ossmc::classify_error_reply(kOperations[(data[0] >> 4 & 0x3) % 3],
                                                             "oss://bucket/key", head, body);
  require(!failure.status.is_ok(), "an error reply is an error");
  require(is_one_line(failure.status.message()), "an error text is one line");
  require(failure.status.message().size() < 8192, "an error text is short");
  require(failure.status.detail().http_status == head.status, "the status is told");
  require(
      failure.server_unix_seconds.has_value() == (failure.retry == ossmc::RetryClass::kClockSkew),
      "the server's clock comes with a clock that is off, only then");
  return 0;
}
