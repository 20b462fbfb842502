// A tokenizer, of a model or alone.
#pragma once

#include <napi.h>

#include <memory>

#include "gemvec/gemvec.h"

namespace gemvec_node {

// Of itself, or of the model that it keeps alive.
using SharedTokenizer = std::shared_ptr<const gemvec_tokenizer>;

class Tokenizer : public Napi::ObjectWrap<Tokenizer> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, SharedTokenizer tokenizer);
  // loadTokenizer(path, cacheDir) -> Promise<Tokenizer>
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit Tokenizer(const Napi::CallbackInfo& info);

 private:
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value pad(const Napi::CallbackInfo& info);
  Napi::Value decode(const Napi::CallbackInfo& info);
  Napi::Value piece(const Napi::CallbackInfo& info);
  Napi::Value is_special(const Napi::CallbackInfo& info);
  Napi::Value special_id(const Napi::CallbackInfo& info);
  Napi::Value vocab_size(const Napi::CallbackInfo& info);

  SharedTokenizer tokenizer_;
};

}  // namespace gemvec_node
