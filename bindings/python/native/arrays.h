// Python's strings and arrays in the C API's terms, without copies where there need be none.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <vector>

#include "gemvec/gemvec.h"

namespace gemvec_python {

namespace nb = nanobind;

// A view of a string, valid as long as the object. Raises UnicodeEncodeError for a lone surrogate, which no
// UTF-8 has, and TypeError, which names `what`, for anything but a string.
gemvec_text text_of(nb::handle object, const char* what);

// The texts of a sequence, which are kept alive: the caller's list may change meanwhile.
class Texts {
 public:
  explicit Texts(nb::sequence sequence);
  [[nodiscard]] const gemvec_text* data() const { return texts_.data(); }
  [[nodiscard]] size_t size() const { return texts_.size(); }

 private:
  nb::tuple objects_;
  std::vector<gemvec_text> texts_;
};

using Result = std::shared_ptr<gemvec_result>;
using Int64Matrix = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// (vectors [count, dim] or None, hidden states [rows, 768] or None, offsets [count + 1] or None,
//  texts' facts [count, 4]), NumPy arrays in the result's own memory.
nb::tuple arrays_of(const Result& result);

}  // namespace gemvec_python
