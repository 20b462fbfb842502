// What runs through a whole conversion: progress, cancellation, threads, and the pages of the source.
#pragma once

#include <cstdint>
#include <string>

#include "base/thread_pool.h"
#include "gemvec/convert.h"
#include "gemvec/result.h"
#include "source/model_source.h"

namespace gemvec::convert {

class Job {
 public:
  // Both must outlive it.
  Job(const ConvertOptions& options, const source::ModelSource& source);

  [[nodiscard]] const ConvertOptions& options() const { return options_; }
  [[nodiscard]] const source::ModelSource& source() const { return source_; }
  [[nodiscard]] base::ThreadPool& pool() { return pool_; }

  // Bytes of weights that will be written in all.
  void expect(std::uint64_t total) { total_ = total; }
  // What is being done from now on: "writing model.gguf".
  Status begin(std::string stage);
  // Bytes of weights that were written. Errors: kCancelled.
  Status advance(std::uint64_t bytes);
  // Bytes of the source that were read, and are not needed again.
  void done_reading(std::uint64_t bytes);

 private:
  Status report();
  void release_pages() const;

  const ConvertOptions& options_;
  const source::ModelSource& source_;
  base::ThreadPool pool_;
  std::string stage_;
  std::uint64_t done_ = 0, total_ = 0, read_ = 0;
};

}  // namespace gemvec::convert
