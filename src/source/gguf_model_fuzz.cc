// A good GGUF file of a model with one layer, with other keys, values, types, shapes and bytes: refused with
// a message that names the file, or a model of which every row can be read, and a tokenizer that stays inside
// its tables.
//
// The input is edits of 8 bytes: kind, value's kind, which one (2), value (4). Bytes after the last whole one
// overwrite the file's header.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "source/formats.h"
#include "source/gguf_tokenizer.h"
#include "support/tiny_gguf.h"

namespace {

using gemvec::model::RawTensor;
using gemvec::testing::GgufFile;

struct Edit {
  std::uint8_t kind, value_kind;
  std::uint16_t which;
  std::uint32_t value;
};

// A value with its type, of each type that a key may have.
std::string make_value(const Edit& edit) {
  using namespace gemvec::testing;
  switch (edit.value_kind % 10) {
    case 0:
      return gguf_u32(edit.value);
    case 1:
      return gguf_i32(static_cast<std::int32_t>(edit.value));
    case 2: {
      float number = 0;
      std::memcpy(&number, &edit.value, sizeof(number));
      return gguf_f32(number);
    }
    case 3:
      return gguf_bool(edit.value & 1);
    case 4:
      return gguf_text(std::string(edit.value % 40, static_cast<char>(edit.value >> 8)));
    case 5:
      return gguf_numbers(7, std::vector<std::uint8_t>(edit.value % 40, edit.value >> 8 & 1));
    case 6:
      return gguf_texts(std::vector<std::string>(edit.value % 700, std::string(edit.value >> 16 & 3, 'a')));
    case 7:
      return gguf_numbers(6, std::vector<float>(edit.value % 700, static_cast<float>(edit.value >> 16)));
    case 8:
      return gguf_numbers(
          5, std::vector<std::int32_t>(edit.value % 700, static_cast<std::int32_t>(edit.value >> 16)));
    default:
      return gguf_raw<std::uint32_t>(10) +
             gguf_raw<std::uint64_t>(std::uint64_t{edit.value} << 32 | edit.value);
  }
}

constexpr const char* kMoreKeys[] = {
    "general.alignment",
    "split.count",
    "gemvec.norm_weights",
    "gemma-embedding.vocab_size",
    "gemma-embedding.rope.freq_base_swa",
    "gemma-embedding.rope.scaling.type",
    "gemma-embedding.attention.sliding_window_pattern",
    "gemma-embedding.attention.causal",
    "tokenizer.ggml.precompiled_charsmap",
};

void apply(GgufFile& file, const Edit& edit) {
  if (file.keys.empty() || file.tensors.empty()) return;
  auto& key = file.keys[edit.which % file.keys.size()];
  auto& tensor = file.tensors[edit.which % file.tensors.size()];
  switch (edit.kind % 10) {
    case 0:
      key.second = make_value(edit);
      break;
    case 1:
      file.set(kMoreKeys[edit.which % std::size(kMoreKeys)], make_value(edit));
      break;
    case 2:
      file.keys.erase(file.keys.begin() + edit.which % static_cast<long>(file.keys.size()));
      break;
    case 3:  // one number of a value, which may be a list
      if (key.second.size() >= 8)
        std::memcpy(&key.second[edit.value % (key.second.size() - 3)], &edit.value, 4);
      break;
    case 4:
      tensor.type = edit.value % 40;
      if (edit.value_kind & 1) tensor.bytes.resize(edit.value >> 8 & 0xFFFF);
      break;
    case 5:
      tensor.shape[edit.value_kind % tensor.shape.size()] = edit.value >> (edit.value & 31);
      break;
    case 6:
      tensor.shift = static_cast<std::int32_t>(edit.value) >> (edit.value_kind & 31);
      break;
    case 7:
      tensor.name = file.tensors[edit.value % file.tensors.size()].name;
      break;
    case 8:
      if (!tensor.bytes.empty())
        std::memcpy(&tensor.bytes[edit.value % tensor.bytes.size()], &edit.value_kind, 1);
      break;
    default:
      file.tensors.erase(file.tensors.begin() + edit.which % static_cast<long>(file.tensors.size()));
  }
}

// Reads every number, so that one outside is seen.
void touch(const RawTensor& raw) {
  if (raw.rows == 0 || raw.cols == 0) std::abort();
  if (raw.reader != nullptr) {
    std::vector<float> row(raw.cols);
    for (std::size_t r = 0; r < raw.rows; ++r) raw.reader->read(r, row.data());
    return;
  }
  const std::size_t size = raw.type == gemvec::model::RawType::kF32 ? 4 : 2;
  unsigned sum = 0;
  for (std::size_t i = 0; i < raw.rows * raw.cols * size; ++i) sum += std::to_integer<unsigned>(raw.data[i]);
  if (sum == static_cast<unsigned>(-1)) std::abort();  // so that the reads are not optimised away
}

void touch(const gemvec::model::RawWeights& weights, bool has_dense) {
  touch(weights.embedding);
  touch(weights.final_norm);
  for (const auto& layer : weights.layers) {
    for (const auto* raw : {&layer.input_norm, &layer.q, &layer.k, &layer.v, &layer.q_norm, &layer.k_norm,
                            &layer.o, &layer.post_attention_norm, &layer.pre_ffn_norm, &layer.gate, &layer.up,
                            &layer.down, &layer.post_ffn_norm})
      touch(*raw);
  }
  if (!has_dense) return;
  touch(weights.dense2);
  touch(weights.dense3);
}

void expect_named(const gemvec::Error& error) {
  if (!error.message.starts_with("fuzz.gguf: ")) std::abort();
}

void use_tokenizer(const gemvec::formats::Gguf& gguf) {
  const auto tokenizer = gemvec::source::read_gguf_tokenizer(gguf, "fuzz.gguf");
  if (!tokenizer.ok()) return expect_named(tokenizer.error());
  const auto encoding = tokenizer->encode("the  query\n\n<b>one</b><bos>\xF0\x9F\x98\x80\xFF");
  if (!encoding.ok()) std::abort();
  for (const std::int32_t id : encoding->ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokenizer->vocab_size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const GgufFile kGood = gemvec::testing::make_tiny_gguf(gemvec::testing::make_tiny_model(
      {.layers = 1, .width = 32, .heads = 1, .head_dim = 32, .ffn = 32, .dense_width = 32}));
  GgufFile file = kGood;
  for (; size >= sizeof(Edit); data += sizeof(Edit), size -= sizeof(Edit)) {
    Edit edit{};
    std::memcpy(&edit, data, sizeof(edit));
    apply(file, edit);
  }
  const std::string bytes = file.bytes();
  // A copy with nothing behind it that may be read.
  std::vector<std::byte> exact(bytes.size());
  std::memcpy(exact.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < size; ++i) exact[4 + i] ^= static_cast<std::byte>(data[i]);
  const auto gguf = gemvec::formats::Gguf::parse(exact, "fuzz.gguf");
  if (!gguf.ok()) {
    expect_named(gguf.error());
    return 0;
  }
  for (const bool headless : {false, true}) {
    const auto source = gemvec::source::read_gguf(*gguf, "fuzz.gguf", {.allow_headless = headless});
    if (source.ok()) {
      touch(source->weights, source->config.dense_width != 0);
    } else {
      expect_named(source.error());
    }
  }
  use_tokenizer(*gguf);
  return 0;
}
