#include "server/api/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>

namespace gemvec::server {

namespace {

using Nanoseconds = std::chrono::nanoseconds;

// What text-embeddings-inference tells about a request: of the parts of a batch the average.
Metrics::Durations durations_of(const HttpRequest& request, const std::vector<EmbeddedItem>& items) {
  Metrics::Durations sum;
  for (const EmbeddedItem& item : items) {
    sum.tokenization += item.tokenization;
    sum.queue += item.queue;
    sum.inference += item.inference;
  }
  const auto count = static_cast<std::int64_t>(std::max<std::size_t>(1, items.size()));
  return {std::chrono::duration_cast<Nanoseconds>(std::chrono::steady_clock::now() - request.received),
          sum.tokenization / count, sum.queue / count, sum.inference / count};
}

std::string milliseconds(Nanoseconds duration) {
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

void add_timing(HttpResponse& response, const Metrics::Durations& durations,
                const std::vector<EmbeddedItem>& items) {
  std::size_t characters = 0;
  for (const EmbeddedItem& item : items) characters += item.characters;
  // The original says gpu+optimized whatever it runs on. Nobody computes with it, and this is no GPU.
  response.headers.push_back({"x-compute-type", "cpu+optimized"});
  response.headers.push_back({"x-compute-time", milliseconds(durations.total)});
  response.headers.push_back({"x-compute-characters", fmt::format("{}", characters)});
  response.headers.push_back({"x-compute-tokens", fmt::format("{}", sum_of_tokens(items))});
  response.headers.push_back({"x-total-time", milliseconds(durations.total)});
  response.headers.push_back({"x-tokenization-time", milliseconds(durations.tokenization)});
  response.headers.push_back({"x-queue-time", milliseconds(durations.queue)});
  response.headers.push_back({"x-inference-time", milliseconds(durations.inference)});
}

// Works, one after the other. Service may answer before embed() returns or later from another thread:
// whichever of the two comes second goes on, so that the stack does not grow with the number of works.
class Turns : public std::enable_shared_from_this<Turns> {
 public:
  Turns(Call call, std::vector<EmbedWork> works, Encode encode)
      : call_(std::move(call)), works_(std::move(works)), encode_(std::move(encode)) {}

  void go_on() {
    while (next_ < works_.size()) {
      met_.store(false);
      call_.service->embed(std::move(works_[next_++]), [self = shared_from_this()](EmbedAnswer answer) {
        self->answer_ = std::move(answer);
        if (self->met_.exchange(true)) self->take_and_go_on();
      });
      if (!met_.exchange(true)) return;
      if (!take()) return;
    }
    call_.succeed(items_, encode_(items_));
  }

 private:
  void take_and_go_on() {
    if (take()) go_on();
  }

  // False: it was an error, and the request has been answered.
  bool take() {
    if (const auto* error = std::get_if<ServiceError>(&answer_)) {
      call_.fail(api_error(*error));
      return false;
    }
    auto& items = std::get<std::vector<EmbeddedItem>>(answer_);
    items_.insert(items_.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
    return true;
  }

  Call call_;
  std::vector<EmbedWork> works_;
  Encode encode_;
  std::size_t next_ = 0;
  EmbedAnswer answer_;
  std::vector<EmbeddedItem> items_;
  std::atomic<bool> met_{false};
};

}  // namespace

void Call::begin(bool list) {
  batch = list;
  service->metrics().request(list);
}

void Call::fail(const ApiError& error) const {
  if (!error.metric.empty()) service->metrics().request_failure(error.metric);
  respond(error_body(error));
}

void Call::succeed(const std::vector<EmbeddedItem>& items, HttpResponse response) const {
  const Metrics::Durations durations = durations_of(*request, items);
  service->metrics().request_success(batch);
  service->metrics().request_durations(durations);
  if (timing) add_timing(response, durations, items);
  respond(std::move(response));
}

EmbedWork Call::work(std::string prefix) const {
  EmbedWork work;
  work.prefix = std::move(prefix);
  work.truncate = service->options().auto_truncate;
  work.cancellation = request->cancellation;
  return work;
}

void embed_all_of(Call call, std::vector<EmbedWork> works, Encode encode) {
  std::make_shared<Turns>(std::move(call), std::move(works), std::move(encode))->go_on();
}

void embed_one(Call call, EmbedWork work, Encode encode) {
  std::vector<EmbedWork> works;
  works.push_back(std::move(work));
  embed_all_of(std::move(call), std::move(works), std::move(encode));
}

void embed_in_pieces(Call call, EmbedWork work, Encode encode) {
  const std::size_t limit = call.service->options().max_client_batch_size;
  embed_all_of(std::move(call), pieces_of(std::move(work), limit), std::move(encode));
}

std::vector<EmbedWork> pieces_of(EmbedWork work, std::size_t limit) {
  limit = std::max<std::size_t>(1, limit);
  std::vector<Input> inputs = std::exchange(work.inputs, {});
  std::vector<EmbedWork> pieces;
  for (std::size_t at = 0; at < inputs.size(); at += limit) {
    EmbedWork& piece = pieces.emplace_back(work);
    const auto begin = inputs.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(limit, inputs.size() - at));
    piece.inputs.assign(std::make_move_iterator(begin), std::make_move_iterator(end));
  }
  return pieces;
}

std::size_t sum_of_tokens(const std::vector<EmbeddedItem>& items) {
  std::size_t sum = 0;
  for (const EmbeddedItem& item : items) sum += item.tokens;
  return sum;
}

}  // namespace gemvec::server
