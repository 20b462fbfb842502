#include "server/observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace gemvec::server {

namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
using Counters = prometheus::Family<prometheus::Counter>;

// 35 bounds, each 1.5 times the one before it, from 15 microseconds to 14.6 seconds.
Buckets duration_buckets() {
  constexpr int kBounds = 35;
  constexpr double kFirst = 1.5e-5, kRatio = 1.5;
  Buckets bounds;
  double bound = kFirst;
  for (int i = 0; i < kBounds; ++i, bound *= kRatio) bounds.push_back(bound);
  return bounds;
}

// 1, 2, 4 ... up to 2^last.
Buckets powers_of_two(unsigned last) {
  Buckets bounds;
  for (unsigned i = 0; i <= last; ++i) bounds.push_back(static_cast<double>(std::uint64_t{1} << i));
  return bounds;
}

unsigned log2_of(std::size_t value) {
  unsigned log = 0;
  while (value > 1) value /= 2, ++log;
  return log;
}

double seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// Bytes of this process that are in memory; 0 if the system does not say.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::string label(bool batch) { return batch ? "batch" : "single"; }

}  // namespace

struct Metrics::Impl {
  // What is in the registry by one name: texts of one kind of duration.
  struct Timing {
    prometheus::Histogram& total;
    prometheus::Histogram& tokenization;
    prometheus::Histogram& queue;
    prometheus::Histogram& inference;

    Timing(Impl& impl, const std::string& prefix)
        : total(impl.histogram(prefix + "_duration", duration_buckets())),
          tokenization(impl.histogram(prefix + "_tokenization_duration", duration_buckets())),
          queue(impl.histogram(prefix + "_queue_duration", duration_buckets())),
          inference(impl.histogram(prefix + "_inference_duration", duration_buckets())) {}

    void observe(const Durations& durations) {
      total.Observe(seconds(durations.total));
      tokenization.Observe(seconds(durations.tokenization));
      queue.Observe(seconds(durations.queue));
      inference.Observe(seconds(durations.inference));
    }
  };

  explicit Impl(std::size_t max_input_tokens)
      : input_length(histogram("te_request_input_length", powers_of_two(log2_of(max_input_tokens)))) {}

  Counters& counters(const std::string& name, const std::string& help = "") {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prometheus::Counter& counter(const std::string& name, const std::string& help = "") {
    return counters(name, help).Add({});
  }
  prometheus::Gauge& gauge(const std::string& name, const std::string& help = "") {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }
  prometheus::Histogram& histogram(const std::string& name, const Buckets& bounds,
                                   const std::string& help = "") {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
  }

  prometheus::Registry registry;
  Counters& requests = counters("te_request_count");
  Counters& successes = counters("te_request_success");
  Counters& failures = counters("te_request_failure");
  prometheus::Counter& embeds = counter("te_embed_count");
  prometheus::Counter& embed_successes = counter("te_embed_success");
  Timing request_timing{*this, "te_request"};
  Timing embed_timing{*this, "te_embed"};
  prometheus::Histogram& input_length;
  // The sizes of the original's buckets: batches of up to 4096 texts and 1 Mi tokens.
  prometheus::Histogram& batch_size = histogram("te_batch_next_size", powers_of_two(12));
  prometheus::Histogram& batch_tokens = histogram("te_batch_next_tokens", powers_of_two(20));
  prometheus::Gauge& queue_size = gauge("te_queue_size");

  prometheus::Gauge& queue_tokens = gauge("gemvec_queue_tokens", "Tokens that wait for the model");
  prometheus::Counter& tokens = counter("gemvec_tokens_total", "Tokens that went through the model");
  prometheus::Counter& busy = counter("gemvec_inference_seconds_total", "Time in the model");
  prometheus::Counter& hits = counter("gemvec_cache_hits_total", "Texts answered from the cache of vectors");
  prometheus::Counter& misses = counter("gemvec_cache_misses_total", "Texts that were not in it");
  prometheus::Gauge& open = gauge("gemvec_connections", "Open connections");
  prometheus::Gauge& resident =
      gauge("gemvec_resident_bytes", "Memory of this process, mapped weights included");
  Counters& answers = counters("gemvec_http_responses_total", "Answers by method, route and status");
  Counters& ignored = counters("gemvec_ignored_fields_total", "Fields of requests that are not known here");

  std::mutex mutex;  // of seen_fields
  std::set<std::pair<std::string, std::string>> seen_fields;
};

Metrics::Metrics(std::size_t max_input_tokens) : impl_(std::make_unique<Impl>(max_input_tokens)) {}
Metrics::~Metrics() = default;

void Metrics::request(bool batch) { impl_->requests.Add({{"method", label(batch)}}).Increment(); }

void Metrics::request_success(bool batch) { impl_->successes.Add({{"method", label(batch)}}).Increment(); }

void Metrics::request_failure(std::string_view err) {
  impl_->failures.Add({{"err", std::string(err)}}).Increment();
}

void Metrics::request_durations(const Durations& durations) { impl_->request_timing.observe(durations); }

void Metrics::embed(std::size_t tokens) {
  impl_->embeds.Increment();
  impl_->input_length.Observe(static_cast<double>(tokens));
}

void Metrics::embed_success(const Durations& durations) {
  impl_->embed_successes.Increment();
  impl_->embed_timing.observe(durations);
}

void Metrics::batch(std::size_t texts, std::size_t tokens, double seconds) {
  impl_->batch_size.Observe(static_cast<double>(texts));
  impl_->batch_tokens.Observe(static_cast<double>(tokens));
  impl_->tokens.Increment(static_cast<double>(tokens));
  impl_->busy.Increment(seconds);
}

void Metrics::queue(std::size_t texts, std::size_t tokens) {
  impl_->queue_size.Set(static_cast<double>(texts));
  impl_->queue_tokens.Set(static_cast<double>(tokens));
}

void Metrics::cache(bool hit) { (hit ? impl_->hits : impl_->misses).Increment(); }

void Metrics::http(std::string_view method, std::string_view pattern, unsigned status) {
  impl_->answers
      .Add({{"method", std::string(method)},
            {"route", std::string(pattern)},
            {"status", std::to_string(status)}})
      .Increment();
}

void Metrics::connections(std::size_t open) { impl_->open.Set(static_cast<double>(open)); }

void Metrics::ignored_field(std::string_view route, std::string_view field) {
  constexpr std::size_t kMaxFields = 64;  // so that clients cannot fill memory with names
  constexpr std::size_t kMaxNameBytes = 64;
  std::pair<std::string, std::string> key(route, field.substr(0, kMaxNameBytes));
  const auto printable = [](char c) { return c > ' ' && c < '\x7F'; };
  {
    const std::scoped_lock lock(impl_->mutex);
    const bool known = impl_->seen_fields.count(key) != 0;
    if (!known && (impl_->seen_fields.size() >= kMaxFields ||
                   !std::all_of(key.second.begin(), key.second.end(), printable))) {
      key.second = "other";
    } else {
      impl_->seen_fields.insert(key);
    }
  }
  impl_->ignored.Add({{"route", key.first}, {"field", key.second}}).Increment();
}

std::string Metrics::text() const {
  impl_->resident.Set(resident_bytes());
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace gemvec::server
