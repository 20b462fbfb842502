// Where connections come from.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "gemvec/result.h"

namespace gemvec::server {

// Listens on the first address of `hostname` that can be listened on, IPv4 before IPv6 ("localhost" is
// 127.0.0.1);
// "::" takes IPv4 as well. Errors: kInvalidArgument names a hostname that is none, kIo the address that is
// taken.
Result<boost::asio::ip::tcp::acceptor> listen_on(boost::asio::io_context& io, const std::string& hostname,
                                                 std::uint16_t port);

// Accepts until stopped. Lives as long as the io_context runs.
class Listener {
 public:
  using Accepted = std::function<void(boost::asio::ip::tcp::socket)>;  // the socket's executor is a strand

  Listener(boost::asio::io_context& io, boost::asio::ip::tcp::acceptor acceptor, Accepted accepted);

  void start();
  void stop();   // from any thread
  void close();  // when no thread runs the io_context any more: what stop() could not do before it ended
  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const { return endpoint_; }

 private:
  void accept();
  void pause();

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;  // its executor is a strand, where everything here happens
  boost::asio::steady_timer timer_;
  const boost::asio::ip::tcp::endpoint endpoint_;
  const Accepted accepted_;
};

}  // namespace gemvec::server
