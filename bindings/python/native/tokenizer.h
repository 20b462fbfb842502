// A tokenizer for Python.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "gemvec/gemvec.h"

namespace gemvec_python {

// Of its own, or of a model that it keeps alive.
using Tokenizer = std::shared_ptr<const gemvec_tokenizer>;

struct TokenizerObject {
  Tokenizer tokenizer;
};

void define_tokenizer(nanobind::module_& module);

}  // namespace gemvec_python
