#include "csrc/prefetch/schedule_store.h"

#include <chrono>
#include <string>

namespace ossmc {

namespace {

constexpr Duration kStall = std::chrono::seconds(30);

std::uint64_t size_of(const FakeReply& reply) {
  std::uint64_t size = 0;
  for (const std::string& piece : reply.body) size += piece.size();
  return size;
}

// What a store that ignores ranges answers with all of the object.
enum class Whole { kNo, kEmpty, kAsAsked, kMoreThanAsked };

Whole whole_of(const FakeObject& object, const HttpRequest& request, const FakeReply& reply,
               std::uint64_t chunk_bytes) {
  if (reply.status == 416 && object.size == 0) return Whole::kEmpty;
  if (reply.status != 206) return Whole::kNo;
  const std::uint64_t size = size_of(reply);
  if (size == object.size) return Whole::kAsAsked;
  // Whoever knows the object would take more than he asked for as a broken reply, and says so.
  const bool is_first =
      header_of(request, "If-Match").empty() && header_of(request, "Range").starts_with("bytes=0-");
  return is_first && size < chunk_bytes ? Whole::kMoreThanAsked : Whole::kNo;
}

}  // namespace

FakeReply ScheduleStore::answer(HttpRequest request) {
  if (has_no_socket()) return fail_with(TransportError::kConnect);
  if (request.method == Method::kHead) ++counts_.heads;
  StoredObject& object = objects_[std::stoul(key_of(request).substr(1))];
  if (object.is_missing) return oss_error(404, "NoSuchKey");
  maybe_change(object);
  const StoredVersion& now = object.now();
  maybe_ignore_if_match(now, request);
  if (shape_.faults != 0 && chance_.one_in(shape_.one_fault_in)) {
    const unsigned kind = 1u << chance_.below(kFaultKinds);
    if (shape_.has(static_cast<Fault>(kind)))
      return fault(static_cast<Fault>(kind), now.fake, request);
  }
  FakeReply reply = right_reply(now.fake, request, shape_.chunk_bytes / (1 + chance_.below(3)));
  if (shape_.slow_one_in != 0 && chance_.one_in(shape_.slow_one_in))
    reply.piece_delay = std::chrono::milliseconds(50 + chance_.below(500));
  if (now.crc && (reply.status == 200 || reply.status == 206))
    reply.with_header("x-oss-hash-crc64ecma", std::to_string(*now.crc));
  return reply;
}

bool ScheduleStore::has_no_socket() {
  if (shape_.no_socket_one_in == 0) return false;
  if (refuses_sockets_ > 0) {
    --refuses_sockets_;
  } else if (chance_.one_in(shape_.no_socket_one_in)) {
    refuses_sockets_ = chance_.below(chance_.one_in(3) ? 80 : 8);
  } else {
    return false;
  }
  ++counts_.refused_sockets;
  return true;
}

void ScheduleStore::maybe_change(StoredObject& object) {
  if (shape_.changes_one_in == 0 || !chance_.one_in(shape_.changes_one_in)) return;
  const bool keeps_etag = shape_.keeps_etag_one_in != 0 && chance_.one_in(shape_.keeps_etag_one_in);
  const std::uint64_t before = object.now().fake.size;
  change_object(object, keeps_etag, shape_.object_chances(), chance_);
  const std::uint64_t after = object.now().fake.size;
  if (after < before) ++counts_.shrunk;
  if (after > before) ++counts_.grown;
  if (keeps_etag) ++counts_.resized_under_one_etag;
}

void ScheduleStore::maybe_ignore_if_match(const StoredVersion& now, HttpRequest& request) {
  const std::string if_match = header_of(request, "If-Match");
  if (shape_.ignores_if_match_one_in == 0 || if_match.empty() ||
      if_match == "\"" + now.fake.etag + "\"" || !chance_.one_in(shape_.ignores_if_match_one_in))
    return;
  ++counts_.other_versions_served;
  for (NameValue& header : request.headers) {
    if (header.name == "If-Match") header.value = "\"" + now.fake.etag + "\"";
  }
}

FakeReply ScheduleStore::right_reply(const FakeObject& object, const HttpRequest& request,
                                     std::size_t piece_bytes) {
  FakeReply reply = serve(object, request, piece_bytes);
  const Whole whole = whole_of(object, request, reply, shape_.chunk_bytes);
  if (whole == Whole::kNo || shape_.answers_whole_one_in == 0 ||
      !chance_.one_in(shape_.answers_whole_one_in))
    return reply;
  ++(whole == Whole::kEmpty     ? counts_.empty_by_200
     : whole == Whole::kAsAsked ? counts_.whole_by_200
                                : counts_.larger_by_200);
  return serve_whole(object, request, piece_bytes);
}

FakeReply ScheduleStore::fault(Fault fault, const FakeObject& object, const HttpRequest& request) {
  FakeReply reply = right_reply(object, request, 1 + shape_.chunk_bytes / 3);
  const bool has_body = !reply.body.empty() && reply.status < 300;
  switch (fault) {
    case kResets:
      return fail_with(TransportError::kReset, chance_.one_in(2));
    case kThrottling:
      return oss_error(503, "SlowDown");
    case kServerErrors:
      return oss_error(500, "InternalError");
    case kNotFound:
      return chance_.one_in(4) ? oss_error(404, "NoSuchKey") : reply;
    case kCutOff:
      if (has_body) reply.reset_after(chance_.below(shape_.chunk_bytes));
      return reply;
    case kShortBody:
      if (has_body && chance_.one_in(2)) reply.body.pop_back();
      return reply;
    case kLongBody:
      if (has_body && chance_.one_in(3)) reply.body.emplace_back("too much");
      return reply;
    case kStalls:
      if (chance_.one_in(2)) reply.body.clear();
      reply.hangs = true;
      reply.head_delay = kStall;
      reply.error = TransportError::kStalled;
      return reply;
    case kWrongCrc:
      return reply;
  }
  return reply;
}

}  // namespace ossmc
