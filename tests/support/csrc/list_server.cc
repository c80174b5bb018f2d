#include "support/csrc/list_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "protocol/percent.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

constexpr std::string_view kTail = "</ListBucketResult>";
constexpr std::size_t kMaxHeadBytes = 64 << 10;

using Parameters = std::map<std::string, std::string>;

// Nothing: not percent-encoded as it should be.
std::optional<Parameters> parse_query(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = percent_decode(pair.substr(0, equals));
    const auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return std::nullopt;
    parameters[*name] = *value;
  }
  return parameters;
}

std::uint64_t number_or(const Parameters& parameters, const char* name, std::uint64_t otherwise) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return otherwise;
  std::uint64_t value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

std::string http_head_of(std::string_view status, std::size_t body_bytes) {
  std::string head = "HTTP/1.1 ";
  head += status;
  head += "\r\nServer: ListServer\r\nContent-Type: application/xml\r\n";
  head += "x-oss-request-id: 5C3D9175B6FC201293AD0000\r\nContent-Length: ";
  head += std::to_string(body_bytes);
  head += "\r\n\r\n";
  return head;
}

// The number of the first key whose start, as long as `prefix`, is `prefix` or larger; with
// `behind`: larger.
std::uint64_t bound(const KeyShape& shape, std::string_view prefix, bool behind) {
  std::uint64_t begin = 0, end = shape.size();
  std::string key;
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    key.clear();
    shape.append_key(middle, key);
    const int order = key.compare(0, prefix.size(), prefix);
    if (order < 0 || (behind && order == 0)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

bool send_all(int connection, std::array<iovec, 3> parts) {
  std::size_t first = 0;
  while (first < parts.size()) {
    msghdr message = {};
    message.msg_iov = parts.data() + first;
    message.msg_iovlen = parts.size() - first;
    ssize_t sent = ::sendmsg(connection, &message, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    while (first < parts.size() && static_cast<std::size_t>(sent) >= parts[first].iov_len)
      sent -= static_cast<ssize_t>(parts[first++].iov_len);
    if (first < parts.size()) {
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + sent;
      parts[first].iov_len -= static_cast<std::size_t>(sent);
    }
  }
  return true;
}

// A number in [0, 1) for a request and one of the ways to answer it.
double chance(std::uint64_t way, std::uint64_t number) {
  return static_cast<double>(pattern_word(way, number) >> 11) * 0x1p-53;
}
enum Way : std::uint64_t { kRefuse = 100, kReset, kPageSize, kAbsent };

void reset(int connection) {
  const linger at_once = {1, 0};
  ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(connection);
}

iovec part(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace

ListServer::ListServer(const KeyShape& shape, double latency_ms, ListTrouble trouble)
    : shape_(shape), latency_ms_(latency_ms), trouble_(trouble) {
  for (std::uint64_t index = 0; index < shape.size(); ++index) add_row(index);
  begins_.push_back(rows_.size());

  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const bare = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, bare, size) == 0 && ::listen(listener_, 1024) == 0 &&
      ::getsockname(listener_, bare, &size) == 0)
    port_ = ntohs(address.sin_port);
}

void ListServer::add_row(std::uint64_t index) {
  begins_.push_back(rows_.size());
  const std::uint64_t etag = pattern_word(1, index);
  rows_ += "<Contents><Key>";
  rows_ += percent_encode(shape_.key(index));
  rows_ += "</Key><LastModified>2024-05-13T08:43:07.000Z</LastModified><ETag>\"";
  for (int digit = 0; digit < 32; ++digit)
    rows_ += "0123456789ABCDEF"[(etag >> (4 * (digit % 16))) & 15];
  rows_ += "\"</ETag><Type>Normal</Type><Size>";
  rows_ += std::to_string(etag % 100'000'000);
  rows_ += "</Size><StorageClass>Standard</StorageClass></Contents>";
}

void ListServer::serve() const {
  for (;;) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const int on = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread([this, connection] { serve_connection(connection); }).detach();
  }
}

void ListServer::serve_connection(int connection) const {
  std::string buffer;
  char received[16 << 10];
  for (;;) {
    std::size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      const ssize_t size = ::recv(connection, received, sizeof received, 0);
      if (size <= 0 || buffer.size() > kMaxHeadBytes) {
        ::close(connection);
        return;
      }
      buffer.append(received, static_cast<std::size_t>(size));
    }
    const auto arrived = std::chrono::steady_clock::now();
    Reply reply;
    const std::uint64_t number = requests_.fetch_add(1, std::memory_order_relaxed);
    if (buffer.starts_with("GET ")) {
      const std::string_view line = std::string_view(buffer).substr(4, buffer.find("\r\n") - 4);
      reply = answer(line.substr(0, line.find(' ')), number);
    } else {
      reply.head = http_head_of("405 Method Not Allowed", 0);
    }
    buffer.erase(0, end + 4);
    if (latency_ms_ > 0)
      std::this_thread::sleep_until(arrived +
                                    std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::duration<double, std::milli>(latency_ms_)));
    if (chance(kReset, number) < trouble_.reset) {
      send_all(connection,
               {part(reply.head), part(reply.rows.substr(0, reply.rows.size() / 2)), {}});
      return reset(connection);
    }
    if (!send_all(connection, {part(reply.head), part(reply.rows), part(reply.tail)})) {
      ::close(connection);
      return;
    }
  }
}

