// Single instructions as functions over bytes, so that the emulated one, the processor's own and a plain loop
// can be compared bit for bit by code that is compiled for any x86-64.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemvec::emulation {

struct Operands {
  alignas(64) std::array<std::array<std::byte, 64>, 3> v;  // a, b, c
  std::uint64_t mask;
};

struct Outcome {
  alignas(64) std::array<std::byte, 64> bytes;
  std::size_t size;  // bytes that count
};

struct Operation {
  std::string_view name;
  void (*run)(const Operands&, Outcome&);
};

struct Operations {
  const Operation* first;
  std::size_t count;
};

// operations_avx512.cc, operations_avxvnni.cc and operations_amx.cc, each compiled twice: over immintrin.h of
// this folder, and over the compiler's, for a processor that has the instructions.
extern const Operations kAvx512Emulated;
extern const Operations kAvx512Native;
extern const Operations kAvxVnniEmulated;
extern const Operations kAvxVnniNative;
extern const Operations kAmxEmulated;
extern const Operations kAmxNative;

}  // namespace gemvec::emulation
