#include "server/api/errors.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/api/encode.h"

namespace gemvec::server {

namespace {

// nginx's status for a client that left before the answer: nobody reads it but the access log.
constexpr unsigned kClientGone = 499;

std::string with_prefix(std::string_view prefix, const std::string& message) {
  return message.starts_with(prefix) ? message : std::string(prefix) + message;
}

struct OpenAiKind {
  std::string_view type, code;
};

OpenAiKind openai_kind(unsigned status) {
  switch (status) {
    case 404:
      return {"invalid_request_error", "\"model_not_found\""};
    case 429:
      return {"rate_limit_exceeded", "\"rate_limit_exceeded\""};
    case 424:
      return {"server_error", "null"};
    default:
      return {status < 500 ? "invalid_request_error" : "server_error", "null"};
  }
}

}  // namespace

ApiError api_error(const ServiceError& error) {
  switch (error.fault) {
    case Fault::kEmpty:
      return {400, "Empty", with_prefix("Input validation error: ", error.message), "validation", {}};
    case Fault::kValidation:
      return {422,          "Validation", with_prefix("Input validation error: ", error.message),
              "validation", {},           error.max_tokens,
              error.tokens};
    case Fault::kTokenizer:
      return {422, "Tokenizer", with_prefix("tokenizer error ", error.message), "tokenization", {}};
    case Fault::kBackend:
      return {424, "Backend", with_prefix("Backend error: ", error.message), "inference", {}};
    case Fault::kOverloaded:
      return {429, "Overloaded", "Model is overloaded", "overloaded", error.retry_after};
    case Fault::kCancelled:
      return {kClientGone, "Backend", "The client has gone", "dropped", {}};
  }
  return {500, "Backend", error.message, "inference", {}};
}

ApiError invalid_input(std::string_view message) {
  return {422, "Validation", "Input validation error: " + std::string(message), "validation", {}};
}

ApiError too_many(std::size_t inputs, std::size_t limit) {
  return {422,
          "Validation",
          fmt::format("batch size {} > maximum allowed batch size {}", inputs, limit),
          "batch_size",
          {}};
}

ApiError empty_input(std::string_view message) {
  return {400, "Empty", std::string(message), "validation", {}};
}

ApiError refused(const Rejection& rejection) {
  return {rejection.status, "Validation", rejection.message, {}, {}};
}

HttpResponse json_response(std::string body, unsigned status) {
  return {status, "application/json", std::move(body), {}};
}

void add_retry_after(HttpResponse& response, std::chrono::seconds after) {
  response.headers.push_back({"retry-after", fmt::format("{}", std::max<long long>(1, after.count()))});
}

HttpResponse tei_error(const ApiError& error) {
  HttpResponse response = json_response(
      fmt::format(R"({{"error":{},"error_type":"{}"}})", json_string(error.message), error.type),
      error.status);
  if (error.status == 429) add_retry_after(response, error.retry_after);
  return response;
}

HttpResponse tei_rejection(const Rejection& rejection) {
  return {rejection.status, "text/plain; charset=utf-8", rejection.message, {}};
}

HttpResponse openai_error(const ApiError& error) {
  const std::string message = json_string(error.message);
  const OpenAiKind kind = openai_kind(error.status);
  HttpResponse response =
      json_response(fmt::format(R"({{"error":{{"message":{},"type":"{}","param":null,"code":{}}},)"
                                R"("message":{},"code":{},"type":"{}"}})",
                                message, kind.type, kind.code, message, error.status, error.type),
                    error.status);
  if (error.status == 429) add_retry_after(response, error.retry_after);
  return response;
}

HttpResponse ollama_error(unsigned status, std::string_view message) {
  return json_response(fmt::format(R"({{"error":{}}})", json_string(message)), status);
}

HttpResponse ollama_error(const ApiError& error) {
  // Ollama's own words for a full queue; it has one status for what the client did wrong.
  if (error.status == 429) {
    HttpResponse response =
        ollama_error(503, "server busy, please try again.  maximum pending requests exceeded");
    add_retry_after(response, error.retry_after);
    return response;
  }
  const unsigned status = error.status == 424 ? 500 : error.status == kClientGone ? kClientGone : 400;
  return ollama_error(status, error.message);
}

HttpResponse cohere_error(const HttpRequest& request, unsigned status, std::string_view message) {
  return json_response(
      fmt::format(R"({{"id":{},"message":{}}})", json_string(request.id), json_string(message)), status);
}

HttpResponse llama_error(unsigned status, std::string_view message, std::string_view type,
                         std::string_view more) {
  return json_response(fmt::format(R"({{"error":{{"code":{},"message":{},"type":"{}"{}}}}})", status,
                                   json_string(message), type, more),
                       status);
}

}  // namespace gemvec::server
