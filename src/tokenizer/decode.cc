// Pieces one after the other, the space mark as a space, and runs of byte tokens as the characters they
// spell.
#include "tokenizer/decode.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/utf8.h"

namespace gemvec::tokenizer {

namespace {

// What the release's tokenizer.json marks as special. Named here, because files of other formats mark more
// (GGUF has <unused0> and <mask> as control tokens), and the same ids should give the same text.
constexpr std::array<std::string_view, 9> kSpecial = {"<pad>",
                                                      "<eos>",
                                                      "<bos>",
                                                      "<unk>",
                                                      "<start_of_turn>",
                                                      "<end_of_turn>",
                                                      "<start_of_image>",
                                                      "<end_of_image>",
                                                      "<image_soft_token>"};

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const base::CodePoint point = base::decode_utf8(bytes, at);
    if (!point.valid) return false;
    at += point.size;
  }
  return true;
}

// The text that ids have given so far; the bytes of a run of byte tokens wait until the run ends.
class Text {
 public:
  void byte(char value) { bytes_.push_back(value); }

  void piece(std::string_view piece) {
    end_run();
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t mark = std::min(piece.find(kSpaceMarkUtf8, at), piece.size());
      text_.append(piece.substr(at, mark - at));
      if (mark < piece.size()) text_.push_back(' ');
      at = mark + kSpaceMarkUtf8.size();
    }
  }

  std::string take() {
    end_run();
    return std::move(text_);
  }

 private:
  // A run that is not UTF-8 has one U+FFFD for each of its bytes, the valid ones too.
  void end_run() {
    if (is_utf8(bytes_)) {
      text_.append(bytes_);
    } else {
      for (std::size_t i = 0; i < bytes_.size(); ++i) text_.append(kReplacement);
    }
    bytes_.clear();
  }

  std::string text_, bytes_;
};

}  // namespace

bool is_special(const Tables& tables, std::int32_t id) {
  if (id < 0 || static_cast<std::size_t>(id) >= tables.vocab_size()) return false;
  return std::find(kSpecial.begin(), kSpecial.end(), tables.piece(id)) != kSpecial.end();
}

std::string decode(const Tables& tables, std::span<const std::int32_t> ids, bool skip_special) {
  Text text;
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tables.vocab_size()) continue;
    if (skip_special && is_special(tables, id)) continue;
    const auto byte = std::find(tables.byte_id.begin(), tables.byte_id.end(), id);
    if (byte != tables.byte_id.end()) {
      text.byte(static_cast<char>(byte - tables.byte_id.begin()));
    } else {
      text.piece(tables.piece(id));
    }
  }
  return text.take();
}

}  // namespace gemvec::tokenizer
