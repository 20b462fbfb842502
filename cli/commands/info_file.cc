#include "cli/commands/info_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands/failure.h"
#include "cli/io/json_text.h"
#include "cli/terminal/format.h"
#include "gemvec/fetch.h"
#include "gemvec/inspect.h"

namespace gemvec::cli {

namespace {

struct FileHash {
  std::string sha256;   // empty: not asked for
  std::string release;  // the file of the release that has it; empty: none
};

struct Report {
  Inspection model;
  std::vector<FileHash> hashes;  // of model.files
};

FileHash hash_of(const std::filesystem::path& path) {
  FileHash found;
  found.sha256 = unwrap(sha256_file(path));
  for (const ReleaseFile& file : release_files()) {
    if (file.sha256 == found.sha256) found.release = file.path;
  }
  return found;
}

// Type -> how many tensors, how many bytes.
std::map<std::string, std::pair<std::size_t, std::uint64_t>> by_type(const InspectedFile& file) {
  std::map<std::string, std::pair<std::size_t, std::uint64_t>> types;
  for (const InspectedTensor& tensor : file.tensors) {
    auto& [count, bytes] = types[tensor.type];
    ++count;
    bytes += tensor.bytes;
  }
  return types;
}

std::string_view name_of(GridFit fit) {
  return fit == GridFit::kExact ? "exact" : fit == GridFit::kRounded ? "rounded" : "none";
}

void append_line(std::string& out, std::string_view label, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "{:<20}{}\n", label, value);
}

std::string bytes(std::uint64_t count) { return format_bytes(static_cast<double>(count)); }

void append_file(std::string& out, const InspectedFile& file, const FileHash& hash, bool tensors) {
  auto to = std::back_inserter(out);
  append_line(out, "file", fmt::format("{}: {}, {}", file.path.string(), file.format, bytes(file.bytes)));
  for (const auto& [name, value] : file.properties)
    fmt::format_to(to, "  {:<28}{}\n", name, one_line(value, 100));
  for (const auto& [type, found] : by_type(file))
    fmt::format_to(to, "  {:<28}{} tensors, {}\n", type, found.first, bytes(found.second));
  if (!hash.sha256.empty()) {
    fmt::format_to(to, "  {:<28}{}{}\n", "SHA-256", hash.sha256,
                   hash.release.empty() ? "" : fmt::format(", the release's {}", hash.release));
  }
  if (!tensors) return;
  for (const InspectedTensor& tensor : file.tensors) {
    fmt::format_to(to, "    {} {} [{}]\n", tensor.name, tensor.type, fmt::join(tensor.shape, ", "));
  }
}

std::string as_text(const Report& report, const InfoFileArguments& arguments) {
  std::string out;
  const Inspection& model = report.model;
  for (std::size_t i = 0; i < model.files.size(); ++i)
    append_file(out, model.files[i], report.hashes[i], arguments.tensors);
  if (!model.complete) {
    append_line(out, "complete", "no: " + model.problem);
    return out;
  }
  append_line(out, "complete", "yes");
  append_line(out, "weights", fmt::format("{}, {}", model.format, model.numbers));
  append_line(out, "dense layers",
              model.has_dense ? "yes" : "NO: its vectors are not the release's; load with --allow-headless");
  append_line(out, "layers", fmt::format("{} x {} wide", model.layers, model.width));
  append_line(out, "vocabulary", fmt::format("{} tokens, texts of up to {}", model.vocab, model.max_tokens));
  append_line(out, "tokenizer",
              fmt::format("{} tokens in {}", model.tokenizer_size, model.tokenizer.string()));
  append_line(out, "prompts", model.has_prompts ? "its own" : "none of its own: the release's");
  if (!model.grid.type.empty()) append_line(out, "grid", describe_grid(model.grid));
  for (const std::string& note : model.notes) append_line(out, "note", note);
  return out;
}

void append_file_json(std::string& out, const InspectedFile& file, const FileHash& hash, bool tensors) {
  auto to = std::back_inserter(out);
  out += "{\"path\":";
  append_string(out, file.path.string());
  fmt::format_to(to, R"(,"format":"{}","bytes":{},"types":{{)", file.format, file.bytes);
  std::string_view separator;
  for (const auto& [type, found] : by_type(file)) {
    fmt::format_to(to, R"({}"{}":{{"tensors":{},"bytes":{}}})", separator, type, found.first, found.second);
    separator = ",";
  }
  out += "},\"properties\":{";
  separator = "";
  for (const auto& [name, value] : file.properties) {
    out += separator;
    append_string(out, name);
    out += ':';
    append_string(out, value);
    separator = ",";
  }
  out += '}';
  if (!hash.sha256.empty()) {
    fmt::format_to(to, R"(,"sha256":"{}","release":)", hash.sha256);
    hash.release.empty() ? static_cast<void>(out += "null") : append_string(out, hash.release);
  }
  if (tensors) {
    out += ",\"tensors\":[";
    separator = "";
    for (const InspectedTensor& tensor : file.tensors) {
      out += separator;
      out += "{\"name\":";
      append_string(out, tensor.name);
      fmt::format_to(to, R"(,"type":"{}","shape":[{}],"bytes":{}}})", tensor.type,
                     fmt::join(tensor.shape, ","), tensor.bytes);
      separator = ",";
    }
    out += ']';
  }
  out += '}';
}

std::string as_json(const Report& report, const InfoFileArguments& arguments) {
  const Inspection& model = report.model;
  std::string out = "{\"files\":[";
  for (std::size_t i = 0; i < model.files.size(); ++i) {
    if (i != 0) out += ',';
    append_file_json(out, model.files[i], report.hashes[i], arguments.tensors);
  }
  fmt::format_to(std::back_inserter(out), "],\"complete\":{}", model.complete);
  if (!model.complete) {
    out += ",\"problem\":";
    append_string(out, model.problem);
    return out + "}\n";
  }
  fmt::format_to(
      std::back_inserter(out),
      R"(,"format":"{}","numbers":"{}","has_dense":{},"layers":{},"width":{},"vocab":{},"max_tokens":{},)"
      R"("tokenizer_size":{},"has_prompts":{},"tokenizer":)",
      model.format, model.numbers, model.has_dense, model.layers, model.width, model.vocab, model.max_tokens,
      model.tokenizer_size, model.has_prompts);
  append_string(out, model.tokenizer.string());
  append_grid(out, model.grid);
  out += ",\"notes\":[";
  for (std::size_t i = 0; i < model.notes.size(); ++i) {
    if (i != 0) out += ',';
    append_string(out, model.notes[i]);
  }
  return out + "]}\n";
}

}  // namespace

