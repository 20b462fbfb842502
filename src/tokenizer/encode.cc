// One text -> token ids: one pass over the bytes that finds added tokens, turns everything else into
// symbols, and hands each run of symbols that can be tokenised on its own to the merger.
#include "tokenizer/encode.h"

#include <fmt/format.h>

#include <limits>

#include "base/utf8.h"
#include "tokenizer/merge.h"

namespace gemvec::tokenizer {

namespace {

// Takes all tokens of a text in order, counts them, and keeps those that truncation leaves.
class TokenSink {
 public:
  TokenSink(const Tables& tables, const TokenizeOptions& options)
      : eos_(tables.eos), with_bos_eos_(options.add_bos_eos), with_offsets_(options.offsets) {
    keep_left_ = options.truncate == Truncate::kLeft;
    if (options.max_tokens != 0) limit_ = options.max_tokens - (with_bos_eos_ ? 2 : 0);
    if (with_bos_eos_) append(tables.bos, 0, 0);
  }

  // The next token, which stands for the next `bytes` bytes of the text.
  void add(std::int32_t id, std::size_t bytes) {
    if (content_ < limit_ || keep_left_) append(id, at_, at_ + bytes);
    at_ += bytes;
    ++content_;
    // What truncation on the left drops is dropped in large steps, so that a long text needs no more
    // memory for its ids than the tokens that remain.
    if (keep_left_ && out_.ids.size() > kDropStep && out_.ids.size() / 2 > limit_) drop_left();
  }

  Encoding finish() {
    if (keep_left_) drop_left();
    if (with_bos_eos_) append(eos_, at_, at_);
    out_.total_tokens = content_ + (with_bos_eos_ ? 2 : 0);
    out_.truncated = content_ > limit_;
    return std::move(out_);
  }

 private:
  static constexpr std::size_t kDropStep = 8192;  // tokens; any number that makes dropping rare

  void append(std::int32_t id, std::size_t begin, std::size_t end) {
    out_.ids.push_back(id);
    if (with_offsets_) out_.offsets.push_back({begin, end});
  }

  void drop_left() {
    const std::size_t first = with_bos_eos_ ? 1 : 0;
    if (out_.ids.size() - first <= limit_) return;
    const auto begin = static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(out_.ids.size() - first - limit_);
    out_.ids.erase(out_.ids.begin() + begin, out_.ids.begin() + end);
    if (with_offsets_) out_.offsets.erase(out_.offsets.begin() + begin, out_.offsets.begin() + end);
  }

  std::int32_t eos_;
  bool with_bos_eos_, with_offsets_, keep_left_ = false;
  std::size_t limit_ = std::numeric_limits<std::size_t>::max();  // tokens beside BOS and EOS
  std::size_t content_ = 0;                                      // tokens so far beside BOS and EOS
  std::size_t at_ = 0;                                           // bytes of the text covered so far
  Encoding out_;
};

class Encoder {
 public:
  Encoder(const Tables& tables, std::string_view text, const TokenizeOptions& options)
      : tables_(tables),
        text_(text),
        parse_control_(options.control_text == ControlText::kParse),
        run_(tables),
        sink_(tables, options) {}

  Encoding encode() {
    std::size_t at = 0;
    while (at < text_.size()) {
      const auto byte = static_cast<std::uint8_t>(text_[at]);
      if (tables_.added.starts[byte] != 0) {
        const AddedTokens::Match match = tables_.added.longest(text_, at, parse_control_);
        if (match.size != 0) {
          flush();
          sink_.add(match.token, match.size);
          at += match.size;
          continue;
        }
      }
      at += byte < 0x80 ? add_code_point({byte, 1, true}, at)
                        : add_code_point(base::decode_utf8(text_, at), at);
    }
    flush();
    Encoding encoding = sink_.finish();
    encoding.invalid_sequences = invalid_;
    return encoding;
  }

 private:
  // Returns the number of bytes taken.
  std::size_t add_code_point(base::CodePoint code_point, std::size_t at) {
    if (!code_point.valid) ++invalid_;
    const std::int32_t id = tables_.chars.find(code_point.value);
    if (id == kNoToken) {
      add_bytes(code_point, at);
      return code_point.size;
    }
    const char32_t symbol = code_point.value == kSpaceMark ? U' ' : code_point.value;
    if (!run_.empty() && can_cut(last_symbol_, symbol)) flush();
    run_.push(id, code_point.size);
    last_symbol_ = symbol;
    return code_point.size;
  }

  // The UTF-8 bytes of a code point that the vocabulary lacks, each as its own symbol.
  void add_bytes(base::CodePoint code_point, std::size_t at) {
    constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";
    const std::string_view bytes = code_point.valid ? text_.substr(at, code_point.size) : kReplacementUtf8;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (!run_.empty() && can_cut(last_symbol_, kByteSymbol)) flush();
      // The first byte of a replacement character covers all the bytes that were replaced.
      const std::size_t covered = code_point.valid ? 1 : (i == 0 ? code_point.size : 0);
      run_.push(tables_.byte_id[static_cast<std::uint8_t>(bytes[i])], static_cast<std::uint16_t>(covered));
      last_symbol_ = kByteSymbol;
    }
  }

  // Whether no merge can ever join these neighbours: see JunctionSet. Junctions are sets of code
  // points, so beside a byte symbol all merges count or none: if no merge has a byte token as a part,
  // a byte symbol stays alone for ever; if one has, we never cut there.
  [[nodiscard]] bool can_cut(char32_t left, char32_t right) const {
    if (left == kByteSymbol || right == kByteSymbol) return !tables_.bytes_merge;
    return !tables_.junctions.contains(left, right);
  }

  void flush() {
    run_.merge();
    for (std::size_t i = 0; i < run_.size(); ++i) sink_.add(run_.ids()[i], run_.bytes()[i]);
    run_.clear();
  }

  const Tables& tables_;
  std::string_view text_;
  bool parse_control_;
  SymbolRun run_;
  TokenSink sink_;
  char32_t last_symbol_ = 0;  // the last code point in run_ (' ' for the space mark), or kByteSymbol
  std::size_t invalid_ = 0;
};

}  // namespace

Result<Encoding> encode(const Tables& tables, std::string_view text, const TokenizeOptions& options) {
  if (options.max_tokens == 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "max_tokens must be 0 (no limit) or at least 2 (BOS and EOS), but is 1."};
  }
  Encoding encoding = Encoder(tables, text, options).encode();
  if (encoding.truncated && options.truncate == Truncate::kError) {
    return Error{ErrorCode::kTooLong, fmt::format("The text has {} tokens, and the limit is {}.",
                                                  encoding.total_tokens, options.max_tokens)};
  }
  return encoding;
}

}  // namespace gemvec::tokenizer
