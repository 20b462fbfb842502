#include "support/tiny_tokenizer.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemvec::testing {

namespace {

constexpr std::string_view kSpace = "▁";
constexpr int kLongestRun = 31;

// In the order of their ids, 168..237: each row's opening tags, then its closing tags.
const std::vector<std::vector<std::string>> kTags = {
    {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"},
    {"h1", "h2", "h3", "h4", "h5", "h6", "blockquote"},
    {"strong", "em", "b", "i", "u", "s", "sub", "sup", "code"},
    {"a", "html", "body", "img", "span", "bbox", "ul", "li", "div", "iframe", "footer"},
};

const std::vector<std::string> kCharacters = {
    "▁", "e", "t", "a", "o", "i", "n", "s", "r", "h", "l", "d", "c", "u", "m", "f",  "p",  "g", "w",
    "y", "b", "v", "k", "x", "j", "q", "z", "A", "B", "C", "D", "E", "M", "P", "R",  "S",  "T", "W",
    "0", "1", "2", "3", "9", ".", ",", ":", "?", "|", "-", "'", "<", ">", "é", "日", "本", "я", "😀"};

// By rank. Each side is a character or the result of an earlier row.
const std::vector<std::pair<std::string, std::string>> kWordMerges = {
    {"▁", "t"},    {"h", "e"},  {"i", "n"},  {"e", "r"},   {"a", "n"},    {"▁t", "he"},
    {"r", "e"},    {"e", "s"},  {"▁", "a"},  {"s", "e"},   {"q", "u"},    {"qu", "er"},
    {"quer", "y"}, {"t", "a"},  {"ta", "s"}, {"tas", "k"}, {"n", "o"},    {"no", "n"},
    {"non", "e"},  {"an", "d"}, {"▁a", "n"}, {"▁an", "d"}, {"▁", "task"}, {"日", "本"}};

std::string repeat(std::string_view unit, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += unit;
  return out;
}

// Every piece, by id.
struct Pieces {
  std::vector<std::string> all;
  std::size_t added = 0;  // ids below this are added tokens
};

Pieces make_pieces(std::size_t vocab) {
  std::vector<std::string> all = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]"};
  for (int i = 0; all.size() < 105; ++i) all.push_back("<unused" + std::to_string(i) + ">");
  all.insert(all.end(), {"<start_of_turn>", "<end_of_turn>"});
  for (int i = 1; i <= kLongestRun; ++i) all.push_back(repeat("\n", i));
  for (int i = 2; i <= kLongestRun; ++i) all.push_back(repeat(kSpace, i));
  for (const auto& row : kTags) {
    for (const auto& tag : row) all.push_back("<" + tag + ">");
    for (const auto& tag : row) all.push_back("</" + tag + ">");
  }
  const std::size_t added = all.size();
  for (int byte = 0; byte < 256; ++byte) {
    std::array<char, 7> name{};
    std::snprintf(name.data(), name.size(), "<0x%02X>", byte);
    all.emplace_back(name.data());
  }
  all.insert(all.end(), kCharacters.begin(), kCharacters.end());
  for (const auto& [left, right] : kWordMerges) all.push_back(left + right);
  if (added != 238 || all.size() > vocab) throw std::runtime_error("the tiny tokenizer's ids have moved");
  for (int i = 99; all.size() < vocab; ++i) all.push_back("<unused" + std::to_string(i) + ">");
  return {std::move(all), added};
}

boost::json::object added_token(std::size_t id, std::string_view content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

boost::json::array make_merges() {
  boost::json::array merges;
  for (int left = kLongestRun - 1; left >= 1; --left) {
    for (int right = kLongestRun - left; right >= 1; --right)
      merges.push_back(boost::json::array{repeat(kSpace, left), repeat(kSpace, right)});
  }
  for (const auto& [left, right] : kWordMerges) merges.push_back(boost::json::array{left, right});
  return merges;
}

// What does not depend on the vocabulary.
constexpr std::string_view kFrame = R"({
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
  "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
  "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                    "invert": false},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "<eos>", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "<eos>", "type_id": 0}}, {"SpecialToken": {"id": "<bos>", "type_id": 1}},
             {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "<eos>", "type_id": 1}}],
    "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]},
                       "<eos>": {"id": "<eos>", "ids": [1], "tokens": ["<eos>"]}}},
  "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                                               {"type": "ByteFallback"}, {"type": "Fuse"}]},
  "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": {}, "merges": []}
})";

}  // namespace

boost::json::object make_tiny_tokenizer(std::size_t vocab) {
  const Pieces pieces = make_pieces(vocab);
  boost::json::object tokenizer = boost::json::parse(kFrame).as_object();
  auto& added = tokenizer["added_tokens"].as_array();
  auto& model = tokenizer["model"].as_object();
  auto& table = model["vocab"].as_object();
  for (std::size_t id = 0; id < pieces.all.size(); ++id) {
    const std::string& piece = pieces.all[id];
    table[piece] = id;
    const bool special = id < 4 || id == 105 || id == 106;
    if (id < pieces.added || piece.starts_with("<unused")) added.push_back(added_token(id, piece, special));
  }
  if (table.size() != vocab) throw std::runtime_error("the tiny tokenizer has a piece twice");
  added.push_back(added_token(vocab, "<image_soft_token>", true));
  model["merges"] = make_merges();
  return tokenizer;
}

}  // namespace gemvec::testing
