// Broken and foreign tokenizer.json files: each is refused with a message that names the field.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <functional>
#include <string>
#include <vector>

#include "gemvec/tokenizer.h"
#include "tokenizer/tiny_tokenizer.h"

namespace gemvec {
namespace {

namespace json = boost::json;

json::value tiny() { return testing::tiny_tokenizer().json(); }

std::string message_of(std::string_view text) {
  const auto loaded = Tokenizer::from_json(text, "dir/tokenizer.json");
  if (loaded.ok()) return "no error";
  EXPECT_EQ(loaded.error().code, ErrorCode::kBadFormat) << loaded.error().message;
  return loaded.error().message;
}

struct Case {
  const char* what;
  std::function<void(json::value&)> damage;
  std::string message;  // after "dir/tokenizer.json: "
};

json::object& model(json::value& file) { return file.as_object()["model"].as_object(); }
json::object& vocab(json::value& file) { return model(file)["vocab"].as_object(); }
json::array& merges(json::value& file) { return model(file)["merges"].as_array(); }
json::array& added(json::value& file) { return file.as_object()["added_tokens"].as_array(); }
json::object& post(json::value& file) { return file.as_object()["post_processor"].as_object(); }

void expect_all(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    json::value file = tiny();
    test.damage(file);
    EXPECT_EQ(message_of(json::serialize(file)), "dir/tokenizer.json: " + test.message) << test.what;
  }
}

TEST(TokenizerJson, AcceptsWhatOtherWritersLeaveOut) {
  const std::vector<std::function<void(json::value&)>> harmless = {
      [](json::value&) {},
      [](json::value& f) { f.as_object()["pre_tokenizer"] = nullptr; },
      [](json::value& f) { f.as_object().erase("pre_tokenizer"); },
      [](json::value& f) { model(f).erase("ignore_merges"); },
      [](json::value& f) { model(f)["dropout"] = 0; },
      [](json::value& f) { model(f)["end_of_word_suffix"] = ""; },
      [](json::value& f) {
        f.as_object()["decoder"] = {{"type", "Fuse"}, {"list", {1, 2.5, {{"a", true}}}}};
      },
      [](json::value& f) { added(f)[0].as_object()["later_key"] = "x"; },
  };
  for (std::size_t i = 0; i < harmless.size(); ++i) {
    json::value file = tiny();
    harmless[i](file);
    EXPECT_EQ(message_of(json::serialize(file)), "no error") << i;
  }
}

TEST(TokenizerJson, ReadsMergesThatStandBeforeTheVocabulary) {
  json::value file = tiny();
  json::object reordered;
  reordered["merges"] = merges(file);
  for (const auto& field : model(file)) {
    if (field.key() != "merges") reordered[field.key()] = field.value();
  }
  model(file) = reordered;
  EXPECT_EQ(message_of(json::serialize(file)), "no error");
}

TEST(TokenizerJson, ReadsPiecesWithEscapes) {
  const std::string text = testing::tiny_tokenizer().text();
  std::string escaped = text;
  for (std::size_t at = 0; (at = escaped.find("▁", at)) != std::string::npos;)
    escaped.replace(at, 3, "\\u2581");
  ASSERT_NE(escaped, text);
  const auto a = Tokenizer::from_json(text), b = Tokenizer::from_json(escaped);
  ASSERT_TRUE(a.ok());
  ASSERT_TRUE(b.ok()) << b.error().message;
  EXPECT_EQ(a->encode("hello  world")->ids, b->encode("hello  world")->ids);
}

TEST(TokenizerJson, RefusesWhatIsNotJson) {
  const std::string good = testing::tiny_tokenizer().text();
  const auto refused = [](std::string_view text) {
    return message_of(text).starts_with("dir/tokenizer.json: not valid JSON at byte ");
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("   "));
  EXPECT_TRUE(refused("\xFF\xFE"));
  EXPECT_TRUE(refused(good + "x"));
  EXPECT_TRUE(refused(std::string(100'000, '[')));
  EXPECT_TRUE(refused(R"({"a":"\ud800"})"));
  EXPECT_TRUE(refused("{\"a\":\"\xC0\x80\"}"));
  for (std::size_t size = 0; size < good.size(); size += 97) {
    EXPECT_TRUE(refused(std::string_view(good).substr(0, size))) << size;
  }
  EXPECT_EQ(message_of(good + " \n"), "no error");
}

TEST(TokenizerJson, RefusesOtherJson) {
  const std::string no_model = "dir/tokenizer.json: field \"model.type\" must be \"BPE\", but is missing.";
  for (const char* text : {"{}", "[]", "null", "1", "\"\"", "1e999999999", "[[[[{}]]]]", R"({"model":[]})",
                           R"({"model":{"vocab":{},"merges":[]},"added_tokens":[]})"}) {
    EXPECT_EQ(message_of(text), no_model) << text;
  }
}

TEST(TokenizerJson, BoundsTheFieldsItKeeps) {
  std::string many = "{";
  for (int i = 0; i < 20'000; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(message_of(many + "\"end\":0}"), "dir/tokenizer.json: more than 10000 fields beside its lists.");
  EXPECT_EQ(message_of("{\"" + std::string(5000, 'k') + "\":[1]}"),
            "dir/tokenizer.json: fields nest too deep.");
}

TEST(TokenizerJson, RefusesOtherKindsOfTokenizer) {
  expect_all({
      {"unigram", [](json::value& f) { model(f)["type"] = "Unigram"; },
       "field \"model.type\" must be \"BPE\", but is \"Unigram\"."},
      {"no fallback", [](json::value& f) { model(f)["byte_fallback"] = false; },
       "field \"model.byte_fallback\" must be true, but is false."},
      {"ignore merges", [](json::value& f) { model(f)["ignore_merges"] = true; },
       "field \"model.ignore_merges\" must be false, but is true."},
      {"dropout", [](json::value& f) { model(f)["dropout"] = 0.5; },
       "field \"model.dropout\" must be null, but is 0.5."},
      {"prefix", [](json::value& f) { model(f)["continuing_subword_prefix"] = "##"; },
       "field \"model.continuing_subword_prefix\" must be null, but is \"##\"."},
      {"lower case",
       [](json::value& f) {
         f.as_object()["normalizer"] = {{"type", "Lowercase"}};
       },
       "field \"normalizer.type\" must be \"Replace\", but is \"Lowercase\"."},
      {"no normalizer", [](json::value& f) { f.as_object()["normalizer"] = nullptr; },
       "field \"normalizer.type\" must be \"Replace\", but is missing."},
      {"replaces x",
       [](json::value& f) {
         f.as_object()["normalizer"].as_object()["pattern"] = {{"String", "x"}};
       },
       "field \"normalizer.pattern.String\" must be \" \", but is \"x\"."},
      {"byte level",
       [](json::value& f) {
         f.as_object()["pre_tokenizer"] = {{"type", "ByteLevel"}};
       },
       "field \"pre_tokenizer.type\" must be \"Split\", but is \"ByteLevel\"."},
      {"pre-tokenizer of text", [](json::value& f) { f.as_object()["pre_tokenizer"] = "Split"; },
       "field \"pre_tokenizer.type\" must be \"Split\", but is missing."},
      {"no post-processor", [](json::value& f) { f.as_object()["post_processor"] = nullptr; },
       "field \"post_processor.type\" must be \"TemplateProcessing\", but is missing."},
      {"no eos in the template", [](json::value& f) { post(f)["single"].as_array().pop_back(); },
       "field \"post_processor.single[2].SpecialToken.id\" must be \"<eos>\", but is missing."},
      {"more in the template",
       [](json::value& f) { post(f)["single"].as_array().push_back(post(f)["single"].at(0)); },
       "field \"post_processor.single\" must have three parts: <bos>, the text, <eos>."},
      {"bos with another id",
       [](json::value& f) { post(f)["special_tokens"].at("<bos>").at("ids").at(0) = 7; },
       "field \"post_processor.special_tokens.<bos>.ids\" must be the one id 2, but begins with 7."},
      {"eos with two ids",
       [](json::value& f) { post(f)["special_tokens"].at("<eos>").at("ids").as_array().push_back(1); },
       "field \"post_processor.special_tokens.<eos>.ids\" must be the one id 1, but begins with 1."},
  });
}

TEST(TokenizerJson, RefusesABrokenVocabulary) {
  expect_all({
      {"missing", [](json::value& f) { model(f).erase("vocab"); },
       "field \"model.vocab\" must be an object that maps pieces to ids, but is missing."},
      {"a list", [](json::value& f) { model(f)["vocab"] = json::array{"a"}; },
       "field \"model.vocab\" must be an object that maps pieces to ids, but is missing."},
      {"text as id", [](json::value& f) { vocab(f)["h"] = "7"; },
       "field \"model.vocab\" must be an object that maps each piece to an integer id."},
      {"nested", [](json::value& f) { vocab(f)["h"] = json::object(); },
       "field \"model.vocab\" must be an object that maps each piece to an integer id."},
      {"fraction", [](json::value& f) { vocab(f)["h"] = 7.5; },
       "field \"model.vocab\" must be an object that maps each piece to an integer id."},
      {"too large for 64 bits", [](json::value& f) { vocab(f)["h"] = 18446744073709551615U; },
       "field \"model.vocab\" must be an object that maps each piece to an integer id."},
      {"id used twice", [](json::value& f) { vocab(f)["h"] = 2; },
       "field \"model.vocab\" must not use the id 2 twice."},
      {"negative id", [](json::value& f) { vocab(f)["h"] = -1; },
       "field \"model.vocab\" must number its 300 pieces from 0 to 299, but \"h\" has id -1."},
      {"id beyond", [](json::value& f) { vocab(f)["h"] = 9223372036854775807; },
       "field \"model.vocab\" must number its 300 pieces from 0 to 299, but \"h\" has id "
       "9223372036854775807."},
      {"empty piece", [](json::value& f) { vocab(f)[""] = 300; },
       "field \"model.vocab\" must have pieces of 1 to 1024 bytes, but \"\" has 0."},
      {"long piece", [](json::value& f) { vocab(f)[std::string(1025, 'x')] = 300; },
       "field \"model.vocab\" must have pieces of 1 to 1024 bytes, but \"" + std::string(80, 'x') +
           "...\" has 1025."},
      {"no byte token",
       [](json::value& f) {
         vocab(f)["other"] = vocab(f)["<0x0A>"];
         vocab(f).erase("<0x0A>");
       },
       "field \"model.vocab\" must have the byte token <0x0A>."},
  });
  std::string twice = testing::tiny_tokenizer().text();
  twice.replace(twice.find("\"<0xFE>\":"), 9, "\"<0xFF>\":");
  EXPECT_EQ(message_of(twice), "dir/tokenizer.json: field \"model.vocab\" must not have \"<0xFF>\" twice.");
  std::string two = testing::tiny_tokenizer().text();
  two.replace(two.find("\"vocab\":"), 8, "\"vocab\":{},\"vocab\":");
  EXPECT_EQ(message_of(two), "dir/tokenizer.json: field \"model.vocab\" must not appear twice.");
}

TEST(TokenizerJson, RefusesBrokenMerges) {
  const char* const two_pieces = R"(field "model.merges[1]" must be two pieces, as ["a", "b"] or as "a b".)";
  expect_all({
      {"missing", [](json::value& f) { model(f).erase("merges"); },
       "field \"model.merges\" must be a list of pairs of pieces, but is missing."},
      {"one piece", [](json::value& f) { merges(f)[1] = json::array{"h"}; }, two_pieces},
      {"no piece", [](json::value& f) { merges(f)[1] = json::array{}; }, two_pieces},
      {"three pieces",
       [](json::value& f) {
         merges(f)[1] = json::array{"h", "e", "l"};
       },
       two_pieces},
      {"numbers",
       [](json::value& f) {
         merges(f)[1] = json::array{"h", 1};
       },
       two_pieces},
      {"nested",
       [](json::value& f) {
         merges(f)[1] = json::array{"h", json::array{"e"}};
       },
       two_pieces},
      {"object", [](json::value& f) { merges(f)[1] = json::object(); }, two_pieces},
      {"null", [](json::value& f) { merges(f)[1] = nullptr; }, two_pieces},
      {"no space", [](json::value& f) { merges(f)[1] = "he"; }, two_pieces},
      {"two spaces", [](json::value& f) { merges(f)[1] = "h e l"; }, two_pieces},
      {"unknown left", [](json::value& f) { merges(f)[1] = "q e"; },
       R"(field "model.merges[1]" joins "q" and "e", but "q" is not in "model.vocab".)"},
      {"unknown right", [](json::value& f) { merges(f)[1] = "h q"; },
       R"(field "model.merges[1]" joins "h" and "q", but "q" is not in "model.vocab".)"},
      {"unknown result", [](json::value& f) { merges(f)[1] = "h h"; },
       R"(field "model.merges[1]" joins "h" and "h", but "hh" is not in "model.vocab".)"},
      {"empty left", [](json::value& f) { merges(f)[1] = " h"; },
       R"(field "model.merges[1]" joins "" and "h", but "" is not in "model.vocab".)"},
      {"a pair twice", [](json::value& f) { merges(f)[1] = merges(f)[0]; },
       R"(field "model.merges[1]" joins "l" and "l", as an earlier pair does.)"},
  });
}

TEST(TokenizerJson, RefusesBrokenAddedTokens) {
  expect_all({
      {"missing", [](json::value& f) { f.as_object().erase("added_tokens"); },
       "field \"added_tokens\" must be a list, but is missing."},
      {"an object", [](json::value& f) { f.as_object()["added_tokens"] = json::object(); },
       "field \"added_tokens\" must be a list, but is missing."},
      {"a string in it", [](json::value& f) { added(f)[3] = "<unk>"; },
       "field \"added_tokens[3]\" must be an object."},
      {"a list in it", [](json::value& f) { added(f)[3] = json::array(); },
       "field \"added_tokens[3]\" must not be an array."},
      {"id of text", [](json::value& f) { added(f)[3].at("id") = "3"; },
       "field \"added_tokens[3].id\" must be an integer."},
      {"id of 1e300", [](json::value& f) { added(f)[3].at("id") = 1e300; },
       "field \"added_tokens[3].id\" must be an integer."},
      {"negative id", [](json::value& f) { added(f)[3].at("id") = -3; },
       "field \"added_tokens[3].id\" must be an id of 0 or more."},
      {"no id", [](json::value& f) { added(f)[3].as_object().erase("id"); },
       "field \"added_tokens[3].id\" must be an id of 0 or more."},
      {"content of 5", [](json::value& f) { added(f)[3].at("content") = 5; },
       "field \"added_tokens[3].content\" must be a string."},
      {"no content", [](json::value& f) { added(f)[3].as_object().erase("content"); },
       "field \"added_tokens[3].content\" must be a string that is not empty."},
      {"special of text", [](json::value& f) { added(f)[3].at("special") = "yes"; },
       "field \"added_tokens[3].special\" must be true or false."},
      {"nested", [](json::value& f) { added(f)[3].at("content") = json::object(); },
       "field \"added_tokens[3].content\" must not be an object."},
      {"normalized", [](json::value& f) { added(f)[3].at("normalized") = true; },
       "field \"added_tokens[3].normalized\" must be false, but is true."},
      {"lstrip", [](json::value& f) { added(f)[3].at("lstrip") = true; },
       "field \"added_tokens[3].lstrip\" must be false, but is true."},
      {"another id", [](json::value& f) { added(f)[3].at("id") = 4; },
       R"(field "added_tokens[3]" gives the id 4 to "<unk>", but "model.vocab" gives it to "<mask>".)"},
      {"twice", [](json::value& f) { added(f)[4] = added(f)[3]; },
       "field \"added_tokens[4]\" adds \"<unk>\" a second time."},
      {"no pad", [](json::value& f) { added(f).erase(added(f).begin()); },
       "field \"added_tokens\" must have the special token <pad>."},
      {"no bos", [](json::value& f) { added(f).erase(added(f).begin() + 2); },
       "field \"added_tokens\" must have the token <bos>."},
      {"a letter as control token",
       [](json::value& f) {
         added(f).push_back({{"id", vocab(f)["h"]}, {"content", "h"}, {"special", true}});
       },
       "field \"added_tokens\" must not make \"h\" a control token: it is a character or a byte."},
      {"a word as control token",
       [](json::value& f) {
         added(f).push_back({{"id", vocab(f)["hello"]}, {"content", "hello"}, {"special", true}});
       },
       "field \"model.merges[3]\" must not make the control token \"hello\"."},
      {"the replacement character",
       [](json::value& f) {
         added(f).push_back({{"id", vocab(f)["\uFFFD"]}, {"content", "\uFFFD"}});
       },
       "field \"added_tokens[20].content\" must not contain the replacement character U+FFFD."},
  });
}

}  // namespace
}  // namespace gemvec
