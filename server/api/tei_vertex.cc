// /vertex: several requests of other routes in one.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "server/api/encode.h"
#include "server/api/tei.h"

namespace gemvec::server {

namespace {

// Whether two works differ in their inputs only, so that the one's can be appended to the other's.
bool same_options(const EmbedWork& a, const EmbedWork& b) {
  return a.prefix == b.prefix && a.truncate == b.truncate && a.direction == b.direction &&
         a.dimensions == b.dimensions && a.normalize == b.normalize;
}

struct Instances {
  std::vector<EmbedWork> works;     // of neighbours with the same options one
  std::vector<std::size_t> counts;  // inputs of each instance
};

// An instance is a request to rerank if it can be read as one, else a request to embed.
bool is_rerank(const boost::json::value& instance) {
  const auto* object = instance.if_object();
  return object != nullptr && object->contains("query") && object->contains("texts");
}

// Something is wrong with an instance: its form, which the whole body's form stands for, or what it asks.
using Trouble = std::variant<std::monostate, Rejection, ApiError>;

Trouble add_instance(const Call& call, const JsonBody& body, const boost::json::value& instance,
                     std::string_view route, Instances& out) {
  if (is_rerank(instance)) {
    Fields rerank(body, instance, "instances");
    if (auto error = read_rerank(rerank)) return std::move(*error);
  }
  Fields fields(body, instance, "instances");
  TeiEmbed embed = read_tei_embed(fields, *call.service);
  if (!fields.ok()) {
    Fields whole(body, "struct VertexRequest");
    whole.fail("instances", "data did not match any variant of untagged enum VertexInstance");
    return whole.rejection();
  }
  fields.count_ignored(call.service->metrics(), route);
  auto work = tei_work(call, std::move(embed));
  if (auto* error = std::get_if<ApiError>(&work)) return std::move(*error);
  auto& made = std::get<EmbedWork>(work);
  out.counts.push_back(made.inputs.size());
  if (out.works.empty() || !same_options(out.works.back(), made)) {
    out.works.push_back(std::move(made));
  } else {
    auto& inputs = out.works.back().inputs;
    for (Input& input : made.inputs) inputs.push_back(std::move(input));
  }
  return {};
}

HttpResponse encode_predictions(const std::vector<std::size_t>& counts,
                                const std::vector<EmbeddedItem>& items) {
  std::string body = R"({"predictions":[)";
  std::size_t next = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    body += i == 0 ? "[" : ",[";
    for (std::size_t k = 0; k < counts[i]; ++k, ++next) {
      if (k != 0) body += ',';
      append_floats(body, items[next].values);
    }
    body += ']';
  }
  body += "]}";
  return json_response(std::move(body));
}

}  // namespace

void tei_vertex(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct VertexRequest");
  const boost::json::value* list = fields.require("instances");
  if (list != nullptr && !list->is_array()) fields.fail("instances", "invalid type: expected a sequence");
  if (!fields.ok()) return call.respond(tei_rejection(fields.rejection()));
  fields.count_ignored(call.service->metrics(), route);
  call.begin(true);
  Instances instances;
  for (const boost::json::value& instance : list->get_array()) {
    const Trouble trouble = add_instance(call, body, instance, route, instances);
    if (const auto* rejection = std::get_if<Rejection>(&trouble))
      return call.respond(tei_rejection(*rejection));
    if (const auto* error = std::get_if<ApiError>(&trouble)) return call.fail(*error);
  }
  // Together the instances may have more inputs than one request may, so they go in pieces.
  std::vector<EmbedWork> pieces;
  for (EmbedWork& work : instances.works) {
    for (EmbedWork& piece : pieces_of(std::move(work), call.service->options().max_client_batch_size))
      pieces.push_back(std::move(piece));
  }
  embed_all_of(std::move(call), std::move(pieces),
               [counts = std::move(instances.counts)](const std::vector<EmbeddedItem>& items) {
                 return encode_predictions(counts, items);
               });
}

}  // namespace gemvec::server
