// A loaded model for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace gemvec_python {

void define_model(nanobind::module_& module);

}  // namespace gemvec_python