std::string_view ListServer::slice(std::uint64_t begin, std::uint64_t end) const {
  return std::string_view(rows_).substr(begins_[begin], begins_[end] - begins_[begin]);
}

ListServer::Reply ListServer::answer(std::string_view target, std::uint64_t number) const {
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::optional<Parameters> parameters =
      parse_query(target.substr(std::min(question + 1, target.size())));
  const auto value = [&](const char* name) {
    const auto found = parameters->find(name);
    return found == parameters->end() ? std::string() : found->second;
  };
  const std::string encoding = parameters ? value("encoding-type") : "";
  if (!parameters || value("list-type") != "2" || (encoding != "url" && !encoding.empty()))
    return {http_head_of("400 Bad Request", 0), {}, {}, {}};
  if (chance(kRefuse, number) < trouble_.refused)
    return {http_head_of("503 Service Unavailable", 0), {}, {}, {}};

  const std::string prefix = value("prefix");
  const std::uint64_t prefix_end = bound(shape_, prefix, true);
  std::uint64_t begin = bound(shape_, prefix, false);
  if (const std::string after = value("start-after"); !after.empty())
    begin = std::max(begin, shape_.first_behind(after));
  // A token is the number of the next key.
  begin = std::max(begin, number_or(*parameters, "continuation-token", 0));
  begin = std::min(begin, prefix_end);
  std::uint64_t limit = std::min<std::uint64_t>(number_or(*parameters, "max-keys", 100), 1000);
  if (trouble_.short_pages)
    limit = 1 + static_cast<std::uint64_t>(chance(kPageSize, number) * static_cast<double>(limit));
  const std::uint64_t end = std::min(begin + limit, prefix_end);

  const std::string_view bucket = target.substr(1, target.substr(0, question).find('/', 1) - 1);
  std::string head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult><Name>";
  head += bucket.substr(0, bucket.find('?'));
  head += "</Name><Prefix>" + percent_encode(prefix) + "</Prefix><MaxKeys>" +
          std::to_string(limit) + "</MaxKeys>";
  if (!encoding.empty()) head += "<EncodingType>url</EncodingType>";
  head += "<KeyCount>" + std::to_string(end - begin) + "</KeyCount><IsTruncated>";
  head += end < prefix_end ? "true</IsTruncated><NextContinuationToken>" + std::to_string(end) +
                                 "</NextContinuationToken>"
                           : "false</IsTruncated>";
  Reply reply = {{}, slice(begin, end), kTail, {}};
  if (trouble_.changing) {
    for (std::uint64_t index = begin; index < end; ++index) {
      if (!may_be_absent(index) || pattern_word(kAbsent + number, index) % 2 == 0)
        reply.chosen += slice(index, index + 1);
    }
    reply.rows = reply.chosen;
  }
  reply.head = http_head_of("200 OK", head.size() + reply.rows.size() + kTail.size()) + head;
  return reply;
}

}  // namespace ossmc
