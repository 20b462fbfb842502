#include "tokenizer.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <vector>

#include "arrays.h"
#include "errors.h"

namespace gemvec_python {

namespace {

struct TokensDeleter {
  void operator()(gemvec_tokens* tokens) const { gemvec_tokens_free(tokens); }
};
using Tokens = std::unique_ptr<gemvec_tokens, TokensDeleter>;

TokenizerObject load(const std::string& path, const std::optional<std::string>& cache_dir) {
  gemvec_tokenizer* tokenizer = nullptr;
  gemvec_status status = GEMVEC_OK;
  {
    const nb::gil_scoped_release release;
    status = gemvec_tokenizer_load(path.c_str(), cache_dir ? cache_dir->c_str() : nullptr, &tokenizer);
  }
  check(status);
  return {Tokenizer(tokenizer, [](const gemvec_tokenizer* gone) {
    gemvec_tokenizer_free(const_cast<gemvec_tokenizer*>(gone));
  })};
}

// Lists of ids, one a text.
nb::list tokenize(const TokenizerObject& self, nb::sequence texts, nb::str prompt, uint32_t max_tokens,
                  bool special, bool parse_control) {
  const Tokenizer tokenizer = self.tokenizer;
  const Texts views(texts);
  gemvec_tokenize_options options{};
  options.struct_size = sizeof options;
  options.prompt = text_of(prompt, "prompt");
  options.max_tokens = max_tokens;
  options.no_bos_eos = special ? 0 : 1;
  options.control_text = parse_control ? GEMVEC_CONTROL_PARSE : GEMVEC_CONTROL_TEXT;
  gemvec_tokens* out = nullptr;
  gemvec_status status = GEMVEC_OK;
  {
    const nb::gil_scoped_release release;
    status = gemvec_tokenize(tokenizer.get(), views.data(), views.size(), &options, &out);
  }
  check(status);
  const Tokens tokens(out);
  nb::list lists;
  for (size_t i = 0; i < gemvec_tokens_count(out); ++i) {
    const gemvec_ids ids = gemvec_tokens_ids(out, i);
    nb::list list;
    for (size_t k = 0; k < ids.size; ++k) list.append(ids.data[k]);
    lists.append(list);
  }
  return lists;
}

nb::str decode(const TokenizerObject& self, const std::vector<int32_t>& ids, bool skip_special) {
  char* text = nullptr;
  size_t size = 0;
  check(gemvec_decode(self.tokenizer.get(), {ids.data(), ids.size()}, skip_special ? 1 : 0, &text, &size));
  nb::str result(text, size);
  gemvec_free(text);
  return result;
}

nb::object piece(const TokenizerObject& self, int32_t id) {
  const gemvec_text text = gemvec_piece(self.tokenizer.get(), id);
  if (text.data == nullptr) return nb::none();
  return nb::str(text.data, text.size);
}

}  // namespace

void define_tokenizer(nb::module_& module) {
  nb::class_<TokenizerObject>(module, "Tokenizer")
      .def_static("load", &load, nb::arg("path"), nb::arg("cache_dir").none())
      .def("tokenize", &tokenize, nb::arg("texts"), nb::arg("prompt"), nb::arg("max_tokens"),
           nb::arg("special"), nb::arg("parse_control"))
      .def("decode", &decode, nb::arg("ids"), nb::arg("skip_special"))
      .def("piece", &piece, nb::arg("id"))
      .def("is_special", [](const TokenizerObject& self,
                            int32_t id) { return gemvec_is_special(self.tokenizer.get(), id) != 0; })
      .def("special_id", [](const TokenizerObject& self,
                            int32_t which) { return gemvec_special_id(self.tokenizer.get(), which); })
      .def_prop_ro("vocab_size",
                   [](const TokenizerObject& self) { return gemvec_vocab_size(self.tokenizer.get()); });
}

}  // namespace gemvec_python
