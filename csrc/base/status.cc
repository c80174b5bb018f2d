#include "base/status.h"

namespace ossmc {

namespace {

// What the accessors of an OK status refer to. Never destroyed: a thread may still look while the
// program ends.
const std::string& empty_message() {
  static const std::string& text = *new std::string;
  return text;
}

const ErrorDetail& empty_detail() {
  static const ErrorDetail& detail = *new ErrorDetail;
  return detail;
}

}  // namespace

Status::Status(StatusCode code, std::string message, ErrorDetail detail) {
  if (code == StatusCode::kOk) return;
  rep_ = std::make_shared<const Rep>(Rep{code, std::move(message), std::move(detail)});
}

const std::string& Status::message() const { return rep_ ? rep_->message : empty_message(); }

const ErrorDetail& Status::detail() const { return rep_ ? rep_->detail : empty_detail(); }

Status Status::with_prefix(std::string_view prefix) const {
  if (is_ok()) return {};
  std::string text(prefix);
  text += ": ";
  text += rep_->message;
  return Status(rep_->code, std::move(text), rep_->detail);
}

Status Status::with_detail(ErrorDetail detail) const {
  if (is_ok()) return {};
  return Status(rep_->code, rep_->message, std::move(detail));
}

std::string_view status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "Ok";
    case StatusCode::kInvalidArgument:
      return "InvalidArgument";
    case StatusCode::kClosed:
      return "Closed";
    case StatusCode::kInterrupted:
      return "Interrupted";
    case StatusCode::kOss:
      return "Oss";
    case StatusCode::kObjectNotFound:
      return "ObjectNotFound";
    case StatusCode::kBucketNotFound:
      return "BucketNotFound";
    case StatusCode::kAccessDenied:
      return "AccessDenied";
    case StatusCode::kCredentials:
      return "Credentials";
    case StatusCode::kObjectChanged:
      return "ObjectChanged";
    case StatusCode::kChecksum:
      return "Checksum";
    case StatusCode::kObjectArchived:
      return "ObjectArchived";
    case StatusCode::kThrottled:
      return "Throttled";
    case StatusCode::kServer:
      return "Server";
    case StatusCode::kTransferTimeout:
      return "TransferTimeout";
    case StatusCode::kConnect:
      return "Connect";
    case StatusCode::kProtocol:
      return "Protocol";
    case StatusCode::kMemoryBudget:
      return "MemoryBudget";
    case StatusCode::kInternal:
      return "Internal";
  }
  return "Unknown";
}

}  // namespace ossmc
