// Attention of the selected instruction set against double precision, and its promise of equal bits.
#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/guarded.h"
#include "support/kernel_test.h"
#include "support/number_types.h"

namespace gemvec::kernels {
namespace {

using testing::from_bf16;
using testing::GuardedBuffer;
using testing::Random;
using testing::to_bf16;

enum class Kind { kF32, kBf16, kInt8 };

const AttentionKernel* kernel(Kind kind) {
  const AttentionKernels& attention = *testing::selected_kernels().attention;
  return kind == Kind::kF32 ? attention.f32 : kind == Kind::kBf16 ? attention.bf16 : attention.int8;
}

// Weights and values are bf16: with codes, wherever there are such products.
bool mixes_bf16(Kind kind) {
  return kind == Kind::kBf16 || (kind == Kind::kInt8 && kernel(Kind::kBf16) != nullptr);
}

// A row of queries or keys as codes, which have the same bits on every instruction set (kernels/quantize).
struct Codes {
  std::size_t group = 0;
  std::vector<std::int8_t> codes;
  std::vector<RowGroup> groups;

  Codes() = default;
  Codes(const float* x, std::size_t dim) : group(group_of(dim)), codes(dim), groups(dim / group) {
    testing::selected_kernels().quantize->row(x, dim, group, codes.data(), groups.data());
  }
};

// A score, and the sum of the magnitudes of what it was summed from.
struct Score {
  double value = 0, magnitude = 0;
  void add(double x) {
    value += x;
    magnitude += std::abs(x);
  }
};

Score multiply(const Codes& q, const Codes& k) {
  Score score;
  for (std::size_t g = 0; g < q.groups.size(); ++g) {
    std::int32_t sum = 0;
    for (std::size_t i = g * q.group; i < (g + 1) * q.group; ++i) sum += q.codes[i] * k.codes[i];
    // Both sides are rotated without a scale.
    score.add(static_cast<double>(q.groups[g].scale) * k.groups[g].scale * static_cast<double>(sum) /
              static_cast<double>(q.group));
  }
  return score;
}

struct Shape {
  std::size_t length, heads, dim, reach;
};

// A text with NaN in the gaps between its rows, and every buffer's end at a guard page.
struct Problem {
  const AttentionKernel& kernel;
  Kind kind;
  bool bf16_values;
  Shape shape;
  std::size_t ldq, ldk, ldo;
  GuardedBuffer<float> q, k, v;
  GuardedBuffer<std::byte> operand, scratch;
  std::vector<Codes> key_codes;  // of Kind::kInt8

  // With gaps of 0 a row begins where the one before it ends.
  Problem(Kind kind, Shape shape, float q_scale = 0.2F, std::size_t gap = 5)
      : kernel(*kernels::kernel(kind)),
        kind(kind),
        bf16_values(mixes_bf16(kind)),
        shape(shape),
        ldq(shape.heads * shape.dim + gap),
        ldk(shape.dim + gap),
        ldo(shape.heads * shape.dim + gap),
        q(shape.length * ldq - gap, NAN),
        k(shape.length * ldk - gap, NAN),
        v(shape.length * ldk - gap, NAN),
        operand(kernel.operand_bytes(shape.length, shape.dim), std::byte{0xFF}),  // NaN
        scratch(kernel.scratch_bytes(shape.dim)),
        key_codes(kind == Kind::kInt8 ? shape.length : 0) {
    Random random(shape.length * 1000003 + shape.heads * 1009 + shape.dim + shape.reach);
    for (std::size_t i = 0; i < shape.length; ++i) {
      for (std::size_t j = 0; j < shape.heads * shape.dim; ++j) q[i * ldq + j] = random.gaussian() * q_scale;
      for (std::size_t j = 0; j < shape.dim; ++j) k[i * ldk + j] = random.gaussian();
      for (std::size_t j = 0; j < shape.dim; ++j) v[i * ldk + j] = random.gaussian() + 0.5F;
    }
    pack(0, shape.length);
  }

  void pack(std::size_t first, std::size_t count) {
    AttentionPackArgs args;
    args.k = k.data() + first * ldk;
    args.ldk = ldk;
    args.v = v.data() + first * ldk;
    args.ldv = ldk;
    args.first = first;
    args.count = count;
    args.length = shape.length;
    args.head_dim = shape.dim;
    args.operand = operand.data();
    kernel.pack(args);
    for (std::size_t i = first; kind == Kind::kInt8 && i < first + count; ++i) {
      key_codes[i] = Codes(k.data() + i * ldk, shape.dim);
    }
  }

