// GEMVEC_TRY(name, expression): `auto name = *expression`, or return its error from this function.
// GEMVEC_CHECK_OK(expression): return its error from this function.
#pragma once

#include <utility>

#include "gemvec/result.h"

#define GEMVEC_CONCAT_(a, b) a##b
#define GEMVEC_CONCAT(a, b) GEMVEC_CONCAT_(a, b)

#define GEMVEC_TRY(name, expression) GEMVEC_TRY_(name, expression, GEMVEC_CONCAT(try_, __LINE__))
#define GEMVEC_TRY_(name, expression, temporary)            \
  auto temporary = (expression);                            \
  if (!temporary.ok()) return std::move(temporary).error(); \
  auto name = std::move(temporary).value()

#define GEMVEC_CHECK_OK(expression)                                                 \
  do {                                                                              \
    if (auto status = (expression); !status.ok()) return std::move(status).error(); \
  } while (false)
