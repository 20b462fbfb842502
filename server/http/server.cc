// The server: its threads, and how it begins and ends.
#include "server/http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/hub.h"
#include "server/http/listener.h"
#include "server/http/session.h"
#include "server/http/tls.h"

namespace gemvec::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr unsigned kMostThreads = 64;        // of one kind; more than any machine needs for JSON and tokens
constexpr milliseconds kCutPatience{1'000};  // for connections to be torn down once they have been told to

unsigned count_workers(unsigned asked) {
  // One core is left to whoever moves bytes.
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
  return std::clamp(asked == 0 ? cores - 1 : asked, 1U, kMostThreads);
}

std::string text_of(const tcp::endpoint& peer) {
  const std::string address = peer.address().to_string();
  return fmt::format("{}:{}", peer.address().is_v6() ? "[" + address + "]" : address, peer.port());
}

class Server final : public HttpServer {
 public:
  Server(std::unique_ptr<asio::io_context> io, tcp::acceptor acceptor, std::unique_ptr<Hub> hub)
      : hub_(std::move(hub)),
        io_(std::move(io)),
        work_(asio::make_work_guard(*io_)),
        listener_(*io_, std::move(acceptor), [this](tcp::socket socket) { accept(std::move(socket)); }) {}

  ~Server() override { end(milliseconds{0}); }

  void run() {
    const unsigned threads = std::clamp(hub_->options.io_threads, 1U, kMostThreads);
    threads_.reserve(threads);
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { move_bytes(); });
    listener_.start();
  }

  [[nodiscard]] std::uint16_t port() const override { return listener_.endpoint().port(); }

  void post(std::function<void()> task) override {
    asio::post(hub_->workers, [task = std::move(task)] {
      try {
        task();
      } catch (...) {
        // A task answers through its Respond; dropped with the task, that answers 500.
      }
    });
  }

  bool stop() override { return end(hub_->options.stop_timeout); }

 private:
  void move_bytes() {
    for (;;) {
      try {
        io_->run();
        return;
      } catch (...) {
        // One session ran out of memory and is gone with its handlers. The others go on.
      }
    }
  }

  void accept(tcp::socket socket) {
    if (hub_->registry.full()) return;  // the socket closes
    error_code failed;
    const tcp::endpoint peer = socket.remote_endpoint(failed);
    if (failed) return;  // it has gone already
    socket.set_option(tcp::no_delay(true), failed);
    auto transport =
        hub_->tls ? tls_transport(std::move(socket), *hub_->tls) : plain_transport(std::move(socket));
    const auto session = std::make_shared<Session>(std::move(transport), *hub_, text_of(peer));
    if (hub_->registry.add(session)) session->start();
  }

  // Once; whoever comes later waits for the first and gets what it found.
  bool end(milliseconds patience) {
    const std::lock_guard lock(ending_);
    if (ended_) return !hub_->lost;
    ended_ = true;
    hub_->stopping = true;
    listener_.stop();
    for (const auto& session : hub_->registry.close()) session->finish();
    if (!hub_->registry.wait_empty(patience)) {
      for (const auto& session : hub_->registry.all()) session->cut();
      static_cast<void>(hub_->registry.wait_empty(kCutPatience));
    }
    {
      const std::unique_lock shut(hub_->mailbox->mutex);
      hub_->mailbox->open = false;
    }
    hub_->workers.stop();
    hub_->quick.stop();
    hub_->workers.join();
    hub_->quick.join();
    work_.reset();
    io_->stop();
    for (std::thread& thread : threads_) thread.join();
    listener_.close();
    return !hub_->lost;
  }

  // In this order: destroying io_ destroys the sessions, which refer to the hub.
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<asio::io_context> io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Listener listener_;
  std::vector<std::thread> threads_;
  std::mutex ending_;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options, Router router,
                                                      Observers observers) {
  try {
    std::shared_ptr<asio::ssl::context> tls;
    if (!options.tls_cert.empty() || !options.tls_key.empty()) {
      auto loaded = load_tls(options.tls_cert, options.tls_key);
      if (!loaded) return std::move(loaded).error();
      tls = std::move(*loaded);
    }
    auto io = std::make_unique<asio::io_context>();
    auto acceptor = listen_on(*io, options.hostname, options.port);
    if (!acceptor) return std::move(acceptor).error();
    const bool loopback = acceptor->local_endpoint().address().is_loopback();
    auto hub = std::make_unique<Hub>(options, std::move(router), std::move(observers), loopback,
                                     count_workers(options.workers));
    hub->tls = std::move(tls);
    auto server = std::make_unique<Server>(std::move(io), std::move(*acceptor), std::move(hub));
    server->run();
    return std::unique_ptr<HttpServer>(std::move(server));
  } catch (const std::exception& failed) {
    return Error{ErrorCode::kInternal, fmt::format("the server cannot start: {}", failed.what())};
  }
}

}  // namespace gemvec::server
