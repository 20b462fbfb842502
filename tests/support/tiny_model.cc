#include "support/tiny_model.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>
#include <stdexcept>
#include <utility>

#include "support/number_types.h"
#include "support/random.h"
#include "support/tiny_tokenizer.h"

namespace gemvec::testing {

namespace {

// Numbers of a normal distribution, near enough: twelve uniform ones added up. Integers until the last
// step, so that every machine gets the same bits; std::normal_distribution does not promise that.
class Gaussian {
 public:
  Gaussian(std::uint64_t seed, std::string_view name) : random_(seed_of(seed, name)) {}

  double next() {
    std::int64_t sum = 0;
    for (int word = 0; word < 3; ++word) {
      std::uint64_t bits = random_.next();
      for (int part = 0; part < 4; ++part, bits >>= 16) sum += static_cast<std::int64_t>(bits & 0xFFFF);
    }
    // Twelve uniform numbers below 2^16 have the mean 12 (2^16 - 1) / 2 and the deviation 2^16.
    return static_cast<double>(sum - 393210) / 65536;
  }

 private:
  static std::uint64_t seed_of(std::uint64_t seed, std::string_view name) {
    for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3;  // FNV-1a
    return seed;
  }

  Random random_;
};

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
  const auto raw = std::as_bytes(std::span(&value, 1));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

// Makes tensors of one type from one seed. A tensor's numbers depend on its name only.
class TensorMaker {
 public:
  explicit TensorMaker(const TinyOptions& options)
      : options_(options), prefix_(options.model_prefix ? "model." : "") {}

  TinyTensor make(const std::string& name, std::vector<std::uint64_t> shape, double mean, double deviation) {
    Gaussian gaussian(options_.seed, name);
    TinyTensor tensor{name, type_name(), std::move(shape), {}};
    std::uint64_t count = 1;
    for (const auto dim : tensor.shape) count *= dim;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto value = static_cast<float>(mean + deviation * gaussian.next());
      switch (options_.dtype) {
        case model::RawType::kF32:
          append(tensor.bytes, value);
          break;
        case model::RawType::kBf16:
          append(tensor.bytes, to_bf16(value));
          break;
        case model::RawType::kF16:
          append(tensor.bytes, to_f16(value));
          break;
        case model::RawType::kRows:
          throw std::invalid_argument("a tiny model has plain numbers");
      }
    }
    return tensor;
  }

  // A linear layer that keeps the scale of its input, times `gain`.
  TinyTensor linear(const std::string& name, std::size_t out, std::size_t in, double gain = 1) {
    return make(prefix_ + name + ".weight", {out, in}, 0, gain / std::sqrt(static_cast<double>(in)));
  }

  // w of (1 + w).
  TinyTensor norm(const std::string& name, std::size_t size, double mean = 0) {
    return make(prefix_ + name + ".weight", {size}, mean, 0.2);
  }

  // 0.05 is 0.4 after the multiplication by sqrt(64): less than what the layers add, as in the release.
  TinyTensor embedding() {
    return make(prefix_ + "embed_tokens.weight", {options_.vocab, options_.width}, 0, 0.05);
  }

 private:
  [[nodiscard]] std::string type_name() const {
    if (options_.dtype == model::RawType::kF32) return "F32";
    return options_.dtype == model::RawType::kBf16 ? "BF16" : "F16";
  }

