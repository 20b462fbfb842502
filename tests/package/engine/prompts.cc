// A consumer of the installed library: the parts that need no model.
#include <gemvec/diagnostics.h>
#include <gemvec/embedder.h>

#include <cstdio>

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  const auto prompts = gemvec::PromptSet::builtin();
  const auto query = prompts.prefix("retrieval-query");
  expect(query.ok() && *query == "task: search result | query: ", "the query prompt is the card's");
  const auto titled = prompts.prefix("retrieval-document", "Mars");
  expect(titled.ok() && *titled == "title: Mars | text: ", "a title takes its place");
  const auto unknown = prompts.prefix("retreival");
  expect(!unknown.ok() && unknown.error().code == gemvec::ErrorCode::kInvalidArgument,
         "a misspelt task is an error");
  expect(!unknown.ok() && unknown.error().message.find("retrieval-query") != std::string::npos,
         "the error lists the tasks");

  const auto missing = gemvec::Embedder::load({.model = "no/such/folder"});
  expect(!missing.ok() && missing.error().code == gemvec::ErrorCode::kNotFound,
         "a missing folder is kNotFound");
  expect(!missing.ok() && missing.error().message.find("no/such/folder") != std::string::npos,
         "the error names the folder");
  expect(!gemvec::version().empty(), "there is a version");
  if (failures == 0) std::puts("ok");
  return failures == 0 ? 0 : 1;
}
