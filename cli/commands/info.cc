// `gemvec info`: which weights, which machine, how much memory.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/Option.hpp>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/info_file.h"
#include "cli/commands/model.h"
#include "cli/io/json_text.h"
#include "cli/terminal/format.h"
#include "gemvec/diagnostics.h"
#include "gemvec/fetch.h"

namespace gemvec::cli {

namespace {

struct InfoArguments {
  std::string path;  // empty: about the model in use
  bool tensors = false;
  ModelOptions model;
  bool hash = false;
  bool json = false;
};

struct FileHash {
  std::string_view path;
  std::string sha256;
  bool is_release = false;
};

struct Report {
  std::vector<IsaInfo> isas;
  std::optional<ModelInfo> model;  // empty if there is none on this machine
  std::vector<FileHash> hashes;    // with --hash
  std::uint64_t peak_memory_bytes = 0;
};

std::uint64_t peak_memory_bytes() {
  constexpr std::uint64_t kUnit = 1024;  // Linux counts ru_maxrss in KiB
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * kUnit;
}

std::string_view name_of(WeightsCheck check) {
  switch (check) {
    case WeightsCheck::kRelease:
      return "release";
    case WeightsCheck::kDifferent:
      return "different";
    case WeightsCheck::kUnpromised:
      return "unpromised";
    case WeightsCheck::kNotRun:
      break;
  }
  return "not run";
}

// Asking about the machine must not start a download of a gigabyte.
std::optional<std::filesystem::path> find_model(const ModelOptions& options) {
  if (is_model_named(options)) return locate_model(options);
  FetchOptions fetch;
  fetch.offline = true;
  auto fetched = fetch_model(fetch);
  if (fetched.ok()) return fetched->path;
  if (fetched.error().code == ErrorCode::kNotFound) return {};
  throw Failure(fetched.error());
}

Report collect(const InfoArguments& arguments) {
  Report report;
  report.isas = instruction_sets();
  if (const auto folder = find_model(arguments.model)) {
    report.model = load_embedder(arguments.model, *folder).info();
    if (arguments.hash) {
      for (const ReleaseFile& file : release_files()) {
        if (std::error_code error; !std::filesystem::exists(*folder / file.path, error))
          continue;  // not needed
        std::string sha256 = unwrap(sha256_file(*folder / file.path));
        const bool is_release = sha256 == file.sha256;
        report.hashes.push_back({file.path, std::move(sha256), is_release});
      }
    }
  }
  report.peak_memory_bytes = peak_memory_bytes();
  return report;
}

void append_line(std::string& out, std::string_view label, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "{:<20}{}\n", label, value);
}

std::string bytes(std::uint64_t count) { return format_bytes(static_cast<double>(count)); }

std::string describe_check(const ModelInfo& model) {
  switch (model.check) {
    case WeightsCheck::kRelease:
      // Of other types than fp32 it goes without saying.
      return model.dtype == "fp32" && model.check_weights == "bf16"
                 ? "the release's vectors, of its weights rounded to bf16"
                 : "the release's vectors";
    case WeightsCheck::kDifferent:
      return fmt::format("not the release's vectors: off by {:.2g}", model.check_max_abs_diff);
    case WeightsCheck::kUnpromised:
      return fmt::format("{}: off the release's vectors by {:.2g}", why_unpromised(model),
                         model.check_max_abs_diff);
    case WeightsCheck::kNotRun:
      break;
  }
  return "not run";
}

void append_model(std::string& out, const ModelInfo& model) {
  append_line(out, "model", model.model.string());
  append_line(out, "weights",
              fmt::format("{} of {} {} as {}, {} arithmetic", bytes(model.source_bytes), model.source_format,
                          model.source_numbers, model.dtype, model.compute));
  append_line(
      out, "packed weights",
      fmt::format("{} {}", bytes(model.packed_bytes),
                  model.packed_file.empty() ? "in private memory" : "in " + model.packed_file.string()));
  append_line(out, "workspace", bytes(model.workspace_bytes));
  append_line(out, "check", describe_check(model));
  append_line(out, "layers",
              fmt::format("{} x {} wide, {} heads of {}, feed-forward {}", model.layers, model.width,
                          model.heads, model.head_dim, model.ffn));
  append_line(out, "vocabulary", fmt::format("{} tokens, texts of up to {}", model.vocab, model.max_tokens));
  append_line(out, "instruction set", model.isa);
  append_line(out, "threads", fmt::format("{}", model.threads));
}

std::string as_text(const Report& report) {
  std::string out;
  append_line(out, "gemvec", version());
  if (report.model) {
    append_model(out, *report.model);
  } else {
    append_line(out, "model", "none on this machine; `gemvec pull` gets it");
  }
  std::string isas;
  for (const IsaInfo& isa : report.isas) {
    isas += fmt::format("{}{}{}", isas.empty() ? "" : ", ", isa.name, isa.supported ? "" : " (not here)");
  }
  append_line(out, "compiled in", isas);
  append_line(out, "peak memory", bytes(report.peak_memory_bytes));
  for (const FileHash& file : report.hashes) {
    fmt::format_to(std::back_inserter(out), "{}  {}  {}\n", file.sha256, file.path,
                   file.is_release ? "release" : "DIFFERENT");
  }
  return out;
}

void append_model_json(std::string& out, const ModelInfo& model) {
  out += ",\"model\":";
  append_string(out, model.model.string());
  out += ",\"packed_file\":";
  append_string(out, model.packed_file.string());
  fmt::format_to(
      std::back_inserter(out),
      R"(,"source_format":"{}","source_numbers":"{}","dtype":"{}","compute":"{}","isa":"{}","threads":{},"source_bytes":{},"packed_bytes":{},)"
      R"("packed_from_cache":{},"workspace_bytes":{},"check":"{}","check_weights":"{}","check_max_abs_diff":{},"layers":{},)"
      R"("width":{},"heads":{},"head_dim":{},"ffn":{},"vocab":{},"max_tokens":{})",
      model.source_format, model.source_numbers, model.dtype, model.compute, model.isa, model.threads,
      model.source_bytes, model.packed_bytes, model.packed_from_cache, model.workspace_bytes,
      name_of(model.check), model.check_weights, model.check_max_abs_diff, model.layers, model.width,
      model.heads, model.head_dim, model.ffn, model.vocab, model.max_tokens);
}

std::string as_json(const Report& report) {
  std::string out = fmt::format("{{\"version\":\"{}\"", version());
  auto to = std::back_inserter(out);
  if (report.model) append_model_json(out, *report.model);
  out += ",\"instruction_sets\":[";
  for (std::size_t i = 0; i < report.isas.size(); ++i) {
    const IsaInfo& isa = report.isas[i];
    fmt::format_to(to, R"({}{{"name":"{}","supported":{},"selected":{}}})", i == 0 ? "" : ",", isa.name,
                   isa.supported, isa.selected);
  }
  out += "],\"sha256\":{";
  for (std::size_t i = 0; i < report.hashes.size(); ++i) {
    const FileHash& file = report.hashes[i];
    fmt::format_to(to, R"({}"{}":{{"sha256":"{}","release":{}}})", i == 0 ? "" : ",", file.path, file.sha256,
                   file.is_release);
  }
  fmt::format_to(to, "}},\"peak_memory_bytes\":{}}}\n", report.peak_memory_bytes);
  return out;
}

int info(const InfoArguments& arguments) {
  if (!arguments.path.empty()) {
    return info_file(
        {arguments.path, arguments.model.dtype, arguments.tensors, arguments.hash, arguments.json});
  }
  const Report report = collect(arguments);
  print(arguments.json ? as_json(report) : as_text(report));
  return kDone;
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "info", "Say what a model's files are; or which weights, instruction set, threads and memory are used");
  auto arguments = std::make_shared<InfoArguments>();
  command.add_option("PATH", arguments->path, "A model's folder or file: say what it is, compute nothing")
      ->type_name(" ");
  command.add_flag("--tensors", arguments->tensors, "With PATH: every tensor's name, type and shape");
  command.add_flag("--hash", arguments->hash, "Also the SHA-256 of the model's files (reads 1.2 GB)");
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model_option(command, arguments->model);
  add_compute_options(command, arguments->model);
  command.footer(
      "Downloads nothing.\n\n"
      "Example:\n"
      "  gemvec info\n"
      "  gemvec info \"$(gemvec pull)\"");
  command.callback([arguments, &action] { action = [arguments] { return info(*arguments); }; });
}

}  // namespace gemvec::cli
