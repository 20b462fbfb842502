// One connection, from its first byte to its last.
#include "server/http/session.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <exception>
#include <utility>

#include "server/http/fields.h"
#include "server/http/reply.h"

namespace gemvec::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::milliseconds;

// After the last answer: long enough for a client to stop sending and read, short enough not to be worth an
// attack.
constexpr milliseconds kLinger{2'000};
// A refused request's body up to this size is read, so that the connection can go on; beyond it a new
// connection costs less.
constexpr std::uint64_t kForgivenBody = 65'536;

// 128 random bits: unique without a word between threads or servers.
std::string make_id() {
  std::array<unsigned char, 16> bits{};
  // It fails only without any source of randomness; an id that repeats is then the smallest of troubles.
  static_cast<void>(RAND_bytes(bits.data(), static_cast<int>(bits.size())));
  std::string id;
  for (const unsigned char each : bits) fmt::format_to(std::back_inserter(id), "{:02x}", each);
  return id;
}

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Session::Session(std::unique_ptr<Transport> transport, Hub& hub, std::string remote)
    : transport_(std::move(transport)),
      hub_(hub),
      remote_(std::move(remote)),
      timer_(transport_->socket().get_executor()) {}

Session::~Session() {
  if (request_) request_->cancellation->cancel();
  hub_.registry.remove(this);
}

void Session::start() {
  asio::post(timer_.get_executor(), [self = shared_from_this()] {
    if (self->state_ != State::kHandshake) return;  // cut in the meantime
    self->arm(self->hub_.options.header_timeout);
    self->transport_->handshake([self](error_code failed) {
      if (self->state_ != State::kHandshake) return;
      if (failed) return self->close();
      self->begin_request();
    });
  });
}

void Session::answer(std::uint64_t number, HttpResponse response) {
  asio::post(timer_.get_executor(),
             [self = shared_from_this(), number, response = std::move(response)]() mutable {
               if (self->state_ == State::kHandling && self->number_ == number)
                 self->respond(std::move(response), false);
             });
}

void Session::finish() {
  asio::post(timer_.get_executor(), [self = shared_from_this()] {
    if (self->state_ == State::kHandshake || self->state_ == State::kIdle) self->close();
  });
}

void Session::cut() {
  asio::post(timer_.get_executor(), [self = shared_from_this()] {
    if (self->in_flight()) self->hub_.lost = true;
    self->close();
  });
}

bool Session::in_flight() const {
  switch (state_) {
    case State::kHead:
    case State::kContinue:
    case State::kBody:
    case State::kHandling:
    case State::kWriting:
      return true;
    case State::kHandshake:
    case State::kIdle:
    case State::kDraining:
    case State::kClosed:
      return false;
  }
  return false;
}

void Session::begin_request() {
  ++number_;
  request_.reset();
  response_.reset();
  decision_ = {};
  head_only_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(hub_.options.header_limit));
  parser_->body_limit(boost::none);  // set when the head has been looked at: only then can 413 keep its order
  state_ = State::kIdle;
  if (buffer_.size() > 0) return begin_head();
  if (hub_.stopping || peer_done_) return close();
  buffer_.shrink_to_fit();  // thousands of idle connections are to cost little
  // Whoever connects means to ask; between two requests a client may think.
  arm(std::exchange(first_, false) ? hub_.options.header_timeout : hub_.options.idle_timeout);
  read();
}

void Session::begin_head() {
  state_ = State::kHead;
  first_ = false;
  arm(hub_.options.header_timeout);
  advance();
}

void Session::read() {
  if (reading_ || peer_done_) return;
  // Enough has been sent ahead: the rest waits in the kernel, and the client with it.
  const bool wanted = state_ == State::kIdle || state_ == State::kHead || state_ == State::kBody;
  if (!wanted && buffer_.size() >= scratch_.size()) return;
  reading_ = true;
  transport_->read_some(asio::buffer(scratch_),
                        [self = shared_from_this()](error_code failed, std::size_t bytes) {
                          self->reading_ = false;
                          self->on_read(failed, bytes);
                        });
}

void Session::on_read(error_code failed, std::size_t bytes) {
  if (state_ == State::kDraining || state_ == State::kClosed) return;
  if (failed) {
    peer_done_ = true;
    // While an answer is written, its end or its failure decides. Else nobody waits for one: a client that
    // closes its sending side alone cannot be told from one that has gone.
    if (state_ != State::kWriting) close();
    return;
  }
  buffer_.commit(asio::buffer_copy(buffer_.prepare(bytes), asio::buffer(scratch_, bytes)));
  switch (state_) {
    case State::kIdle:
      return begin_head();
    case State::kHead:
    case State::kBody:
      return advance();
    default:
      return read();
  }
}

// Feeds the parser until it wants more than there is.
void Session::advance() {
  while (buffer_.size() > 0) {
    error_code failed;
    const std::size_t used = parser_->put(buffer_.data(), failed);
    buffer_.consume(used);
    if (failed && failed != http::error::need_more) return on_parse_error(failed);
    if (state_ == State::kHead && parser_->is_header_done()) return on_head();
    if (parser_->is_done()) return on_request();
    if (failed || used == 0) break;
  }
  // What the parser neither takes nor refuses is an endless line between two chunks.
  if (buffer_.size() > hub_.options.header_limit + scratch_.size()) {
    return on_parse_error(http::error::header_limit);
  }
  if (peer_done_) return close();  // the rest will never come
  read();
}

