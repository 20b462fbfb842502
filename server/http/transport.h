// Bytes of one connection, plain or TLS: the only part of a session that differs between the two.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "server/http/answer.h"

namespace gemvec::server {

// All calls are made, and all completions come, on the strand that is the socket's executor. One operation of
// each kind may be under way. What is passed by reference stays alive until the completion.
class Transport {
 public:
  using Done = std::function<void(boost::system::error_code)>;
  using Read = std::function<void(boost::system::error_code, std::size_t bytes)>;

  virtual ~Transport() = default;
  virtual void handshake(Done done) = 0;
  virtual void read_some(boost::asio::mutable_buffer into, Read done) = 0;
  virtual void write(WireResponse& response, Done done) = 0;
  // Tells the peer that nothing more follows; reading goes on.
  virtual void shutdown(Done done) = 0;
  // Beneath TLS, if there is any. Closing it ends every operation.
  virtual boost::asio::ip::tcp::socket& socket() = 0;
};

[[nodiscard]] std::unique_ptr<Transport> plain_transport(boost::asio::ip::tcp::socket socket);
// `context` outlives the transport.
[[nodiscard]] std::unique_ptr<Transport> tls_transport(boost::asio::ip::tcp::socket socket,
                                                       boost::asio::ssl::context& context);

}  // namespace gemvec::server
