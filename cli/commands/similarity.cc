// `gemvec similarity`: documents ranked by how near they are to a query.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/embed_stats.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/commands/text_options.h"
#include "cli/io/json_text.h"
#include "cli/io/text_reader.h"
#include "cli/terminal/format.h"
#include "cli/terminal/interrupt.h"
#include "cli/terminal/progress.h"

namespace gemvec::cli {

namespace {

struct SimilarityArguments {
  std::string query;
  std::vector<std::string> documents;
  std::string documents_file;
  bool files = false;
  std::string query_task = "retrieval-query";
  std::string document_task = "retrieval-document";
  unsigned dim = 768;
  std::size_t top = 0;  // 0 = all
  bool json = false;
  bool stats = false;
  ModelOptions model;
};

struct Document {
  std::string name;  // what is printed: the text, or the file's name
  std::string text;
};

std::vector<Document> read_documents(const SimilarityArguments& arguments) {
  std::vector<Document> documents;
  if (!arguments.files) {
    for (const std::string& text : arguments.documents) documents.push_back({text, text});
  } else if (!arguments.documents.empty()) {
    ReaderOptions options;
    options.format = InputFormat::kFile;
    TextReader reader(arguments.documents, options);
    for (TextRecord record; unwrap(reader.next(record));) {
      documents.push_back({record.where, std::move(record.text)});
    }
  }
  if (!arguments.documents_file.empty()) {
    TextReader reader({arguments.documents_file}, {});
    for (TextRecord record; unwrap(reader.next(record));) documents.push_back({record.text, record.text});
  }
  return documents;
}

float dot(std::span<const float> a, std::span<const float> b) {
  return static_cast<float>(std::inner_product(a.begin(), a.end(), b.begin(), 0.0));
}

struct Ranking {
  std::vector<float> similarities;  // [documents]
  std::vector<std::size_t> order;   // best first; equal ones in the order given
};

Ranking rank(const SimilarityArguments& arguments, const Embedder& embedder, EmbedStats& stats,
             const std::vector<Document>& documents) {
  EmbedOptions options;
  options.dim = arguments.dim;
  options.cancelled = interrupted;
  const std::string query_prefix = unwrap_usage(embedder.prompts().prefix(arguments.query_task));
  options.prefix = query_prefix;
  const std::vector<std::string_view> query = {arguments.query};
  const Embeddings query_vector = unwrap(embedder.embed(query, options));
  stats.add(query_vector.texts);

  const std::string document_prefix = unwrap_usage(embedder.prompts().prefix(arguments.document_task));
  options.prefix = document_prefix;
  std::vector<std::string_view> texts;
  texts.reserve(documents.size());
  for (const Document& document : documents) texts.push_back(document.text);
  const Embeddings vectors = unwrap(embedder.embed(texts, options));
  stats.add(vectors.texts);

  Ranking ranking;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    ranking.similarities.push_back(dot(query_vector.vector(0), vectors.vector(i)));
  }
  ranking.order.resize(documents.size());
  std::iota(ranking.order.begin(), ranking.order.end(), std::size_t{0});
  std::stable_sort(ranking.order.begin(), ranking.order.end(), [&](std::size_t a, std::size_t b) {
    return ranking.similarities[a] > ranking.similarities[b];
  });
  if (arguments.top != 0 && arguments.top < ranking.order.size()) ranking.order.resize(arguments.top);
  return ranking;
}

// "0.6359  Mars, known for ..."; cut to the width of a terminal, whole in a pipe.
std::string as_text(const Ranking& ranking, const std::vector<Document>& documents) {
  constexpr std::size_t kScoreColumns = 10;  // "-0.1234", two spaces, and the "…" of a cut line
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  const std::size_t width =
      columns == 0 ? std::string::npos : std::max(columns, kScoreColumns + 1) - kScoreColumns;
  std::string out;
  for (const std::size_t i : ranking.order) {
    fmt::format_to(std::back_inserter(out), "{:.4f}  {}\n", ranking.similarities[i],
                   one_line(documents[i].name, width));
  }
  return out;
}

std::string as_json(const SimilarityArguments& arguments, const Ranking& ranking,
                    const std::vector<Document>& documents) {
  std::string out = "{\"query\":";
  append_string(out, arguments.query);
  out += ",\"results\":[";
  for (std::size_t rank = 0; rank < ranking.order.size(); ++rank) {
    const std::size_t i = ranking.order[rank];
    fmt::format_to(std::back_inserter(out),
                   "{}{{\"rank\":{},\"index\":{},\"similarity\":", rank == 0 ? "" : ",", rank + 1, i);
    append_float(out, ranking.similarities[i]);
    out += arguments.files ? ",\"file\":" : ",\"document\":";
    append_string(out, documents[i].name);
    out += '}';
  }
  return out + "]}\n";
}

int similarity(const SimilarityArguments& arguments) {
  const std::vector<Document> documents = read_documents(arguments);
  if (documents.empty()) {
    throw Failure(kWrongUsage, "There is no document to compare the query with: give DOC... or --docs-file.");
  }
  const std::filesystem::path folder = locate_model(arguments.model);
  const Embedder embedder = load_embedder(arguments.model, folder);
  EmbedStats stats;
  const Ranking ranking = rank(arguments, embedder, stats, documents);
  print(arguments.json ? as_json(arguments, ranking, documents) : as_text(ranking, documents));
  if (arguments.stats) spdlog::info("{}", stats.summary());
  stats.warn(kMaxTokens);
  return kDone;
}

}  // namespace

void add_similarity(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("similarity", "Rank documents by their similarity to a query");
  auto arguments = std::make_shared<SimilarityArguments>();
  command.add_option("DOC", arguments->documents, "Documents (with --files: their files)")->type_name(" ");
  command.add_option("--query", arguments->query, "What to look for")->type_name("TEXT")->required();
  command.add_flag("--files", arguments->files, "DOC is a file whose whole content is the document");
  command
      .add_option("--docs-file", arguments->documents_file,
                  "A file with one document a line; - is standard input")
      ->type_name("FILE");
  command.add_option("--query-task", arguments->query_task, "The query's prompt (default retrieval-query)")
      ->type_name("TASK");
  command.add_option("--doc-task", arguments->document_task, "The documents' (default retrieval-document)")
      ->type_name("TASK");
  command.add_option("--dim", arguments->dim, "Dimensions (default 768)")
      ->type_name("N")
      ->check(CLI::IsMember(kTrainedDims));
  command.add_option("--top", arguments->top, "Print the best N only")
      ->type_name("N")
      ->check(CLI::Validator(CLI::PositiveNumber).description(""));
  command.add_flag("--json", arguments->json, "Print one JSON object");
  command.add_flag("--stats", arguments->stats, "Say at the end how many tokens/s it ran at");
  add_model_option(command, arguments->model);
  add_compute_options(command, arguments->model);
  command.footer(
      "Example:\n"
      "  gemvec similarity --query 'Which planet is red?' 'Mars, the red planet' 'Venus, the hot planet'");
  command.callback([arguments, &action] { action = [arguments] { return similarity(*arguments); }; });
}

}  // namespace gemvec::cli
