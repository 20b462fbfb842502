// What every function of the C API does at its edge: results and exceptions to status codes and a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "gemvec/gemvec.h"
#include "gemvec/result.h"

namespace gemvec::capi {

// Remembers the message for gemvec_last_message() of this thread; returns the status. Throws nothing: if
// there is no memory for the message, that is the message.
gemvec_status fail(gemvec_status status, std::string_view message) noexcept;
gemvec_status fail(const Error& error) noexcept;

// Runs `body`, which returns a Status; whatever it throws becomes a status too.
template <class Body>
gemvec_status guarded(Body&& body) noexcept {
  try {
    const Status status = std::forward<Body>(body)();
    return status.ok() ? GEMVEC_OK : fail(status.error());
  } catch (const std::bad_alloc&) {
    return fail(GEMVEC_NO_MEMORY, "Memory ran out.");
  } catch (const std::length_error&) {  // a size that no memory could hold
    return fail(GEMVEC_NO_MEMORY, "Memory ran out.");
  } catch (const std::exception& error) {
    return fail(GEMVEC_INTERNAL, error.what());
  } catch (...) {
    return fail(GEMVEC_INTERNAL, "An unknown exception.");
  }
}

// An error of an argument.
Error invalid(std::string message);
// "argument: is NULL."
Error null(const char* argument);
// "name.struct_size 12: expected ..."
Error wrong_size(const char* name, std::size_t size, std::size_t known);

// A struct of options as this library knows it: what the caller's header did not have yet is zero.
template <class Options>
Result<Options> read_options(const Options* given, const char* name) {
  Options options{};
  if (given != nullptr) {
    const std::size_t size = given->struct_size;
    if (size < sizeof(std::size_t) || size > sizeof(Options)) return wrong_size(name, size, sizeof(Options));
    std::memcpy(&options, given, size);
  }
  options.struct_size = sizeof(Options);
  return options;
}

// Errors: kInvalidArgument (`data` is NULL, but `size` is not 0).
Result<std::string_view> view(const gemvec_text& text, const char* name);

// A copy that gemvec_free() frees, with a zero byte behind it. For guarded(): std::bad_alloc.
char* copy_for_caller(std::string_view text);

}  // namespace gemvec::capi
