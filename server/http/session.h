// One connection, from its first byte to its last.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/http/answer.h"
#include "server/http/gate.h"
#include "server/http/hub.h"
#include "server/http/message.h"
#include "server/http/transport.h"

namespace gemvec::server {

// Bytes are read into a buffer all the time, also while a request is worked on: this is how a client that
// leaves is noticed, and what it sent ahead waits in the buffer. Beast's parser is fed from the buffer when
// it is its turn, so requests are answered one by one, in order. One timer bounds whatever the session waits
// for.
//
// Everything happens on the strand of the transport's socket but for the functions that say otherwise.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // `hub` outlives the session.
  Session(std::unique_ptr<Transport> transport, Hub& hub, std::string remote);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // From any thread.
  void start();
  void answer(std::uint64_t number,
              HttpResponse response);  // of the request of this number, if it still waits
  void finish();                       // idle: closes; busy: closes after the answer
  void cut();                          // closes now; notes in the hub if a request is lost

 private:
  enum class State {
    kHandshake,
    kIdle,  // no byte of the next request has come
    kHead,
    kContinue,  // "100 Continue" is being written
    kBody,
    kHandling,
    kWriting,
    kDraining,  // said all; reads and forgets what still comes, so that the client is not reset before it has
                // read
    kClosed,
  };
  using Clock = std::chrono::steady_clock;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void begin_request();
  void begin_head();
  void read();
  void on_read(boost::system::error_code failed, std::size_t bytes);
  void advance();
  void on_parse_error(boost::system::error_code failed);
  void on_head();
  void take_head();
  void send_continue();
  void begin_body();
  void on_request();
  void handle();
  void respond(HttpResponse response, bool close);
  void on_written(boost::system::error_code failed);
  void linger();
  void drain();
  void close();
  void arm(std::chrono::milliseconds patience);
  void on_timeout();
  [[nodiscard]] bool in_flight() const;

  const std::unique_ptr<Transport> transport_;
  Hub& hub_;
  const std::string remote_;
  State state_ = State::kHandshake;
  bool reading_ = false;                // a read is under way
  bool peer_done_ = false;              // nothing more will come
  bool first_ = true;                   // request of this connection
  std::array<char, 16'384> scratch_{};  // what a read fills; a TLS record holds as much
  std::array<char, 1'024> sink_{};      // what is drained
  boost::beast::flat_buffer buffer_;
  boost::asio::steady_timer timer_;
  std::uint64_t alarm_ = 0;  // tells the timer's last setting from earlier ones

  // The current request.
  std::uint64_t number_ = 0;
  std::optional<Parser> parser_;
  std::shared_ptr<HttpRequest> request_;
  Decision decision_;
  bool head_only_ = false;
  bool keep_ = false;  // the connection, after the answer
  std::optional<WireResponse> response_;
};

}  // namespace gemvec::server
