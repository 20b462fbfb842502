#include "support/tiny_gguf.h"

#include <cstring>
#include <utility>

#include "support/number_types.h"

namespace gemvec::testing {

namespace {

const std::pair<const char*, const char*> kNorms[] = {
    {"input_layernorm", "attn_norm"},          {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"}, {"post_feedforward_layernorm", "post_ffw_norm"},
    {"self_attn.q_norm", "attn_q_norm"},       {"self_attn.k_norm", "attn_k_norm"},
};
const std::pair<const char*, const char*> kMatrices[] = {
    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

const TinyTensor& find(const TinyModel& model, const std::string& name) {
  return const_cast<TinyModel&>(model).tensor(name);
}

std::size_t layers_of(const TinyModel& model) {
  return model.config.at("num_hidden_layers").to_number<std::size_t>();
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<float> numbers_of(const TinyTensor& tensor) {
  std::vector<float> numbers;
  if (tensor.dtype == "F32") {
    numbers.resize(tensor.bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
    return numbers;
  }
  for (std::size_t at = 0; at < tensor.bytes.size(); at += 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, tensor.bytes.data() + at, 2);
    numbers.push_back(tensor.dtype == "BF16" ? from_bf16(word) : from_f16(word));
  }
  return numbers;
}

GgufFile::Tensor matrix(const std::string& name, const TinyTensor& tensor) {
  const std::uint32_t type = tensor.dtype == "F32" ? 0 : tensor.dtype == "F16" ? 1 : 30;
  return {name, {tensor.shape[1], tensor.shape[0]}, type, text_of(tensor.bytes)};
}

GgufFile::Tensor norm(const std::string& name, const TinyTensor& tensor) {
  std::string bytes;
  for (const float w : numbers_of(tensor)) bytes += gguf_raw(1.0F + w);
  return {name, tensor.shape, 0, std::move(bytes)};
}

std::vector<GgufFile::Tensor> make_tensors(const TinyModel& model) {
  std::vector<GgufFile::Tensor> tensors = {matrix("token_embd.weight", find(model, "embed_tokens.weight"))};
  for (std::size_t i = 0; i < layers_of(model); ++i) {
    const std::string from = "layers." + std::to_string(i) + ".", to = "blk." + std::to_string(i) + ".";
    for (const auto& [old_name, new_name] : kNorms)
      tensors.push_back(norm(to + new_name + ".weight", find(model, from + old_name + ".weight")));
    for (const auto& [old_name, new_name] : kMatrices)
      tensors.push_back(matrix(to + new_name + ".weight", find(model, from + old_name + ".weight")));
  }
  tensors.push_back(norm("output_norm.weight", find(model, "norm.weight")));
  tensors.push_back(matrix("dense_2.weight", model.dense2_tensors[0]));
  tensors.push_back(matrix("dense_3.weight", model.dense3_tensors[0]));
  return tensors;
}

void set_vocabulary(const TinyModel& model, GgufFile& file) {
  const auto& tokenizer = model.tokenizer;
  const auto& vocab = tokenizer.at("model").at("vocab").as_object();
  std::vector<std::string> pieces(vocab.size());
  for (const auto& [piece, id] : vocab) pieces[id.to_number<std::size_t>()] = std::string(piece);
  std::vector<float> scores(pieces.size(), -1000);
  std::vector<std::int32_t> types(pieces.size(), 1);
  float rank = 0;
  for (const auto& merge : tokenizer.at("model").at("merges").as_array()) {
    const std::string whole = std::string(merge.at(0).as_string()) + std::string(merge.at(1).as_string());
    scores[vocab.at(whole).to_number<std::size_t>()] = rank--;
  }
  for (const auto& added : tokenizer.at("added_tokens").as_array()) {
    const auto id = added.at("id").to_number<std::size_t>();
    if (id >= pieces.size()) continue;
    types[id] = added.at("special").as_bool() ? 3 : 4;
    scores[id] = -1000;
    for (std::size_t at = 0; (at = pieces[id].find("▁", at)) != std::string::npos;)
      pieces[id].replace(at, 3, " ");
  }
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].size() == 6 && pieces[id].starts_with("<0x")) types[id] = 6;
  }
  file.set("tokenizer.ggml.tokens", gguf_texts(pieces));
  file.set("tokenizer.ggml.scores", gguf_numbers(6, scores));
  file.set("tokenizer.ggml.token_type", gguf_numbers(5, types));
}

}  // namespace

GgufFile make_tiny_gguf(const TinyModel& model) {
  GgufFile file;
  const auto number = [&](const char* name) {
    return gguf_u32(model.config.at(name).to_number<std::uint32_t>());
  };
  const auto width = find(model, "embed_tokens.weight").shape[1];
  const auto inner = model.dense2_tensors[0].shape[0];
  const std::string at = "gemma-embedding.";
  file.set("general.architecture", gguf_text("gemma-embedding"));
  file.set(at + "context_length", number("max_position_embeddings"));
  file.set(at + "embedding_length", number("hidden_size"));
  file.set(at + "block_count", number("num_hidden_layers"));
  file.set(at + "feed_forward_length", number("intermediate_size"));
  file.set(at + "attention.head_count", number("num_attention_heads"));
  file.set(at + "attention.head_count_kv", number("num_key_value_heads"));
  file.set(at + "attention.key_length", number("head_dim"));
  file.set(at + "attention.value_length", number("head_dim"));
  file.set(at + "attention.layer_norm_rms_epsilon", gguf_f32(1e-6F));
  file.set(at + "attention.sliding_window", number("sliding_window"));
  file.set(at + "rope.freq_base", gguf_f32(1e6F));
  file.set(at + "pooling_type", gguf_u32(1));
  file.set(at + "dense_2_feat_in", gguf_u32(static_cast<std::uint32_t>(width)));
  file.set(at + "dense_2_feat_out", gguf_u32(static_cast<std::uint32_t>(inner)));
  file.set(at + "dense_3_feat_in", gguf_u32(static_cast<std::uint32_t>(inner)));
  file.set(at + "dense_3_feat_out", gguf_u32(static_cast<std::uint32_t>(width)));
  file.set("tokenizer.ggml.model", gguf_text("llama"));
  file.set("tokenizer.ggml.pre", gguf_text("default"));
  set_vocabulary(model, file);
  file.set("tokenizer.ggml.bos_token_id", gguf_u32(2));
  file.set("tokenizer.ggml.eos_token_id", gguf_u32(1));
  file.set("tokenizer.ggml.padding_token_id", gguf_u32(0));
  file.set("tokenizer.ggml.add_bos_token", gguf_bool(true));
  file.set("tokenizer.ggml.add_eos_token", gguf_bool(true));
  file.set("tokenizer.ggml.add_space_prefix", gguf_bool(false));
  file.tensors = make_tensors(model);
  return file;
}

std::vector<float> norm_weights(const TinyModel& model) {
  std::vector<float> all;
  const auto append = [&](const std::string& name) {
    const auto numbers = numbers_of(find(model, name));
    all.insert(all.end(), numbers.begin(), numbers.end());
  };
  for (std::size_t i = 0; i < layers_of(model); ++i) {
    for (const auto& [name, ignored] : kNorms) append("layers." + std::to_string(i) + "." + name + ".weight");
  }
  append("norm.weight");
  return all;
}

}  // namespace gemvec::testing