  [[nodiscard]] AttentionArgs args(std::size_t first, std::size_t tokens) {
    AttentionArgs args;
    args.q = q.data() + first * ldq;
    args.ldq = ldq;
    args.operand = operand.data();
    args.length = shape.length;
    args.head_dim = shape.dim;
    args.heads = shape.heads;
    args.first = first;
    args.tokens = tokens;
    args.reach = shape.reach;
    args.ldo = ldo;
    args.scratch = scratch.data();
    return args;
  }

  // Rows [tokens, ldo] for queries first .. first + tokens - 1, with NaN where nothing may be written.
  std::vector<float> run(std::size_t first, std::size_t tokens) {
    const std::size_t used = shape.heads * shape.dim;
    GuardedBuffer<float> out((tokens - 1) * ldo + used, NAN);
    std::memset(scratch.data(), 0xFF, scratch.size());  // NaN: what was there must not matter
    AttentionArgs attend = args(first, tokens);
    attend.out = out.data();
    kernel.attend(attend);
    std::vector<float> rows(out.data(), out.data() + out.size());
    for (std::size_t i = 0; i + 1 < tokens; ++i) {
      for (std::size_t j = used; j < ldo; ++j)
        EXPECT_TRUE(std::isnan(rows[i * ldo + j])) << "wrote past a row";
    }
    rows.resize(tokens * ldo);
    return rows;
  }

  // What a product sees of a value; of a query or a key as well, unless they are codes.
  [[nodiscard]] double seen(float x) const { return bf16_values ? from_bf16(to_bf16(x)) : x; }
  // The scores of a query of one head and the keys begin .. end - 1.
  [[nodiscard]] std::vector<Score> scores(const float* query, std::size_t begin, std::size_t end) const {
    std::vector<Score> scores(end - begin);
    if (kind == Kind::kInt8) {
      const Codes codes(query, shape.dim);
      for (std::size_t j = begin; j < end; ++j) scores[j - begin] = multiply(codes, key_codes[j]);
      return scores;
    }
    for (std::size_t j = begin; j < end; ++j) {
      for (std::size_t i = 0; i < shape.dim; ++i) {
        scores[j - begin].add(seen(query[i]) * seen(k[j * ldk + i]));
      }
    }
    return scores;
  }
  [[nodiscard]] std::size_t begin(std::size_t i) const { return i > shape.reach ? i - shape.reach : 0; }
  [[nodiscard]] std::size_t end(std::size_t i) const { return std::min(shape.length, i + shape.reach + 1); }
};

constexpr double kU = 0x1p-24;   // half the distance from 1 to the next fp32 number, relative
constexpr double kV = 0x1p-8;    // the same for bf16
constexpr double kExp = 2e-7;    // relative error of simd/math.inl.h's exponential
constexpr double kBlocks = 256;  // keys of a block, see attention.h
constexpr std::size_t kFull = ~std::size_t{0} / 4;

// One query of one head in double precision: the exact values, and by how much a kernel may be off.
struct Expected {
  std::vector<double> values, tolerances;
};

// To first order in the errors of single steps. A weight's relative error has
//   from its score    dim * u * sum |q k| (a sum of dim products, docs/numerics.md; of codes there are fewer
//                     terms, one a group, of two roundings each), the same again from the sum of weights,
//                     and u * |score - top| each from the rounding of the difference; differences of tops,
//                     where sums are scaled down, add up to at most the range of the scores;
//   from exponentials kExp, its own and one at most a block, each with the rounding of a product, u; twice,
//   since
//                     the sum of weights has them too;
//   from bf16         an error d with |d| <= v that the sum of weights shares: sum w d (x - mean) is left of
//   it, at
//                     most v sum w |x - mean| (1 + 2 v).
// Sums of n weights and of n products are off by n u each; the division and the last product by 2 u.
Expected expected(const Problem& p, std::size_t position, std::size_t head) {
  const std::size_t dim = p.shape.dim;
  const std::size_t begin = p.begin(position);
  const std::size_t end = p.end(position);
  const float* q = p.q.data() + position * p.ldq + head * dim;
  std::vector<double> weights;
  double magnitude = 0;
  for (const Score& score : p.scores(q, begin, end)) {
    weights.push_back(score.value);
    magnitude = std::max(magnitude, score.magnitude);
  }
  const auto [lowest, highest] = std::minmax_element(weights.begin(), weights.end());
  const double top = *highest;
  const double range = top - *lowest;
  double sum = 0;
  for (double& w : weights) sum += w = std::exp(w - top);

  const double n = static_cast<double>(end - begin);
  const double blocks = std::floor(static_cast<double>(end - 1) / kBlocks) -
                        std::floor(static_cast<double>(begin) / kBlocks) + 1;
  const double relative =
      2 * (static_cast<double>(dim) * kU * magnitude + 2 * kU * range + blocks * (kExp + kU)) +
      (2 * n + 2) * kU;
  Expected result{std::vector<double>(dim), std::vector<double>(dim)};
  for (std::size_t i = 0; i < dim; ++i) {
    double size = 0;
    for (std::size_t j = begin; j < end; ++j) {
      const double x = p.seen(p.v[j * p.ldk + i]);
      result.values[i] += weights[j - begin] / sum * x;
      size += weights[j - begin] / sum * std::abs(x);
    }
    result.tolerances[i] = relative * size;
    if (!p.bf16_values) continue;
    double spread = 0;
    for (std::size_t j = begin; j < end; ++j) {
      spread += weights[j - begin] / sum * std::abs(p.seen(p.v[j * p.ldk + i]) - result.values[i]);
    }
    result.tolerances[i] += kV * (1 + 2 * kV) * spread;
  }
  return result;
}

// Every position of a short text; of a longer one, those at its ends and every seventh.
void check(Problem& p) {
  const std::size_t length = p.shape.length;
  const std::vector<float> out = p.run(0, length);
  for (std::size_t i = 0; i < length; ++i) {
    if (length > 130 && i % 7 != 3 && i > 2 && i + 3 < length) continue;
    for (std::size_t head = 0; head < p.shape.heads; ++head) {
      const Expected e = expected(p, i, head);
      for (std::size_t j = 0; j < p.shape.dim; ++j) {
        ASSERT_NEAR(out[i * p.ldo + head * p.shape.dim + j], e.values[j], e.tolerances[j])
            << "length " << length << " reach " << p.shape.reach << " position " << i << " head " << head
            << " element " << j;
      }
    }
  }
}

class Attention : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (kernel(GetParam()) == nullptr) GTEST_SKIP() << "no such instruction here";
  }
};

