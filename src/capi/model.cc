// The C API's models: loading, facts, prompts.
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/try.h"
#include "capi/objects.h"

gemvec_model::gemvec_model(gemvec::Embedder loaded)
    : embedder(std::move(loaded)),
      info(embedder.info()),
      path(info.model.string()),
      tokenizer{.own = std::nullopt, .tokenizer = &embedder.tokenizer()},
      together(std::make_unique<gemvec::capi::Together>(embedder)),
      process(getpid()) {}

namespace gemvec::capi {

namespace {

Result<std::optional<DType>> dtype_of(std::int32_t value) {
  switch (value) {
    case GEMVEC_DTYPE_DEFAULT:
      return std::optional<DType>{};
    case GEMVEC_DTYPE_FP32:
      return std::optional{DType::kFp32};
    case GEMVEC_DTYPE_BF16:
      return std::optional{DType::kBf16};
    case GEMVEC_DTYPE_Q8:
      return std::optional{DType::kQ8};
    case GEMVEC_DTYPE_Q4:
      return std::optional{DType::kQ4};
    case GEMVEC_DTYPE_MIXED:
      return std::optional{DType::kMixed};
    default:
      return invalid(fmt::format("dtype {}: expected one of gemvec_dtype.", value));
  }
}

Result<LoadOptions> load_options_of(const gemvec_load_options& given) {
  if (given.model == nullptr || *given.model == '\0') return invalid("model: no path is given.");
  LoadOptions options;
  options.model = given.model;
  if (given.cache_dir != nullptr) options.cache_dir = given.cache_dir;
  GEMVEC_TRY(dtype, dtype_of(given.dtype));
  options.dtype = dtype;
  if (given.compute != GEMVEC_COMPUTE_NATIVE && given.compute != GEMVEC_COMPUTE_FP32) {
    return invalid(fmt::format("compute {}: expected one of gemvec_compute.", given.compute));
  }
  options.compute = given.compute == GEMVEC_COMPUTE_FP32 ? Compute::kFp32 : Compute::kNative;
  options.threads = given.threads;
  options.exact = given.exact != 0;
  options.allow_headless = given.allow_headless != 0;
  options.use_cache = given.no_cache == 0;
  options.self_check = given.skip_self_check == 0;
  options.max_memory = given.max_memory;
  if (given.progress != nullptr) {
    options.progress = [given](const LoadProgress& progress) {
      given.progress(given.user, std::string(progress.stage).c_str(), progress.done, progress.total);
    };
  }
  return options;
}

void tell(const gemvec_load_options& options, const ModelInfo& info) {
  if (options.log == nullptr) return;
  for (const std::string& note : info.notes) options.log(options.user, GEMVEC_LOG_INFO, note.c_str());
  if (info.check == WeightsCheck::kDifferent) {
    const std::string message = fmt::format(
        "{}: the vectors are not the release's; the card's similarities differ by up to {:.2g}. "
        "A fine-tuned model, or damaged weights.",
        info.model.string(), info.check_max_abs_diff);
    options.log(options.user, GEMVEC_LOG_WARNING, message.c_str());
  }
}

gemvec_check check_of(WeightsCheck check) {
  switch (check) {
    case WeightsCheck::kRelease:
      return GEMVEC_CHECK_RELEASE;
    case WeightsCheck::kDifferent:
      return GEMVEC_CHECK_DIFFERENT;
    case WeightsCheck::kUnpromised:
      return GEMVEC_CHECK_UNPROMISED;
    case WeightsCheck::kNotRun:
      break;
  }
  return GEMVEC_CHECK_NOT_RUN;
}

gemvec_model_info facts(const gemvec_model& model) {
  const ModelInfo& info = model.info;
  gemvec_model_info out{};
  out.model = model.path.c_str();
  out.source_format = info.source_format.c_str();
  out.source_numbers = info.source_numbers.c_str();
  out.dtype = info.dtype.c_str();
  out.compute = info.compute.c_str();
  out.isa = info.isa.c_str();
  out.threads = info.threads;
  out.check = check_of(info.check);
  out.layers = info.layers;
  out.width = info.width;
  out.heads = info.heads;
  out.head_dim = info.head_dim;
  out.ffn = info.ffn;
  out.vocab = info.vocab;
  out.max_tokens = info.max_tokens;
  out.source_bytes = info.source_bytes;
  out.packed_bytes = info.packed_bytes;
  out.check_max_abs_diff = info.check_max_abs_diff;
  out.packed_from_cache = info.packed_from_cache ? 1 : 0;
  return out;
}

gemvec_text text_of(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Status usable(const gemvec_model* model) {
  if (model == nullptr) return null("model");
  if (model->process != getpid()) {
    return Error{
        ErrorCode::kUnsupported,
        "This process was forked after the model was loaded, and the model's threads stayed behind: load "
        "it in the child, which takes milliseconds, or start the child without fork (spawn)."};
  }
  return {};
}

}  // namespace gemvec::capi

using namespace gemvec::capi;  // NOLINT: what follows has C's names
using gemvec::Status;

gemvec_status gemvec_model_load(const gemvec_load_options* options, gemvec_model** out) {
  return guarded([&]() -> Status {
    if (out == nullptr) return null("out");
    GEMVEC_TRY(given, read_options(options, "gemvec_load_options"));
    GEMVEC_TRY(wanted, load_options_of(given));
    GEMVEC_TRY(embedder, gemvec::Embedder::load(wanted));
    auto model = std::make_unique<gemvec_model>(std::move(embedder));
    tell(given, model->info);
    *out = model.release();
    return {};
  });
}

void gemvec_model_free(gemvec_model* model) {
  // In a forked child the threads that its end would wait for are not there: what it holds is the child's
  // until the child ends, most of it shared with the parent.
  if (model != nullptr && model->process == getpid()) delete model;
}

gemvec_status gemvec_model_get_info(const gemvec_model* model, gemvec_model_info* info) {
  return guarded([&]() -> Status {
    GEMVEC_CHECK_OK(usable(model));
    if (info == nullptr) return null("info");
    const std::size_t size = info->struct_size;
    if (size < sizeof(std::size_t) || size > sizeof(gemvec_model_info)) {
      return wrong_size("gemvec_model_info", size, sizeof(gemvec_model_info));
    }
    gemvec_model_info now = facts(*model);
    now.workspace_bytes = model->embedder.info().workspace_bytes;
    now.struct_size = size;
    std::memcpy(info, &now, size);
    return {};
  });
}

size_t gemvec_prompt_count(const gemvec_model* model) {
  return model == nullptr ? 0 : model->embedder.prompts().all().size();
}

gemvec_status gemvec_prompt_get(const gemvec_model* model, size_t index, gemvec_text* name,
                                gemvec_text* prompt) {
  return guarded([&]() -> Status {
    if (model == nullptr) return null("model");
    const auto& all = model->embedder.prompts().all();
    if (index >= all.size())
      return invalid(fmt::format("index {}: expected 0 to {}.", index, all.size() - 1));
    if (name != nullptr) *name = text_of(all[index].name);
    if (prompt != nullptr) *prompt = text_of(all[index].prefix);
    return {};
  });
}

gemvec_status gemvec_prompt_for(const gemvec_model* model, gemvec_text task, gemvec_text title, char** prompt,
                                size_t* size) {
  return guarded([&]() -> Status {
    if (model == nullptr) return null("model");
    if (prompt == nullptr) return null("prompt");
    GEMVEC_TRY(task_name, view(task, "task"));
    GEMVEC_TRY(title_text, view(title, "title"));
    std::optional<std::string_view> given;
    if (title.data != nullptr) given = title_text;
    GEMVEC_TRY(prefix, model->embedder.prompts().prefix(task_name, given));
    *prompt = copy_for_caller(prefix);
    if (size != nullptr) *size = prefix.size();
    return {};
  });
}
