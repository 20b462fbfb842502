// A loaded model.
#pragma once

#include <napi.h>

#include <memory>

#include "gemvec/gemvec.h"

namespace gemvec_node {

// Calls that run keep it; it is freed when the last of them is done and the object disposed of or collected.
using SharedModel = std::shared_ptr<gemvec_model>;

class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, SharedModel model);
  // loadModel(options, watch) -> Promise<{model: Model, messages: {level, message}[]}>
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit Model(const Napi::CallbackInfo& info);

 private:
  const SharedModel& loaded(Napi::Env env) const;  // throws if disposed of

  Napi::Value embed(const Napi::CallbackInfo& info);
  Napi::Value embed_padded(const Napi::CallbackInfo& info);
  Napi::Value prompt_for(const Napi::CallbackInfo& info);
  Napi::Value prompts(const Napi::CallbackInfo& info);
  Napi::Value information(const Napi::CallbackInfo& info);
  Napi::Value tokenizer(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  SharedModel model_;
};

}  // namespace gemvec_node
