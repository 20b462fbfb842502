// A complete model folder of EmbeddingGemma's architecture, small enough for a unit test: seeded Gaussian
// weights, the same bytes on every machine, and a tokenizer with the release's special ids.
//
//   TempDir dir;
//   write_tiny_model(dir.path());                      // a good one
//   TinyModel model = make_tiny_model({.seed = 7});    // one to break
//   model.config["model_type"] = "bert";
//   save(model, dir.path());
//
// Everything here throws std::runtime_error when a file cannot be written: a test has nothing to recover.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/raw_weights.h"

namespace gemvec::testing {

struct TinyOptions {
  std::uint64_t seed = 1;
  model::RawType dtype = model::RawType::kF32;
  // Seven layers, so that one (5) has full attention and sliding layers stand on both sides of it.
  std::size_t layers = 7;
  std::size_t width = 64;
  std::size_t heads = 3;
  std::size_t head_dim = 32;
  std::size_t ffn = 96;
  std::size_t dense_width = 128;
  std::size_t vocab = 600;          // >= 600, what the tokenizer needs
  std::size_t sliding_window = 16;  // as in config.json: |i - j| <= 8
  std::size_t max_tokens = 2048;
  bool model_prefix = false;  // tensors are called model.layers.0..., as some exporters do
};

struct TinyTensor {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::byte> bytes;
};

// The files of the folder, to be changed before they are written.
struct TinyModel {
  boost::json::object config;                 // config.json
  boost::json::array modules;                 // modules.json
  boost::json::object transformer;            // sentence_bert_config.json
  boost::json::object pooling;                // 1_Pooling/config.json
  boost::json::object dense2, dense3;         // 2_Dense/config.json, 3_Dense/config.json
  boost::json::object sentence_transformers;  // config_sentence_transformers.json: the release's prompts
  boost::json::object tokenizer;              // tokenizer.json
  std::vector<TinyTensor> tensors;            // model.safetensors
  std::vector<TinyTensor> dense2_tensors, dense3_tensors;

  // The tensor of model.safetensors with this name, without the "model." prefix. Throws if there is none.
  TinyTensor& tensor(std::string_view name);
};

TinyModel make_tiny_model(const TinyOptions& options = {});

// Writes all files of the folder, which is created if need be.
void save(const TinyModel& model, const std::filesystem::path& dir);

// make_tiny_model() and save().
TinyModel write_tiny_model(const std::filesystem::path& dir, const TinyOptions& options = {});

// The bytes of a safetensors file with these tensors, one after the other.
std::string safetensors_bytes(const std::vector<TinyTensor>& tensors);

void write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace gemvec::testing
