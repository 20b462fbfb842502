// Packed weights as the kernels read them: source matrices through pack_layer() and plain C++ kernels against
// products in double precision, and the biases that calibration measures.
#include "model/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "model/calibrate.h"
#include "model/forward.h"
#include "source/model_source.h"  // tidy: allow(rooms) opens the tiny model
#include "support/kernel_test.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::model {
namespace {

using testing::Random;

// A layer's source tensors.
struct Source {
  std::vector<std::vector<float>> data;
  RawLayer layer;

  Source(const Config& c, std::uint64_t seed) {
    Random random(seed);
    data.reserve(13);
    const auto tensor = [&](std::size_t rows, std::size_t cols) {
      auto& values = data.emplace_back(rows * cols);
      for (float& x : values) x = random.gaussian() / std::sqrt(static_cast<float>(cols));
      return RawTensor{RawType::kF32, rows, cols, reinterpret_cast<const std::byte*>(values.data())};
    };
    layer.input_norm = layer.post_attention_norm = layer.pre_ffn_norm = layer.post_ffn_norm =
        tensor(1, c.width);
    layer.q_norm = layer.k_norm = tensor(1, c.head_dim);
    layer.q = tensor(c.query_width(), c.width);
    layer.k = tensor(c.head_dim, c.width);
    layer.v = tensor(c.head_dim, c.width);
    layer.o = tensor(c.width, c.query_width());
    layer.gate = tensor(c.ffn, c.width);
    layer.up = tensor(c.ffn, c.width);
    layer.down = tensor(c.width, c.ffn);
  }
};

Config config_of(std::size_t width, std::size_t heads, std::size_t ffn) {
  Config config;
  config.layers = 1;
  config.width = width;
  config.heads = heads;
  config.head_dim = 32;
  config.ffn = ffn;
  return config;
}

// One layer with all its matrices in one encoding, in a block of its own.
struct Packed {
  std::vector<PackedLinear> linears;  // query_key, value, output, gate_up, down
  base::AlignedBuffer<std::byte> block;

