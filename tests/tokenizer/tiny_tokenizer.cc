#include "tokenizer/tiny_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <limits>

#include "base/utf8.h"

namespace gemvec::testing {

namespace {

namespace json = boost::json;

const std::string kMark = "\xE2\x96\x81";

std::string byte_piece(std::uint8_t byte) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  return std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">";
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// What every tokenizer of the family has.
TinyTokenizer base_tokenizer() {
  TinyTokenizer tokenizer;
  for (const char* special : {"<pad>", "<eos>", "<bos>", "<unk>"}) tokenizer.add_token(special, true);
  tokenizer.add_token("<mask>", false);
  tokenizer.add_token("<start_of_turn>", true);
  tokenizer.add_token("<unused0>", false);
  for (unsigned byte = 0; byte < 256; ++byte)
    tokenizer.add_piece(byte_piece(static_cast<std::uint8_t>(byte)));
  for (int n = 1; n <= 4; ++n) tokenizer.add_token(repeat("\n", n), false);
  for (int n = 1; n <= 3; ++n) tokenizer.add_token(repeat("\t", n), false);
  for (int n = 2; n <= 4; ++n) tokenizer.add_token(repeat(kMark, n), false);
  tokenizer.add_token("<b>", false);
  tokenizer.add_token("</b>", false);
  tokenizer.add_piece(kMark);
  return tokenizer;
}

json::object config() {
  const json::value bos = {{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}};
  const json::value text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json::value eos = {{"SpecialToken", {{"id", "<eos>"}, {"type_id", 0}}}};
  const auto token = [](const char* name, int id) -> json::value {
    return {{"id", name}, {"ids", json::array{id}}, {"tokens", json::array{name}}};
  };
  json::object out;
  out["version"] = "1.0";
  out["truncation"] = nullptr;
  out["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kMark}};
  out["pre_tokenizer"] = {{"type", "Split"},
                          {"pattern", {{"String", " "}}},
                          {"behavior", "MergedWithPrevious"},
                          {"invert", false}};
  out["post_processor"] = {{"type", "TemplateProcessing"},
                           {"single", json::array{bos, text, eos}},
                           {"special_tokens", {{"<bos>", token("<bos>", 2)}, {"<eos>", token("<eos>", 1)}}}};
  return out;
}

}  // namespace

std::int32_t TinyTokenizer::add_piece(const std::string& piece) {
  const auto [place, is_new] = ids_.try_emplace(piece, static_cast<std::int32_t>(pieces.size()));
  if (is_new) pieces.push_back(piece);
  return place->second;
}

void TinyTokenizer::add_merge(const std::string& left, const std::string& right) {
  merges.emplace_back(left, right);
  add_piece(left + right);
}

void TinyTokenizer::add_token(const std::string& content, bool special) {
  added.push_back({content, add_piece(content), special});
}

json::value TinyTokenizer::json(bool legacy_merges) const {
  json::object out = config();
  json::array tokens;
  for (const Added& token : added) {
    tokens.push_back({{"id", token.id},
                      {"content", token.content},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", token.special}});
  }
  out["added_tokens"] = tokens;
  json::object vocab;
  for (std::size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id]] = id;
  json::array pairs;
  for (const auto& [left, right] : merges) {
    if (legacy_merges) {
      pairs.emplace_back(fmt::format("{} {}", left, right));
    } else {
      pairs.push_back(json::array{left, right});
    }
  }
  out["model"] = {{"type", "BPE"},
                  {"dropout", nullptr},
                  {"unk_token", "<unk>"},
                  {"continuing_subword_prefix", nullptr},
                  {"end_of_word_suffix", nullptr},
                  {"fuse_unk", true},
                  {"byte_fallback", true},
                  {"ignore_merges", false}};
  out["model"].as_object()["vocab"] = vocab;
  out["model"].as_object()["merges"] = pairs;
  return out;
}

std::string TinyTokenizer::text(bool legacy_merges) const { return json::serialize(json(legacy_merges)); }

TinyTokenizer tiny_tokenizer() {
  TinyTokenizer tokenizer = base_tokenizer();
  for (const char* character :
       {"h", "e", "l", "o", "w", "r", "d", "<", ">", "b", "s", "\xC3\xA9", "\xE7\x95\x8C", "\xEF\xBF\xBD"}) {
    tokenizer.add_piece(character);
  }
  const std::pair<std::string, std::string> merges[] = {
      {"l", "l"}, {"h", "e"},   {"ll", "o"},  {"he", "llo"},         {kMark, "w"},  {"o", "r"},
      {"l", "d"}, {"or", "ld"}, {kMark, "h"}, {kMark + "w", "orld"}, {kMark, kMark}};
  for (const auto& [left, right] : merges) tokenizer.add_merge(left, right);
  tokenizer.added.push_back({"<image_soft_token>", static_cast<std::int64_t>(tokenizer.pieces.size()), true});
  return tokenizer;
}

namespace {

// The symbols that merges are made of, and for a dense vocabulary all pairs of them.
std::vector<std::string> merge_parts(Merges merges) {
  if (merges == Merges::kDense) return {"a", "b", "aa", "ab", "ba", "bb"};
  std::vector<std::string> parts = {kMark, "a", "b", "c", "<", ">", "é", "界", "😀"};
  if (merges == Merges::kBytes) {
    for (const std::uint8_t byte : {0xD0, 0x96, 0xFF}) parts.push_back(byte_piece(byte));
  }
  return parts;
}

}  // namespace

TinyTokenizer random_tokenizer(std::mt19937& bits, Merges kind) {
  TinyTokenizer tokenizer = base_tokenizer();
  std::vector<std::string> parts = merge_parts(kind);
  for (const std::string& part : parts) tokenizer.add_piece(part);
  const auto is_part = [&](const std::string& text) {
    return std::find(parts.begin(), parts.end(), text) != parts.end();
  };
  // Longer pieces first grow from the symbols; then some of all ways to make them become merges.
  for (int i = 0; i < 40; ++i) {
    std::string made = parts[bits() % parts.size()];
    made += parts[bits() % parts.size()];
    if (made.size() < 40 && !is_part(made)) parts.push_back(made);
  }
  std::vector<std::pair<std::string, std::string>> merges;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (std::size_t cut = 1; cut < parts[i].size(); ++cut) {
      std::pair<std::string, std::string> merge(parts[i].substr(0, cut), parts[i].substr(cut));
      if (is_part(merge.first) && is_part(merge.second) && (kind == Merges::kDense || bits() % 8 != 0))
        merges.push_back(std::move(merge));
    }
  }
  for (std::size_t i = merges.size(); i > 1; --i) std::swap(merges[i - 1], merges[bits() % i]);
  for (const auto& [left, right] : merges) {
    tokenizer.add_piece(left);
    tokenizer.add_piece(right);
    tokenizer.add_merge(left, right);
  }
  return tokenizer;
}

namespace {

bool is_control(const TinyTokenizer::Added& token) {
  return token.special || token.content == "<mask>" || token.content == "<unused0>";
}

// The symbols of the part of a text that has no added token.
void append_symbols(const TinyTokenizer& tokenizer, std::string_view text, std::size_t begin, std::size_t end,
                    std::vector<ReferenceToken>& out) {
  for (std::size_t at = begin; at < end;) {
    const base::CodePoint code_point = base::decode_utf8(text, at);
    std::string piece(code_point.valid ? text.substr(at, code_point.size) : "\xEF\xBF\xBD");
    if (piece == " ") piece = kMark;
    if (tokenizer.has(piece)) {
      out.push_back({tokenizer.id(piece), at, at + code_point.size});
    } else {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        const std::size_t from = code_point.valid ? at + i : (i == 0 ? at : at + code_point.size);
        const std::size_t to = code_point.valid ? at + i + 1 : at + code_point.size;
        out.push_back({tokenizer.id(byte_piece(static_cast<std::uint8_t>(piece[i]))), from, to});
      }
    }
    at += code_point.size;
  }
}

void merge_all(const TinyTokenizer& tokenizer, std::vector<ReferenceToken>& tokens) {
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> rank_of;
  for (std::size_t rank = 0; rank < tokenizer.merges.size(); ++rank) {
    const auto& [left, right] = tokenizer.merges[rank];
    rank_of[{tokenizer.id(left), tokenizer.id(right)}] = rank;
  }
  while (true) {
    constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::size_t best = kNone, place = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto found = rank_of.find({tokens[i].id, tokens[i + 1].id});
      if (found == rank_of.end() || found->second >= best) continue;
      best = found->second;
      place = i;
    }
    if (best == kNone) return;
    tokens[place].id = tokenizer.id(tokenizer.merges[best].first + tokenizer.merges[best].second);
    tokens[place].end = tokens[place + 1].end;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

}  // namespace

std::vector<ReferenceToken> reference_encode(const TinyTokenizer& tokenizer, std::string_view text,
                                             bool parse_control) {
  std::vector<ReferenceToken> out;
  const auto table = static_cast<std::int64_t>(tokenizer.pieces.size());
  std::size_t gap = 0;  // where the text without added tokens began
  const auto close_gap = [&](std::size_t end) {
    std::vector<ReferenceToken> tokens;
    append_symbols(tokenizer, text, gap, end, tokens);
    merge_all(tokenizer, tokens);
    out.insert(out.end(), tokens.begin(), tokens.end());
  };
  for (std::size_t at = 0; at < text.size();) {
    const TinyTokenizer::Added* best = nullptr;
    for (const TinyTokenizer::Added& token : tokenizer.added) {
      if (token.id >= table || (!parse_control && is_control(token))) continue;
      if (text.substr(at).starts_with(token.content) &&
          (best == nullptr || token.content.size() > best->content.size())) {
        best = &token;
      }
    }
    if (best == nullptr) {
      at += base::decode_utf8(text, at).size;
      continue;
    }
    close_gap(at);
    out.push_back({static_cast<std::int32_t>(best->id), at, at + best->content.size()});
    at += best->content.size();
    gap = at;
  }
  close_gap(text.size());
  return out;
}

}  // namespace gemvec::testing
