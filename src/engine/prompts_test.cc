// The model's prompts: every name the card and the release know, titles, and what a wrong name says.
#include "gemvec/prompts.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

using gemvec::testing::TempDir;
using gemvec::testing::write_text;

std::string prefix_of(const PromptSet& set, std::string_view task,
                      std::optional<std::string_view> title = {}) {
  const auto prefix = set.prefix(task, title);
  return prefix.ok() ? *prefix : "error: " + prefix.error().message;
}

TEST(Prompts, KnowsEveryNameOfTheCardAndOfTheRelease) {
  const std::map<std::string, std::string> expected = {
      {"retrieval-query", "task: search result | query: "},
      {"retrieval-document", "title: none | text: "},
      {"question-answering", "task: question answering | query: "},
      {"fact-verification", "task: fact checking | query: "},
      {"classification", "task: classification | query: "},
      {"clustering", "task: clustering | query: "},
      {"semantic-similarity", "task: sentence similarity | query: "},
      {"code-retrieval", "task: code retrieval | query: "},
      {"summarization", "task: summarization | query: "},
      {"none", ""},
      {"query", "task: search result | query: "},
      {"document", "title: none | text: "},
      {"BitextMining", "task: search result | query: "},
      {"Clustering", "task: clustering | query: "},
      {"Classification", "task: classification | query: "},
      {"InstructionRetrieval", "task: code retrieval | query: "},
      {"MultilabelClassification", "task: classification | query: "},
      {"PairClassification", "task: sentence similarity | query: "},
      {"Reranking", "task: search result | query: "},
      {"Retrieval", "task: search result | query: "},
      {"Retrieval-query", "task: search result | query: "},
      {"Retrieval-document", "title: none | text: "},
      {"STS", "task: sentence similarity | query: "},
      {"Summarization", "task: summarization | query: "},
  };
  const PromptSet set = PromptSet::builtin();
  EXPECT_EQ(set.all().size(), expected.size());
  for (const auto& [name, prefix] : expected) EXPECT_EQ(prefix_of(set, name), prefix) << name;
  for (const Prompt& prompt : set.all()) EXPECT_EQ(prompt.prefix, expected.at(prompt.name)) << prompt.name;
}

TEST(Prompts, ListsTheCardsTasksFirst) {
  const auto set = PromptSet::builtin();
  EXPECT_EQ(set.all().front().name, "retrieval-query");
  EXPECT_EQ(set.all()[9].name, "none");
  EXPECT_EQ(set.all()[10].name, "query");
}

TEST(Prompts, CaseAndSeparatorsDoNotMatter) {
  const PromptSet set = PromptSet::builtin();
  for (const auto* name :
       {"Retrieval Document", "RETRIEVAL_DOCUMENT", "retrievaldocument", " Retrieval - document"})
    EXPECT_EQ(prefix_of(set, name), "title: none | text: ") << name;
  EXPECT_EQ(prefix_of(set, "fact checking"), "task: fact checking | query: ");
  EXPECT_EQ(prefix_of(set, "Search_Result"), "task: search result | query: ");
  EXPECT_EQ(prefix_of(set, "sts"), "task: sentence similarity | query: ");
  EXPECT_EQ(prefix_of(set, "NONE"), "");
}

TEST(Prompts, ATitleTakesThePlaceOfNone) {
  const PromptSet set = PromptSet::builtin();
  EXPECT_EQ(prefix_of(set, "retrieval-document", "Mars"), "title: Mars | text: ");
  EXPECT_EQ(prefix_of(set, "document", "a | b"), "title: a | b | text: ");
  EXPECT_EQ(prefix_of(set, "document", " two\nlines "), "title:  two\nlines  | text: ");
  EXPECT_EQ(prefix_of(set, "document", ""), "title: none | text: ");
}

