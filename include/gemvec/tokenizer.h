// Text -> token ids, exactly as the release's tokenizer.json says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec {

namespace tokenizer {
struct Internals;
}

// What to do with a text of more than `max_tokens` tokens.
enum class Truncate {
  kRight,  // keep the beginning (what sentence-transformers does)
  kLeft,   // keep the end
  kError,  // ErrorCode::kTooLong, naming the number of tokens and the limit
};

// What control strings such as "<bos>" or "<start_of_turn>" mean inside a text.
enum class ControlText {
  kParse,  // they become their control ids, as in the release's own tokenizer (default)
  kText,   // they are ordinary characters: nobody's text can inject BOS, EOS or PAD
};

// Number of tokens the model can look at, BOS and EOS included.
inline constexpr std::size_t kMaxTokens = 2048;

struct TokenizeOptions {
  std::size_t max_tokens = kMaxTokens;  // BOS and EOS included; 0 = no limit; otherwise >= 2
  Truncate truncate = Truncate::kRight;
  ControlText control_text = ControlText::kParse;
  bool add_bos_eos = true;
  bool offsets = false;  // also fill Encoding::offsets
};

// Half-open range of bytes [begin, end) in the text that was given. BOS and EOS have an empty range
// at the text's beginning and end. The byte-fallback tokens of one character each cover their own
// single byte. A byte sequence that is not UTF-8 and was replaced by U+FFFD covers the bytes that
// were replaced.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

struct Encoding {
  std::vector<std::int32_t> ids;      // [tokens], BOS first and EOS last unless add_bos_eos is false
  std::vector<ByteRange> offsets;     // [tokens] if asked for, else empty
  std::size_t total_tokens = 0;       // tokens before truncation, BOS and EOS included
  std::size_t invalid_sequences = 0;  // invalid UTF-8 sequences replaced by U+FFFD
  bool truncated = false;
};

// Immutable after loading: every const method may be called from many threads at once.
class Tokenizer {
 public:
  // Reads a Hugging Face tokenizer.json of the Gemma 3 family (BPE, byte fallback).
  // Errors: kNotFound, kIo, kBadFormat (names the field and what was expected), kUnsupported.
  static Result<Tokenizer> from_file(const std::filesystem::path& tokenizer_json);
  // The same from memory. `name` stands for the file in messages.
  static Result<Tokenizer> from_json(std::string_view json, std::string_view name = "tokenizer.json");

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Invalid UTF-8 is replaced by U+FFFD (one per maximal invalid subpart) and counted, never an error.
  // Time is O(n log n) in the bytes of the text.
  // Errors: kTooLong (Truncate::kError only), kInvalidArgument (max_tokens of 1).
  [[nodiscard]] Result<Encoding> encode(std::string_view text, const TokenizeOptions& options = {}) const;

  // The text that the ids spell, as the release's own library decodes them: pieces one after the other, a run
  // of byte tokens as UTF-8 (if it is not, one U+FFFD for each byte). Ids outside the table spell nothing.
  // skip_special leaves out the ids for which is_special() is true.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;
  // Whether the id is a mark that no text has: <pad>, <eos>, <bos>, <unk>, and those of turns and images.
  [[nodiscard]] bool is_special(std::int32_t id) const;

  // Number of ids the model's embedding table has; every id that encode() gives is below it.
  [[nodiscard]] std::size_t vocab_size() const;
  // The token's string as the vocabulary spells it ("▁" for a space, "<0x0A>" for a byte), or "" if
  // there is no such id.
  [[nodiscard]] std::string_view piece(std::int32_t id) const;

  [[nodiscard]] std::int32_t bos_id() const;
  [[nodiscard]] std::int32_t eos_id() const;
  [[nodiscard]] std::int32_t pad_id() const;

  struct Impl;  // opaque

 private:
  friend struct tokenizer::Internals;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gemvec
