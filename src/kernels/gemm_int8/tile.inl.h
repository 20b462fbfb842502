// The int8 matrix product over two vector types: Vec (fp32) and Dot, a vector of 32-bit sums with
//   Code                      type of A's codes
//   kStep, kUnroll            steps of k that dot() sums; how many of these are a round of the inner loop: it
//                             divides every group
//   kTileRows                 rows of C whose sums are held at a time: with 32 registers 6, x 2 of
//                             32-bit sums, as many of fp32 sums, 2 for B, 1 for A
//   kStepBytes, kStepBytes8   from one step of unpacked codes to the next, and of those of unpack8
//   set(n)                    all lanes n
//   start(n)                  sums before a group's first product, of RowGroup::start
//   load(p), broadcast(p)     a step of a register's columns of B; kStep codes of A in every lane
//   dot(sums, a, b)           sums += products
//   to_float()                Vec, what was added since start()
//   natural(v), lanes(v)      from the order of columns that unpacked panels have to C's, and back
//   unpack8, unpack4          a panel's tile of columns as load() wants it: into scratch, which is returned,
//                             or as it is
// and DotInt6, which may be another, with unpack6 instead.
// Included by the files of the instruction sets that have registers to block for.
#pragma once

#include "kernels/gemm_int8/gemm_int8.h"
#include "kernels/simd/rows.inl.h"

namespace gemvec::kernels {
namespace {

constexpr std::size_t kInt8TileRegs = 2;
constexpr std::size_t kInt8TileColumns = Vec::kLanes * kInt8TileRegs;

// A tile's operands, the same for every tile of a panel.
struct TileB {
  const std::byte* codes;  // vectors of one step, `step_bytes` from one step to the next
  std::size_t step_bytes;
  const float* scales;  // [k / group], rows kPanel apart
  const float* bias;
};

// Rows of A and C.
template <class Code>
struct RowsInt8 {
  const Code* a;
  std::size_t lda;
  const RowGroup* groups;
  std::size_t ldg;
  float* c;
  std::size_t ldc;
  std::size_t k, group;

  void advance(std::size_t rows) {
    a += rows * lda;
    groups += rows * ldg;
    c += rows * ldc;
  }
};

template <class Dot, int R>
struct TileInt8 {
  using Code = typename Dot::Code;

  // `tiles` tiles of R rows, one below the other.
  static void run(RowsInt8<Code>& at, std::size_t tiles, const TileB& b, Ahead& next) {
    const std::size_t groups = at.k / at.group;
    for (std::size_t tile = 0; tile < tiles; ++tile) {
      multiply(at, groups, b, next);
      at.advance(R);
      next.pass(at.k / Dot::kStep);
    }
  }

  static void multiply(const RowsInt8<Code>& at, std::size_t groups, const TileB& b, const Ahead& next) {
    Rows<Code, R> rows(at.a, at.lda);
    const RowGroup* row_groups = at.groups;
    const std::byte* codes = b.codes;
    const char* ahead = next.at();
    const std::size_t ahead_step = next.step();
    Vec sums[R][kInt8TileRegs];
// Loops over rows are unrolled by order: where the compiler would not, it keeps the sums in memory.
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      sums[r][0] = Dot::lanes(Vec::load(b.bias));
      sums[r][1] = Dot::lanes(Vec::load(b.bias + Vec::kLanes));
    }
    for (std::size_t g = 0; g < groups; ++g, ++row_groups) {
      Dot acc[R][kInt8TileRegs];
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        for (auto& sum : acc[r]) sum = Dot::start(row_groups[static_cast<std::size_t>(r) * at.ldg].start);
      }
      for (std::size_t p = 0; p < at.group; p += Dot::kUnroll * Dot::kStep) {
#pragma GCC unroll 8
        for (std::size_t u = 0; u < Dot::kUnroll; ++u) {
          const auto b0 = Dot::load(codes);
          const auto b1 = Dot::load(codes + sizeof(Dot));
          codes += b.step_bytes;
          Ahead::ask(ahead);
          ahead += ahead_step;
#pragma GCC unroll 6
          for (int r = 0; r < R; ++r) {
            const auto x = Dot::broadcast(rows.at(r) + u * Dot::kStep);
            acc[r][0] = Dot::dot(acc[r][0], x, b0);
            acc[r][1] = Dot::dot(acc[r][1], x, b1);
          }
        }
        rows.advance(Dot::kUnroll * Dot::kStep);
      }
      const Vec s0 = Dot::lanes(Vec::load(b.scales + g * kPanel));
      const Vec s1 = Dot::lanes(Vec::load(b.scales + g * kPanel + Vec::kLanes));
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const Vec scale = Vec::set(row_groups[static_cast<std::size_t>(r) * at.ldg].scale);
        sums[r][0] = Vec::fma(acc[r][0].to_float(), scale * s0, sums[r][0]);
        sums[r][1] = Vec::fma(acc[r][1].to_float(), scale * s1, sums[r][1]);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      Dot::natural(sums[r][0], sums[r][1], at.c + static_cast<std::size_t>(r) * at.ldc);
    }
  }
};

