#include "convert/model_files.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/try.h"
#include "convert/json_text.h"
#include "convert/vocabulary.h"
#include "formats/gguf.h"
#include "gemvec/prompts.h"
#include "source/formats.h"
#include "source/model_config.h"
#include "tokenizer/internals.h"

namespace gemvec::convert {

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// What travels along may be large, as tokenizer.json is, but none of it is weights.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxConfigBytes = 1 << 20;  // the release's has 1488

// Files that say something about the model whatever its format, and are taken as they are.
constexpr std::array<std::string_view, 4> kCarried = {"tokenizer.model", "special_tokens_map.json",
                                                      "added_tokens.json", "generation_config.json"};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Status carry(const fs::path& from, const fs::path& to) {
  GEMVEC_TRY(bytes, base::read_file(from, kMaxFileBytes));
  return write_file(to, bytes);
}

// README, LICENSE and the like, in any spelling that begins so.
bool is_notice(std::string_view name) {
  constexpr std::array<std::string_view, 4> kBeginnings = {"README", "LICENSE", "NOTICE", "USE_POLICY"};
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

Status copy_notices(const fs::path& from, const fs::path& to) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::directory_iterator at(from, error);
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    if (is_notice(at->path().filename().string()) && is_file(at->path())) found.push_back(at->path());
  }
  if (error) return base::os_error("read", from, error.value());
  for (const fs::path& path : found) GEMVEC_CHECK_OK(carry(path, to / path.filename()));
  return {};
}

// True if it was another value.
bool set(json::object& object, std::string_view name, const json::value& value) {
  json::value& field = object[name];
  if (field == value) return false;
  field = value;
  return true;
}

bool adapt(json::object& config, const source::ModelSource& source, ConvertTarget target,
           ConvertNumbers numbers) {
  bool changed = false;
  const auto* window = config.if_contains("sliding_window");
  if (window == nullptr || !window->is_number() ||
      static_cast<std::size_t>(window->to_number<double>()) / 2 != source.config.window) {
    changed = set(config, "sliding_window", 2 * source.config.window);
  }
  if (target == ConvertTarget::kSafetensors) {
    const char* dtype = numbers == ConvertNumbers::kBf16 ? "bfloat16" : "float32";
    const bool old_name = config.contains("torch_dtype") && !config.contains("dtype");
    changed = set(config, old_name ? "torch_dtype" : "dtype", dtype) || changed;
  }
  if (target == ConvertTarget::kOnnx) {
    // transformers.js opens model.onnx_data only when it is told of it, here for all files of the folder.
    json::object js;
    if (const auto* old = config.if_contains("transformers.js_config"); old != nullptr && old->is_object()) {
      js = old->get_object();
    }
    js["use_external_data_format"] = true;
    changed = set(config, "transformers.js_config", js) || changed;
  }
  return changed;
}

json::object token_names() {
  return {{"bos_token", "<bos>"}, {"eos_token", "<eos>"}, {"pad_token", "<pad>"}, {"unk_token", "<unk>"}};
}

Status write_tokenizer(const source::ModelSource& source, const fs::path& to) {
  if (source.tokenizer.filename() == "tokenizer.json") {
    GEMVEC_CHECK_OK(carry(source.tokenizer, to / "tokenizer.json"));
  } else {
    GEMVEC_TRY(tokenizer, source::read_tokenizer(source.tokenizer));
    const std::string text = tokenizer_json(tokenizer::Internals::tables(tokenizer));
    GEMVEC_CHECK_OK(write_file(to / "tokenizer.json", text));
  }
  if (has_model_folder(source) && is_file(source.folder / "tokenizer_config.json")) {
    return carry(source.folder / "tokenizer_config.json", to / "tokenizer_config.json");
  }
  json::object config = token_names();
  config["add_bos_token"] = true;
  config["add_eos_token"] = true;
  config["clean_up_tokenization_spaces"] = false;
  config["model_max_length"] = source.config.max_tokens;
  config["padding_side"] = "right";
  config["tokenizer_class"] = "PreTrainedTokenizerFast";  // as tokenizer.json says, nothing added
  GEMVEC_CHECK_OK(write_file(to / "tokenizer_config.json", indented(config)));
  if (has_model_folder(source) && is_file(source.folder / "special_tokens_map.json")) return {};
  return write_file(to / "special_tokens_map.json", indented(token_names()));
}

Status write_sentence_files(const source::ModelSource& source, const fs::path& to) {
  const auto own = [&](const char* name) {
    return has_model_folder(source) && is_file(source.folder / name);
  };
  constexpr auto kPrompts = "config_sentence_transformers.json", kTransformer = "sentence_bert_config.json";
  if (own(kPrompts)) {
    GEMVEC_CHECK_OK(carry(source.folder / kPrompts, to / kPrompts));
  } else {
    GEMVEC_TRY(text, prompts_json(source));
    GEMVEC_TRY(prompts, base::parse_json(text, kPrompts));
    const json::object config = {{"model_type", "SentenceTransformer"},
                                 {"prompts", prompts},
                                 {"default_prompt_name", nullptr},
                                 {"similarity_fn_name", "cosine"}};
    GEMVEC_CHECK_OK(write_file(to / kPrompts, indented(config)));
  }
  if (own(kTransformer)) return carry(source.folder / kTransformer, to / kTransformer);
  return write_file(to / kTransformer, indented(json::object{{"max_seq_length", source.config.max_tokens},
                                                             {"do_lower_case", false}}));
}