void Session::on_parse_error(error_code failed) {
  if (failed == http::error::header_limit)
    return respond(plain_text(431, "Request header fields too large"), true);
  if (failed == http::error::body_limit || failed == http::error::buffer_overflow) {
    return respond(body_too_large(), true);
  }
  respond(plain_text(400, "Bad request: this is not HTTP/1.1"), true);
}

// Makes request_ of what has been parsed, which may be nothing.
void Session::take_head() {
  request_ = std::make_shared<HttpRequest>();
  request_->received = Clock::now();
  request_->remote = remote_;
  if (parser_->is_header_done()) {
    const auto& head = parser_->get();
    request_->method = text_of(head.method_string());
    head_only_ = request_->method == "HEAD";
    if (head_only_) request_->method = "GET";
    const std::string target = text_of(head.target());
    const Target parts = split_target(target);
    request_->path = decode_path(parts.path).value_or("");
    request_->query = parts.query;
    for (const auto& field : head)
      request_->headers.push_back({text_of(field.name_string()), text_of(field.value())});
  }
  const std::string_view id = request_->header("x-request-id");
  request_->id = is_request_id(id) ? std::string(id) : make_id();
}

void Session::on_head() {
  take_head();
  HeadFacts facts;
  facts.version = parser_->get().version();
  facts.chunked = parser_->chunked();
  if (const auto length = parser_->content_length()) facts.content_length = *length;
  decision_ = decide(*request_, facts, hub_.options.payload_limit, hub_.router, hub_.policy);

  const bool has_body = !parser_->is_done();
  const bool asks = has_body && facts.version >= 11 && !request_->header("expect").empty();
  if (decision_.refusal && has_body &&
      (decision_.close || asks || facts.content_length.value_or(UINT64_MAX) > kForgivenBody)) {
    return respond(std::move(*decision_.refusal), true);
  }
  if (!has_body) return on_request();
  // Who has begun to send the body needs no invitation.
  if (asks && buffer_.size() == 0) return send_continue();
  begin_body();
}

void Session::send_continue() {
  state_ = State::kContinue;
  arm(hub_.options.body_timeout);
  response_ = continue_response();
  transport_->write(*response_, [self = shared_from_this()](error_code failed) {
    if (self->state_ != State::kContinue) return;
    if (failed) return self->close();
    self->begin_body();
  });
  read();
}

void Session::begin_body() {
  state_ = State::kBody;
  arm(hub_.options.body_timeout);
  parser_->eager(true);
  parser_->body_limit(hub_.options.payload_limit);
  advance();
}

void Session::on_request() {
  state_ = State::kHandling;
  if (decision_.refusal) return respond(std::move(*decision_.refusal), decision_.close);
  request_->body = std::move(parser_->get().body());
  arm(hub_.options.request_timeout);
  handle();
  read();
}

void Session::handle() {
  auto& pool = decision_.quick ? hub_.quick : hub_.workers;
  asio::post(pool, [request = std::shared_ptr<const HttpRequest>(request_), handler = decision_.handler,
                    respond = make_respond(hub_.mailbox, weak_from_this(), number_)] {
    if (request->cancellation->cancelled()) return;
    try {
      (*handler)(request, respond);
    } catch (...) {
      respond(internal_error());  // what went wrong is nothing for strangers
    }
  });
}

void Session::respond(HttpResponse response, bool close) {
  if (!request_) take_head();
  state_ = State::kWriting;
  keep_ = !close && !peer_done_ && !hub_.stopping && parser_->is_done() && parser_->get().keep_alive();
  if (hub_.observers.answered) {
    hub_.observers.answered({*request_, decision_.pattern, response.status, response.body.size(),
                             Clock::now() - request_->received});
  }
  const unsigned version = parser_->is_header_done() ? parser_->get().version() : 11;
  response_ = wire_response(std::move(response), {*request_, version, keep_, head_only_}, hub_.policy);
  arm(hub_.options.write_timeout);
  transport_->write(*response_, [self = shared_from_this()](error_code failed) { self->on_written(failed); });
  read();
}

void Session::on_written(error_code failed) {
  if (state_ != State::kWriting) return;
  if (failed) return close();
  if (keep_) return begin_request();
  linger();
}

// Closing a socket with unread bytes resets the connection, and a reset can overtake the answer.
void Session::linger() {
  state_ = State::kDraining;
  arm(kLinger);
  transport_->shutdown([self = shared_from_this()](error_code failed) {
    if (failed) return self->close();
    self->drain();
  });
}

void Session::drain() {
  if (state_ != State::kDraining) return;
  transport_->socket().async_read_some(asio::buffer(sink_),
                                       [self = shared_from_this()](error_code failed, std::size_t) {
                                         if (failed) return self->close();
                                         self->drain();
                                       });
}

void Session::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (request_) request_->cancellation->cancel();
  ++alarm_;
  timer_.cancel();
  error_code ignored;
  transport_->socket().close(ignored);
}

void Session::arm(milliseconds patience) {
  timer_.expires_after(patience);
  timer_.async_wait([self = shared_from_this(), alarm = ++alarm_](error_code) {
    // An alarm that was already on its way when the timer was set again counts no more.
    if (alarm == self->alarm_) self->on_timeout();
  });
}

void Session::on_timeout() {
  switch (state_) {
    case State::kHead:
    case State::kBody:
      return respond(plain_text(408, "The request took too long to arrive"), true);
    case State::kHandling:
      request_->cancellation->cancel();
      return respond(timed_out(), false);
    default:
      return close();
  }
}

}  // namespace gemvec::server
