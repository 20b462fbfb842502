// What goes between JavaScript and C.
#include "values.h"

#include <algorithm>
#include <cstring>

namespace gemvec_node {

std::string text_of(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a string.");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> texts_of(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) {
    throw Napi::TypeError::New(value.Env(), std::string(what) + " must be an array of strings.");
  }
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  texts.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());  // or the handles of all texts pile up
    const Napi::Value item = array.Get(i);
    if (!item.IsString()) {
      throw Napi::TypeError::New(value.Env(),
                                 std::string(what) + "[" + std::to_string(i) + "] must be a string.");
    }
    texts.push_back(item.As<Napi::String>().Utf8Value());
  }
  return texts;
}

std::int64_t integer_of(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().Int64Value() : 0;
}

bool flag_of(const Napi::Object& options, const char* name) { return options.Get(name).ToBoolean().Value(); }

std::string string_of(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsUndefined() || value.IsNull() ? std::string() : text_of(value, name);
}

gemvec_text view_of(const std::string& text) { return {text.empty() ? nullptr : text.data(), text.size()}; }

std::string copy_of(gemvec_text text) {
  return text.data == nullptr ? std::string() : std::string(text.data, text.size);
}

Napi::Error error_of(Napi::Env env, gemvec_status status, const std::string& message) {
  // "not found" -> "GEMVEC_NOT_FOUND"
  std::string code = std::string("GEMVEC_") + gemvec_status_name(status);
  std::transform(code.begin(), code.end(), code.begin(), [](unsigned char letter) {
    if (letter == ' ') return '_';
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : static_cast<char>(letter);
  });
  Napi::Error error = status == GEMVEC_INVALID_ARGUMENT ? Napi::Error(Napi::TypeError::New(env, message))
                                                        : Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

void check(Napi::Env env, gemvec_status status) {
  if (status != GEMVEC_OK) throw error_of(env, status, gemvec_last_message());
}

Napi::Float32Array floats_of(Napi::Env env, const Result& result, float* data, std::size_t count) {
  if (count == 0 || data == nullptr) return Napi::Float32Array::New(env, 0);
  const std::size_t bytes = count * sizeof(float);
  auto* keep = new Result(result);
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<Result*>(hint); };
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(env, data, bytes, release, keep, &buffer);
  if (status == napi_ok) return Napi::Float32Array::New(env, count, Napi::ArrayBuffer(env, buffer), 0);
  delete keep;
  if (status != napi_no_external_buffers_allowed) throw Napi::Error::New(env);
  auto copy = Napi::Float32Array::New(env, count);
  std::memcpy(copy.Data(), data, bytes);
  return copy;
}

}  // namespace gemvec_node
