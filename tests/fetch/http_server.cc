#include "fetch/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace gemvec::fetch::testing {

namespace {

bool send_all(int connection, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t sent = ::send(connection, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

Request parse(const std::string& head) {
  Request request;
  const std::size_t first = head.find(' ') + 1;
  request.path = head.substr(first, head.find(' ', first) - first);
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    if (end == std::string::npos || colon == std::string::npos || colon > end) break;
    request.headers[lower(head.substr(at, colon - at))] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  return request;
}

}  // namespace

Reply serve(const Request& request, const std::string& body) {
  const auto range = request.headers.find("range");
  if (range == request.headers.end()) return {.body = body};
  std::size_t from = 0;
  const std::string& text = range->second;  // "bytes=N-"
  std::from_chars(text.data() + text.find('=') + 1, text.data() + text.size(), from);
  if (from >= body.size()) return {.status = 416};
  const std::string of =
      std::to_string(from) + "-" + std::to_string(body.size() - 1) + "/" + std::to_string(body.size());
  return {.status = 206, .headers = {{"Content-Range", "bytes " + of}}, .body = body.substr(from)};
}

HttpServer::HttpServer(std::function<Reply(const Request&)> handler) : handler_(std::move(handler)) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(socket_, 16);
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  listener_ = std::thread([this] { listen_loop(); });
}

HttpServer::~HttpServer() {
  stop_ = true;
  listener_.join();
  for (auto& thread : connections_) thread.join();
  ::close(socket_);
}

std::vector<Request> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::map<std::string, int> HttpServer::counts() const {
  std::map<std::string, int> all;
  for (const auto& request : requests()) ++all[request.path];
  return all;
}

void HttpServer::listen_loop() {
  while (!stop_) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) connections_.emplace_back([this, connection] { answer(connection); });
  }
}

// One request per connection.
void HttpServer::answer(int connection) {
  std::string head;
  std::array<char, 4096> block{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::recv(connection, block.data(), block.size(), 0);
    if (got <= 0) break;
    head.append(block.data(), static_cast<std::size_t>(got));
  }
  const Request request = parse(head);
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  const Reply reply = handler_(request);
  std::string text = "HTTP/1.1 " + std::to_string(reply.status) + " Said\r\nConnection: close\r\n";
  if (reply.tell_length) text += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  for (const auto& [name, value] : reply.headers) text += name + ": " + value + "\r\n";
  bool open = send_all(connection, text + "\r\n");
  const std::size_t end = std::min(reply.cut_after, reply.body.size());
  constexpr std::size_t kBlock = 16 << 10;
  for (std::size_t at = 0; open && at < end && !stop_; at += kBlock) {
    open = send_all(connection, reply.body.substr(at, std::min(kBlock, end - at)));
    if (reply.block_delay_ms > 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(reply.block_delay_ms));
  }
  ::shutdown(connection, SHUT_RDWR);
  ::close(connection);
}

}  // namespace gemvec::fetch::testing
