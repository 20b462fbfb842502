// Work that is done off the event loop.
#include "calls.h"

#include <exception>
#include <thread>

namespace gemvec_node {

Napi::Function Watch::define(Napi::Env env) {
  return DefineClass(
      env, "Watch", {InstanceMethod("cancel", &Watch::cancel), InstanceMethod("progress", &Watch::progress)});
}

Watch::Watch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Watch>(info) {
  state_->threads = info.Env().GetInstanceData<Environment>()->threads;
}

std::shared_ptr<WatchState> Watch::state_of(const Napi::Value& value) {
  const auto* environment = value.Env().GetInstanceData<Environment>();
  if (value.IsObject() && value.As<Napi::Object>().InstanceOf(environment->watch.Value())) {
    return Unwrap(value.As<Napi::Object>())->state_;
  }
  auto state = std::make_shared<WatchState>();
  state->threads = environment->threads;
  return state;
}

void Watch::cancel(const Napi::CallbackInfo&) { state_->cancelled = true; }

Napi::Value Watch::progress(const Napi::CallbackInfo& info) {
  auto progress = Napi::Object::New(info.Env());
  const std::lock_guard lock(state_->mutex);
  progress.Set("stage", state_->stage);
  progress.Set("done", static_cast<double>(state_->done.load()));
  progress.Set("total", static_cast<double>(state_->total.load()));
  return progress;
}

Napi::Value Call::start(Napi::Env env) {
  std::unique_ptr<Call> self(this);
  auto* environment = env.GetInstanceData<Environment>();
  const std::shared_ptr<Threads> threads = environment->threads;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred_, &promise) != napi_ok) throw Napi::Error::New(env);
  {
    const std::lock_guard lock(threads->mutex);
    if (threads->closing) throw Napi::Error::New(env, "The process ends: nothing is embedded any more.");
    if (threads->idle <= threads->calls.size()) {
      std::thread([threads] { serve(threads); }).detach();
      threads->threads += 1;
    }
    threads->calls.push_back(self.release());
    threads->work.notify_one();
  }
  // The process does not end while somebody waits for a promise.
  if (environment->unsettled++ == 0) napi_ref_threadsafe_function(env, threads->settle);
  return {env, promise};
}

void Call::serve(const std::shared_ptr<Threads>& threads) noexcept {
  std::unique_lock lock(threads->mutex);
  while (true) {
    threads->idle += 1;
    threads->work.wait(lock, [&] { return threads->closing || !threads->calls.empty(); });
    threads->idle -= 1;
    if (threads->closing) break;
    Call* call = threads->calls.front();
    threads->calls.pop_front();
    lock.unlock();
    call->status_ = call->run();
    if (call->status_ != GEMVEC_OK) call->message_ = gemvec_last_message();  // of this thread
    // Under the lock: the environment, which `settle` belongs to, cannot end before it is released.
    lock.lock();
    if (napi_call_threadsafe_function(threads->settle, call, napi_tsfn_nonblocking) != napi_ok) delete call;
  }
  for (const Call* call : threads->calls) delete call;
  threads->calls.clear();
  threads->threads -= 1;
  threads->ended.notify_all();
}

void Call::settle(Napi::Env env) {
  try {
    if (status_ != GEMVEC_OK) throw error_of(env, status_, message_);
    napi_resolve_deferred(env, deferred_, finish(env));
  } catch (const Napi::Error& error) {
    napi_reject_deferred(env, deferred_, error.Value());
  } catch (const std::exception& error) {
    napi_reject_deferred(env, deferred_, Napi::Error::New(env, error.what()).Value());
  }
}

void begin_calls(Napi::Env env, Environment& environment) {
  const auto settle = [](napi_env env, napi_value, void*, void* data) {
    const std::unique_ptr<Call> call(static_cast<Call*>(data));
    if (env == nullptr) return;  // it ends, and nobody can be told any more
    auto* owner = Napi::Env(env).GetInstanceData<Environment>();
    if (--owner->unsettled == 0) napi_unref_threadsafe_function(env, owner->threads->settle);
    call->settle(env);
  };
  Threads& threads = *environment.threads;
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "gemvec"), 0, 1, nullptr,
                                      nullptr, nullptr, settle, &threads.settle);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, threads.settle);
  // Hooks run in the opposite order: this one before that of the function above.
  env.AddCleanupHook([shared = environment.threads] { end_calls(*shared); });
}

void end_calls(Threads& threads) {
  std::unique_lock lock(threads.mutex);
  threads.closing = true;
  threads.work.notify_all();
  threads.ended.wait(lock, [&] { return threads.threads == 0; });
}

}  // namespace gemvec_node
