// The keys of a GGUF file, read one by one, with messages that say which file, which key, what was expected
// and what was found.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/gguf.h"
#include "gemvec/result.h"

namespace gemvec::source {

class GgufFields {
 public:
  // Keys are named without `prefix` ("gemma-embedding.") below. `gguf` must outlive this.
  GgufFields(const formats::Gguf& gguf, std::string_view file, std::string_view prefix)
      : gguf_(gguf), file_(file), prefix_(prefix) {}

  // nullptr if there is none.
  [[nodiscard]] const formats::GgufValue* find(std::string_view key) const { return gguf_.find(full(key)); }

  // Each of these needs the key. Errors: kBadFormat.
  [[nodiscard]] Result<std::uint64_t> whole_number(std::string_view key, std::uint64_t min,
                                                   std::uint64_t max) const;
  // In (min, max].
  [[nodiscard]] Result<double> number(std::string_view key, double min, double max) const;
  [[nodiscard]] Result<std::string_view> text(std::string_view key) const;

  // kUnsupported unless the key is absent or has this value; or has another type, which is kBadFormat.
  [[nodiscard]] Status absent_or(std::string_view key, bool value) const;
  [[nodiscard]] Status absent_or(std::string_view key, std::uint64_t value) const;
  [[nodiscard]] Status absent_or(std::string_view key, float value) const;

  // "FILE: KEY: expected WHAT, found VALUE."
  [[nodiscard]] Error expected(std::string_view key, std::string_view what,
                               ErrorCode code = ErrorCode::kBadFormat) const;

 private:
  [[nodiscard]] std::string full(std::string_view key) const { return prefix_ + std::string(key); }

  const formats::Gguf& gguf_;
  std::string file_, prefix_;
};

}  // namespace gemvec::source
