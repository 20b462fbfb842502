// What goes between JavaScript and C: values that are checked and copied, errors, and memory that is not
// copied.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gemvec/gemvec.h"

namespace gemvec_node {

class Call;

// The threads that an environment's calls run on. One is made when a call comes and none is idle, and stays:
// the kernel puts a new one anywhere, perhaps on the core of one of the model's own threads.
struct Threads {
  std::atomic<bool> closing{false};           // the environment ends: calls that run are to stop
  napi_threadsafe_function settle = nullptr;  // takes calls that are done to the event loop
  // All below is under `mutex`.
  std::mutex mutex;
  std::condition_variable work, ended;
  std::deque<Call*> calls;  // that no thread has taken yet
  std::size_t idle = 0;     // threads that wait for one
  std::size_t threads = 0;
};

// What an environment (the main thread, or one worker thread) has of its own.
struct Environment {
  Napi::FunctionReference model, tokenizer, watch;  // constructors
  std::shared_ptr<Threads> threads = std::make_shared<Threads>();
  std::size_t unsettled = 0;  // promises that somebody may wait for; of the event loop
};

struct FreeResult {
  void operator()(gemvec_result* result) const { gemvec_result_free(result); }
};
using Result = std::shared_ptr<gemvec_result>;

// UTF-8; lone surrogates become U+FFFD. Throws a TypeError that names `what`, for anything but a string.
std::string text_of(const Napi::Value& value, const char* what);
// The same of an array of strings.
std::vector<std::string> texts_of(const Napi::Value& value, const char* what);
// A member of an object of options: 0 or "" if it is undefined. The JavaScript above has checked its range.
std::int64_t integer_of(const Napi::Object& options, const char* name);
bool flag_of(const Napi::Object& options, const char* name);
std::string string_of(const Napi::Object& options, const char* name);

gemvec_text view_of(const std::string& text);  // {NULL, 0}, "not given", of an empty one
std::string copy_of(gemvec_text text);

// An Error with `code` "GEMVEC_NOT_FOUND", ... ; a TypeError for GEMVEC_INVALID_ARGUMENT.
Napi::Error error_of(Napi::Env env, gemvec_status status, const std::string& message);
// Throws it, with gemvec_last_message(), unless `status` is GEMVEC_OK.
void check(Napi::Env env, gemvec_status status);

// Memory of a result, `count` numbers from `data` on, as a Float32Array: not copied, and the result lives as
// long as JavaScript looks at any of it. Copied only where V8 forbids foreign memory (Electron).
Napi::Float32Array floats_of(Napi::Env env, const Result& result, float* data, std::size_t count);

}  // namespace gemvec_node