TEST(Prompts, RefusesATitleForATaskWithoutOne) {
  const PromptSet set = PromptSet::builtin();
  for (const auto* name : {"query", "none", "clustering"}) {
    const auto prefix = set.prefix(name, "Mars");
    ASSERT_FALSE(prefix.ok()) << name;
    EXPECT_EQ(prefix.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(prefix_of(set, "STS", ""),
            "error: Task \"STS\" takes no title: expected retrieval-document with one.");
}

TEST(Prompts, AnUnknownTaskListsTheNames) {
  const auto prefix = PromptSet::builtin().prefix("qwery");
  ASSERT_FALSE(prefix.ok());
  EXPECT_EQ(prefix.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      prefix.error().message,
      "Unknown task \"qwery\": expected one of retrieval-query, retrieval-document, question-answering, "
      "fact-verification, classification, clustering, semantic-similarity, code-retrieval, summarization, "
      "query, document, BitextMining, InstructionRetrieval, MultilabelClassification, PairClassification, "
      "Reranking, Retrieval, STS, or none (no prompt).");
  EXPECT_FALSE(PromptSet::builtin().prefix("").ok());
}

TEST(Prompts, AModelWithoutPromptsHasTheBuiltInOnes) {
  const TempDir dir;
  auto set = PromptSet::from_model(dir.path());
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->all().size(), 24U);
  write_text(dir.path() / "config_sentence_transformers.json", R"({"prompts": null})");
  set = PromptSet::from_model(dir.path());
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->all().size(), 24U);
}

TEST(Prompts, AModelsOwnPromptsWinAndAreAdded) {
  const TempDir dir;
  write_text(
      dir.path() / "config_sentence_transformers.json",
      R"({"prompts": {"Clustering": "C: ", "my-task": "mine: ", "My Task": "other: ", "document": ""}})");
  const auto set = PromptSet::from_model(dir.path());
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->all().size(), 26U);
  EXPECT_EQ(prefix_of(*set, "Clustering"), "C: ");
  EXPECT_EQ(prefix_of(*set, "clustering"), "C: ");
  EXPECT_EQ(prefix_of(*set, "my-task"), "mine: ");
  EXPECT_EQ(prefix_of(*set, "My Task"), "other: ");
  EXPECT_EQ(prefix_of(*set, "document"), "");
  EXPECT_EQ(prefix_of(*set, "retrieval-document"), "title: none | text: ");
  EXPECT_FALSE(set->prefix("document", "Mars").ok());
}

TEST(Prompts, TheTinyModelHasTheReleasesPrompts) {
  const TempDir dir;
  gemvec::testing::write_tiny_model(dir.path());
  const auto set = PromptSet::from_model(dir.path());
  ASSERT_TRUE(set.ok()) << set.error().message;
  const PromptSet builtin = PromptSet::builtin();
  ASSERT_EQ(set->all().size(), builtin.all().size());
  for (std::size_t i = 0; i < builtin.all().size(); ++i)
    EXPECT_EQ(set->all()[i].prefix, builtin.all()[i].prefix) << builtin.all()[i].name;
}

TEST(Prompts, ABrokenFileIsNamed) {
  const TempDir dir;
  const auto path = dir.path() / "config_sentence_transformers.json";
  const auto message = [&](const char* text) {
    write_text(path, text);
    const auto set = PromptSet::from_model(dir.path());
    EXPECT_FALSE(set.ok()) << text;
    return set.ok() ? "" : set.error().message;
  };
  EXPECT_EQ(message(R"({"prompts": []})"), path.string() + ": prompts: expected an object, found an array.");
  EXPECT_EQ(message(R"({"prompts": {"query": 1}})"),
            path.string() + ": prompts.query: expected a string, found 1.");
  EXPECT_EQ(message("3"), path.string() + ": expected a JSON object, found 3.");
  EXPECT_NE(message("{").find(path.string() + ": not valid JSON"), std::string::npos);
}

}  // namespace
}  // namespace gemvec
