#include "capi/status.h"

#include <fmt/format.h>

#include "gemvec/diagnostics.h"

namespace gemvec::capi {

namespace {

// Of the last call on this thread that failed. `fixed` is used if there was no memory for `text`.
struct Message {
  std::string text;
  const char* fixed = nullptr;
};
thread_local Message last_message;

gemvec_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return GEMVEC_INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return GEMVEC_NOT_FOUND;
    case ErrorCode::kBadFormat:
      return GEMVEC_BAD_FORMAT;
    case ErrorCode::kUnsupported:
      return GEMVEC_UNSUPPORTED;
    case ErrorCode::kTooLong:
      return GEMVEC_TOO_LONG;
    case ErrorCode::kCancelled:
      return GEMVEC_CANCELLED;
    case ErrorCode::kIo:
    case ErrorCode::kUnauthorized:  // these three are of downloads, which the C API does not make
    case ErrorCode::kNetwork:
    case ErrorCode::kChecksum:
      return GEMVEC_IO;
    case ErrorCode::kInternal:
      break;
  }
  return GEMVEC_INTERNAL;
}

}  // namespace

gemvec_status fail(gemvec_status status, std::string_view message) noexcept {
  try {
    last_message.text = message;
    last_message.fixed = nullptr;
  } catch (...) {
    last_message.fixed = "Memory ran out, also for the message.";
  }
  return status;
}

gemvec_status fail(const Error& error) noexcept { return fail(status_of(error.code), error.message); }

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Error null(const char* argument) { return invalid(fmt::format("{}: is NULL.", argument)); }

Error wrong_size(const char* name, std::size_t size, std::size_t known) {
  return invalid(fmt::format("{}.struct_size {}: expected sizeof({}), at most {} in this library.", name,
                             size, name, known));
}

Result<std::string_view> view(const gemvec_text& text, const char* name) {
  if (text.data == nullptr && text.size != 0) {
    return invalid(fmt::format("{}: data is NULL, but size is {}.", name, text.size));
  }
  return std::string_view(text.data, text.size);
}

char* copy_for_caller(std::string_view text) {
  char* copy = new char[text.size() + 1];
  if (!text.empty()) std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

}  // namespace gemvec::capi

uint32_t gemvec_abi_version(void) { return GEMVEC_ABI_VERSION; }

const char* gemvec_version(void) {
  try {
    static const std::string version = gemvec::version();
    return version.c_str();
  } catch (...) {
    return "";
  }
}

const char* gemvec_status_name(int32_t status) {
  static const char* const names[] = {
      "ok",          "invalid argument", "not found", "input or output", "bad format",
      "unsupported", "too long",         "cancelled", "out of memory",   "internal"};
  if (status < GEMVEC_OK || status > GEMVEC_INTERNAL) return "unknown";
  return names[status];
}

const char* gemvec_last_message(void) {
  const auto& message = gemvec::capi::last_message;
  return message.fixed != nullptr ? message.fixed : message.text.c_str();
}

void gemvec_free(void* memory) { delete[] static_cast<char*>(memory); }
