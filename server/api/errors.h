// What goes wrong, and the body that each API's clients expect for it.
#pragma once

#include <boost/json/fwd.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "server/api/json_body.h"
#include "server/http/message.h"
#include "server/service.h"

namespace gemvec::server {

// An error in text-embeddings-inference's terms; the other APIs derive theirs.
struct ApiError {
  unsigned status = 500;
  std::string_view type;  // "Validation"
  std::string message;
  std::string_view metric;  // label of te_request_failure; empty: not counted
  std::chrono::seconds retry_after{0};
  std::size_t max_tokens = 0, tokens = 0;  // as in ServiceError
};

// Status and message as text-embeddings-inference gives them.
ApiError api_error(const ServiceError& error);
// 422, with the words "Input validation error: " before the message.
ApiError invalid_input(std::string_view message);
// 422, as it is.
ApiError too_many(std::size_t inputs, std::size_t limit);
// 400, as it is.
ApiError empty_input(std::string_view message);
// What the framework refuses. Only for APIs that give it a JSON body.
ApiError refused(const Rejection& rejection);

using ErrorBody = HttpResponse (*)(const ApiError& error);

// {"error","error_type"}
HttpResponse tei_error(const ApiError& error);
// text/plain
HttpResponse tei_rejection(const Rejection& rejection);
// {"error":{"message","type","param","code"},"message","code","type"}: OpenAI's clients read the inner
// object, those of text-embeddings-inference the outer fields.
HttpResponse openai_error(const ApiError& error);
// {"error"}: 400, 503 if there is no room, 500 for the model.
HttpResponse ollama_error(const ApiError& error);
HttpResponse ollama_error(unsigned status, std::string_view message);
// {"message"}, with the request's id.
HttpResponse cohere_error(const HttpRequest& request, unsigned status, std::string_view message);
// {"error":{"code","message","type"}}; `more` follows in the inner object: ",\"n_ctx\":2048".
HttpResponse llama_error(unsigned status, std::string_view message, std::string_view type,
                         std::string_view more = "");

HttpResponse json_response(std::string body, unsigned status = 200);

// The header that tells clients when to come again: whole seconds, at least one.
void add_retry_after(HttpResponse& response, std::chrono::seconds after);

}  // namespace gemvec::server
