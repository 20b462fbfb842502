// `gemvec bench`: how fast, at which lengths, and how near to what the machine can do.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands/bench_report.h"
#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/io/line_reader.h"
#include "cli/io/text_reader.h"
#include "cli/terminal/interrupt.h"
#include "cli/terminal/progress.h"
#include "gemvec/diagnostics.h"

namespace gemvec::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatchTokens = 4096;  // tokens a call, unless --batch says otherwise

struct BenchArguments {
  std::vector<std::size_t> lengths = {16, 128, 512, 2048};
  std::size_t batch = 0;  // texts a call; 0 = as many as make kBatchTokens
  double seconds = 3;
  std::size_t min_calls = 3;  // a median needs three
  std::string texts_file;
  std::string task = "none";
  bool json = false;
  ModelOptions model;
};

// What is timed: one call that returns the tokens it looked at.
struct Workload {
  std::string name;
  std::size_t texts = 0;
  std::function<std::size_t()> call;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::size_t count_tokens(const Embeddings& embeddings) {
  std::size_t tokens = 0;
  for (const TextInfo& text : embeddings.texts) tokens += text.tokens;
  return tokens;
}

EmbedOptions embed_options() {
  EmbedOptions options;
  options.cancelled = interrupted;
  return options;
}

// Texts of exactly `length` tokens: BOS, random ids, EOS. The same ids on every machine, because the
// generator's sequence is fixed by the standard and the way to a range is our own.
std::vector<std::vector<std::int32_t>> random_ids(const Tokenizer& tokenizer, std::size_t texts,
                                                  std::size_t length) {
  constexpr std::uint32_t kSeed = 20;
  // The first thousand ids are control, byte and whitespace tokens; the last are again unused ones.
  constexpr std::uint32_t kFirst = 1000;
  constexpr std::uint32_t kReserved = 12000;
  const auto vocab = static_cast<std::uint32_t>(tokenizer.vocab_size());
  const std::uint32_t first = vocab > kFirst + kReserved ? kFirst : 0;
  const std::uint32_t span = vocab > kFirst + kReserved ? vocab - kFirst - kReserved : vocab;
  std::mt19937 generator(kSeed);
  std::vector<std::vector<std::int32_t>> all(texts);
  for (auto& ids : all) {
    ids.push_back(tokenizer.bos_id());
    while (ids.size() + 1 < length) ids.push_back(static_cast<std::int32_t>(first + generator() % span));
    ids.push_back(tokenizer.eos_id());
  }
  return all;
}

Workload generated_workload(const Embedder& embedder, const BenchArguments& arguments, std::size_t length) {
  const std::size_t texts =
      arguments.batch != 0 ? arguments.batch : std::max<std::size_t>(1, kBatchTokens / length);
  auto ids = std::make_shared<const std::vector<std::vector<std::int32_t>>>(
      random_ids(embedder.tokenizer(), texts, length));
  return {fmt::format("{} tokens", length), texts, [&embedder, ids] {
            const std::vector<std::span<const std::int32_t>> spans(ids->begin(), ids->end());
            return count_tokens(unwrap(embedder.embed_ids(spans, embed_options())));
          }};
}

Workload text_workload(const Embedder& embedder, const BenchArguments& arguments, std::string name,
                       std::vector<std::string> texts) {
  const std::string prefix = unwrap_usage(embedder.prompts().prefix(arguments.task));
  const std::size_t count = texts.size();
  return {std::move(name), count, [&embedder, prefix, texts = std::move(texts)] {
            EmbedOptions options = embed_options();
            options.prefix = prefix;
            const std::vector<std::string_view> views(texts.begin(), texts.end());
            return count_tokens(unwrap(embedder.embed(views, options)));
          }};
}

// {"name": ["text", ...], ...}, or one text a line.
std::vector<std::pair<std::string, std::vector<std::string>>> read_texts(const std::string& path) {
  LineReader file(unwrap(FileStream::open(path)), path);
  const std::string content = unwrap(file.rest());
  boost::json::error_code error;
  const boost::json::value json = boost::json::parse(content, error);
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  if (error || !json.is_object()) {
    TextReader reader({path}, {});
    groups.push_back({path, {}});
    for (TextRecord record; unwrap(reader.next(record));)
      groups.back().second.push_back(std::move(record.text));
    return groups;
  }
  for (const auto& member : json.get_object()) {
    groups.push_back({std::string(member.key()), {}});
    const auto* texts = member.value().if_array();
    for (std::size_t i = 0; texts != nullptr && i < texts->size(); ++i) {
      const auto* text = (*texts)[i].if_string();
      if (text == nullptr) break;
      groups.back().second.emplace_back(*text);
    }
    if (texts == nullptr || groups.back().second.size() != texts->size()) {
      throw Failure(kFailed,
                    fmt::format("{}: expected an array of strings in \"{}\".", path, groups.back().first));
    }
  }
  return groups;
}

std::vector<Workload> make_workloads(const Embedder& embedder, const BenchArguments& arguments) {
  std::vector<Workload> workloads;
  if (arguments.texts_file.empty()) {
    for (const std::size_t length : arguments.lengths) {
      workloads.push_back(generated_workload(embedder, arguments, length));
    }
    return workloads;
  }
  for (auto& [name, texts] : read_texts(arguments.texts_file)) {
    if (texts.empty())
      throw Failure(kFailed, fmt::format("{}: there is no text in \"{}\".", arguments.texts_file, name));
    workloads.push_back(text_workload(embedder, arguments, name, std::move(texts)));
  }
  return workloads;
}

BenchRow measure(const Workload& workload, const BenchArguments& arguments, ProgressLine& progress) {
  BenchRow row;
  row.name = workload.name;
  row.texts = workload.texts;
  row.tokens = workload.call();  // not counted: it faults in pages and workspace
  const Clock::time_point begin = Clock::now();
  while (row.seconds.size() < arguments.min_calls || seconds_since(begin) < arguments.seconds) {
    progress.draw(fmt::format("{}: {} calls, {:.0f} of {:.0f} s", row.name, row.seconds.size(),
                              seconds_since(begin), arguments.seconds));
    const Clock::time_point call_begin = Clock::now();
    workload.call();
    row.seconds.push_back(seconds_since(call_begin));
  }
  progress.clear();
  return row;
}

int bench(const BenchArguments& arguments) {
  const std::filesystem::path folder = locate_model(arguments.model);
  const Clock::time_point begin = Clock::now();
  const Embedder embedder = load_embedder(arguments.model, folder);
  BenchReport report;
  report.load_seconds = seconds_since(begin);
  const std::vector<Workload> workloads = make_workloads(embedder, arguments);
  report.peak_gflops = measure_peak_gflops(embedder);
  report.model = embedder.info();
  report.flops_per_token = linear_flops_per_token(report.model);
  if (!arguments.json) print(bench_header_as_text(report));
  ProgressLine progress;
  for (const Workload& workload : workloads) {
    report.rows.push_back(measure(workload, arguments, progress));
    if (!arguments.json) print(bench_row_as_text(report, report.rows.back()));
  }
  if (arguments.json) print(bench_as_json(report));
  return kDone;
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  constexpr std::size_t kMaxTexts = 100000;
  constexpr double kMaxSeconds = 3600;
  CLI::App& command = *app.add_subcommand("bench", "Measure texts/s and tokens/s against the machine's peak");
  auto arguments = std::make_shared<BenchArguments>();
  auto* lengths =
      command
          .add_option("--lengths", arguments->lengths, "Tokens a text, generated (default 16,128,512,2048)")
          ->type_name("N,...")
          ->delimiter(',')
          ->check(CLI::Range(std::size_t{2}, kMaxTokens).description("2-2048"));
  command
      .add_option("--texts", arguments->texts_file, "Real texts: {\"name\": [texts]} as JSON, or one a line")
      ->type_name("FILE")
      ->excludes(lengths);
  command.add_option("--task", arguments->task, "The prompt of the texts of --texts (default none)")
      ->type_name("TASK");
  command.add_option("--batch", arguments->batch, "Texts a call (default: 4096 tokens)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, kMaxTexts).description(""));
  command
      .add_option("--seconds", arguments->seconds, "Time for each length (default 3; at least three calls)")
      ->type_name("S")
      ->check(CLI::Range(0.0, kMaxSeconds).description(""));
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model_option(command, arguments->model);
  add_compute_options(command, arguments->model);
  command.footer(
      "Figures are medians over calls; the spread is the range of the middle half of them.\n\n"
      "Example:\n"
      "  gemvec bench --lengths 16,128 --seconds 1");
  command.callback([arguments, &action] { action = [arguments] { return bench(*arguments); }; });
}

}  // namespace gemvec::cli
