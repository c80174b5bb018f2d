// Whatever a server sends as an error: the body, or the x-oss-err header, of a reply of any status.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error_document.h"
#include "protocol/error_reply.h"
#include "protocol/http.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int kStatuses[] = {302, 400, 403, 404, 409, 412, 416, 429, 500, 502, 503};
  constexpr ossmc::Operation kOperations[] = {
      ossmc::Operation::kGetObject, ossmc::Operation::kHeadObject, ossmc::Operation::kList};
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  require(ossmc::parse_error_body(bytes).message.find('\n') == std::string::npos,
          "a message is one line");
  const std::string excerpt = ossmc::body_excerpt(bytes);
  require(excerpt.size() <= 512 && is_one_line(excerpt), "an excerpt is one short line");

  ossmc::ResponseHead head;
  head.status = kStatuses[data[0] % 11];
  head.request_id = "5C3D9175B6FC201293AD0000";
  const bool in_header = data[0] >= 128;
  if (in_header) head.error_header = bytes;
  const ossmc::Failure failure =
      ossmc::classify_error_reply(kOperations[data[0] / 11 % 3], "oss://bucket/key", head,
                                  in_header ? std::string_view() : bytes);
  require(!failure.status.is_ok(), "an error reply is an error");
  require(is_one_line(failure.status.message()), "an error text is one line");
  require(failure.status.message().size() < 8192, "an error text is short");
  require(failure.status.detail().http_status == head.status, "the status is told");
  require(
      failure.server_unix_seconds.has_value() == (failure.retry == ossmc::RetryClass::kClockSkew),
      "the server's clock comes with a clock that is off, only then");
  return 0;
}
