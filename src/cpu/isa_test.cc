// Which instruction set is taken, on any machine, and whether this machine's are recognised.
#include "cpu/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace gemvec::cpu {
namespace {

// Flags that Linux lists for each.
std::vector<std::string> flags_of(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return {};
    case Isa::kAvx2:
      return {"avx2", "fma"};
    case Isa::kAvxVnni:
      return {"avx2", "fma", "avx_vnni"};
    case Isa::kAvx512:
      return {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"};
    case Isa::kAvx512Vnni:
      return {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"};
    case Isa::kAvx512Bf16:
      return {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16"};
    case Isa::kAmx:
      return {"avx2",        "fma",         "avx512f",  "avx512bw", "avx512dq", "avx512vl",
              "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"};
  }
  return {"none"};
}

TEST(Isa, WhatTheKernelListsIsWhatIsSupported) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && !line.starts_with("flags")) {
  }
  if (line.empty()) GTEST_SKIP() << "no flags in /proc/cpuinfo";
  std::istringstream words(line.substr(line.find(':') + 1));
  std::set<std::string> listed;
  for (std::string word; words >> word;) listed.insert(word);
  for (const Isa isa : kAllIsas) {
    bool all = true;
    for (const std::string& flag : flags_of(isa)) all = all && listed.contains(flag);
    // The system may refuse tiles to a process.
    if (isa == Isa::kAmx && all && !supported(isa)) continue;
    EXPECT_EQ(supported(isa), all) << name_of(isa);
  }
}

TEST(Isa, WithoutAWishTheBestIsTaken) {
  EXPECT_EQ(*choose_isa("", [](Isa) { return true; }), Isa::kAmx);
  EXPECT_EQ(*choose_isa("", [](Isa isa) { return isa <= Isa::kAvx512Bf16; }), Isa::kAvx512Bf16);
  EXPECT_EQ(*choose_isa("", [](Isa isa) { return isa <= Isa::kAvx512Vnni; }), Isa::kAvx512Vnni);
  // A desktop processor: VNNI without AVX-512.
  EXPECT_EQ(*choose_isa("", [](Isa isa) { return isa <= Isa::kAvxVnni; }), Isa::kAvxVnni);
  // An early server processor: AVX-512 without VNNI.
  EXPECT_EQ(*choose_isa(
                "", [](Isa isa) { return isa == Isa::kAvx512 || isa == Isa::kAvx2 || isa == Isa::kScalar; }),
            Isa::kAvx512);
  EXPECT_EQ(*choose_isa("", [](Isa) { return false; }), Isa::kScalar);
}

TEST(Isa, EachCanBeForcedByItsName) {
  for (const Isa isa : kAllIsas)
    EXPECT_EQ(*choose_isa(name_of(isa), [](Isa) { return true; }), isa) << name_of(isa);
}

TEST(Isa, ForcingOneThatTheMachineLacksIsAnErrorThatNamesIt) {
  for (const Isa isa : kAllIsas) {
    const auto chosen = choose_isa(name_of(isa), [](Isa) { return false; });
    ASSERT_FALSE(chosen.ok());
    EXPECT_EQ(chosen.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(chosen.error().message.find("'" + std::string(name_of(isa)) + "'"), std::string::npos)
        << chosen.error().message;
  }
}

TEST(Isa, AnUnknownNameIsAnErrorThatListsTheKnownOnes) {
  const auto chosen = choose_isa("mmx", [](Isa) { return true; });
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.error().code, ErrorCode::kInvalidArgument);
  for (const Isa isa : kAllIsas) {
    EXPECT_NE(chosen.error().message.find(name_of(isa)), std::string::npos) << chosen.error().message;
  }
}

TEST(Isa, TheEnvironmentForcesOne) {
  const char* before = std::getenv("GEMVEC_ISA");
  const std::string saved = before == nullptr ? "" : before;
  for (const Isa isa : kAllIsas) {
    ::setenv("GEMVEC_ISA", std::string(name_of(isa)).c_str(), 1);
    const auto chosen = select_isa();
    if (supported(isa)) {
      EXPECT_EQ(*chosen, isa);
    } else {
      ASSERT_FALSE(chosen.ok());
      EXPECT_EQ(chosen.error().code, ErrorCode::kUnsupported);
    }
  }
  ::setenv("GEMVEC_ISA", saved.c_str(), 1);
}

}  // namespace
}  // namespace gemvec::cpu
