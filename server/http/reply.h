// The way of an answer back to its connection.
#pragma once

#include <cstdint>
#include <memory>

#include "server/http/hub.h"
#include "server/http/message.h"

namespace gemvec::server {

// The first call of what is returned answers the session's request of this number; later calls do nothing. If
// the last copy is destroyed without a call, the answer is 500. Harmless when session or server are gone.
[[nodiscard]] Respond make_respond(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Session> session,
                                   std::uint64_t number);

}  // namespace gemvec::server