  Packed(const Config& c, const RawLayer& raw, Encoding encoding) {
    PackedLayout::Layer at{};
    std::size_t bytes = 0;
    const auto reserve = [&](std::size_t size) {
      const std::size_t first = bytes;
      bytes += (size + 63) / 64 * 64;
      return first;
    };
    for (auto* norm : {&at.input_norm, &at.post_attention_norm, &at.pre_ffn_norm, &at.post_ffn_norm,
                       &at.q_norm, &at.k_norm})
      *norm = reserve(std::max(c.width, c.head_dim) * sizeof(float));
    linears = {{nullptr, encoding, c.query_width() + c.head_dim, c.width},
               {nullptr, encoding, c.head_dim, c.width},
               {nullptr, encoding, c.width, c.query_width()},
               {nullptr, encoding, 2 * c.ffn, c.width},
               {nullptr, encoding, c.width, c.ffn}};
    const std::vector<std::size_t*> places = {&at.query_key, &at.value, &at.output, &at.gate_up, &at.down};
    for (std::size_t i = 0; i < places.size(); ++i) *places[i] = reserve(linears[i].bytes());
    block = std::move(*base::AlignedBuffer<std::byte>::create(bytes));
    std::memset(block.data(), 0xFF, bytes);
    base::ThreadPool pool(2);
    const Recipe recipe = {
        encoding, encoding, encoding, encoding, encoding, RowEncoding::kSource, RowEncoding::kSource,
        false,    false};
    EXPECT_TRUE(pack_layer(c, raw, at, recipe, 0, pool, block.data()).ok());
    for (std::size_t i = 0; i < places.size(); ++i) linears[i].data = block.data() + *places[i];
  }
};

// Rows of inputs times weights in bf16, in fp32 arithmetic: [rows, outputs].
std::vector<float> multiply_bf16(const kernels::KernelTable& kernels, const PackedLinear& linear,
                                 const std::vector<float>& x) {
  std::vector<float> c(x.size() / linear.inputs * linear.outputs);
  kernels::GemmArgs args;
  args.a = x.data();
  args.lda = args.k = linear.inputs;
  args.b = linear.data;
  args.b_panel_stride = linear.inputs * kernels::kPanel;
  args.c = c.data();
  args.ldc = linear.outputs;
  args.m = x.size() / linear.inputs;
  args.panels = linear.panels();
  kernels.gemm->bf16_wide(args);
  return c;
}

// Rows of inputs, quantised and multiplied by these kernels, or as above: [rows, outputs].
std::vector<float> multiply(const kernels::KernelTable& kernels, const PackedLinear& linear,
                            const std::vector<float>& x) {
  const std::size_t k = linear.inputs, rows = x.size() / k, group = group_of(k);
  if (!has_codes(linear.encoding)) return multiply_bf16(kernels, linear, x);
  std::vector<std::byte> codes(x.size() * kernels.gemm_int8->code_bytes);
  std::vector<kernels::RowGroup> groups(x.size() / group);
  for (std::size_t i = 0; i < rows; ++i) {
    kernels.quantize->row(x.data() + i * k, k, group, codes.data() + i * k * kernels.gemm_int8->code_bytes,
                          groups.data() + i * k / group);
  }
  auto scratch = std::move(*base::AlignedBuffer<std::byte>::create(kernels::gemm_int8_scratch_bytes(k)));
  std::vector<float> c(rows * linear.outputs);
  kernels::GemmInt8Args args;
  args.a = codes.data();
  args.lda = k;
  args.a_groups = groups.data();
  args.ldg = k / group;
  args.b = linear.data;
  args.c = c.data();
  args.ldc = linear.outputs;
  args.m = rows;
  args.k = k;
  args.group = group;
  args.panels = linear.panels();
  args.scratch = scratch.data();
  int8_kernel(*kernels.gemm_int8, linear.encoding)(args);
  return c;
}

// Row n of the fused matrix that a linear stands for.
const float* row_of(const RawLayer& raw, std::size_t linear, std::size_t n) {
  const auto at = [](const RawTensor& t, std::size_t row) {
    return reinterpret_cast<const float*>(t.data) + row * t.cols;
  };
  switch (linear) {
    case 0:
      return n < raw.q.rows ? at(raw.q, n) : at(raw.k, n - raw.q.rows);
    case 1:
      return at(raw.v, n);
    case 2:
      return at(raw.o, n);
    case 3:  // 32 of gate, 32 of up, and so on
      return at(n / 32 % 2 == 0 ? raw.gate : raw.up, n / 64 * 32 + n % 32);
    default:
      return at(raw.down, n);
  }
}

struct Group {
  double length = 0, top = 0;  // of the group after the rotation
};

Group rotated(const float* x, std::size_t size, double factor) {
  Group out;
  for (std::size_t i = 0; i < size; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < size; ++j) sum += std::popcount(i & j) % 2 != 0 ? -x[j] : x[j];
    sum *= factor;
    out.length += sum * sum;
    out.top = std::max(out.top, std::abs(sum));
  }
  out.length = std::sqrt(out.length);
  return out;
}

// Of one number's error in a group whose largest has magnitude 1: half a step of the plain grids; for int4 as
// in quantize_test.cc.
double weight_error(Encoding encoding) {
  return encoding == Encoding::kInt8   ? 1.0 / 254
         : encoding == Encoding::kInt6 ? 1.0 / 62
                                       : 1.0 / 8 + 3.5 / 120;
}

class PackedProduct : public ::testing::TestWithParam<Encoding> {
 protected:
  // With a the rotated activations of a group, w its rotated weights, and errors da and dw of theirs, a
  // product is off by a.dw + da.w + da.dw. Each number of da is at most top(a) / 254, and dw has at most the
  // length of as many numbers of the plain grid's greatest error, so the sum is at most
  //   |a| sqrt(n) e top(w) + sqrt(n) top(a) / 254 (|w| + sqrt(n) e top(w)).
  // Were everything wrong at once and in one direction; errors that know nothing of each other add up to a
  // length without the sqrt(n). That is what the mean square over all products has to keep. A panel with two
  // codes in each other's place is far off it: about 1.4 |a| |w| / sqrt(n).
  void check(const Config& config, std::uint64_t seed) const {
    const Source source(config, seed);
    const Packed packed(config, source.layer, GetParam());
    for (std::size_t index = 0; index < packed.linears.size(); ++index) {
      check_linear(source.layer, packed.linears[index], index);
      if (HasFatalFailure()) return;
    }
  }

