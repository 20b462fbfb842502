// A client for the tests of the transport: raw bytes out, responses in, and never longer than ten seconds.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/server.h"

namespace gemvec::server::testing {

// Far more than anything here takes, so that it only ends what hangs.
inline constexpr std::chrono::seconds kPatience{10};

// A value that another thread sets and this one waits for.
template <class T>
class Awaited {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    ready_.notify_all();
  }
  std::optional<T> get() {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, kPatience, [this] { return value_.has_value(); });
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<T> value_;
};

using Answer = boost::beast::http::response<boost::beast::http::string_body>;

// Stream: tcp::socket or an ssl::stream of one.
template <class Stream>
class BasicClient {
 public:
  template <class... Args>
  explicit BasicClient(std::uint16_t port, Args&&... args) : stream(io, std::forward<Args>(args)...) {
    boost::beast::get_lowest_layer(stream).connect({boost::asio::ip::make_address("127.0.0.1"), port});
  }

  void send(std::string_view bytes) {
    boost::system::error_code
        failed;  // the server may have closed already: what it answered is still to be read
    boost::asio::write(stream, boost::asio::buffer(bytes), failed);
  }

  // Nothing if the server closed instead.
  std::optional<Answer> receive(bool head_only = false) {
    namespace http = boost::beast::http;
    http::response_parser<http::string_body> parser;
    parser.skip(head_only);
    boost::system::error_code failed = boost::asio::error::timed_out;
    http::async_read(stream, buffer, parser, [&](boost::system::error_code ec, std::size_t) { failed = ec; });
    run();
    if (failed) return std::nullopt;
    return parser.release();
  }

  std::optional<Answer> ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }

  // Does the server close without another byte?
  bool closed() {
    boost::system::error_code failed;
    char byte = 0;
    bool done = false;
    stream.async_read_some(boost::asio::buffer(&byte, 1), [&](boost::system::error_code ec, std::size_t) {
      failed = ec;
      done = true;
    });
    run();
    return done && failed && failed != boost::asio::error::operation_aborted;
  }

  boost::asio::io_context io;
  Stream stream;
  boost::beast::flat_buffer buffer;

 private:
  // What has not completed by then is cancelled, and its handler, which refers to locals, run.
  void run() {
    io.restart();
    io.run_for(kPatience);
    if (io.stopped()) return;
    boost::beast::get_lowest_layer(stream).close();
    io.run();
  }
};

using Client = BasicClient<boost::asio::ip::tcp::socket>;

inline std::string get(std::string_view path, std::string_view headers = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}

inline std::string post(std::string_view path, std::string_view body, std::string_view headers = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

inline std::string field(const std::optional<Answer>& answer, std::string_view name) {
  if (!answer) return "no answer";
  const auto value = (*answer)[boost::beast::string_view(name.data(), name.size())];
  return {value.data(), value.size()};
}

inline unsigned status(const std::optional<Answer>& answer) { return answer ? answer->result_int() : 0; }

// Routes that most tests ask: GET /health and /hello (public), POST /echo and GET /info (key).
inline Router usual_routes() {
  Router router;
  const auto text = [](std::string body) {
    return [body](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
      respond({.status = 200, .content_type = "text/plain", .body = body});
    };
  };
  router.add("GET", "/health", Access::kPublic, text(""));
  router.add("GET", "/hello", Access::kPublic, text("hello"));
  router.add("GET", "/info", Access::kKey, text("info"));
  router.add("POST", "/echo", Access::kKey,
             [](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               respond({.status = 200, .content_type = "text/plain", .body = request->body});
             });
  return router;
}

inline HttpOptions usual_options() {
  HttpOptions options;
  options.port = 0;
  options.workers = 2;
  return options;
}

inline std::unique_ptr<HttpServer> start(const HttpOptions& options = usual_options(),
                                         Router router = usual_routes(),
                                         HttpServer::Observers observers = {}) {
  auto server = HttpServer::start(options, std::move(router), std::move(observers));
  EXPECT_TRUE(server.ok()) << server.error().message;
  return server.ok() ? std::move(*server) : nullptr;
}

}  // namespace gemvec::server::testing
