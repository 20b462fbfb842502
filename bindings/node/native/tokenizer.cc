// A tokenizer, of a model or alone.
#include "tokenizer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "calls.h"
#include "values.h"

namespace gemvec_node {

namespace {

struct FreeTokens {
  void operator()(gemvec_tokens* tokens) const { gemvec_tokens_free(tokens); }
};
using Tokens = std::unique_ptr<gemvec_tokens, FreeTokens>;

class LoadTokenizer final : public Call {
 public:
  LoadTokenizer(std::string path, std::string cache_dir)
      : path_(std::move(path)), cache_dir_(std::move(cache_dir)) {}

 protected:
  gemvec_status run() override {
    gemvec_tokenizer* loaded = nullptr;
    const char* cache_dir = cache_dir_.empty() ? nullptr : cache_dir_.c_str();
    const gemvec_status status = gemvec_tokenizer_load(path_.c_str(), cache_dir, &loaded);
    if (status == GEMVEC_OK) {
      tokenizer_ = SharedTokenizer(loaded, [](const gemvec_tokenizer* freed) {
        gemvec_tokenizer_free(const_cast<gemvec_tokenizer*>(freed));
      });
    }
    return status;
  }
  Napi::Value finish(Napi::Env env) override { return Tokenizer::wrap(env, tokenizer_); }

 private:
  std::string path_, cache_dir_;
  SharedTokenizer tokenizer_;
};

// texts, options -> tokens; throws.
Tokens tokenize(const Napi::CallbackInfo& info, const gemvec_tokenizer* tokenizer) {
  const std::vector<std::string> texts = texts_of(info[0], "texts");
  const auto given = info[1].As<Napi::Object>();
  const std::string prompt = string_of(given, "prompt");
  std::vector<gemvec_text> views;
  views.reserve(texts.size());
  for (const std::string& text : texts) views.push_back(view_of(text));
  gemvec_tokenize_options options{};
  options.struct_size = sizeof options;
  options.prompt = view_of(prompt);
  options.max_tokens = static_cast<std::uint32_t>(integer_of(given, "maxTokens"));
  options.no_bos_eos = flag_of(given, "noBosEos");
  options.truncate = static_cast<std::int32_t>(integer_of(given, "truncate"));
  options.control_text = static_cast<std::int32_t>(integer_of(given, "controlText"));
  gemvec_tokens* tokens = nullptr;
  check(info.Env(), gemvec_tokenize(tokenizer, views.data(), views.size(), &options, &tokens));
  return Tokens(tokens);
}

}  // namespace

Napi::Function Tokenizer::define(Napi::Env env) {
  return DefineClass(
      env, "Tokenizer",
      {InstanceMethod("encode", &Tokenizer::encode), InstanceMethod("pad", &Tokenizer::pad),
       InstanceMethod("decode", &Tokenizer::decode), InstanceMethod("piece", &Tokenizer::piece),
       InstanceMethod("isSpecial", &Tokenizer::is_special),
       InstanceMethod("specialId", &Tokenizer::special_id),
       InstanceMethod("vocabSize", &Tokenizer::vocab_size)});
}

Napi::Object Tokenizer::wrap(Napi::Env env, SharedTokenizer tokenizer) {
  const Napi::Object object = env.GetInstanceData<Environment>()->tokenizer.New({});
  Unwrap(object)->tokenizer_ = std::move(tokenizer);
  return object;
}

Napi::Value Tokenizer::load(const Napi::CallbackInfo& info) {
  return (new LoadTokenizer(text_of(info[0], "path"), text_of(info[1], "cacheDir")))->start(info.Env());
}

Tokenizer::Tokenizer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Tokenizer>(info) {}

// encode(texts, options) -> Int32Array[], one for each text
Napi::Value Tokenizer::encode(const Napi::CallbackInfo& info) {
  const Tokens tokens = tokenize(info, tokenizer_.get());
  const std::size_t count = gemvec_tokens_count(tokens.get());
  auto lists = Napi::Array::New(info.Env(), count);
  for (std::size_t i = 0; i < count; ++i) {
    const Napi::HandleScope scope(info.Env());
    const gemvec_ids ids = gemvec_tokens_ids(tokens.get(), i);
    auto list = Napi::Int32Array::New(info.Env(), ids.size);
    if (ids.size != 0) std::memcpy(list.Data(), ids.data, ids.size * sizeof(std::int32_t));
    lists.Set(static_cast<std::uint32_t>(i), list);
  }
  return lists;
}

// pad(texts, options) -> {ids, mask: BigInt64Array [rows, width], rows, width}: as wide as the longest text,
// and at least options.width. options.left: padding before the text.
Napi::Value Tokenizer::pad(const Napi::CallbackInfo& info) {
  const Tokens tokens = tokenize(info, tokenizer_.get());
  const auto options = info[1].As<Napi::Object>();
  const std::size_t rows = gemvec_tokens_count(tokens.get());
  const std::size_t width =
      std::max(gemvec_tokens_longest(tokens.get()), static_cast<std::size_t>(integer_of(options, "width")));
  auto ids = Napi::BigInt64Array::New(info.Env(), rows * width);
  auto mask = Napi::BigInt64Array::New(info.Env(), rows * width);
  check(info.Env(),
        gemvec_tokens_pad(tokens.get(), width, flag_of(options, "left"), ids.Data(), mask.Data()));
  auto padded = Napi::Object::New(info.Env());
  padded.Set("ids", ids);
  padded.Set("mask", mask);
  padded.Set("rows", static_cast<double>(rows));
  padded.Set("width", static_cast<double>(width));
  return padded;
}

// decode(Int32Array, skipSpecial) -> string
Napi::Value Tokenizer::decode(const Napi::CallbackInfo& info) {
  const auto ids = info[0].As<Napi::Int32Array>();
  char* text = nullptr;
  std::size_t size = 0;
  check(info.Env(), gemvec_decode(tokenizer_.get(), {ids.Data(), ids.ElementLength()},
                                  info[1].ToBoolean().Value(), &text, &size));
  const auto decoded = Napi::String::New(info.Env(), text, size);
  gemvec_free(text);
  return decoded;
}

Napi::Value Tokenizer::piece(const Napi::CallbackInfo& info) {
  const std::int32_t id = info[0].As<Napi::Number>().Int32Value();
  return Napi::String::New(info.Env(), copy_of(gemvec_piece(tokenizer_.get(), id)));
}

Napi::Value Tokenizer::is_special(const Napi::CallbackInfo& info) {
  const std::int32_t id = info[0].As<Napi::Number>().Int32Value();
  return Napi::Boolean::New(info.Env(), gemvec_is_special(tokenizer_.get(), id) != 0);
}

Napi::Value Tokenizer::special_id(const Napi::CallbackInfo& info) {
  const std::int32_t which = info[0].As<Napi::Number>().Int32Value();
  return Napi::Number::New(info.Env(), gemvec_special_id(tokenizer_.get(), which));
}

Napi::Value Tokenizer::vocab_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(gemvec_vocab_size(tokenizer_.get())));
}

}  // namespace gemvec_node
