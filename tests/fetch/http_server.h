// An HTTP server on 127.0.0.1 that does what a test tells it, mistakes included.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace gemvec::fetch::testing {

struct Request {
  std::string path;
  std::map<std::string, std::string> headers;  // names in lower case
};

struct Reply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::size_t cut_after = std::string::npos;  // bytes of the body, then the connection is closed
  bool tell_length = true;
  int block_delay_ms = 0;  // between blocks of 16 KiB
};

// The body, or the range of it that was asked for.
Reply serve(const Request& request, const std::string& body);

class HttpServer {
 public:
  explicit HttpServer(std::function<Reply(const Request&)> handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::vector<Request> requests() const;
  // How often each path was asked for.
  [[nodiscard]] std::map<std::string, int> counts() const;

 private:
  void listen_loop();
  void answer(int connection);

  std::function<Reply(const Request&)> handler_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Request> requests_;  // guarded by mutex_
  std::vector<std::thread> connections_;
  std::thread listener_;
};

}  // namespace gemvec::fetch::testing
