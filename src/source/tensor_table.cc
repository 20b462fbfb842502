#include "source/tensor_table.h"

#include <array>
#include <map>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/quote.h"
#include "base/try.h"

namespace gemvec::source {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = 16 << 20;  // 65536 names of 256 bytes
constexpr std::size_t kMaxShards = 1024;

struct KnownType {
  std::string_view name;
  model::RawType type;
};
constexpr std::array kTypes = {KnownType{"F32", model::RawType::kF32},
                               KnownType{"BF16", model::RawType::kBf16},
                               KnownType{"F16", model::RawType::kF16}};

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.size() < 256 && name.find('/') == name.npos && name.find('\0') == name.npos &&
         name != "." && name != "..";
}

// File name -> names of the tensors that it must hold.
Result<std::map<std::string, std::vector<std::string>>> read_index(const fs::path& path) {
  const auto bad = [&](const std::string& problem) {
    return Error{ErrorCode::kBadFormat, path.string() + ": " + problem + "."};
  };
  GEMVEC_TRY(json, base::read_json(path, kMaxIndexBytes));
  const auto* object = json.if_object();
  const auto* weight_map = object == nullptr ? nullptr : object->if_contains("weight_map");
  if (weight_map == nullptr || !weight_map->is_object())
    return bad("weight_map: expected an object of tensors and the names of their files");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, file] : weight_map->get_object()) {
    const std::string name(tensor);
    if (!file.is_string() || !is_plain_file_name(std::string_view(file.get_string())))
      return bad("weight_map: tensor " + base::quote(name) + ": expected the name of a file in this folder");
    shards[std::string(file.get_string())].push_back(name);
  }
  if (shards.empty() || shards.size() > kMaxShards)
    return bad("weight_map: expected 1 to " + std::to_string(kMaxShards) + " files, found " +
               std::to_string(shards.size()));
  return shards;
}

}  // namespace

Result<TensorTable> TensorTable::open(const fs::path& folder) {
  TensorTable table;
  const fs::path single = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (!fs::exists(single, ignored) && fs::exists(index, ignored)) {
    GEMVEC_CHECK_OK(table.add_shards(index));
  } else {
    GEMVEC_CHECK_OK(table.add(single));
  }
  return table;
}

Status TensorTable::add(const fs::path& path) {
  GEMVEC_TRY(file, formats::Safetensors::open(path));
  for (const auto& tensor : file.tensors()) {
    if (const Found other = find(tensor.name); other.tensor != nullptr)
      return Error{ErrorCode::kBadFormat, path.string() + ": tensor " + base::quote(tensor.name) +
                                              ": expected it once, but " + paths_[other.file].string() +
                                              " has it too."};
  }
  files_.push_back(std::move(file));
  paths_.push_back(path);
  return {};
}

Status TensorTable::add_shards(const fs::path& index) {
  GEMVEC_TRY(shards, read_index(index));
  for (const auto& [file, tensors] : shards) {
    const fs::path path = index.parent_path() / file;
    GEMVEC_CHECK_OK(add(path));
    for (const auto& tensor : tensors) {
      if (files_.back().find(tensor) == nullptr)
        return Error{ErrorCode::kBadFormat, path.string() + ": tensor " + base::quote(tensor) +
                                                ": not found, but " + index.filename().string() +
                                                " says that it is here."};
    }
  }
  return {};
}

TensorTable::Found TensorTable::find(std::string_view name) const {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (const auto* tensor = files_[i].find(name); tensor != nullptr) return {tensor, i};
  }
  return {};
}

Result<model::RawTensor> TensorTable::take(const std::string& name, const std::vector<std::uint64_t>& shape) {
  const Found found = find(name);
  const auto bad = [&](ErrorCode code, const std::string& problem) {
    return Error{code, paths_[found.file].string() + ": tensor " + name + ": " + problem + "."};
  };
  if (found.tensor == nullptr)
    return bad(ErrorCode::kBadFormat, "not found; expected shape " + formats::shape_text(shape));
  if (found.tensor->shape != shape)
    return bad(ErrorCode::kBadFormat, "expected shape " + formats::shape_text(shape) + ", found " +
                                          formats::shape_text(found.tensor->shape));
  for (const KnownType& known : kTypes) {
    if (known.name != found.tensor->dtype) continue;
    taken_.insert(found.tensor);
    const bool vector = shape.size() == 1;
    return model::RawTensor{known.type, vector ? 1 : shape[0], shape.back(), found.tensor->bytes.data()};
  }
  return bad(ErrorCode::kUnsupported, "expected the type F32, BF16 or F16, found " + found.tensor->dtype);
}

Result<model::RawTensor> TensorTable::take_matrix(const std::string& name, std::size_t rows,
                                                  std::size_t cols) {
  return take(name, {rows, cols});
}

Result<model::RawTensor> TensorTable::take_vector(const std::string& name, std::size_t size) {
  return take(name, {size});
}

std::size_t TensorTable::rows_of(std::string_view name) const {
  const auto* tensor = find(name).tensor;
  return tensor == nullptr || tensor->shape.size() != 2 ? 0 : tensor->shape[0];
}

Status TensorTable::check_all_taken(std::string_view except) const {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    for (const auto& tensor : files_[i].tensors()) {
      if (taken_.contains(&tensor) || tensor.name == except) continue;
      return Error{ErrorCode::kUnsupported, paths_[i].string() + ": tensor " + base::quote(tensor.name) +
                                                ": expected only the tensors of EmbeddingGemma."};
    }
  }
  return {};
}

std::vector<base::MappedFile> TensorTable::release_files() {
  std::vector<base::MappedFile> mappings;
  for (auto& file : files_) mappings.push_back(file.release_file());
  return mappings;
}

}  // namespace gemvec::source
