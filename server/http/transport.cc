// Bytes of one connection, plain or TLS.
#include "server/http/transport.h"

#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

namespace gemvec::server {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

template <class Stream>
class StreamTransport : public Transport {
 public:
  template <class... Args>
  explicit StreamTransport(Args&&... args) : stream_(std::forward<Args>(args)...) {}

  void read_some(boost::asio::mutable_buffer into, Read done) override {
    stream_.async_read_some(into, std::move(done));
  }

  void write(WireResponse& response, Done done) override {
    boost::beast::http::async_write(
        stream_, response, [done = std::move(done)](error_code failed, std::size_t) { done(failed); });
  }

 protected:
  Stream stream_;
};

class PlainTransport final : public StreamTransport<tcp::socket> {
 public:
  using StreamTransport::StreamTransport;

  void handshake(Done done) override { done({}); }

  void shutdown(Done done) override {
    error_code failed;
    stream_.shutdown(tcp::socket::shutdown_send, failed);
    done(failed);
  }

  tcp::socket& socket() override { return stream_; }
};

class TlsTransport final : public StreamTransport<boost::asio::ssl::stream<tcp::socket>> {
 public:
  using StreamTransport::StreamTransport;

  void handshake(Done done) override {
    stream_.async_handshake(boost::asio::ssl::stream_base::server, std::move(done));
  }

  // close_notify first, so that the client can tell the end from a cut; it need not answer, and then FIN
  // follows when the session's patience ends.
  void shutdown(Done done) override {
    stream_.async_shutdown([this, done = std::move(done)](error_code) {
      error_code failed;
      socket().shutdown(tcp::socket::shutdown_send, failed);
      done(failed);
    });
  }

  tcp::socket& socket() override { return stream_.next_layer(); }
};

}  // namespace

std::unique_ptr<Transport> plain_transport(tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

std::unique_ptr<Transport> tls_transport(tcp::socket socket, boost::asio::ssl::context& context) {
  return std::make_unique<TlsTransport>(std::move(socket), context);
}

}  // namespace gemvec::server
