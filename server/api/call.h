// One request for vectors from its arrival to its answer: what all APIs do in between.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/api/errors.h"
#include "server/http/message.h"
#include "server/service.h"

namespace gemvec::server {

struct Call {
  Service* service;
  std::shared_ptr<const HttpRequest> request;
  Respond respond;
  std::function<HttpResponse(const ApiError&)> error_body;
  bool batch = false;   // set by begin()
  bool timing = false;  // text-embeddings-inference's x-* headers on success

  // Counts the request. `list`: it has a list of inputs.
  void begin(bool list);
  // Counts the failure and answers.
  void fail(const ApiError& error) const;
  // Counts the success and answers.
  void succeed(const std::vector<EmbeddedItem>& items, HttpResponse response) const;

  // Work without inputs, with what every request has: the server's truncation, the client's cancellation.
  [[nodiscard]] EmbedWork work(std::string prefix) const;
};

using Encode = std::function<HttpResponse(const std::vector<EmbeddedItem>& items)>;

// Embeds the works one after the other and answers with all their items, or with the first error. A work has
// as many inputs as its API allows.
void embed_all_of(Call call, std::vector<EmbedWork> works, Encode encode);
void embed_one(Call call, EmbedWork work, Encode encode);

// The same for one work of any length, for APIs without a limit: it enters the queue in pieces that the limit
// allows, each when the one before it is done, so that no request holds the queue alone.
void embed_in_pieces(Call call, EmbedWork work, Encode encode);

// The pieces that the limit allows, in order.
std::vector<EmbedWork> pieces_of(EmbedWork work, std::size_t limit);

std::size_t sum_of_tokens(const std::vector<EmbeddedItem>& items);

}  // namespace gemvec::server
