#include "stress/stress_store.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

namespace ossmc {

namespace {

constexpr std::uint64_t kCanaryOneIn = 50;

std::string error_reply(int status, const std::string& code) {
  return http_reply(status, "<Error><Code>" + code + "</Code></Error>");
}

std::string chunked(std::string_view bytes, Chance& chance) {
  std::string text;
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + chance.below(3000));
    char length[16];
    std::snprintf(length, sizeof length, "%zx\r\n", size);
    text.append(length).append(bytes.substr(0, size)).append("\r\n");
    bytes.remove_prefix(size);
  }
  return text + "0\r\n\r\n";
}

}  // namespace

void StressStore::answer(WireConnection& peer, const WireRequest& request) {
  Chance chance(round_.seed + 4099 * static_cast<std::uint64_t>(request.connection) +
                (static_cast<std::uint64_t>(request.number) << 32));
  const StressObject* const object =
      objects_.find(std::string_view(request.target).substr(request.target.rfind('/') + 1));
  if (object == nullptr) {
    tally_.complain("a request for what nobody asked for: " + request.target);
    peer.close();
    return;
  }
  const bool is_spoilt = round_.has_faults() && chance.one_in(round_.one_fault_in);
  if (is_spoilt && chance.one_in(2)) return break_before(peer, chance);
  Reply reply = right_reply(*object, request, chance);
  if (canary_ && !reply.body.empty() && chance.one_in(kCanaryOneIn)) reply.body.back() ^= 1;
  if (is_spoilt) return break_within(peer, reply, chance);
  peer.send(reply.head + reply.body);
}

StressStore::Reply StressStore::right_reply(const StressObject& object, const WireRequest& request,
                                            Chance& chance) {
  std::vector<std::string> headers = {"ETag: " + object.etag};
  if (round_.tells_crc64)
    headers.push_back("x-oss-hash-crc64ecma: " + std::to_string(object.crc64));
  const std::size_t size = object.bytes.size();
  const std::string all = "Content-Length: " + std::to_string(size);
  if (request.method == "HEAD") {
    headers.push_back(all);
    return {http_head("200 OK", headers), ""};
  }
  std::size_t begin = 0;
  std::size_t last = 0;
  if (std::sscanf(request.header("Range").c_str(), "bytes=%zu-%zu", &begin, &last) != 2)
    tally_.complain("a GET without a range: " + request.text);
  if (begin >= size && (size > 0 || chance.one_in(3))) {
    if (size > 0) tally_.complain("a range behind the end: " + request.text);
    tally_.note_reply(StressReply::kEmptyBy416);
    return {error_reply(416, "InvalidRange"), ""};
  }
  const std::size_t end = std::min(last + 1, size);
  if (begin == 0 && end == size && (size == 0 || chance.one_in(2))) {
    tally_.note_reply(size == 0 ? StressReply::kEmptyBy200 : StressReply::kWholeBy200);
    headers.push_back(all);
    return {http_head("200 OK", headers), object.bytes};
  }
  headers.push_back("Content-Range: bytes " + std::to_string(begin) + "-" +
                    std::to_string(end - 1) + "/" + std::to_string(size));
  const std::string bytes = object.bytes.substr(begin, end - begin);
  if (chance.one_in(5)) {
    tally_.note_reply(StressReply::kRangeInChunks);
    headers.emplace_back("Transfer-Encoding: chunked");
    return {http_head("206 Partial Content", headers), chunked(bytes, chance)};
  }
  tally_.note_reply(StressReply::kRange);
  headers.push_back("Content-Length: " + std::to_string(bytes.size()));
  return {http_head("206 Partial Content", headers), bytes};
}

void StressStore::break_before(WireConnection& peer, Chance& chance) {
  switch (chance.below(4)) {
    case 0:
      tally_.note_reply(StressReply::kResetBefore);
      return peer.reset();
    case 1:
      tally_.note_reply(StressReply::kEndBefore);
      return peer.close();
    case 2:
      tally_.note_reply(StressReply::kServerError);
      peer.send(error_reply(500, "InternalError"));
      return;
    default:
      tally_.note_reply(StressReply::kThrottled);
      peer.send(error_reply(503, "SlowDown"));
  }
}

void StressStore::break_within(WireConnection& peer, const Reply& reply, Chance& chance) {
  const std::string all = reply.head + reply.body;
  const std::size_t sent = chance.one_in(4)
                               ? chance.below(all.size())
                               : reply.head.size() + chance.below(reply.body.size() + 1);
  peer.send(std::string_view(all).substr(0, sent));
  switch (chance.below(4)) {
    case 0:
      tally_.note_reply(StressReply::kResetWithin);
      return peer.reset();
    case 1:
      tally_.note_reply(StressReply::kEndWithin);
      return peer.close();
    case 2:
      tally_.note_reply(StressReply::kPause);
      peer.wait(std::chrono::milliseconds(20 + chance.below(300)));
      break;
    default:
      tally_.note_reply(StressReply::kStall);
      peer.wait(2 * round_.config.stall_timeout);
  }
  peer.send(std::string_view(all).substr(sent));
}

}  // namespace ossmc