// What follows the transformer, in the release's words. Opening the source has made sure that it is this.
Status write_modules(const source::ModelSource& source, const StagedFolder& folder) {
  const std::size_t width = source.config.width, inner = source.config.dense_width;
  json::array modules;
  for (const auto& [path, type] : {std::pair("", "Transformer"),
                                   {"1_Pooling", "Pooling"},
                                   {"2_Dense", "Dense"},
                                   {"3_Dense", "Dense"},
                                   {"4_Normalize", "Normalize"}}) {
    modules.push_back(json::object{{"idx", modules.size()},
                                   {"name", std::to_string(modules.size())},
                                   {"path", path},
                                   {"type", std::string("sentence_transformers.models.") + type}});
  }
  GEMVEC_CHECK_OK(write_file(folder.path() / "modules.json", indented(modules)));
  for (const char* name : {"1_Pooling", "2_Dense", "3_Dense"}) GEMVEC_CHECK_OK(folder.create_folder(name));
  const json::object pooling = {{"word_embedding_dimension", width},
                                {"pooling_mode_cls_token", false},
                                {"pooling_mode_mean_tokens", true},
                                {"pooling_mode_max_tokens", false},
                                {"pooling_mode_mean_sqrt_len_tokens", false},
                                {"pooling_mode_weightedmean_tokens", false},
                                {"pooling_mode_lasttoken", false},
                                {"include_prompt", true}};
  GEMVEC_CHECK_OK(write_file(folder.path() / "1_Pooling/config.json", indented(pooling)));
  for (const auto& [name, in, out] : {std::tuple("2_Dense", width, inner), {"3_Dense", inner, width}}) {
    const json::object dense = {{"in_features", in},
                                {"out_features", out},
                                {"bias", false},
                                {"activation_function", "torch.nn.modules.linear.Identity"}};
    GEMVEC_CHECK_OK(write_file(folder.path() / name / "config.json", indented(dense)));
  }
  return {};
}

}  // namespace

bool has_model_folder(const source::ModelSource& source) { return source.format != source::Format::kGguf; }

Result<std::string> make_config_json(const source::ModelSource& source, ConvertTarget target,
                                     ConvertNumbers numbers) {
  std::string text;
  json::object config;
  if (has_model_folder(source)) {
    const fs::path path = source.folder / "config.json";
    GEMVEC_TRY(bytes, base::read_file(path, kMaxConfigBytes));
    GEMVEC_TRY(value, base::parse_json(bytes, path.string()));
    if (!value.is_object()) {
      return Error{ErrorCode::kBadFormat, path.string() + ": expected one object."};
    }
    text = std::move(bytes);
    config = std::move(value.get_object());
  } else {
    config = source::write_model_config(source.config);
  }
  if (adapt(config, source, target, numbers) || text.empty()) text = indented(config);
  return text;
}

Result<std::string> prompts_json(const source::ModelSource& source) {
  if (has_model_folder(source)) {
    const fs::path path = source.folder / "config_sentence_transformers.json";
    if (is_file(path)) {
      GEMVEC_TRY(value, base::read_json(path, kMaxConfigBytes));
      const auto* object = value.if_object();
      const auto* prompts = object == nullptr ? nullptr : object->if_contains("prompts");
      if (prompts != nullptr && prompts->is_object()) return json::serialize(*prompts);
    }
  }
  if (source.format == source::Format::kGguf) {
    GEMVEC_TRY(gguf, formats::Gguf::open(source.tokenizer));
    const auto* value = gguf.find("gemvec.prompts");
    if (const auto text = value == nullptr ? std::nullopt : value->text()) {
      GEMVEC_TRY(prompts, base::parse_json(*text, source.tokenizer.string() + ": gemvec.prompts"));
      if (prompts.is_object()) return json::serialize(prompts);
    }
  }
  json::object prompts;
  const PromptSet builtin = PromptSet::builtin();
  for (const Prompt& prompt : builtin.all()) {
    if (!prompt.prefix.empty()) prompts[prompt.name] = prompt.prefix;
  }
  return json::serialize(prompts);
}

Status write_model_files(Job& job, const StagedFolder& folder) {
  const source::ModelSource& source = job.source();
  const ConvertOptions& options = job.options();
  GEMVEC_CHECK_OK(job.begin("copying the tokenizer"));
  GEMVEC_TRY(config, make_config_json(source, options.target, options.numbers));
  GEMVEC_CHECK_OK(write_file(folder.path() / "config.json", config));
  GEMVEC_CHECK_OK(write_tokenizer(source, folder.path()));
  GEMVEC_CHECK_OK(write_sentence_files(source, folder.path()));
  if (options.target == ConvertTarget::kSafetensors) GEMVEC_CHECK_OK(write_modules(source, folder));
  if (!has_model_folder(source)) return {};
  for (const std::string_view name : kCarried) {
    if (is_file(source.folder / name)) GEMVEC_CHECK_OK(carry(source.folder / name, folder.path() / name));
  }
  return copy_notices(source.folder, folder.path());
}

}  // namespace gemvec::convert
