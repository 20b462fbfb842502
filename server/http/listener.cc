// Where connections come from.
#include "server/http/listener.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace gemvec::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// When there is no descriptor or memory for another connection: others close in the meantime.
constexpr std::chrono::milliseconds kPause{100};

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return fmt::format("{}:{}", endpoint.address().is_v6() ? "[" + address + "]" : address, endpoint.port());
}

error_code open(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  error_code failed;
  acceptor.open(endpoint.protocol(), failed);
  // A restart must not wait for the connections of the process before it.
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed && endpoint.address().is_v6()) {
    acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), failed);
  }
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  return failed;
}

}  // namespace

Result<tcp::acceptor> listen_on(asio::io_context& io, const std::string& hostname, std::uint16_t port) {
  error_code failed;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(hostname, std::to_string(port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, failed);
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  if (failed || endpoints.empty() || hostname.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("\"{}\" is not a hostname or an address of this machine", hostname)};
  }
  std::stable_partition(endpoints.begin(), endpoints.end(),
                        [](const tcp::endpoint& endpoint) { return endpoint.address().is_v4(); });
  error_code first_failure;
  for (const tcp::endpoint& endpoint : endpoints) {
    tcp::acceptor acceptor(asio::make_strand(io));
    failed = open(acceptor, endpoint);
    if (!failed) return acceptor;
    if (!first_failure) first_failure = failed;
  }
  return Error{ErrorCode::kIo,
               fmt::format("cannot listen on {}: {}", text_of(endpoints.front()), first_failure.message())};
}

Listener::Listener(asio::io_context& io, tcp::acceptor acceptor, Accepted accepted)
    : io_(io),
      acceptor_(std::move(acceptor)),
      timer_(acceptor_.get_executor()),
      endpoint_(acceptor_.local_endpoint()),
      accepted_(std::move(accepted)) {}

void Listener::start() {
  asio::post(acceptor_.get_executor(), [this] { accept(); });
}

void Listener::stop() {
  asio::post(acceptor_.get_executor(), [this] { close(); });
}

void Listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
}

void Listener::accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept(asio::any_io_executor(asio::make_strand(io_)),
                         [this](error_code failed, tcp::socket socket) {
                           if (failed && failed != asio::error::connection_aborted) return pause();
                           if (!failed) {
                             try {
                               accepted_(std::move(socket));
                             } catch (const std::exception&) {
                               // No memory for this one; the next may fare better.
                             }
                           }
                           accept();
                         });
}

void Listener::pause() {
  if (!acceptor_.is_open()) return;
  timer_.expires_after(kPause);
  timer_.async_wait([this](error_code) { accept(); });
}

}  // namespace gemvec::server
