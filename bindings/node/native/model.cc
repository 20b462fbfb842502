// A loaded model.
#include "model.h"

#include <string>
#include <utility>
#include <vector>

#include "calls.h"
#include "embed.h"
#include "tokenizer.h"
#include "values.h"

namespace gemvec_node {

namespace {

// A repair, or a reason why the vectors are not the release's.
struct Message {
  bool warning;
  std::string text;
};

class LoadModel final : public Call {
 public:
  explicit LoadModel(const Napi::CallbackInfo& info) : watch_(Watch::state_of(info[1])) {
    const auto given = info[0].As<Napi::Object>();
    model_path_ = string_of(given, "model");
    cache_dir_ = string_of(given, "cacheDir");
    options_.struct_size = sizeof options_;
    options_.dtype = static_cast<std::int32_t>(integer_of(given, "dtype"));
    options_.compute = static_cast<std::int32_t>(integer_of(given, "compute"));
    options_.threads = static_cast<std::uint32_t>(integer_of(given, "threads"));
    options_.exact = flag_of(given, "exact");
    options_.allow_headless = flag_of(given, "allowHeadless");
    options_.no_cache = flag_of(given, "noCache");
    options_.skip_self_check = flag_of(given, "skipSelfCheck");
    options_.max_memory = static_cast<std::uint64_t>(integer_of(given, "maxMemory"));
  }

 protected:
  gemvec_status run() override {
    options_.model = model_path_.c_str();
    options_.cache_dir = cache_dir_.empty() ? nullptr : cache_dir_.c_str();
    options_.user = this;
    options_.progress = [](void* user, const char* stage, std::uint64_t done, std::uint64_t total) {
      WatchState& watch = *static_cast<LoadModel*>(user)->watch_;
      const std::lock_guard lock(watch.mutex);
      watch.stage = stage;
      watch.total = total;
      watch.done = done;
    };
    options_.log = [](void* user, std::int32_t level, const char* message) {
      static_cast<LoadModel*>(user)->messages_.push_back({level == GEMVEC_LOG_WARNING, message});
    };
    gemvec_model* loaded = nullptr;
    const gemvec_status status = gemvec_model_load(&options_, &loaded);
    if (status == GEMVEC_OK) model_ = SharedModel(loaded, gemvec_model_free);
    return status;
  }

  Napi::Value finish(Napi::Env env) override {
    auto messages = Napi::Array::New(env, messages_.size());
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      auto message = Napi::Object::New(env);
      message.Set("level", messages_[i].warning ? "warning" : "info");
      message.Set("message", messages_[i].text);
      messages.Set(static_cast<std::uint32_t>(i), message);
    }
    auto loaded = Napi::Object::New(env);
    loaded.Set("model", Model::wrap(env, std::move(model_)));
    loaded.Set("messages", messages);
    return loaded;
  }

 private:
  std::shared_ptr<WatchState> watch_;
  std::string model_path_, cache_dir_;
  gemvec_load_options options_{};
  std::vector<Message> messages_;
  SharedModel model_;
};

}  // namespace

Napi::Function Model::define(Napi::Env env) {
  return DefineClass(
      env, "Model",
      {InstanceMethod("embed", &Model::embed), InstanceMethod("embedPadded", &Model::embed_padded),
       InstanceMethod("promptFor", &Model::prompt_for), InstanceMethod("prompts", &Model::prompts),
       InstanceMethod("info", &Model::information), InstanceMethod("tokenizer", &Model::tokenizer),
       InstanceMethod("dispose", &Model::dispose)});
}

Napi::Object Model::wrap(Napi::Env env, SharedModel model) {
  const Napi::Object object = env.GetInstanceData<Environment>()->model.New({});
  Unwrap(object)->model_ = std::move(model);
  return object;
}

Napi::Value Model::load(const Napi::CallbackInfo& info) { return (new LoadModel(info))->start(info.Env()); }

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {}

const SharedModel& Model::loaded(Napi::Env env) const {
  if (model_ != nullptr) return model_;
  Napi::Error error = Napi::Error::New(env, "The model was disposed of: load it again.");
  error.Set("code", Napi::String::New(env, "GEMVEC_DISPOSED"));
  throw error;
}

Napi::Value Model::embed(const Napi::CallbackInfo& info) { return embed_texts(info, loaded(info.Env())); }

Napi::Value Model::embed_padded(const Napi::CallbackInfo& info) {
  return embed_rectangle(info, loaded(info.Env()));
}

// promptFor(task, title or undefined) -> string
Napi::Value Model::prompt_for(const Napi::CallbackInfo& info) {
  const std::string task = text_of(info[0], "task");
  const std::string title = info[1].IsUndefined() ? std::string() : text_of(info[1], "title");
  char* prompt = nullptr;
  std::size_t size = 0;
  check(info.Env(),
        gemvec_prompt_for(loaded(info.Env()).get(), view_of(task), view_of(title), &prompt, &size));
  const auto value = Napi::String::New(info.Env(), prompt, size);
  gemvec_free(prompt);
  return value;
}

// prompts() -> {name: prompt}
Napi::Value Model::prompts(const Napi::CallbackInfo& info) {
  const SharedModel& model = loaded(info.Env());
  auto prompts = Napi::Object::New(info.Env());
  for (std::size_t i = 0; i < gemvec_prompt_count(model.get()); ++i) {
    gemvec_text name{}, prompt{};
    check(info.Env(), gemvec_prompt_get(model.get(), i, &name, &prompt));
    prompts.Set(copy_of(name), copy_of(prompt));
  }
  return prompts;
}

Napi::Value Model::information(const Napi::CallbackInfo& info) {
  gemvec_model_info c{};
  c.struct_size = sizeof c;
  check(info.Env(), gemvec_model_get_info(loaded(info.Env()).get(), &c));
  auto object = Napi::Object::New(info.Env());
  object.Set("model", c.model);
  object.Set("sourceFormat", c.source_format);
  object.Set("sourceNumbers", c.source_numbers);
  object.Set("dtype", c.dtype);
  object.Set("compute", c.compute);
  object.Set("isa", c.isa);
  object.Set("threads", c.threads);
  object.Set("maxTokens", static_cast<double>(c.max_tokens));
  object.Set("width", static_cast<double>(c.width));
  object.Set("vocabSize", static_cast<double>(c.vocab));
  object.Set("sourceBytes", static_cast<double>(c.source_bytes));
  object.Set("packedBytes", static_cast<double>(c.packed_bytes));
  object.Set("workspaceBytes", static_cast<double>(c.workspace_bytes));
  object.Set("packedFromCache", c.packed_from_cache != 0);
  object.Set("isRelease", c.check == GEMVEC_CHECK_RELEASE);
  return object;
}

Napi::Value Model::tokenizer(const Napi::CallbackInfo& info) {
  const SharedModel& model = loaded(info.Env());
  return Tokenizer::wrap(info.Env(), SharedTokenizer(model, gemvec_model_tokenizer(model.get())));
}

void Model::dispose(const Napi::CallbackInfo&) { model_.reset(); }

}  // namespace gemvec_node
