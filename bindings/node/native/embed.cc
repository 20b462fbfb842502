// The calls that embed.
#include "embed.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "calls.h"
#include "values.h"

namespace gemvec_node {

namespace {

// Options with the strings that they point to. Not to be moved.
struct Options {
  std::string task, title, prompt;
  gemvec_embed_options c{};
};

int cancelled(void* user) { return static_cast<WatchState*>(user)->stop() ? 1 : 0; }

void progress(void* user, std::size_t done, std::size_t total) {
  auto* watch = static_cast<WatchState*>(user);
  watch->total = total;
  watch->done = done;
}

void read_options(const Napi::Object& given, WatchState* watch, Options& options) {
  options.task = string_of(given, "task");
  options.title = string_of(given, "title");
  options.prompt = string_of(given, "prompt");
  options.c.struct_size = sizeof options.c;
  options.c.task = view_of(options.task);
  options.c.title = view_of(options.title);
  options.c.prompt = view_of(options.prompt);
  options.c.outputs = static_cast<std::uint32_t>(integer_of(given, "outputs"));
  options.c.dim = static_cast<std::uint32_t>(integer_of(given, "dim"));
  options.c.raw = flag_of(given, "raw");
  options.c.truncate = static_cast<std::int32_t>(integer_of(given, "truncate"));
  options.c.control_text = static_cast<std::int32_t>(integer_of(given, "controlText"));
  options.c.max_tokens = static_cast<std::uint32_t>(integer_of(given, "maxTokens"));
  options.c.cancelled = cancelled;
  options.c.progress = progress;
  options.c.user = watch;
}

Napi::Value object_of(Napi::Env env, const Result& result) {
  const std::size_t count = gemvec_result_count(result.get()), dim = gemvec_result_dim(result.get());
  const std::size_t rows = gemvec_result_token_rows(result.get());
  auto object = Napi::Object::New(env);
  object.Set("count", static_cast<double>(count));
  object.Set("dim", static_cast<double>(dim));
  object.Set("vectors", floats_of(env, result, gemvec_result_vectors(result.get()), count * dim));
  object.Set("width", static_cast<double>(GEMVEC_WIDTH));
  object.Set("rows", static_cast<double>(rows));
  object.Set("tokens", floats_of(env, result, gemvec_result_tokens(result.get()), rows * GEMVEC_WIDTH));
  const std::size_t* offsets = gemvec_result_offsets(result.get());
  const std::size_t number = offsets == nullptr ? 0 : count + 1;
  auto array = Napi::Float64Array::New(env, number);
  for (std::size_t i = 0; i < number; ++i) array[i] = static_cast<double>(offsets[i]);
  object.Set("offsets", array);
  return object;
}

class Embed : public Call {
 public:
  Embed(SharedModel model, const Napi::Value& options, const Napi::Value& watch)
      : model_(std::move(model)), watch_(Watch::state_of(watch)) {
    read_options(options.As<Napi::Object>(), watch_.get(), options_);
  }

 protected:
  // Takes what the C API gave. The model is let go of here, on the thread that worked: if it was disposed of
  // meanwhile, freeing it is no work for the event loop. Not after an error, whose message is still to be
  // read.
  gemvec_status done(gemvec_status status, gemvec_result* result) {
    if (status != GEMVEC_OK) return status;
    result_ = Result(result, FreeResult());
    model_.reset();
    return status;
  }
  Napi::Value finish(Napi::Env env) override { return object_of(env, result_); }

  SharedModel model_;
  std::shared_ptr<WatchState> watch_;
  Options options_;

 private:
  Result result_;
};

class EmbedTexts final : public Embed {
 public:
  EmbedTexts(const Napi::CallbackInfo& info, const SharedModel& model)
      : Embed(model, info[1], info[2]), texts_(texts_of(info[0], "texts")) {}

 protected:
  gemvec_status run() override {
    std::vector<gemvec_text> views;
    views.reserve(texts_.size());
    for (const std::string& text : texts_) views.push_back(view_of(text));
    gemvec_result* result = nullptr;
    const gemvec_status status = gemvec_embed(model_.get(), views.data(), views.size(), &options_.c, &result);
    return done(status, result);
  }

 private:
  std::vector<std::string> texts_;
};

std::vector<std::int64_t> numbers_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_bigint64_array) {
    throw Napi::TypeError::New(value.Env(), "a Tensor of int64 has its numbers in a BigInt64Array.");
  }
  const auto array = value.As<Napi::BigInt64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

class EmbedRectangle final : public Embed {
 public:
  EmbedRectangle(const Napi::CallbackInfo& info, const SharedModel& model)
      : Embed(model, info[4], info[5]),
        ids_(numbers_of(info[0])),
        mask_(info[1].IsNull() ? std::vector<std::int64_t>() : numbers_of(info[1])),
        has_mask_(!info[1].IsNull()),
        rows_(info[2].As<Napi::Number>().Uint32Value()),
        width_(info[3].As<Napi::Number>().Uint32Value()) {
    if (ids_.size() != rows_ * width_ || (has_mask_ && mask_.size() != ids_.size())) {
      throw Napi::TypeError::New(info.Env(),
                                 "input_ids and attention_mask must be BigInt64Array [rows, width].");
    }
  }

 protected:
  gemvec_status run() override {
    gemvec_result* result = nullptr;
    const gemvec_status status = gemvec_embed_padded(
        model_.get(), ids_.data(), has_mask_ ? mask_.data() : nullptr, rows_, width_, &options_.c, &result);
    return done(status, result);
  }

 private:
  std::vector<std::int64_t> ids_, mask_;  // copies: JavaScript may change, move or free its own meanwhile
  bool has_mask_;
  std::size_t rows_, width_;
};

}  // namespace

Napi::Value embed_texts(const Napi::CallbackInfo& info, const SharedModel& model) {
  return (new EmbedTexts(info, model))->start(info.Env());
}

Napi::Value embed_rectangle(const Napi::CallbackInfo& info, const SharedModel& model) {
  return (new EmbedRectangle(info, model))->start(info.Env());
}

}  // namespace gemvec_node
