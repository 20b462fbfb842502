#include "arrays.h"

#include <string>

namespace gemvec_python {

gemvec_text text_of(nb::handle object, const char* what) {
  if (!PyUnicode_Check(object.ptr())) {
    const nb::str name(object.type().attr("__name__"));
    PyErr_Format(PyExc_TypeError, "%s: expected str, got %s", what, name.c_str());
    throw nb::python_error();
  }
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
  if (data == nullptr) throw nb::python_error();
  return {data, static_cast<size_t>(size)};
}

Texts::Texts(nb::sequence sequence) : objects_(sequence) {
  const size_t count = nb::len(objects_);
  texts_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const nb::handle object = objects_[i];
    const bool is_text = PyUnicode_Check(object.ptr());
    texts_.push_back(text_of(object, is_text ? "" : ("inputs[" + std::to_string(i) + "]").c_str()));
  }
}

namespace {

// Keeps a result alive as long as an array looks into it.
nb::capsule owner_of(const Result& result) {
  return nb::capsule(new Result(result),
                     [](void* pointer) noexcept { delete static_cast<Result*>(pointer); });
}

template <class T>
nb::object matrix(const Result& result, T* data, size_t rows, size_t columns) {
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<2>>(data, {rows, columns}, owner_of(result)));
}

}  // namespace

nb::tuple arrays_of(const Result& result) {
  gemvec_result* pointer = result.get();
  const size_t count = gemvec_result_count(pointer);
  nb::object vectors = nb::none();
  nb::object tokens = nb::none();
  nb::object offsets = nb::none();
  nb::object texts = nb::none();
  if (float* data = gemvec_result_vectors(pointer)) {
    vectors = matrix(result, data, count, gemvec_result_dim(pointer));
  }
  if (float* data = gemvec_result_tokens(pointer)) {
    tokens = matrix(result, data, gemvec_result_token_rows(pointer), GEMVEC_WIDTH);
  }
  if (const size_t* data = gemvec_result_offsets(pointer)) {
    offsets =
        nb::cast(nb::ndarray<nb::numpy, const size_t, nb::ndim<1>>(data, {count + 1}, owner_of(result)));
  }
  if (const gemvec_text_info* data = gemvec_result_texts(pointer)) {
    static_assert(sizeof(gemvec_text_info) == 4 * sizeof(uint32_t));
    texts = matrix(result, reinterpret_cast<const uint32_t*>(data), count, 4);
  }
  return nb::make_tuple(vectors, tokens, offsets, texts);
}

}  // namespace gemvec_python
