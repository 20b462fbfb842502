#include "model/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::model {

namespace {

// The Hadamard matrix of size n times w, divided by n.
void rotate(float* w, std::size_t n) {
  for (std::size_t stride = 1; stride < n; stride *= 2) {
    for (std::size_t i = 0; i < n; i += 2 * stride) {
      for (std::size_t j = i; j < i + stride; ++j) {
        const float a = w[j], b = w[j + stride];
        w[j] = a + b;
        w[j + stride] = a - b;
      }
    }
  }
  const float factor = 1.0F / static_cast<float>(n);  // a power of two: exact
  for (std::size_t i = 0; i < n; ++i) w[i] *= factor;
}

// Halves of 0..15 that stand for (half - zero) * step.
struct Step {
  float error = 0;  // sum of squares
  int sub = 1, zero = 8;
};

float error_of(const float* w, float step, float zero) {
  const float inverse = 1.0F / step;
  float error = 0;
  for (std::size_t i = 0; i < kernels::kStepGroup; ++i) {
    const float half = std::min(std::max(nearest(w[i] * inverse + zero), 0.0F), 15.0F);
    const float difference = w[i] - (half - zero) * step;
    error += difference * difference;
  }
  return error;
}

// The best sub and zero for 32 numbers, given the group's scale.
Step best_step(const float* w, float scale, float wanted) {
  Step best;
  best.error = std::numeric_limits<float>::infinity();
  const int middle = static_cast<int>(nearest(wanted / scale));
  for (int sub = std::max(1, middle - 2); sub <= std::min(15, middle + 1); ++sub) {
    for (int zero = 7; zero <= 8; ++zero) {
      const float error = error_of(w, scale * static_cast<float>(sub), static_cast<float>(zero));
      if (error < best.error) best = {error, sub, zero};
    }
  }
  return best;
}

}  // namespace

float quantize_group_int8(const float* w, std::size_t n, std::int8_t* codes) {
  const float top = highest(w, n);
  const float inverse = top < 1e-30F ? 0.0F : kernels::kMaxCode / top;
  for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::int8_t>(nearest(w[i] * inverse));
  return top / kernels::kMaxCode;
}

float quantize_group_int4(const float* w, std::size_t n, std::uint8_t* halves, std::uint8_t* steps) {
  constexpr std::size_t kSub = kernels::kStepGroup;
  const float top = highest(w, n);
  if (top < 1e-30F) {
    std::fill(halves, halves + n, std::uint8_t{8});
    std::fill(steps, steps + n / kSub, std::uint8_t{1 + 16 * 8});
    return 0;
  }
  // The widest group of 32 would have a step of top / 8 and the largest sub; a little less loses the end of
  // the range and is finer everywhere else. All are tried.
  float best_scale = 0, best_error = std::numeric_limits<float>::infinity();
  std::vector<Step> best(n / kSub), tried(n / kSub);
  for (const float shrink : {1.0F, 0.94F, 0.88F, 0.82F, 0.76F}) {
    const float scale = top * shrink / 8 / 15;
    float error = 0;
    for (std::size_t i = 0; i < n / kSub; ++i) {
      tried[i] = best_step(w + i * kSub, scale, highest(w + i * kSub, kSub) / 8);
      error += tried[i].error;
    }
    if (error < best_error) best_error = error, best_scale = scale, best.swap(tried);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const Step& step = best[i / kSub];
    const float zero = static_cast<float>(step.zero);
    const float half = nearest(w[i] / (best_scale * static_cast<float>(step.sub)) + zero);
    halves[i] = static_cast<std::uint8_t>(std::clamp(half, 0.0F, 15.0F));
  }
  for (std::size_t i = 0; i < best.size(); ++i) {
    steps[i] = static_cast<std::uint8_t>(best[i].sub + 16 * best[i].zero);
  }
  return best_scale;
}

namespace {

// Codes of 6 bits: -31..31.
constexpr float kTopInt6 = 31;
// A step below top / 31 cuts the largest and is finer for all others: top over each of these is tried, and
// the one with the least error is taken.
constexpr float kTargetsInt6[] = {31, 33, 35, 37, 39};

float code_int6(float w, float inverse) {
  return std::min(std::max(nearest(w * inverse), -kTopInt6), kTopInt6);
}

float error_int6(const float* w, std::size_t n, float step) {
  const float inverse = 1.0F / step;
  float error = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float difference = w[i] - code_int6(w[i], inverse) * step;
    error += difference * difference;
  }
  return error;
}

void write_int6(const float* w, std::size_t n, float step, std::uint8_t* codes) {
  const float inverse = 1.0F / step;
  for (std::size_t i = 0; i < n; ++i) {
    codes[i] = static_cast<std::uint8_t>(static_cast<int>(code_int6(w[i], inverse)) + kernels::kInt6Zero);
  }
}

}  // namespace

float quantize_group_int6(const float* w, std::size_t n, std::uint8_t* codes) {
  const float top = highest(w, n);
  if (top < 1e-30F) {
    std::fill(codes, codes + n, static_cast<std::uint8_t>(kernels::kInt6Zero));
    return 0;
  }
  float best = top / kTopInt6, best_error = std::numeric_limits<float>::infinity();
  for (const float target : kTargetsInt6) {
    const float error = error_int6(w, n, top / target);
    if (error < best_error) best_error = error, best = top / target;
  }
  write_int6(w, n, best, codes);
  return best;
}

