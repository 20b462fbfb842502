#include "convert/job.h"

#include <utility>

namespace gemvec::convert {

namespace {

// Bytes read between two times that the source's pages are given back.
constexpr std::uint64_t kReleaseBytes = 32 << 20;

unsigned thread_count(unsigned asked) { return asked == 0 ? base::usable_cores() : asked; }

}  // namespace

Job::Job(const ConvertOptions& options, const source::ModelSource& source)
    : options_(options), source_(source), pool_(thread_count(options.threads)) {}

Status Job::begin(std::string stage) {
  stage_ = std::move(stage);
  return report();
}

Status Job::advance(std::uint64_t bytes) {
  done_ += bytes;
  return report();
}

void Job::done_reading(std::uint64_t bytes) {
  read_ += bytes;
  if (read_ < kReleaseBytes) return;
  read_ = 0;
  release_pages();
}

Status Job::report() {
  if (options_.cancelled && options_.cancelled()) {
    return Error{ErrorCode::kCancelled, "Cancelled; nothing was written."};
  }
  if (options_.progress) options_.progress({.stage = stage_, .done = done_, .total = total_});
  return {};
}

// The source is read once, from beginning to end. Pages that were mapped on the way would count as this
// process's memory to its end, and a conversion would seem to need the whole model.
void Job::release_pages() const {
  for (const base::MappedFile& file : source_.files) file.release_pages();
}

}  // namespace gemvec::convert
