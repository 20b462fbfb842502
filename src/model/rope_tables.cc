#include "model/rope_tables.h"

#include <algorithm>
#include <cmath>

#include "base/try.h"

namespace gemvec::model {

namespace {

// Positions from one exact angle to the next. Between them the angle grows by a rotation in double precision,
// whose errors, 2^-53 a step, stay far below those of the fp32 numbers that are kept.
constexpr std::size_t kStride = 64;

// Positions first .. of one table: cos[p][i], sin[p][i].
void fill(const Config& config, double theta, std::size_t first, float* cosines, float* sines) {
  const std::size_t half = config.head_dim / 2;
  const std::size_t end = std::min(config.max_tokens, first + kStride);
  for (std::size_t i = 0; i < half; ++i) {
    const double inverse =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    const double step_cos = std::cos(inverse), step_sin = std::sin(inverse);
    double c = std::cos(static_cast<double>(first) * inverse);
    double s = std::sin(static_cast<double>(first) * inverse);
    for (std::size_t position = first; position < end; ++position) {
      cosines[position * half + i] = static_cast<float>(c);
      sines[position * half + i] = static_cast<float>(s);
      const double next = c * step_cos - s * step_sin;
      s = s * step_cos + c * step_sin;
      c = next;
    }
  }
}

}  // namespace

Result<RopeTables> RopeTables::create(const Config& config, base::ThreadPool& pool) {
  const std::size_t size = config.max_tokens * config.head_dim / 2;
  RopeTables tables;
  GEMVEC_TRY(data, base::AlignedBuffer<float>::create(4 * size));
  tables.data_ = std::move(data);
  float* at = tables.data_.data();
  const std::size_t tasks = (config.max_tokens + kStride - 1) / kStride;
  pool.run(2 * tasks, [&](std::size_t task, unsigned) {
    const bool full = task < tasks;
    fill(config, full ? config.rope_theta_full : config.rope_theta_sliding, task % tasks * kStride,
         at + (full ? 0 : 2 * size), at + (full ? size : 3 * size));
  });
  tables.full = {at, at + size};
  tables.sliding = {at + 2 * size, at + 3 * size};
  return tables;
}

}  // namespace gemvec::model
