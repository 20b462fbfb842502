// How a command ends early. Libraries return Result; in a command an error has one way to go, to the
// user, so it travels as an exception to the one place that prints it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "gemvec/result.h"

namespace gemvec::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

class Failure : public std::runtime_error {
 public:
  Failure(int exit_code, const std::string& message) : std::runtime_error(message), exit_code_(exit_code) {}
  // The exit code is 1, or that of the signal if the error is kCancelled.
  explicit Failure(const Error& error);

  [[nodiscard]] int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

template <class T>
T unwrap(Result<T> result) {
  if (!result.ok()) throw Failure(result.error());
  return std::move(result).value();
}

inline void unwrap(const Status& status) {
  if (!status.ok()) throw Failure(status.error());
}

// For errors in what the user asked for on the command line.
template <class T>
T unwrap_usage(Result<T> result) {
  if (!result.ok()) throw Failure(kWrongUsage, result.error().message);
  return std::move(result).value();
}

// Writes data to standard output. Throws Failure if it does not all get there.
void print(std::string_view data);

}  // namespace gemvec::cli
