// Status and Result: how every floor of the core reports an outcome. No exception crosses a floor.
//
// A Status is a small value: OK costs one null pointer; an error shares an immutable detail record,
// so copying it between threads is safe and cheap. Texts never contain secrets: whoever builds one
// passes redacted words only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace ossmc {

// What went wrong, in the terms of the public error tree (one Python class each; the table is in
// bindings/).
enum class StatusCode : std::uint8_t {
  kOk = 0,
  kInvalidArgument,  // ValueError
  kClosed,           // ValueError: use after close
  kInterrupted,      // the caller's Interrupt asked to stop; a Python exception is already set
  kOss,              // OssError: any other 4xx
  kObjectNotFound,
  kBucketNotFound,
  kAccessDenied,
  kCredentials,
  kObjectChanged,
  kChecksum,
  kObjectArchived,
  kThrottled,
  kServer,
  kTransferTimeout,
  kConnect,
  kProtocol,
  kMemoryBudget,
  kInternal,  // a bug of ours
};

// The facts about a failed request that an error carries besides its text. Empty or 0: not known.
struct ErrorDetail {
  std::string uri;         // oss://bucket/key
  int http_status = 0;     // status line of the last reply
  std::string error_code;  // the store's own code word, e.g. NoSuchKey
  std::string ec;          // the store's diagnostic number, e.g. 0026-00000001
  std::string request_id;
  int attempts = 0;  // exchanges made for this request
  int os_errno = 0;  // of the system call that ended the connection
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message, ErrorDetail detail = {});

  static Status ok() { return {}; }

  bool is_ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  const std::string& message() const;
  const ErrorDetail& detail() const;

  // The same error seen from further up: `operation` is put before the text.
  Status with_prefix(std::string_view prefix) const;
  Status with_detail(ErrorDetail detail) const;

 private:
  struct Rep {
    StatusCode code;
    std::string message;
    ErrorDetail detail;
  };
  std::shared_ptr<const Rep> rep_;
};

std::string_view status_code_name(StatusCode code);

// A caller's argument does not hold.
inline Status invalid_argument(std::string message) {
  return Status(StatusCode::kInvalidArgument, std::move(message));
}

// Either a T or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit, so that a function can return either as it is.
  Result(T value) : held_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : held_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool is_ok() const { return std::holds_alternative<T>(held_); }
  Status status() const { return is_ok() ? Status::ok() : std::get<Status>(held_); }
  // REQUIRES: is_ok().
  T& value() & { return std::get<T>(held_); }
  const T& value() const& { return std::get<T>(held_); }
  T&& value() && { return std::get<T>(std::move(held_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> held_;
};

}  // namespace ossmc