  const TinyOptions& options_;
  std::string prefix_;
};

std::vector<TinyTensor> make_tensors(const TinyOptions& o) {
  TensorMaker maker(o);
  std::vector<TinyTensor> tensors = {maker.embedding()};
  for (std::size_t i = 0; i < o.layers; ++i) {
    const std::string at = "layers." + std::to_string(i) + ".";
    tensors.push_back(maker.norm(at + "input_layernorm", o.width));
    // The release's last layers bring so little into post_feedforward_layernorm that eps damps it
    // (mean square 1e-7). So do these, or a wrong eps would go unseen.
    const double gain = i + 2 >= o.layers ? 1e-3 : 1;
    tensors.push_back(maker.linear(at + "mlp.down_proj", o.width, o.ffn, gain));
    tensors.push_back(maker.linear(at + "mlp.gate_proj", o.ffn, o.width));
    tensors.push_back(maker.linear(at + "mlp.up_proj", o.ffn, o.width));
    tensors.push_back(maker.norm(at + "post_attention_layernorm", o.width));
    tensors.push_back(maker.norm(at + "post_feedforward_layernorm", o.width));
    tensors.push_back(maker.norm(at + "pre_feedforward_layernorm", o.width));
    // Logits of about +-2, so that attention prefers some positions and a wrong mask shows.
    tensors.push_back(maker.norm(at + "self_attn.k_norm", o.head_dim, 0.5));
    tensors.push_back(maker.linear(at + "self_attn.k_proj", o.head_dim, o.width));
    tensors.push_back(maker.linear(at + "self_attn.o_proj", o.width, o.heads * o.head_dim));
    tensors.push_back(maker.norm(at + "self_attn.q_norm", o.head_dim, 0.5));
    tensors.push_back(maker.linear(at + "self_attn.q_proj", o.heads * o.head_dim, o.width));
    tensors.push_back(maker.linear(at + "self_attn.v_proj", o.head_dim, o.width));
  }
  tensors.push_back(maker.norm("norm", o.width));
  return tensors;
}

boost::json::object make_config(const TinyOptions& o) {
  boost::json::array layer_types;
  for (std::size_t i = 0; i < o.layers; ++i)
    layer_types.emplace_back(i % 6 == 5 ? "full_attention" : "sliding_attention");
  return {{"_sliding_window_pattern", 6},
          {"architectures", boost::json::array{"Gemma3TextModel"}},
          {"attention_bias", false},
          {"attn_logit_softcapping", nullptr},
          {"bos_token_id", 2},
          {"dtype", "float32"},
          {"eos_token_id", 1},
          {"final_logit_softcapping", nullptr},
          {"head_dim", o.head_dim},
          {"hidden_activation", "gelu_pytorch_tanh"},
          {"hidden_size", o.width},
          {"intermediate_size", o.ffn},
          {"layer_types", layer_types},
          {"max_position_embeddings", o.max_tokens},
          {"model_type", "gemma3_text"},
          {"num_attention_heads", o.heads},
          {"num_hidden_layers", o.layers},
          {"num_key_value_heads", 1},
          {"pad_token_id", 0},
          {"query_pre_attn_scalar", o.head_dim},
          {"rms_norm_eps", 1e-6},
          {"rope_local_base_freq", 10000.0},
          {"rope_scaling", nullptr},
          {"rope_theta", 1000000.0},
          {"sliding_window", o.sliding_window},
          {"use_bidirectional_attention", true},
          {"vocab_size", o.vocab}};
}

boost::json::array make_modules() {
  boost::json::array modules;
  int index = 0;
  for (const auto& [path, type] : {std::pair("", "Transformer"),
                                   {"1_Pooling", "Pooling"},
                                   {"2_Dense", "Dense"},
                                   {"3_Dense", "Dense"},
                                   {"4_Normalize", "Normalize"}}) {
    modules.push_back(boost::json::object{{"idx", index},
                                          {"name", std::to_string(index)},
                                          {"path", path},
                                          {"type", std::string("sentence_transformers.models.") + type}});
    ++index;
  }
  return modules;
}

boost::json::object make_dense(std::size_t in, std::size_t out) {
  return {{"in_features", in},
          {"out_features", out},
          {"bias", false},
          {"activation_function", "torch.nn.modules.linear.Identity"}};
}

constexpr std::string_view kSentenceTransformers = R"({
  "model_type": "SentenceTransformer",
  "prompts": {
    "query": "task: search result | query: ", "document": "title: none | text: ",
    "BitextMining": "task: search result | query: ", "Clustering": "task: clustering | query: ",
    "Classification": "task: classification | query: ",
    "InstructionRetrieval": "task: code retrieval | query: ",
    "MultilabelClassification": "task: classification | query: ",
    "PairClassification": "task: sentence similarity | query: ",
    "Reranking": "task: search result | query: ", "Retrieval": "task: search result | query: ",
    "Retrieval-query": "task: search result | query: ", "Retrieval-document": "title: none | text: ",
    "STS": "task: sentence similarity | query: ", "Summarization": "task: summarization | query: "
  },
  "default_prompt_name": null, "similarity_fn_name": "cosine"
})";

}  // namespace

