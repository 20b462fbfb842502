// The fields of tokenizer.json that decide how a text is tokenised, each with the values we implement.
#include "tokenizer/config_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/quote.h"
#include "base/try.h"
#include "tokenizer/messages.h"

namespace gemvec::tokenizer {

namespace {

constexpr std::string_view kMissing = "missing";

// A field, and the values it may have as `shown()` spells them. Two at least, the second may repeat.
struct Rule {
  std::string_view field;
  std::array<std::string_view, 3> allowed;
};

constexpr Rule kModelRules[] = {
    {"model.type", {R"("BPE")"}},
    {"model.byte_fallback", {"true"}},
    {"model.ignore_merges", {"false", kMissing}},
    {"model.dropout", {"null", kMissing, "0"}},
    {"model.continuing_subword_prefix", {"null", kMissing, R"("")"}},
    {"model.end_of_word_suffix", {"null", kMissing, R"("")"}},
    {"normalizer.type", {R"("Replace")"}},
    {"normalizer.pattern.String", {R"(" ")"}},
    {"normalizer.content", {"\"\xE2\x96\x81\""}},
};

// This splitter finds nothing to split: the normalizer has replaced every space. It may be absent.
constexpr Rule kPreTokenizerRules[] = {
    {"pre_tokenizer.type", {R"("Split")"}},
    {"pre_tokenizer.pattern.String", {R"(" ")"}},
};

constexpr Rule kPostProcessorRules[] = {
    {"post_processor.type", {R"("TemplateProcessing")"}},
    {"post_processor.single[0].SpecialToken.id", {R"("<bos>")"}},
    {"post_processor.single[1].Sequence.id", {R"("A")"}},
    {"post_processor.single[2].SpecialToken.id", {R"("<eos>")"}},
};

std::string shown(const TokenizerJson& json, std::string_view field) {
  const auto found = json.fields.find(field);
  if (found == json.fields.end()) return std::string(kMissing);
  const Scalar& scalar = found->second;
  return scalar.kind == Scalar::Kind::kString ? base::quote(scalar.text) : scalar.text;
}

Status check_rules(const TokenizerJson& json, std::string_view name, std::span<const Rule> rules) {
  for (const Rule& rule : rules) {
    const std::string value = shown(json, rule.field);
    if (std::find(rule.allowed.begin(), rule.allowed.end(), value) != rule.allowed.end()) continue;
    return bad_format(name, rule.field, fmt::format("must be {}, but is {}", rule.allowed[0], value));
  }
  return {};
}

// Whether some field lies below `path`.
bool has_fields_below(const TokenizerJson& json, std::string_view path) {
  const auto first = json.fields.lower_bound(path);
  return first != json.fields.end() && first->first.starts_with(path);
}

Status check_template_id(const TokenizerJson& json, std::string_view name, std::string_view token) {
  const std::string ids = fmt::format("post_processor.special_tokens.{}.ids", token);
  const auto added = std::find_if(json.added.begin(), json.added.end(), [&](const AddedEntry& entry) {
    return json.string(entry.content) == token;
  });
  if (added == json.added.end()) {
    return bad_format(name, "added_tokens", fmt::format("must have the token {}", token));
  }
  const std::string expected = fmt::format("{}", added->id);
  const std::string value = shown(json, ids + "[0]");
  if (value == expected && !has_fields_below(json, ids + "[1]")) return {};
  return bad_format(name, ids, fmt::format("must be the one id {}, but begins with {}", expected, value));
}

}  // namespace

Status check_config(const TokenizerJson& json, std::string_view name) {
  GEMVEC_CHECK_OK(check_rules(json, name, kModelRules));
  const std::string pre_tokenizer = shown(json, "pre_tokenizer");
  if (pre_tokenizer != "null" && (pre_tokenizer != kMissing || has_fields_below(json, "pre_tokenizer."))) {
    GEMVEC_CHECK_OK(check_rules(json, name, kPreTokenizerRules));
  }
  GEMVEC_CHECK_OK(check_rules(json, name, kPostProcessorRules));
  if (has_fields_below(json, "post_processor.single[3]")) {
    return bad_format(name, "post_processor.single", "must have three parts: <bos>, the text, <eos>");
  }
  if (!json.has_added) return bad_format(name, "added_tokens", "must be a list, but is missing");
  GEMVEC_CHECK_OK(check_template_id(json, name, "<bos>"));
  return check_template_id(json, name, "<eos>");
}

}  // namespace gemvec::tokenizer
