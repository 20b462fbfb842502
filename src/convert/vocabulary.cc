#include "convert/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>
#include <iterator>
#include <string_view>
#include <unordered_map>

namespace gemvec::convert {

namespace {

using tokenizer::Tables;

struct Added {
  std::int32_t id = 0;
  bool is_control = false;
};

// The added tokens in the order of their ids.
std::vector<Added> added_tokens(const Tables& tables) {
  std::vector<Added> added;
  for (const auto& node : tables.added.node) {
    if (node.token != tokenizer::kNoToken) added.push_back({node.token, node.is_control != 0});
  }
  std::sort(added.begin(), added.end(), [](const Added& a, const Added& b) { return a.id < b.id; });
  return added;
}

std::string with_spaces(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    const bool mark = piece.starts_with(tokenizer::kSpaceMarkUtf8);
    text += mark ? ' ' : piece.front();
    piece.remove_prefix(mark ? tokenizer::kSpaceMarkUtf8.size() : 1);
  }
  return text;
}

std::string json_string(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

// The release's flag. Some of the strings that no text may contain as control tokens are not special there.
bool is_special(std::string_view content) {
  return content != "<mask>" && content != "[multimodal]" && !content.starts_with("<unused");
}

void append_added(std::string& out, const Tables& tables) {
  auto to = std::back_inserter(out);
  bool first = true;
  for (const Added& added : added_tokens(tables)) {
    const std::string_view content = tables.piece(added.id);
    fmt::format_to(to,
                   "{}\n    {{\"id\": {}, \"content\": {}, \"single_word\": false, \"lstrip\": false, "
                   "\"rstrip\": false, \"normalized\": false, \"special\": {}}}",
                   first ? "" : ",", added.id, json_string(content), added.is_control && is_special(content));
    first = false;
  }
}

void append_vocabulary(std::string& out, const Tables& tables) {
  auto to = std::back_inserter(out);
  for (std::size_t id = 0; id < tables.vocab_size(); ++id) {
    fmt::format_to(to, "{}\n      {}: {}", id == 0 ? "" : ",",
                   json_string(tables.piece(static_cast<std::int32_t>(id))), id);
  }
}

void append_merges(std::string& out, const Tables& tables) {
  constexpr std::uint64_t kIdMask = (std::uint64_t{1} << tokenizer::kIdBits) - 1;
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs(tables.merged.size());  // [rank]
  for (const std::uint64_t slot : tables.pairs.slot) {
    if (slot == tokenizer::PairTable::kFree) continue;
    const std::uint64_t key = slot >> tokenizer::kRankBits;
    pairs[slot & tokenizer::kNoMerge] = {static_cast<std::int32_t>(key >> tokenizer::kIdBits),
                                         static_cast<std::int32_t>(key & kIdMask)};
  }
  auto to = std::back_inserter(out);
  for (std::size_t rank = 0; rank < pairs.size(); ++rank) {
    fmt::format_to(to, "{}\n      [{}, {}]", rank == 0 ? "" : ",",
                   json_string(tables.piece(pairs[rank].first)),
                   json_string(tables.piece(pairs[rank].second)));
  }
}

// <bos> text <eos>, and for pairs of texts the same twice, as in the release.
std::string post_processor(const Tables& tables) {
  const auto part = [](std::string_view kind, std::string_view id, int type) {
    return fmt::format(R"({{"{}": {{"id": "{}", "type_id": {}}}}})", kind, id, type);
  };
  const auto side = [&](std::string_view sequence, int type) {
    return part("SpecialToken", "<bos>", type) + ", " + part("Sequence", sequence, type) + ", " +
           part("SpecialToken", "<eos>", type);
  };
  const auto special = [](std::string_view name, std::int32_t id) {
    return fmt::format(R"("{0}": {{"id": "{0}", "ids": [{1}], "tokens": ["{0}"]}})", name, id);
  };
  return fmt::format(
      R"({{"type": "TemplateProcessing", "single": [{}], "pair": [{}, {}], "special_tokens": {{{}, {}}}}})",
      side("A", 0), side("A", 0), side("B", 1), special("<bos>", tables.bos), special("<eos>", tables.eos));
}

bool has_piece(const Tables& tables, std::string_view piece) {
  for (std::size_t id = 0; id < tables.vocab_size(); ++id) {
    if (tables.piece(static_cast<std::int32_t>(id)) == piece) return true;
  }
  return false;
}

}  // namespace

GgufVocabulary gguf_vocabulary(const Tables& tables, std::size_t size) {
  GgufVocabulary out;
  const std::size_t known = tables.vocab_size();
  out.tokens.reserve(size);
  out.types.assign(size, static_cast<std::int32_t>(TokenType::kUnused));
  for (std::size_t id = 0; id < known; ++id) {
    out.tokens.emplace_back(tables.piece(static_cast<std::int32_t>(id)));
    out.types[id] = static_cast<std::int32_t>(TokenType::kNormal);
  }
  for (std::size_t id = known; id < size; ++id) out.tokens.push_back(fmt::format("[PAD{}]", id));
  const auto set_type = [&](std::int32_t id, TokenType type) {
    out.types[static_cast<std::size_t>(id)] = static_cast<std::int32_t>(type);
  };
  for (const std::int32_t id : tables.byte_id) set_type(id, TokenType::kByte);
  for (const Added& added : added_tokens(tables)) {
    const auto id = static_cast<std::size_t>(added.id);
    if (out.tokens[id] == "<unk>") {
      set_type(added.id, TokenType::kUnknown);
    } else if (added.is_control) {
      set_type(added.id, TokenType::kControl);
    } else {
      set_type(added.id, TokenType::kUserDefined);
      out.tokens[id] = with_spaces(out.tokens[id]);  // these are looked for in the text as it is
    }
  }
  constexpr float kNone = 1;  // no score is above 0
  out.scores.assign(size, kNone);
  std::size_t place = 0;
  const auto score_next = [&](std::size_t id) {
    if (out.scores[id] == kNone) out.scores[id] = -static_cast<float>(place++);
  };
  for (const std::int32_t id : tables.merged) score_next(static_cast<std::size_t>(id));
  for (std::size_t id = 0; id < size; ++id) score_next(id);
  return out;
}

std::size_t merges_not_in_scores(const Tables& tables) {
  std::vector<bool> is_text(tables.vocab_size(), true), is_whole(tables.vocab_size(), true);
  for (const std::int32_t id : tables.byte_id) is_text[static_cast<std::size_t>(id)] = false;
  for (const Added& added : added_tokens(tables)) {
    is_whole[static_cast<std::size_t>(added.id)] = false;  // found in the text before anything is joined
    if (added.is_control) is_text[static_cast<std::size_t>(added.id)] = false;
  }
  std::unordered_map<std::string_view, std::int32_t> ids;
  ids.reserve(tables.vocab_size());
  for (std::size_t id = 0; id < tables.vocab_size(); ++id) {
    if (is_text[id]) ids.emplace(tables.piece(static_cast<std::int32_t>(id)), static_cast<std::int32_t>(id));
  }
  std::size_t count = 0;
  for (const auto& [piece, id] : ids) {
    if (!is_whole[static_cast<std::size_t>(id)]) continue;
    for (std::size_t size = 1; size < piece.size(); ++size) {
      const auto left = ids.find(piece.substr(0, size));
      if (left == ids.end()) continue;
      const auto right = ids.find(piece.substr(size));
      if (right == ids.end()) continue;
      if (tables.pairs.find(left->second, right->second) == tokenizer::kNoMerge) ++count;
    }
  }
  std::vector<bool> is_made(tables.vocab_size());
  for (std::size_t rank = 0; rank < tables.merged.size(); ++rank) {
    const auto id = static_cast<std::size_t>(tables.merged[rank]);
    const bool beside = rank != 0 && tables.merged[rank - 1] == tables.merged[rank];
    if (is_made[id] && !beside && is_whole[id]) ++count;
    is_made[id] = true;
  }
  return count;
}

std::string tokenizer_json(const Tables& tables) {
  std::string out;
  // The release's, with its pieces, has 33 MB; growing by doubling would take twice as much for a moment.
  out.reserve(2 * tables.piece_bytes.size() + (tables.vocab_size() + tables.merged.size()) * 48);
  out += "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [";
  append_added(out, tables);
  out += "\n  ],\n";
  out += R"(  "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},)";
  out += "\n";
  out +=
      R"(  "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", )";
  out += "\"invert\": false},\n  \"post_processor\": " + post_processor(tables) + ",\n";
  out += R"(  "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, )";
  out += R"("content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},)";
  out += "\n";
  out += fmt::format(
      R"(  "model": {{"type": "BPE", "dropout": null, "unk_token": {}, "continuing_subword_prefix": null, )"
      R"("end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,)",
      has_piece(tables, "<unk>") ? "\"<unk>\"" : "null");
  out += "\n    \"vocab\": {";
  append_vocabulary(out, tables);
  out += "\n    },\n    \"merges\": [";
  append_merges(out, tables);
  out += "\n    ]\n  }\n}\n";
  return out;
}

}  // namespace gemvec::convert
