// The routes of text-embeddings-inference, one function each, and what they share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "server/api/call.h"
#include "server/api/fields.h"
#include "server/api/inputs.h"
#include "server/api/prompt_choice.h"
#include "server/http/router.h"
#include "server/service.h"

namespace gemvec::server {

// A route of text-embeddings-inference: its body was JSON, and `respond` wants exactly one answer.
using TeiRoute = void (*)(Call call, const JsonBody& body, std::string_view route);

// Adds a POST route whose body is JSON; anything else is refused as the framework of the original does.
void add_tei_route(Router& router, Service& service, std::string_view path, TeiRoute handler);

// The fields truncate and truncation_direction; without truncate, the server's own.
struct Truncation {
  bool truncate = true;
  Truncate direction = Truncate::kRight;
};
Truncation read_truncation(Fields& fields, const Service& service);

// /embed and a prediction of /vertex.
struct TeiEmbed {
  InputList list;
  Truncation truncation;
  PromptChoice prompt;
  bool normalize = true;
  std::optional<std::uint64_t> dimensions;
};
TeiEmbed read_tei_embed(Fields& fields, const Service& service);
// What is wrong with it beyond its form, or the work that it is.
std::variant<EmbedWork, ApiError> tei_work(const Call& call, TeiEmbed embed);
// 422 unless 1 <= dimensions <= 768.
std::optional<ApiError> check_dimensions(const Service& service, std::optional<std::uint64_t> dimensions);

void tei_embed(Call call, const JsonBody& body, std::string_view route);
void tei_embed_all(Call call, const JsonBody& body, std::string_view route);
void tei_similarity(Call call, const JsonBody& body, std::string_view route);
void tei_tokenize(Call call, const JsonBody& body, std::string_view route);
void tei_decode(Call call, const JsonBody& body, std::string_view route);
void tei_vertex(Call call, const JsonBody& body, std::string_view route);
void tei_embed_sparse(Call call, const JsonBody& body, std::string_view route);
void tei_predict(Call call, const JsonBody& body, std::string_view route);
void tei_rerank(Call call, const JsonBody& body, std::string_view route);

// The form of a request to rerank, if `fields` has it. Why it is refused: no texts, or the wrong model.
std::optional<ApiError> read_rerank(Fields& fields);

// The answer to GET /info.
HttpResponse tei_info(const Service& service);

}  // namespace gemvec::server
