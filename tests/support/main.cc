// main() of every GoogleTest program.
#include <gtest/gtest.h>

#include <cstdio>

#include "support/selected_isa.h"

namespace {
constexpr int kSkipped = 77;  // what ctest is told to take for "skipped": cmake/tests.cmake
}

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto isa = gemvec::testing::selected_isa();
  if (!isa.ok()) {
    std::fprintf(stderr, "%s\n", isa.error().message.c_str());
    return isa.error().code == gemvec::ErrorCode::kUnsupported ? kSkipped : 1;
  }
  std::printf("instruction set: %s\n", std::string(gemvec::cpu::name_of(*isa)).c_str());
  return RUN_ALL_TESTS();
}
