// `gemvec verify`: does this build, on this machine, give the release's vectors?
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/io/json_text.h"
#include "gemvec/diagnostics.h"

namespace gemvec::cli {

namespace {

struct VerifyArguments {
  ModelOptions model;
  bool json = false;
};

std::string as_text(const VerifyReport& report, const ModelInfo& info) {
  std::size_t width = 4;
  for (const VerifyCase& one : report.cases) width = std::max(width, one.name.size());
  std::string out = fmt::format("{} weights, {} arithmetic, {}, {} threads\n", info.dtype, info.compute,
                                info.isa, info.threads);
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:<{}}  {:>12}  {:>12}  {:>12}\n", "case", width, "max abs diff", "1 - cosine",
                 "tolerance");
  for (const VerifyCase& one : report.cases) {
    fmt::format_to(to, "{:<{}}  {:>12.2e}  {:>12.2e}  ", one.name, width, one.max_abs_diff, 1 - one.cosine);
    if (report.promised) {
      fmt::format_to(to, "{:>12.0e}  {}\n", one.tolerance, one.ok ? "ok" : "WRONG");
    } else {
      fmt::format_to(to, "{:>12}\n", "none");
    }
  }
  out += "card's similarities:";
  for (const float similarity : report.similarities) fmt::format_to(to, " {:.4f}", similarity);
  out += "\nexpected:           ";
  for (const float similarity : report.expected_similarities) fmt::format_to(to, " {:.4f}", similarity);
  if (!report.promised) return out + "\n" + why_unpromised(info) + "\n";
  return out + (report.ok ? "\nright\n" : "\nWRONG\n");
}

std::string as_json(const VerifyReport& report, const ModelInfo& info) {
  std::string out =
      fmt::format(R"({{"ok":{},"promised":{},"dtype":"{}","compute":"{}","isa":"{}","threads":{},"cases":[)",
                  report.ok, report.promised, info.dtype, info.compute, info.isa, info.threads);
  for (std::size_t i = 0; i < report.cases.size(); ++i) {
    const VerifyCase& one = report.cases[i];
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    append_string(out, one.name);
    fmt::format_to(std::back_inserter(out), R"(,"max_abs_diff":{},"cosine":{},"tolerance":{},"ok":{}}})",
                   one.max_abs_diff, one.cosine, one.tolerance, one.ok);
  }
  out += "],\"similarities\":";
  append_floats(out, report.similarities);
  out += ",\"expected_similarities\":";
  append_floats(out, report.expected_similarities);
  return out + "}\n";
}

int verify_model(const VerifyArguments& arguments) {
  const std::filesystem::path folder = locate_model(arguments.model);
  const Embedder embedder = load_embedder(arguments.model, folder);
  const VerifyReport report = unwrap(verify(embedder));
  const ModelInfo info = embedder.info();
  print(arguments.json ? as_json(report, info) : as_text(report, info));
  return report.ok ? kDone : kFailed;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("verify", "Check that the vectors are the release's");
  auto arguments = std::make_shared<VerifyArguments>();
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model_option(command, arguments->model);
  add_compute_options(command, arguments->model);
  command.footer(
      "Takes some seconds. The exit code is 1 if a vector is wrong.\n\n"
      "Example:\n"
      "  gemvec verify --dtype bf16");
  command.callback([arguments, &action] { action = [arguments] { return verify_model(*arguments); }; });
}

}  // namespace gemvec::cli
