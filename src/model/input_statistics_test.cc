// What is measured of a layer's inputs, against double precision.
#include "model/input_statistics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support/kernel_test.h"

namespace gemvec::model {
namespace {

using testing::Random;

constexpr std::size_t kInputs = 96, kGroup = 32;  // three panels, whose groups are 32 wide

// Rows with a mean, and with a direction that all of them share: as activations have.
std::vector<float> rows_of_inputs(std::size_t rows, std::size_t k) {
  Random random(rows + k);
  std::vector<float> mean(k), direction(k), x(rows * k);
  for (std::size_t p = 0; p < k; ++p) mean[p] = random.gaussian(), direction[p] = 5 * random.gaussian();
  for (std::size_t i = 0; i < rows; ++i) {
    const float along = random.gaussian();
    for (std::size_t p = 0; p < k; ++p) x[i * k + p] = mean[p] + along * direction[p] + random.gaussian();
  }
  return x;
}

InputStatistics measure(const std::vector<float>& x, std::size_t k, unsigned threads = 2) {
  base::ThreadPool pool(threads);
  auto found = measure_inputs(x.data(), x.size() / k, k, testing::selected_kernels(), pool);
  EXPECT_TRUE(found.ok());
  return std::move(*found);
}

// What the codes of x stand for: its groups times the Hadamard matrix, each rounded to 127ths of its largest.
std::vector<double> coded(const std::vector<float>& x) {
  std::vector<double> out(x.size());
  for (std::size_t g = 0; g < x.size(); g += kGroup) {
    double top = 0;
    for (std::size_t i = 0; i < kGroup; ++i) {
      for (std::size_t j = 0; j < kGroup; ++j) {
        out[g + i] += std::popcount(i & j) % 2 != 0 ? -x[g + j] : x[g + j];
      }
      top = std::max(top, std::abs(out[g + i]));
    }
    for (std::size_t i = 0; i < kGroup; ++i) out[g + i] = std::nearbyint(out[g + i] * 127 / top) * top / 127;
  }
  return out;
}

TEST(InputStatistics, HasTheMeansOfInputsAndOfWhatTheirCodesStandFor) {
  const std::vector<float> x = rows_of_inputs(200, kInputs);
  const std::vector<double> codes = coded(x);
  const InputStatistics found = measure(x, kInputs);
  for (std::size_t p = 0; p < kInputs; ++p) {
    double mean = 0, coded_mean = 0, top = 0;
    for (std::size_t i = 0; i < 200; ++i) {
      mean += x[i * kInputs + p] / 200.0;
      coded_mean += codes[i * kInputs + p] / 200.0;
      top = std::max(top, std::abs(codes[i * kInputs + p]));
    }
    EXPECT_NEAR(found.mean.data()[p], mean, 1e-12 * 200);
    // A number in the middle of two codes may go either way, for at most a few rows of 200: a step is top /
    // 127.
    EXPECT_NEAR(found.coded_mean.data()[p], coded_mean, 3 * top / 127 / 200 + 1e-6 * top);
  }
}

// The feedback is that of the Cholesky factor of the damped moments.
TEST(InputStatistics, FeedsBackByTheFactorOfTheMoments) {
  const std::vector<float> x = rows_of_inputs(300, kInputs);
  const std::vector<double> codes = coded(x);
  const InputStatistics found = measure(x, kInputs);
  const std::size_t k = kInputs;
  std::vector<double> m(k * k);
  double trace = 0;
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j < k; ++j) {
      for (std::size_t row = 0; row < 300; ++row) m[i * k + j] += codes[row * k + i] * codes[row * k + j];
    }
    trace += m[i * k + i];
  }
  for (std::size_t i = 0; i < k; ++i) m[i * k + i] += 0.05 * trace / static_cast<double>(k);
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t t = 0; t < j; ++t) m[j * k + j] -= m[j * k + t] * m[j * k + t];
    m[j * k + j] = std::sqrt(m[j * k + j]);
    for (std::size_t i = j + 1; i < k; ++i) {
      for (std::size_t t = 0; t < j; ++t) m[i * k + j] -= m[i * k + t] * m[j * k + t];
      m[i * k + j] /= m[j * k + j];
    }
  }
  double largest = 0;
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t i = j + 1; i < k; ++i) {
      const double expected = m[i * k + j] / m[j * k + j];
      largest = std::max(largest, std::abs(expected));
      // fp32 sums of 300 rows, then a factor whose condition is at most k / 0.05: 1e-3 is 2^-24 times both
      // and room for the few codes that round otherwise.
      ASSERT_NEAR(found.row(j / kernels::kPanel, i)[j % kernels::kPanel], expected, 1e-3) << i << ", " << j;
    }
  }
  EXPECT_GT(largest, 0.1);  // or there was nothing to compare
}

TEST(InputStatistics, HasTheSameBitsWithAnyNumberOfThreads) {
  const std::vector<float> x = rows_of_inputs(333, kInputs);
  const InputStatistics expected = measure(x, kInputs, 1);
  for (const unsigned threads : {2U, 3U, 7U}) {
    const InputStatistics found = measure(x, kInputs, threads);
    EXPECT_EQ(0, std::memcmp(expected.mean.data(), found.mean.data(), expected.mean.bytes()));
    EXPECT_EQ(0, std::memcmp(expected.coded_mean.data(), found.coded_mean.data(), expected.mean.bytes()));
    for (std::size_t j = 0; j < kInputs; ++j) {
      for (std::size_t i = j + 1; i < kInputs; ++i) {
        const std::size_t panel = j / kernels::kPanel, c = j % kernels::kPanel;
        ASSERT_EQ(expected.row(panel, i)[c], found.row(panel, i)[c]) << i << ", " << j;
      }
    }
  }
}

TEST(InputStatistics, FeedsNothingBackWhereInputsAreZero) {
  const InputStatistics found = measure(std::vector<float>(64 * kInputs, 0.0F), kInputs);
  for (std::size_t j = 0; j < kInputs; ++j) {
    for (std::size_t i = j + 1; i < kInputs; ++i) {
      ASSERT_EQ(found.row(j / kernels::kPanel, i)[j % kernels::kPanel], 0.0F);
    }
  }
}

// Damaged weights make such inputs. They must not make every weight of a layer a NaN.
TEST(InputStatistics, CountsRowsThatAreNotFiniteAsZeros) {
  std::vector<float> x = rows_of_inputs(64, kInputs);
  std::vector<float> without = x;
  x[5 * kInputs + 3] = std::numeric_limits<float>::quiet_NaN();
  x[9 * kInputs + 70] = -std::numeric_limits<float>::infinity();
  x[11 * kInputs] = 1e30F;
  for (const std::size_t row : {5U, 9U, 11U}) std::fill_n(without.begin() + row * kInputs, kInputs, 0.0F);
  const InputStatistics found = measure(x, kInputs), expected = measure(without, kInputs);
  for (std::size_t j = 0; j < kInputs; ++j) {
    EXPECT_EQ(found.mean.data()[j], expected.mean.data()[j]);
    EXPECT_EQ(found.coded_mean.data()[j], expected.coded_mean.data()[j]);
    for (std::size_t i = j + 1; i < kInputs; ++i) {
      const std::size_t panel = j / kernels::kPanel, c = j % kernels::kPanel;
      ASSERT_EQ(expected.row(panel, i)[c], found.row(panel, i)[c]) << i << ", " << j;
    }
  }
}

}  // namespace
}  // namespace gemvec::model