void append_grid(std::string& out, const WeightGrid& grid) {
  if (grid.type.empty()) {
    out += R"(,"grid":null)";
    return;
  }
  fmt::format_to(std::back_inserter(out), R"(,"grid":{{"type":"{}","fit":"{}","table_fit":"{}"}})", grid.type,
                 name_of(grid.fit), name_of(grid.table_fit));
}

std::string describe_grid(const WeightGrid& grid) {
  const std::string table =
      grid.table_fit >= grid.fit ? "" : ", but for the embedding table, which Q8_0 rounds";
  if (grid.fit == GridFit::kExact)
    return fmt::format("weights sit on a {0} grid: quantising to {0} is lossless{1}", grid.type, table);
  return fmt::format("weights sit on a {0} grid, but rounded: {0} moves them by up to 1/128 of themselves{1}",
                     grid.type, table);
}

int info_file(const InfoFileArguments& arguments) {
  Report report;
  report.model = unwrap(inspect_model(arguments.path, arguments.dtype.empty() ? "q8" : arguments.dtype));
  for (const InspectedFile& file : report.model.files)
    report.hashes.push_back(arguments.hash ? hash_of(file.path) : FileHash{});
  print(arguments.json ? as_json(report, arguments) : as_text(report, arguments));
  return report.model.complete ? kDone : kFailed;
}

}  // namespace gemvec::cli
