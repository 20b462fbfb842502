// The addon: what lib/native.js loads. JavaScript's side checks arguments before they come here.
#include <napi.h>

#include <string>

#include "calls.h"
#include "gemvec/gemvec.h"
#include "model.h"
#include "tokenizer.h"
#include "values.h"

namespace gemvec_node {

namespace {

// findModel(name) -> path
Napi::Value find_model(const Napi::CallbackInfo& info) {
  const std::string name = text_of(info[0], "model");
  char* path = nullptr;
  check(info.Env(), gemvec_find_model(name.c_str(), &path));
  const auto found = Napi::String::New(info.Env(), path);
  gemvec_free(path);
  return found;
}

// similarity(kind, a, rowsA, b, rowsB, dim) -> Float32Array [rowsA, rowsB]; a and b Float32Array
Napi::Value similarity(const Napi::CallbackInfo& info) {
  const auto number = [&](std::size_t i) { return info[i].As<Napi::Number>().Uint32Value(); };
  const auto a = info[1].As<Napi::Float32Array>(), b = info[3].As<Napi::Float32Array>();
  const std::size_t rows_a = number(2), rows_b = number(4), dim = number(5);
  if (a.ElementLength() != rows_a * dim || b.ElementLength() != rows_b * dim) {
    throw Napi::TypeError::New(info.Env(), "a and b must have rows * dim elements.");
  }
  auto out = Napi::Float32Array::New(info.Env(), rows_a * rows_b);
  const auto kind = static_cast<std::int32_t>(number(0));
  check(info.Env(), gemvec_similarity(kind, a.Data(), rows_a, b.Data(), rows_b, dim, out.Data()));
  return out;
}

// stop(): for the event "exit". process.exit() ends the process without the hook that a worker's end runs.
void stop(const Napi::CallbackInfo& info) { end_calls(*info.Env().GetInstanceData<Environment>()->threads); }

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  if (gemvec_abi_version() != GEMVEC_ABI_VERSION) {
    throw Napi::Error::New(env, "gemvec: the library was built from another version than the addon.");
  }
  auto* environment = new Environment;
  env.SetInstanceData(environment);  // which deletes it
  environment->model = Napi::Persistent(Model::define(env));
  environment->tokenizer = Napi::Persistent(Tokenizer::define(env));
  environment->watch = Napi::Persistent(Watch::define(env));
  begin_calls(env, *environment);
  exports.Set("Watch", environment->watch.Value());
  exports.Set("loadModel", Napi::Function::New(env, Model::load, "loadModel"));
  exports.Set("loadTokenizer", Napi::Function::New(env, Tokenizer::load, "loadTokenizer"));
  exports.Set("findModel", Napi::Function::New(env, find_model, "findModel"));
  exports.Set("similarity", Napi::Function::New(env, similarity, "similarity"));
  exports.Set("stop", Napi::Function::New(env, stop, "stop"));
  exports.Set("version", gemvec_version());
  return exports;
}

}  // namespace

}  // namespace gemvec_node

static Napi::Object initialize_gemvec(Napi::Env env, Napi::Object exports) {
  return gemvec_node::initialize(env, exports);
}
NODE_API_MODULE(gemvec, initialize_gemvec)
