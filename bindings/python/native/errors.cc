#include "errors.h"

namespace gemvec_python {

namespace nb = nanobind;

void raise(gemvec_status status) {
  const nb::str message(gemvec_last_message());
  const nb::object error =
      nb::module_::import_("gemvec._errors").attr("of_status")(gemvec_status_name(status), message);
  PyErr_SetObject(error.type().ptr(), error.ptr());
  throw nb::python_error();
}

}  // namespace gemvec_python