TinyTensor& TinyModel::tensor(std::string_view name) {
  for (TinyTensor& tensor : tensors) {
    std::string_view found = tensor.name;
    if (found.starts_with("model.")) found.remove_prefix(6);
    if (found == name) return tensor;
  }
  throw std::runtime_error("the tiny model has no tensor " + std::string(name));
}

TinyModel make_tiny_model(const TinyOptions& options) {
  TinyModel model;
  model.config = make_config(options);
  model.modules = make_modules();
  model.transformer = {{"max_seq_length", options.max_tokens}, {"do_lower_case", false}};
  model.pooling = {{"word_embedding_dimension", options.width},
                   {"pooling_mode_cls_token", false},
                   {"pooling_mode_mean_tokens", true},
                   {"pooling_mode_max_tokens", false},
                   {"pooling_mode_mean_sqrt_len_tokens", false},
                   {"pooling_mode_weightedmean_tokens", false},
                   {"pooling_mode_lasttoken", false},
                   {"include_prompt", true}};
  model.dense2 = make_dense(options.width, options.dense_width);
  model.dense3 = make_dense(options.dense_width, options.width);
  model.sentence_transformers = boost::json::parse(kSentenceTransformers).as_object();
  model.tokenizer = make_tiny_tokenizer(options.vocab);
  model.tensors = make_tensors(options);
  TensorMaker maker(options);
  const auto dense = [&](const std::string& seed_name, std::size_t out, std::size_t in) {
    TinyTensor tensor = maker.linear(seed_name, out, in);
    tensor.name = "linear.weight";
    return std::vector<TinyTensor>{std::move(tensor)};
  };
  model.dense2_tensors = dense("2_Dense", options.dense_width, options.width);
  model.dense3_tensors = dense("3_Dense", options.width, options.dense_width);
  return model;
}

std::string safetensors_bytes(const std::vector<TinyTensor>& tensors) {
  boost::json::object header = {{"__metadata__", boost::json::object{{"format", "pt"}}}};
  std::string data;
  for (const TinyTensor& tensor : tensors) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    header[tensor.name] =
        boost::json::object{{"dtype", tensor.dtype},
                            {"shape", boost::json::array(tensor.shape.begin(), tensor.shape.end())},
                            {"data_offsets", boost::json::array{begin, data.size()}}};
  }
  const std::string json = boost::json::serialize(header);
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(json.size() >> 8 * i);
  return file + json + data;
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

void save(const TinyModel& model, const std::filesystem::path& dir) {
  const auto json = [&](const char* name, const boost::json::value& value) {
    write_text(dir / name, boost::json::serialize(value));
  };
  json("config.json", model.config);
  json("modules.json", model.modules);
  json("sentence_bert_config.json", model.transformer);
  json("1_Pooling/config.json", model.pooling);
  json("2_Dense/config.json", model.dense2);
  json("3_Dense/config.json", model.dense3);
  json("config_sentence_transformers.json", model.sentence_transformers);
  json("tokenizer.json", model.tokenizer);
  write_text(dir / "model.safetensors", safetensors_bytes(model.tensors));
  write_text(dir / "2_Dense/model.safetensors", safetensors_bytes(model.dense2_tensors));
  write_text(dir / "3_Dense/model.safetensors", safetensors_bytes(model.dense3_tensors));
}

TinyModel write_tiny_model(const std::filesystem::path& dir, const TinyOptions& options) {
  TinyModel model = make_tiny_model(options);
  save(model, dir);
  return model;
}

}  // namespace gemvec::testing