  void check_linear(const RawLayer& raw, const PackedLinear& linear, std::size_t index) const {
    constexpr std::size_t kRows = 9;
    const std::size_t k = linear.inputs, size = group_of(k);
    Random random(index + k);
    std::vector<float> x(kRows * k);
    for (float& v : x) v = random.gaussian();
    for (std::size_t i = 0; i < kRows; ++i) x[i * k + (i * 7) % k] *= 40;  // as activations have
    const std::vector<float> found = multiply(kernels::kernel_table(cpu::Isa::kScalar), linear, x);
    const double e = weight_error(GetParam()), root = std::sqrt(static_cast<double>(size));
    double squares = 0, expected_squares = 0;
    for (std::size_t n = 0; n < linear.outputs; ++n) {
      const float* w = row_of(raw, index, n);
      for (std::size_t i = 0; i < kRows; ++i) {
        double exact = 0, bound = 0;
        for (std::size_t g = 0; g < k; g += size) {
          for (std::size_t p = g; p < g + size; ++p) exact += static_cast<double>(x[i * k + p]) * w[p];
          const Group a = rotated(&x[i * k + g], size, 1);
          const Group b = rotated(w + g, size, 1.0 / static_cast<double>(size));
          const double da = a.top / 254, dw = e * b.top;
          bound += a.length * root * dw + root * da * (b.length + root * dw);
          expected_squares += std::pow(a.length * dw, 2) + std::pow(da * b.length, 2);
        }
        const double error = std::abs(found[i * linear.outputs + n] - exact);
        // 1e-5: fp32's roundings of the rotation, the scales and the sums, all below 20 * 2^-24 of the terms.
        ASSERT_LE(error, bound * (1 + 1e-5)) << "linear " << index << ", row " << i << ", output " << n;
        squares += error * error;
      }
    }
    ASSERT_LE(squares, expected_squares) << "linear " << index;
  }
};

// Groups of 64 (width) and 32 (96 inputs).
TEST_P(PackedProduct, IsTheProductOnTheTinyModelsShapes) { check(config_of(64, 3, 96), 1); }

TEST_P(PackedProduct, IsTheProductInGroupsOf128) { check(config_of(256, 4, 384), 2); }

INSTANTIATE_TEST_SUITE_P(All, PackedProduct,
                         ::testing::Values(Encoding::kInt8, Encoding::kInt6, Encoding::kInt4),
                         [](const auto& info) {
                           return info.param == Encoding::kInt8   ? "Int8"
                                  : info.param == Encoding::kInt6 ? "Int6"
                                                                  : "Int4";
                         });

std::vector<const PackedLinear*> linears_of(const PackedLayer& layer) {
  return {&layer.query_key, &layer.value, &layer.output, &layer.gate_up, &layer.down};
}

// What the linear layers of a model read.
class Inputs final : public InputObserver {
 public:
  void begin_layer(std::size_t) override {}
  void end_layer(std::size_t) override {}
  void inputs(const PackedLinear& linear, std::size_t, std::size_t rows, const float* in,
              std::size_t stride) override {
    std::vector<float>& to = rows_[&linear];
    for (std::size_t i = 0; i < rows; ++i)
      to.insert(to.end(), in + i * stride, in + i * stride + linear.inputs);
  }
  [[nodiscard]] const std::vector<float>& of(const PackedLinear* linear) const { return rows_.at(linear); }

 private:
  std::map<const PackedLinear*, std::vector<float>> rows_;
};

// How far quantised products are off: the sum over all outputs of all layers.
struct OutputErrors {
  double mean = 0;    // on the mean over all tokens
  double square = 0;  // of a token, squared
};

class Calibration : public ::testing::TestWithParam<WeightType> {
 protected:
  Calibration() {
    testing::write_tiny_model(dir_.path());
    folder_ = std::move(*source::open_model(dir_.path()));
  }

  using Block = base::AlignedBuffer<std::byte>;
  [[nodiscard]] Block pack(WeightType type, unsigned threads) const {
    base::ThreadPool pool(threads);
    const std::size_t bytes = PackedLayout::of(folder_.config, type).bytes;
    Block block = std::move(*Block::create(bytes));
    std::memset(block.data(), 0, bytes);
    EXPECT_TRUE(
        pack_weights(folder_.config, folder_.weights, type, kernels(), pool, {block.data(), bytes}, {}).ok());
    return block;
  }
  static const kernels::KernelTable& kernels() { return testing::selected_kernels(); }

