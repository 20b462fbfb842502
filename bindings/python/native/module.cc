// gemvec._gemvec: the C API for Python. What users call is written in Python, in src/gemvec/.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>

#include "errors.h"
#include "gemvec/gemvec.h"
#include "model.h"
#include "tokenizer.h"

namespace nb = nanobind;

namespace {

std::string find_model(const std::optional<std::string>& name) {
  char* path = nullptr;
  gemvec_python::check(gemvec_find_model(name ? name->c_str() : nullptr, &path));
  std::string found(path);
  gemvec_free(path);
  return found;
}

}  // namespace

NB_MODULE(_gemvec, module) {
  nb::set_leak_warnings(false);  // a script may end with a model loaded: that is no news for its user
  gemvec_python::define_tokenizer(module);
  gemvec_python::define_model(module);
  module.def("find_model", &find_model, nb::arg("name").none());
  module.def("version", &gemvec_version);
  module.attr("MAX_TOKENS") = GEMVEC_MAX_TOKENS;
  module.attr("WIDTH") = GEMVEC_WIDTH;
}
