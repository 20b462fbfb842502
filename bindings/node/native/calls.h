// Work that is done off the event loop, and what can be seen of it meanwhile.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "gemvec/gemvec.h"
#include "values.h"

namespace gemvec_node {

// What the event loop and a running call share.
struct WatchState {
  std::atomic<bool> cancelled{false};
  std::shared_ptr<Threads> threads;  // of the environment
  std::atomic<std::uint64_t> done{0}, total{0};
  std::mutex mutex;
  std::string stage;  // under `mutex`

  bool stop() const { return cancelled.load() || threads->closing.load(); }
};

// JavaScript's end of it: cancel(), and progress() -> {stage, done, total}. Progress is looked at, not sent.
class Watch : public Napi::ObjectWrap<Watch> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Watch(const Napi::CallbackInfo& info);
  // The state of `value` if it is a Watch, else one that nobody looks at.
  static std::shared_ptr<WatchState> state_of(const Napi::Value& value);

 private:
  void cancel(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);

  std::shared_ptr<WatchState> state_ = std::make_shared<WatchState>();
};

// One call of the C API off the event loop, and the promise of what it gives. Everything that it needs, it
// owns: what JavaScript does with its objects meanwhile, or the garbage collector, is all the same. Not on
// libuv's threads: those are few, and files and names need them. Besides, an environment that ends waits for
// libuv's before it tells anybody, and these it asks first.
class Call {
 public:
  virtual ~Call() = default;
  Napi::Value start(Napi::Env env);  // once: a promise. The object then deletes itself

 protected:
  virtual gemvec_status run() = 0;                // on a thread of Threads: no JavaScript
  virtual Napi::Value finish(Napi::Env env) = 0;  // on the event loop, if run() gave GEMVEC_OK

 private:
  friend void begin_calls(Napi::Env env, Environment& environment);
  static void serve(const std::shared_ptr<Threads>& threads) noexcept;  // what each thread does
  void settle(Napi::Env env);

  napi_deferred deferred_ = nullptr;
  gemvec_status status_ = GEMVEC_OK;
  std::string message_;
};

// Makes an environment ready for calls; when it ends, end_calls() is called.
void begin_calls(Napi::Env env, Environment& environment);
// Tells all calls to stop, and waits for the micro-batches that they are in and for the threads' end.
void end_calls(Threads& threads);

}  // namespace gemvec_node
