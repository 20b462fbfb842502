// AMX's instructions, on tiles of 4 rows of 16 bytes: what an operand's 64 bytes hold. Compiled twice:
// operations.h.
#include <immintrin.h>

#include <cstring>
#include <iterator>

#include "emulation/operations.h"

namespace gemvec::emulation {
namespace {

constexpr std::size_t kRows = 4;
constexpr std::size_t kRowBytes = 16;
constexpr std::size_t kStride = 48;  // of rows that do not touch

// gcc's intrinsics do not say that they read memory.
void publish(const void* memory) { asm volatile("" ::"r"(memory) : "memory"); }

void configure() {
  alignas(64) std::uint8_t shapes[64] = {1};
  for (std::size_t tile = 0; tile < 8; ++tile) {
    shapes[16 + 2 * tile] = kRowBytes;
    shapes[48 + tile] = kRows;
  }
  publish(shapes);
  _tile_loadconfig(shapes);
}

// Runs `body` between a configuration, with the operands in tiles 0, 1 and 2, and a store of tile 0.
template <class Body>
void run(const Operands& o, Outcome& out, Body&& body) {
  configure();
  publish(&o);
  _tile_loadd(0, o.v[0].data(), kRowBytes);
  _tile_loadd(1, o.v[1].data(), kRowBytes);
  _tile_loadd(2, o.v[2].data(), kRowBytes);
  body();
  _tile_stored(0, out.bytes.data(), kRowBytes);
  _tile_release();
  out.size = out.bytes.size();
}

constexpr Operation kList[] = {
    {"_tile_loadd", [](const Operands& o, Outcome& out) { run(o, out, [] {}); }},
    // The second operand, with rows that lie apart in memory.
    {"_tile_stored",
     [](const Operands& o, Outcome& out) {
       run(o, out, [] {
         alignas(64) std::byte apart[kRows * kStride] = {};
         _tile_stored(1, apart, kStride);
         _tile_loadd(0, apart, kStride);
       });
     }},
    {"_tile_zero", [](const Operands& o, Outcome& out) { run(o, out, [] { _tile_zero(0); }); }},
    {"_tile_loadconfig", [](const Operands& o, Outcome& out) { run(o, out, [] { configure(); }); }},
    {"_tile_release",
     [](const Operands& o, Outcome& out) {
       run(o, out, [] {
         _tile_release();
         configure();
       });
     }},
    {"_tile_dpbsud", [](const Operands& o, Outcome& out) { run(o, out, [] { _tile_dpbsud(0, 1, 2); }); }},
    {"_tile_dpbf16ps", [](const Operands& o, Outcome& out) { run(o, out, [] { _tile_dpbf16ps(0, 1, 2); }); }},
};

}  // namespace

const Operations GEMVEC_OPERATIONS = {kList, std::size(kList)};

}  // namespace gemvec::emulation
