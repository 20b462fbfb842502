#include "server/serve.h"

#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "server/api/apis.h"
#include "server/engine_service.h"
#include "server/http/server.h"
#include "server/observe/access_log.h"
#include "server/page/pages.h"

namespace gemvec::server {

namespace {

constexpr std::chrono::milliseconds kPoll{100};  // between two looks at hooks.stop()

Router make_router(Service& service) {
  Router router;
  add_operations(router, service);
  add_tei(router, service);
  add_openai(router, service);
  add_ollama(router, service);
  add_cohere(router, service);
  add_llama(router, service);
  add_pages(router, service);
  return router;
}

}  // namespace

Status serve(Embedder embedder, const ServeOptions& options, const ServeHooks& hooks) {
  // The service posts to the server's workers, and the server's handlers call the service: the one that is
  // made first learns of the other when it is there. A request may be quicker than that, and waits.
  std::promise<HttpServer*> made;
  const std::shared_future<HttpServer*> workers = made.get_future().share();
  EngineService service(std::move(embedder), options,
                        [workers](std::function<void()> task) { workers.get()->post(std::move(task)); });
  AccessLog log(options.json_output);
  HttpServer::Observers observers;
  observers.answered = [&](const Exchange& exchange) {
    log.write(exchange);
    service.metrics().http(exchange.request.method, exchange.pattern.empty() ? "other" : exchange.pattern,
                           exchange.status);
  };
  observers.connections = [&](std::size_t open) { service.metrics().connections(open); };
  auto server = HttpServer::start(options.http, make_router(service), std::move(observers));
  if (!server.ok()) {
    made.set_value(nullptr);
    return std::move(server).error();
  }
  made.set_value(server->get());
  if (hooks.listening) hooks.listening((*server)->port());
  while (!hooks.stop || !hooks.stop()) std::this_thread::sleep_for(kPoll);
  const bool answered = (*server)->stop();
  service.stop();  // before the workers go to which it posts
  if (!answered) {
    return Error{ErrorCode::kIo, "Stopped before everything in flight was answered."};
  }
  return {};
}

}  // namespace gemvec::server
