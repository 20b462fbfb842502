// The way of an answer back to its connection.
#include "server/http/reply.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "server/http/gate.h"
#include "server/http/session.h"

namespace gemvec::server {
namespace {

class Reply {
 public:
  Reply(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Session> session, std::uint64_t number)
      : mailbox_(std::move(mailbox)), session_(std::move(session)), number_(number) {}
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  ~Reply() {
    try {
      give(internal_error());
    } catch (const std::exception&) {
      // Out of memory. The session's request_timeout answers.
    }
  }

  void give(HttpResponse response) {
    if (given_.exchange(true)) return;
    const std::shared_lock lock(mailbox_->mutex);
    if (!mailbox_->open) return;
    if (const auto session = session_.lock()) session->answer(number_, std::move(response));
  }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  const std::weak_ptr<Session> session_;
  const std::uint64_t number_;
  std::atomic<bool> given_{false};
};

}  // namespace

Respond make_respond(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Session> session, std::uint64_t number) {
  auto reply = std::make_shared<Reply>(std::move(mailbox), std::move(session), number);
  return [reply = std::move(reply)](HttpResponse response) { reply->give(std::move(response)); };
}

}  // namespace gemvec::server