  // Over texts that calibration has not seen.
  [[nodiscard]] OutputErrors errors(const Block& exact, const Block& quantized) const;

  // Calls use(bias) with each layer's biases, panel by panel: kPanel floats.
  template <class Use>
  void for_biases(Block& block, Use&& use) const {
    const Weights weights =
        view_weights(folder_.config, GetParam(), folder_.weights.embedding, {}, {block.data(), block.size()});
    for (const PackedLayer& layer : weights.layers) {
      for (const PackedLinear* linear : linears_of(layer)) {
        if (!has_codes(linear->encoding)) continue;
        for (std::size_t panel = 0; panel < linear->panels(); ++panel) {
          const std::size_t end =
              static_cast<std::size_t>(linear->data - block.data()) + (panel + 1) * linear->panel_bytes();
          use(reinterpret_cast<float*>(block.data() + end - kernels::kPanelBias));
        }
      }
    }
  }

  testing::TempDir dir_;
  source::ModelSource folder_;
};

OutputErrors Calibration::errors(const Block& exact, const Block& quantized) const {
  base::ThreadPool pool(1);
  const RopeTables rope = std::move(*RopeTables::create(folder_.config, pool));
  const auto view = [&](WeightType type, const Block& block) {
    return view_weights(folder_.config, type, folder_.weights.embedding, rope, {block.data(), block.size()});
  };
  const Weights weights = view(WeightType::kBf16, exact), codes = view(GetParam(), quantized);
  Inputs inputs;
  Workspace workspace;
  ForwardContext context;
  context.weights = &weights;
  context.kernels = &kernels();
  context.pool = &pool;
  context.workspace = &workspace;
  context.observer = &inputs;
  Random random(77);
  std::vector<std::int32_t> ids(2048);
  for (auto& id : ids) id = static_cast<std::int32_t>(random.next() % folder_.config.vocab);
  std::vector<std::size_t> offsets;
  for (std::size_t at = 0; at <= ids.size(); at += 128) offsets.push_back(at);
  EXPECT_TRUE(forward(context, {ids, offsets}, {}).ok());
  OutputErrors errors;
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const auto from = linears_of(weights.layers[i]), to = linears_of(codes.layers[i]);
    for (std::size_t j = 0; j < from.size(); ++j) {
      const std::vector<float> expected = multiply(kernels(), *from[j], inputs.of(from[j]));
      const std::vector<float> found = multiply(kernels(), *to[j], inputs.of(from[j]));
      std::vector<double> sums(from[j]->outputs);
      for (std::size_t n = 0; n < found.size(); ++n) {
        const double difference = static_cast<double>(found[n]) - expected[n];
        sums[n % sums.size()] += difference;
        errors.square += difference * difference / static_cast<double>(ids.size());
      }
      for (const double sum : sums) errors.mean += std::abs(sum) / static_cast<double>(ids.size());
    }
  }
  return errors;
}

TEST_P(Calibration, GivesTheSameBitsWithAnyNumberOfThreads) {
  const Block expected = pack(GetParam(), 1);
  for (const unsigned threads : {2U, 3U, 7U}) {
    const Block found = pack(GetParam(), threads);
    EXPECT_EQ(0, std::memcmp(expected.data(), found.data(), expected.size())) << threads << " threads";
  }
}

TEST_P(Calibration, GivesEveryPanelABias) {
  Block block = pack(GetParam(), 2);
  std::size_t panels = 0;
  for_biases(block, [&](const float* bias) {
    ++panels;
    ASSERT_TRUE(
        std::all_of(bias, bias + kernels::kPanel, [](float x) { return std::isfinite(x) && x != 0; }));
  });
  EXPECT_GE(panels, 7U * 10);
}

// The shift that all tokens share is what the biases take back.
TEST_P(Calibration, BringsTheMeanOverTokensNearer) {
  const Block exact = pack(WeightType::kBf16, 2);
  Block block = pack(GetParam(), 2);
  const double with = errors(exact, block).mean;
  for_biases(block, [](float* bias) { std::fill(bias, bias + kernels::kPanel, 0.0F); });
  const double without = errors(exact, block).mean;
  EXPECT_LT(with, without);
  std::printf("the means are off by %.4f with biases, %.4f without\n", with, without);
}

