// Int8 matrix products in plain C++: the reference for the other instruction sets, and what runs without
// AVX2.
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

// Columns at a time, whose codes are unpacked to [k / 2][kColumns][2] 16-bit numbers: the compiler multiplies
// and adds pairs of them with the baseline's pmaddwd.
constexpr std::size_t kColumns = 8;

// Codes of -127..127.
void unpack8(const std::byte* codes, std::size_t k, std::int16_t* to) {
  for (std::size_t p = 0; p < k; p += 4, codes += kPanel * 4) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      for (std::size_t i = 0; i < 4; ++i) {
        to[((p + i) / 2 * kColumns + j) * 2 + i % 2] =
            static_cast<std::int16_t>(static_cast<int>(codes[j * 4 + i]) - 128);
      }
    }
  }
}

void unpack6(const std::byte* low, const std::byte* high, std::size_t k, std::int16_t* to) {
  for (std::size_t p = 0; p < k; ++p) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      const int half = static_cast<int>(low[(p / 8 * kPanel + j) * 4 + p % 4]) >> (p % 8 < 4 ? 0 : 4) & 15;
      const int top = static_cast<int>(high[(p / 16 * kPanel + j) * 4 + p % 4]) >> (p % 16 / 4 * 2) & 3;
      to[(p / 2 * kColumns + j) * 2 + p % 2] = static_cast<std::int16_t>(top * 16 + half - kInt6Zero);
    }
  }
}

void unpack4(const std::byte* codes, const std::uint8_t* steps, std::size_t k, std::int16_t* to) {
  for (std::size_t p = 0; p < k; p += 8, codes += kPanel * 4) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      const int step = steps[p / kStepGroup * kPanel + j];
      for (std::size_t i = 0; i < 8; ++i) {
        const int byte = static_cast<int>(codes[j * 4 + i % 4]);
        const int half = i < 4 ? byte & 15 : byte >> 4;
        to[((p + i) / 2 * kColumns + j) * 2 + i % 2] =
            static_cast<std::int16_t>((half - (step >> 4)) * (step & 15));
      }
    }
  }
}

struct PanelInt8 {
  static std::size_t bytes(std::size_t k, std::size_t group) { return panel_bytes_int8(k, group); }
  static const float* unpack(const std::byte* panel, std::size_t column, std::size_t k, std::int16_t* to) {
    unpack8(panel + column * 4, k, to);
    return reinterpret_cast<const float*>(panel + panel_codes_int8(k)) + column;
  }
};

struct PanelInt6 {
  static std::size_t bytes(std::size_t k, std::size_t group) { return panel_bytes_int6(k, group); }
  static const float* unpack(const std::byte* panel, std::size_t column, std::size_t k, std::int16_t* to) {
    unpack6(panel + column * 4, panel + panel_low_int6(k) + column * 4, k, to);
    return reinterpret_cast<const float*>(panel + panel_codes_int6(k)) + column;
  }
};

struct PanelInt4 {
  static std::size_t bytes(std::size_t k, std::size_t group) { return panel_bytes_int4(k, group); }
  static const float* unpack(const std::byte* panel, std::size_t column, std::size_t k, std::int16_t* to) {
    const auto* steps = reinterpret_cast<const std::uint8_t*>(panel + panel_codes_int4(k)) + column;
    unpack4(panel + column * 4, steps, k, to);
    return reinterpret_cast<const float*>(panel + panel_codes_int4(k) + panel_steps(k)) + column;
  }
};

// One row of A times kColumns columns. The codes here have no 128 to take back: RowGroup::start is not used.
void row_times_columns(const std::int16_t* a, const RowGroup* groups, const std::int16_t* b,
                       const float* scales, const float* bias, const GemmInt8Args& args, float* c) {
  float sums[kColumns];
  for (std::size_t j = 0; j < kColumns; ++j) sums[j] = bias[j];
  for (std::size_t g = 0; g < args.k / args.group; ++g) {
    std::int32_t dots[kColumns] = {};
    for (std::size_t p = g * args.group; p < (g + 1) * args.group; p += 2) {
      const std::int16_t* pairs = b + p * kColumns;
      for (std::size_t j = 0; j < kColumns; ++j) dots[j] += a[p] * pairs[2 * j] + a[p + 1] * pairs[2 * j + 1];
    }
    for (std::size_t j = 0; j < kColumns; ++j) {
      sums[j] += static_cast<float>(dots[j]) * (groups[g].scale * scales[g * kPanel + j]);
    }
  }
  for (std::size_t j = 0; j < kColumns; ++j) c[j] = sums[j];
}

template <class Panel>
void multiply(const GemmInt8Args& args) {
  auto* unpacked = static_cast<std::int16_t*>(args.scratch);
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    for (std::size_t column = 0; column < kPanel; column += kColumns) {
      const std::size_t bytes = Panel::bytes(args.k, args.group);
      const std::byte* from = args.b + panel * bytes;
      const float* scales = Panel::unpack(from, column, args.k, unpacked);
      const float* bias = reinterpret_cast<const float*>(from + bytes - kPanelBias) + column;
      for (std::size_t row = 0; row < args.m; ++row) {
        row_times_columns(static_cast<const std::int16_t*>(args.a) + row * args.lda,
                          args.a_groups + row * args.ldg, unpacked, scales, bias, args,
                          args.c + row * args.ldc + panel * kPanel + column);
      }
    }
  }
}

double peak(std::size_t iterations, float* sink) {
  constexpr int kChains = 16;
  std::int32_t acc[kChains] = {};
  std::int16_t a[kChains * 2];
  for (std::int16_t& x : a) x = static_cast<std::int16_t>(*sink);
  for (std::size_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < kChains; ++i) {
      acc[i] += a[2 * i] * a[2 * i] + a[2 * i + 1] * a[2 * i + 1];
      a[2 * i] = static_cast<std::int16_t>(acc[i] & 127);  // depends on the last round: not to be moved out
    }
  }
  for (const std::int32_t x : acc) *sink += static_cast<float>(x & 1);
  return 4.0 * static_cast<double>(iterations) * kChains;
}

}  // namespace

const GemmInt8Kernels kGemmInt8Scalar = {
    .code_bytes = sizeof(std::int16_t),
    .int8 = multiply<PanelInt8>,
    .int6 = multiply<PanelInt6>,
    .int4 = multiply<PanelInt4>,
    .peak = peak,
};

}  // namespace gemvec::kernels
