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

}  // namespace

FakeReply ScheduleStore::answer(const HttpRequest& request) {
  if (request.method == Method::kHead) ++counts_.heads;
  const std::string key = key_of(request);
  StoredObject& object = objects_[std::stoul(key.substr(1))];
  if (object.is_missing) return oss_error(404, "NoSuchKey");
  if (shape_.has(kOverwritten) && chance_.one_in(60)) object.fake.etag += "x";
  if (shape_.faults != 0 && chance_.one_in(shape_.one_fault_in)) {
    const unsigned kind = 1u << chance_.below(kFaultKinds);
    if (shape_.has(static_cast<Fault>(kind)))
      return fault(static_cast<Fault>(kind), object, request);
  }
  FakeReply reply = right_reply(object, request, shape_.chunk_bytes / (1 + chance_.below(3)));
  if (shape_.slow_one_in != 0 && chance_.one_in(shape_.slow_one_in))
    reply.piece_delay = std::chrono::milliseconds(50 + chance_.below(500));
  if (object.crc && (reply.status == 200 || reply.status == 206))
    reply.with_header("x-oss-hash-crc64ecma", std::to_string(*object.crc));
  return reply;
}

FakeReply ScheduleStore::right_reply(const StoredObject& object, const HttpRequest& request,
                                     std::size_t piece_bytes) {
  FakeReply reply = serve(object.fake, request, piece_bytes);
  const bool is_whole =
      reply.status == 416 || (reply.status == 206 && size_of(reply) == object.fake.size);
  if (!is_whole || shape_.answers_whole_one_in == 0 || !chance_.one_in(shape_.answers_whole_one_in))
    return reply;
  ++(object.fake.size == 0 ? counts_.empty_by_200 : counts_.whole_by_200);
  return serve_whole(object.fake, request, piece_bytes);
}

FakeReply ScheduleStore::fault(Fault fault, const StoredObject& object,
                               const HttpRequest& request) {
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
    case kOverwritten:
    case kWrongCrc:
    case kInterrupts:
      return reply;
  }
  return reply;
}

}  // namespace ossmc