template <class Dot, int R>
void run_int8_tiles(std::size_t rows, RowsInt8<typename Dot::Code>& at, std::size_t tiles, const TileB& b,
                    Ahead& next) {
  if (rows == R) {
    TileInt8<Dot, R>::run(at, tiles, b, next);
  } else if constexpr (R > 1) {
    run_int8_tiles<Dot, R - 1>(rows, at, tiles, b, next);
  }
}

// m rows times a tile's columns. Rows are dealt out evenly, as in kernels/gemm: 17 of them as 6, 6 and 5.
template <class Dot>
void multiply_rows(RowsInt8<typename Dot::Code> at, std::size_t m, const TileB& b, Ahead& next) {
  constexpr std::size_t kMost = Dot::kTileRows;
  const std::size_t tiles = (m + kMost - 1) / kMost, rows = m / tiles, larger = m % tiles;
  if (larger != 0) run_int8_tiles<Dot, Dot::kTileRows>(rows + 1, at, larger, b, next);
  run_int8_tiles<Dot, Dot::kTileRows>(rows, at, tiles - larger, b, next);
}

inline const float* floats_at(const std::byte* panel, std::size_t offset, std::size_t column) {
  return reinterpret_cast<const float*>(panel + offset) + column;
}

struct PanelInt8 {
  using Dot = kernels::Dot;
  static std::size_t bytes(std::size_t k, std::size_t group) { return panel_bytes_int8(k, group); }
  static TileB tile(const std::byte* panel, std::size_t column, std::size_t k, std::size_t group,
                    void* scratch) {
    return {Dot::unpack8(panel + column * 4, k, scratch), Dot::kStepBytes8,
            floats_at(panel, panel_codes_int8(k), column),
            floats_at(panel, bytes(k, group) - kPanelBias, column)};
  }
};

struct PanelInt6 {
  using Dot = DotInt6;
  static std::size_t bytes(std::size_t k, std::size_t group) { return panel_bytes_int6(k, group); }
  static TileB tile(const std::byte* panel, std::size_t column, std::size_t k, std::size_t group,
                    void* scratch) {
    return {Dot::unpack6(panel + column * 4, panel + panel_low_int6(k) + column * 4, k, scratch),
            Dot::kStepBytes, floats_at(panel, panel_codes_int6(k), column),
            floats_at(panel, bytes(k, group) - kPanelBias, column)};
  }
};

struct PanelInt4 {
  using Dot = kernels::Dot;
  static std::size_t bytes(std::size_t k, std::size_t group) { return panel_bytes_int4(k, group); }
  static TileB tile(const std::byte* panel, std::size_t column, std::size_t k, std::size_t group,
                    void* scratch) {
    const auto* steps = reinterpret_cast<const std::uint8_t*>(panel + panel_codes_int4(k)) + column;
    return {Dot::unpack4(panel + column * 4, steps, k, scratch), Dot::kStepBytes,
            floats_at(panel, panel_codes_int4(k) + panel_steps(k), column),
            floats_at(panel, bytes(k, group) - kPanelBias, column)};
  }
};

// All of C, a tile's columns at a time: the unpacked codes (24 KB of AVX2's int8 at k = 768) stay in the
// level-1 or level-2 cache while every tile of rows passes over them.
template <class Panel>
void multiply_int8(const GemmInt8Args& args) {
  using Dot = typename Panel::Dot;
  using Code = typename Dot::Code;
  if (args.m == 0) return;
  const std::size_t tiles = (args.m + Dot::kTileRows - 1) / Dot::kTileRows;
  const std::size_t bytes = Panel::bytes(args.k, args.group);
  RowsInt8<Code> rows = {static_cast<const Code*>(args.a),
                         args.lda,
                         args.a_groups,
                         args.ldg,
                         args.c,
                         args.ldc,
                         args.k,
                         args.group};
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const std::byte* from = args.b + panel * bytes;
    Ahead next(read_next(from + bytes, panel + 1 == args.panels, args.next), bytes,
               kPanel / kInt8TileColumns * tiles * (args.k / Dot::kStep));
    for (std::size_t column = 0; column < kPanel; column += kInt8TileColumns) {
      multiply_rows<Dot>(rows, args.m, Panel::tile(from, column, args.k, args.group, args.scratch), next);
      rows.c += kInt8TileColumns;
    }
  }
}

template <class Dot>
double peak_int8(std::size_t iterations, float* sink) {
  constexpr int kChains = Dot::kTileRows * static_cast<int>(kInt8TileRegs);
  Dot acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = Dot::set(i);
  const Dot a = Dot::set(static_cast<std::int32_t>(*sink));
  for (std::size_t n = 0; n < iterations; ++n) {
// Each chain multiplies by itself, so that no product is the same twice and none can be left out.
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = Dot::dot(acc[i], acc[i], a);
  }
  Vec total = Vec::zero();
  for (int i = 0; i < kChains; ++i) total = total + acc[i].to_float();
  *sink = Vec::sum(total);
  return 2.0 * static_cast<double>(iterations) * kChains * static_cast<double>(Vec::kLanes * Dot::kStep);
}

}  // namespace
}  // namespace gemvec::kernels
