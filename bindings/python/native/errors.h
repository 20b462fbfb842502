// Status codes to Python's exceptions.
#pragma once

#include <nanobind/nanobind.h>

#include "gemvec/gemvec.h"

namespace gemvec_python {

// Raises what gemvec/_errors.py has for the status, with gemvec_last_message(). Must be called on the thread
// that made the call, with the interpreter's lock.
[[noreturn]] void raise(gemvec_status status);

inline void check(gemvec_status status) {
  if (status != GEMVEC_OK) raise(status);
}

}  // namespace gemvec_python