float quantize_row_int6(const float* w, std::size_t n, std::uint8_t* codes, std::uint8_t* subs) {
  constexpr std::size_t kSub = kernels::kStepGroup;
  constexpr float kTopSub = 255;
  const float top = highest(w, n);
  if (top < 1e-30F) {
    std::fill(codes, codes + n, static_cast<std::uint8_t>(kernels::kInt6Zero));
    std::fill(subs, subs + n / kSub, std::uint8_t{1});
    return 0;
  }
  const float scale = top / kTopInt6 / kTopSub;
  for (std::size_t i = 0; i < n; i += kSub) {
    const float group_top = highest(w + i, kSub);
    float best = 1, best_error = std::numeric_limits<float>::infinity();
    for (const float target : kTargetsInt6) {
      const float sub = std::clamp(nearest(group_top / target / scale), 1.0F, kTopSub);
      const float error = error_int6(w + i, kSub, sub * scale);
      if (error < best_error) best_error = error, best = sub;
    }
    write_int6(w + i, kSub, best * scale, codes + i);
    subs[i / kSub] = static_cast<std::uint8_t>(best);
  }
  return scale;
}

namespace {

// What the largest of 32 numbers on a grid of 4 bits is, in steps: -8 in Q4_0, 7 or -8 in MatMulNBits; the
// others where no number comes to the grid's end.
constexpr float kTopsInt4[] = {-8, 7, 6, 5, 4};
constexpr float kTopSubInt4 = 127;

float half_int4(float w, float inverse) { return std::clamp(nearest(w * inverse), -8.0F, 7.0F); }

float error_int4(const float* w, float step) {
  const float inverse = 1.0F / step;
  float error = 0;
  for (std::size_t i = 0; i < kernels::kStepGroup; ++i) {
    const float difference = w[i] - half_int4(w[i], inverse) * step;
    error += difference * difference;
  }
  return error;
}

// The best sub for 32 numbers; adds its squares of errors.
float best_sub_int4(const float* w, float scale, float* error) {
  const float widest = *std::max_element(w, w + kernels::kStepGroup,
                                         [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  float best = 1, least = std::numeric_limits<float>::infinity();
  for (const float steps : kTopsInt4) {
    float sub = nearest(widest / steps / scale);
    if (sub == 0) sub = 1;
    const float found = error_int4(w, sub * scale);
    if (found < least) least = found, best = sub;
  }
  *error += least;
  return best;
}

}  // namespace

std::optional<float> quantize_row_int4(const float* w, std::size_t n, float most, std::uint8_t* halves,
                                       std::int8_t* subs) {
  constexpr std::size_t kSub = kernels::kStepGroup;
  const float top = highest(w, n);
  if (top < 1e-30F) {
    std::fill(halves, halves + n, std::uint8_t{8});
    std::fill(subs, subs + n / kSub, std::int8_t{1});
    return 0.0F;
  }
  const float scale = top / 4 / kTopSubInt4;  // the widest step there may be
  float error = 0;
  for (std::size_t i = 0; i < n; i += kSub) {
    const float sub = best_sub_int4(w + i, scale, &error), inverse = 1.0F / (sub * scale);
    if (error > most) return {};
    for (std::size_t j = i; j < i + kSub; ++j) {
      halves[j] = static_cast<std::uint8_t>(static_cast<int>(half_int4(w[j], inverse)) + 8);
    }
    subs[i / kSub] = static_cast<std::int8_t>(sub);
  }
  return scale;
}

void quantize_int8(float* w, std::size_t k, std::size_t group, std::int8_t* codes, float* scales) {
  for (std::size_t first = 0; first < k; first += group) {
    rotate(w + first, group);
    scales[first / group] = quantize_group_int8(w + first, group, codes + first);
  }
}

void quantize_int6(float* w, std::size_t k, std::size_t group, std::uint8_t* codes, float* scales) {
  for (std::size_t first = 0; first < k; first += group) {
    rotate(w + first, group);
    scales[first / group] = quantize_group_int6(w + first, group, codes + first);
  }
}

void quantize_int4(float* w, std::size_t k, std::size_t group, std::uint8_t* halves, std::uint8_t* steps,
                   float* scales) {
  for (std::size_t first = 0; first < k; first += group) {
    rotate(w + first, group);
    scales[first / group] =
        quantize_group_int4(w + first, group, halves + first, steps + first / kernels::kStepGroup);
  }
}

void quantize_channel_int8(float* w, std::size_t k, std::size_t group, std::int8_t* codes, float* scales) {
  std::fill(scales, scales + k / group, quantize_group_int8(w, k, codes));
}

void quantize_channel_int4(float* w, std::size_t k, std::size_t group, std::uint8_t* halves,
                           std::uint8_t* steps, float* scales) {
  constexpr float kTop = 7;  // symmetric: -8 is not used
  const float top = highest(w, k);
  const float scale = top / kTop;
  const float inverse = top < 1e-30F ? 0.0F : kTop / top;
  for (std::size_t i = 0; i < k; ++i) {
    halves[i] = static_cast<std::uint8_t>(std::clamp(nearest(w[i] * inverse) + 8, 0.0F, 15.0F));
  }
  std::fill(steps, steps + k / kernels::kStepGroup, std::uint8_t{1 + 16 * 8});
  std::fill(scales, scales + k / group, scale);
}

}  // namespace gemvec::model