TEST_P(Attention, MatchesDoublePrecisionAtEveryLengthAroundABlock) {
  for (const std::size_t length : {1, 2, 17, 31, 32, 33, 127, 128, 129, 255, 256, 257, 258, 513, 600}) {
    for (const std::size_t reach : {std::size_t{8}, std::size_t{256}, kFull}) {
      Problem p(GetParam(), {length, 3, 32, reach});
      check(p);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(Attention, MatchesDoublePrecisionOnTheModelsShape) {
  for (const std::size_t length : {1, 2, 17, 32, 33, 129, 258, 600}) {
    for (const std::size_t reach : {std::size_t{256}, kFull}) {
      Problem p(GetParam(), {length, 3, 256, reach});
      check(p);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(Attention, MatchesDoublePrecisionForOtherNumbersOfHeads) {
  for (const std::size_t heads : {1, 2, 5, 96}) {
    for (const std::size_t gap : {0, 3}) {
      Problem p(GetParam(), {130, heads, 64, 40}, 0.2F, gap);
      check(p);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(Attention, TakesAWindowOfOneKeyAndNoQueries) {
  Problem p(GetParam(), {70, 3, 32, 0});
  check(p);
  p.kernel.attend(p.args(5, 0));
}

// The promise that batch and thread invariance stand on.
void expect_same_bits_in_any_tile(Problem& p) {
  const std::size_t length = p.shape.length;
  const std::vector<float> all = p.run(0, length);
  for (std::size_t first = 0; first < length; ++first) {
    for (const std::size_t tokens : {1, 2, 5, 16, 32, 33, 100}) {
      if (first + tokens > length || (tokens > 2 && first % tokens > 3)) continue;
      const std::vector<float> some = p.run(first, tokens);
      for (std::size_t i = 0; i < tokens; ++i) {
        ASSERT_EQ(0, std::memcmp(&all[(first + i) * p.ldo], &some[i * p.ldo],
                                 p.shape.heads * p.shape.dim * sizeof(float)))
            << "position " << first + i << " among " << tokens << " from " << first << " reach "
            << p.shape.reach;
      }
    }
  }
}

TEST_P(Attention, GivesAQueryTheSameBitsInAnyTile) {
  for (const std::size_t reach :
       {std::size_t{0}, std::size_t{8}, std::size_t{100}, std::size_t{256}, kFull}) {
    Problem p(GetParam(), {531, 3, 32, reach}, 1.0F);
    expect_same_bits_in_any_tile(p);
    if (HasFatalFailure()) return;
  }
  Problem p(GetParam(), {290, 3, 256, 256});
  expect_same_bits_in_any_tile(p);
}

// Products that underflow leave zeros of either sign and subnormal sums, which adding a masked key could
// change.
TEST_P(Attention, GivesAQueryTheSameBitsInAnyTileWhenSumsUnderflow) {
  for (const float size : {1e-38F, 1e-40F, 1e-44F}) {
    Problem p(GetParam(), {531, 3, 32, 100}, 10.0F);
    for (std::size_t i = 0; i < p.shape.length; ++i) {
      for (std::size_t j = 0; j < p.shape.dim; ++j) p.v[i * p.ldk + j] *= size;
    }
    p.pack(0, p.shape.length);
    expect_same_bits_in_any_tile(p);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Attention, GivesAHeadTheSameBitsWithoutTheOthers) {
  Problem p(GetParam(), {300, 3, 32, 256});
  const std::vector<float> all = p.run(0, p.shape.length);
  for (std::size_t head = 0; head < 3; ++head) {
    std::vector<float> out(p.shape.length * p.shape.dim);
    AttentionArgs args = p.args(0, p.shape.length);
    args.q += head * p.shape.dim;
    args.heads = 1;
    args.out = out.data();
    args.ldo = p.shape.dim;
    p.kernel.attend(args);
    for (std::size_t i = 0; i < p.shape.length; ++i) {
      ASSERT_EQ(0, std::memcmp(&all[i * p.ldo + head * p.shape.dim], &out[i * p.shape.dim],
                               p.shape.dim * sizeof(float)))
          << "position " << i << " head " << head;
    }
  }
}

TEST_P(Attention, DoesNotSeeAKeyOutOfReach) {
  Problem p(GetParam(), {600, 3, 32, 100});
  constexpr std::size_t kPosition = 310;
  const std::vector<float> before = p.run(kPosition, 1);
  for (std::size_t i = 0; i < p.shape.length; ++i) {
    if (i >= p.begin(kPosition) && i < p.end(kPosition)) continue;
    for (std::size_t j = 0; j < p.shape.dim; ++j) {
      p.k[i * p.ldk + j] *= 1000;
      p.v[i * p.ldk + j] = -1e30F;
    }
  }
  p.pack(0, p.shape.length);
  // The same among queries that do see those keys.
  const std::vector<float> after = p.run(kPosition - 20, 40);
  EXPECT_EQ(0, std::memcmp(before.data(), &after[20 * p.ldo], 3 * 32 * sizeof(float)));
}

// Scores are exact here: q and k have one number each that is not 0, a power of two and a small integer. They
// rise or fall along the text by far more than exponentials can tell apart, so the best key's value is the
// answer.
TEST_P(Attention, TakesTheBestKeyOfScoresThatAreFarApart) {
  for (const float q : {0x1p10F, -0x1p10F, 0x1p100F, -0x1p100F}) {
    for (const std::size_t reach : {std::size_t{100}, kFull}) {
      Problem p(GetParam(), {600, 1, 32, reach}, 0.0F);
      for (std::size_t i = 0; i < 600; ++i) {
        for (std::size_t j = 0; j < 32; ++j) p.k[i * p.ldk + j] = 0;
        p.q[i * p.ldq + 3] = q;
        p.k[i * p.ldk + 3] = static_cast<float>(static_cast<int>(i / 4) - 75);  // exact in bf16 too
      }
      p.pack(0, 600);
      const std::vector<float> out = p.run(0, 600);
      for (std::size_t i = 0; i < 600; ++i) {
        const std::size_t best = q > 0 ? (p.end(i) - 1) / 4 : p.begin(i) / 4;  // four keys share a score
        const std::size_t begin = std::max(best * 4, p.begin(i));
        const std::size_t end = std::min(best * 4 + 4, p.end(i));
        for (std::size_t j = 0; j < 32; ++j) {
          double mean = 0;
          double size = 0;
          for (std::size_t key = begin; key < end; ++key) {
            mean += p.seen(p.v[key * p.ldk + j]) / static_cast<double>(end - begin);
            size += std::abs(p.seen(p.v[key * p.ldk + j])) / static_cast<double>(end - begin);
          }
          ASSERT_NEAR(out[i * p.ldo + j], mean, 8 * kU * size) << "position " << i << " q " << q;
        }
      }
    }
  }
}

// Weights add up to 1 whatever their roundings: n u each for the two sums, 2 u for the division.
TEST_P(Attention, KeepsAValueThatAllKeysShare) {
  Problem p(GetParam(), {600, 3, 32, 256});
  for (std::size_t i = 0; i < 600; ++i) {
    for (std::size_t j = 0; j < 32; ++j) p.v[i * p.ldk + j] = static_cast<float>(j) - 15.5F;  // exact in bf16
  }
  p.pack(0, 600);
  const std::vector<float> out = p.run(0, 600);
  for (std::size_t i = 0; i < 600; ++i) {
    for (std::size_t j = 0; j < 96; ++j) {
      const double value = static_cast<double>(j % 32) - 15.5;
      ASSERT_NEAR(out[i * p.ldo + j], value, std::abs(value) * (2 * 513 + 2) * kU) << "position " << i;
    }
  }
}

TEST_P(Attention, MayWriteItsResultOverTheQueries) {
  for (const std::size_t gap : {0, 5}) {
    Problem p(GetParam(), {150, 3, 32, 40}, 0.2F, gap);
    const std::vector<float> apart = p.run(0, 150);
    AttentionArgs args = p.args(0, 150);
    args.out = p.q.data();
    p.kernel.attend(args);
    for (std::size_t i = 0; i < 150; ++i) {
      ASSERT_EQ(0, std::memcmp(&apart[i * p.ldo], &p.q[i * p.ldq], 96 * sizeof(float))) << "position " << i;
    }
  }
}

// A byte is written if it is the same after packing over zeros and over ones.
TEST_P(Attention, PacksEveryByteOfTheOperandInExactlyOnePanel) {
  for (const std::size_t length : {1, 31, 32, 33, 90}) {
    Problem p(GetParam(), {length, 1, 64, kFull});
    const std::vector<std::byte> whole(p.operand.data(), p.operand.data() + p.operand.size());
    std::vector<int> writers(whole.size());
    for (std::size_t first = 0; first < length; first += kAttentionPanel) {
      const std::size_t count = std::min(kAttentionPanel, length - first);
      p.operand.fill(std::byte{0});
      p.pack(first, count);
      const std::vector<std::byte> over_zeros(p.operand.data(), p.operand.data() + p.operand.size());
      p.operand.fill(std::byte{0xFF});
      p.pack(first, count);
      for (std::size_t i = 0; i < whole.size(); ++i) {
        if (over_zeros[i] != p.operand[i]) continue;
        ++writers[i];
        ASSERT_EQ(p.operand[i], whole[i]) << "byte " << i << " of panel " << first;
      }
    }
    for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_EQ(writers[i], 1) << "byte " << i;
  }
}

TEST_P(Attention, OperandsOfSeveralTextsCanLieOneAfterTheOther) {
  const AttentionKernel& k = *kernel(GetParam());
  EXPECT_EQ(k.operand_bytes(32, 32) % 64, 0U);
  for (const std::size_t length : {1, 32, 33, 100}) {
    const std::size_t panels = (length + kAttentionPanel - 1) / kAttentionPanel;
    EXPECT_EQ(k.operand_bytes(length, 256), panels * k.operand_bytes(32, 256));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Attention, ::testing::Values(Kind::kF32, Kind::kBf16, Kind::kInt8),
                         [](const auto& info) -> std::string {
                           return info.param == Kind::kF32    ? "Fp32"
                                  : info.param == Kind::kBf16 ? "Bf16"
                                                              : "Int8";
                         });

}  // namespace
}  // namespace gemvec::kernels
