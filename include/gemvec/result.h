// Result<T>: a value or an Error. Everything in gemvec that can fail returns one.
//
// Libraries of gemvec never print, never abort and let no exception of their own escape.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace gemvec {

enum class ErrorCode {
  kInvalidArgument,  // the caller asked for something that does not exist (task, dimension, id)
  kNotFound,         // a file or folder is not there
  kIo,               // the operating system refused: permissions, disk full, closed pipe
  kBadFormat,        // a file is damaged or is not what it claims to be
  kUnsupported,      // valid, but not something this build or machine can do
  kTooLong,          // a text exceeds the token limit and Truncate::kError was asked for
  kUnauthorized,     // the model hub wants a token or an accepted licence
  kNetwork,          // a download failed
  kChecksum,         // bytes arrived, but they are not the expected ones
  kCancelled,        // the caller asked to stop
  kInternal,         // a bug in gemvec: please report it
};

// `message` is one complete sentence for a person: it names the file or argument, the field, and
// what was expected.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok()
  T& value() & { return assert(ok()), *std::get_if<0>(&state_); }
  const T& value() const& { return assert(ok()), *std::get_if<0>(&state_); }
  T&& value() && { return assert(ok()), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok()
  const Error& error() const& { return assert(!ok()), *std::get_if<1>(&state_); }
  Error&& error() && { return assert(!ok()), std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success or an Error, without a value.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }

  // REQUIRES: !ok()
  const Error& error() const& { return assert(!ok_), error_; }
  Error&& error() && { return assert(!ok_), std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace gemvec