// Codes that are each the nearest lose more on the inputs that a model has than those that regard them.
TEST_P(Calibration, BringsProductsNearerThanNearestCodes) {
  const Block exact = pack(WeightType::kBf16, 2);
  Block block = pack(GetParam(), 2);
  const double regarded = errors(exact, block).square;
  // Biases stay those of the other codes' means, so that the comparison is fair only without any.
  for_biases(block, [](float* bias) { std::fill(bias, bias + kernels::kPanel, 0.0F); });
  const double regarded_alone = errors(exact, block).square;
  base::ThreadPool pool(2);
  const PackedLayout layout = PackedLayout::of(folder_.config, GetParam());
  Recipe each_nearest = Recipe::of(GetParam(), folder_.weights);
  each_nearest.calibrated = false;
  for (std::size_t i = 0; i < folder_.config.layers; ++i) {
    ASSERT_TRUE(pack_layer(folder_.config, folder_.weights.layers[i], layout.layers[i], each_nearest, i, pool,
                           block.data())
                    .ok());
  }
  const double nearest = errors(exact, block).square;
  EXPECT_LT(regarded_alone, nearest);
  EXPECT_LT(regarded, nearest);
  std::printf("squares: %.4f regarded with biases, %.4f without, %.4f nearest\n", regarded, regarded_alone,
              nearest);
}

// Codes would make some number of a NaN, and plausible vectors.
class Damaged : public ::testing::TestWithParam<WeightType> {};

TEST_P(Damaged, WeightsAreRefusedByThePartTheyAreIn) {
  struct Place {
    const char* tensor;
    const char* part;
  };
  for (const Place& place : {Place{"layers.3.self_attn.k_proj.weight", "layer 3, q or k"},
                             {"layers.0.self_attn.v_proj.weight", "layer 0, v"},
                             {"layers.6.self_attn.o_proj.weight", "layer 6, o"},
                             {"layers.1.mlp.up_proj.weight", "layer 1, gate or up"},
                             {"layers.5.mlp.down_proj.weight", "layer 5, down"},
                             {"2_Dense", "the dense layers"},
                             {"3_Dense", "the dense layers"},
                             {"embed_tokens.weight", "the embedding table"}}) {
    for (const std::uint32_t bits : {0x7FC00000U, 0x7FFFFFFFU, 0xFF800000U, 0x7F7F8000U}) {
      testing::TempDir dir;
      testing::TinyModel tiny = testing::make_tiny_model();
      const std::string name = place.tensor;
      auto& tensor = name == "2_Dense"   ? tiny.dense2_tensors[0]
                     : name == "3_Dense" ? tiny.dense3_tensors[0]
                                         : tiny.tensor(name);
      std::memcpy(tensor.bytes.data() + 4 * 1000, &bits, sizeof(bits));
      testing::save(tiny, dir.path());
      const auto folder = source::open_model(dir.path());
      ASSERT_TRUE(folder.ok()) << folder.error().message;
      base::ThreadPool pool(2);
      const std::size_t bytes = PackedLayout::of(folder->config, GetParam()).bytes;
      const auto block = std::move(*base::AlignedBuffer<std::byte>::create(bytes));
      const auto packed =
          pack_weights(folder->config, folder->weights, GetParam(), testing::selected_kernels(), pool,
                       {const_cast<std::byte*>(block.data()), bytes}, {});
      // Elsewhere rows of the table are read when a text needs them.
      const bool has_table = GetParam() == WeightType::kQ4 || GetParam() == WeightType::kMixed;
      if (name == "embed_tokens.weight" && !has_table) {
        EXPECT_TRUE(packed.ok());
        continue;
      }
      ASSERT_FALSE(packed.ok()) << name;
      EXPECT_EQ(packed.error().code, ErrorCode::kBadFormat);
      EXPECT_TRUE(packed.error().message.starts_with(std::string(place.part) + ": expected finite numbers"))
          << packed.error().message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Damaged,
                         ::testing::Values(WeightType::kF32, WeightType::kBf16, WeightType::kQ8,
                                           WeightType::kQ4, WeightType::kMixed),
                         [](const auto& info) { return std::string(name_of(info.param)); });

INSTANTIATE_TEST_SUITE_P(All, Calibration, ::testing::Values(WeightType::kQ8, WeightType::kQ4),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace gemvec::model
