// The instructions that emulated kernels are made of, against plain loops that state what they do. Where the
// processor has the instructions, they are held against the same loops: so the loops are right too.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "cpu/isa.h"
#include "emulation/definitions.h"
#include "support/random.h"

namespace gemvec::emulation {
namespace {

using testing::Random;

constexpr std::size_t kRounds = 1000;

// Numbers on which roundings, conversions and comparisons differ.
float special(Random& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kValues[] = {0.0F,
                               0.5F,
                               1.5F,
                               2.5F,
                               126.5F,
                               127.5F,
                               128.0F,
                               255.5F,
                               8388607.5F,
                               0x1p31F,
                               0x1.FFFFFEp30F,
                               0x1p32F,
                               0x1p-126F,
                               0x1p-149F,
                               0x1.8p-127F,
                               0x1p-133F,
                               0x1.FEp127F,
                               0x1.FFFFFEp127F,
                               kInfinity,
                               0x1.01p0F,
                               0x1.03p0F,
                               0x1.010002p0F,
                               std::numeric_limits<float>::quiet_NaN()};
  const float x = kValues[random.next() % std::size(kValues)];
  return random.next() % 2 == 0 ? x : -x;
}

// Words of one operand: random bits, Gaussian floats of many sizes, special floats, or small whole numbers.
Operands random_operands(Random& random, Numbers numbers) {
  Operands o = {};
  o.mask = random.next();
  for (auto& operand : o.v) {
    const std::uint64_t kind = random.next() % 5;
    for (std::size_t i = 0; i < 16; ++i) {
      auto word = static_cast<std::uint32_t>(random.next());
      const float spread = std::ldexp(random.gaussian(), static_cast<int>(random.next() % 40) - 20);
      if (kind == 1) word = std::bit_cast<std::uint32_t>(random.gaussian());
      if (kind == 2) word = std::bit_cast<std::uint32_t>(special(random));
      if (kind == 3) word = static_cast<std::uint32_t>(static_cast<std::int32_t>(random.next() % 1024) - 512);
      if (kind == 4 || numbers == Numbers::kFinite) word = std::bit_cast<std::uint32_t>(spread);
      std::memcpy(operand.data() + i * sizeof(word), &word, sizeof(word));
    }
  }
  return o;
}

bool same(const Outcome& x, const Outcome& y, Numbers numbers) {
  if (x.size != y.size) return false;
  if (numbers == Numbers::kExact)
    return std::equal(x.bytes.begin(), x.bytes.begin() + x.size, y.bytes.begin());
  for (std::size_t at = 0; at < x.size; at += sizeof(float)) {
    float a = 0, b = 0;
    std::memcpy(&a, x.bytes.data() + at, sizeof(a));
    std::memcpy(&b, y.bytes.data() + at, sizeof(b));
    if (std::isnan(a) && std::isnan(b)) continue;
    if (std::bit_cast<std::uint32_t>(a) != std::bit_cast<std::uint32_t>(b)) return false;
  }
  return true;
}

std::string words(const std::byte* bytes, std::size_t size) {
  std::ostringstream out;
  for (std::size_t at = 0; at < size; at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes + at, std::min<std::size_t>(4, size - at));
    out << " " << std::hex << word;
  }
  return out.str();
}

const Definition* find(std::string_view name) {
  const auto& all = definitions();
  const auto found = std::find_if(all.begin(), all.end(), [=](const auto& d) { return d.name == name; });
  return found == all.end() ? nullptr : &*found;
}

void compare(const Operation& operation) {
  const Definition* definition = find(operation.name);
  ASSERT_NE(definition, nullptr) << operation.name << " has no definition";
  Random random(1);
  for (std::size_t round = 0; round < kRounds; ++round) {
    const Operands o = random_operands(random, definition->numbers);
    Outcome expected = {}, actual = {};
    definition->run(o, expected);
    operation.run(o, actual);
    ASSERT_TRUE(same(expected, actual, definition->numbers))
        << operation.name << "\n  a       " << words(o.v[0].data(), 64) << "\n  b       "
        << words(o.v[1].data(), 64) << "\n  c       " << words(o.v[2].data(), 64) << "\n  expected"
        << words(expected.bytes.data(), expected.size) << "\n  is      "
        << words(actual.bytes.data(), actual.size);
  }
}

void compare_all(const Operations& operations) {
  for (std::size_t i = 0; i < operations.count; ++i) {
    SCOPED_TRACE(operations.first[i].name);
    compare(operations.first[i]);
  }
}

TEST(Emulated, InstructionsDoWhatTheirDefinitionsSay) {
  compare_all(kAvx512Emulated);
  compare_all(kAvxVnniEmulated);
  compare_all(kAmxEmulated);
}

TEST(Native, InstructionsDoWhatTheirDefinitionsSay) {
  const bool avx512 = cpu::supported(cpu::Isa::kAvx512Bf16);
  const bool avxvnni = cpu::supported(cpu::Isa::kAvxVnni);
  if (avx512) compare_all(kAvx512Native);
  if (avxvnni) compare_all(kAvxVnniNative);
  if (cpu::supported(cpu::Isa::kAmx)) compare_all(kAmxNative);
  if (!avx512 && !avxvnni) GTEST_SKIP() << "this machine has neither AVX512-BF16 nor AVX-VNNI";
}

TEST(Definitions, AreOfInstructionsThatAreTested) {
  std::set<std::string_view> tested;
  for (const Operations* list : {&kAvx512Emulated, &kAvxVnniEmulated, &kAmxEmulated}) {
    for (std::size_t i = 0; i < list->count; ++i) tested.insert(list->first[i].name);
  }
  for (const Definition& definition : definitions())
    EXPECT_TRUE(tested.contains(definition.name)) << definition.name;
}

// Intrinsics that `pattern` finds in a file and that have no definition.
void expect_defined(const std::filesystem::path& file, const std::regex& pattern) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  const std::string code = text.str();
  ASSERT_FALSE(code.empty()) << file;
  for (std::sregex_iterator it(code.begin(), code.end(), pattern), end; it != end; ++it) {
    EXPECT_NE(find((*it)[1].str()), nullptr)
        << file << ": " << (*it)[1]
        << " is not tested: add it to tests/emulation/operations_*.cc and definitions.cc";
  }
}

TEST(Definitions, CoverEveryIntrinsicThatKernelsUse) {
  const std::filesystem::path kernels = std::filesystem::path(GEMVEC_SOURCE_DIR) / "src" / "kernels";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kernels)) {
    if (!entry.is_regular_file() || entry.path().filename() == "CMakeLists.txt") continue;
    expect_defined(entry.path(),
                   std::regex(R"(\b(_tile_\w+|_mm512_\w+|_mm(?:256)?_(?:mask|dp(?:bu|bf|w))\w+)\()"));
    ++files;
  }
  EXPECT_GT(files, 10U);
}

TEST(Definitions, CoverEveryNameThatIsEmulatedHere) {
  expect_defined(std::filesystem::path(GEMVEC_SOURCE_DIR) / "tests" / "emulation" / "names.inc",
                 std::regex(R"(#define (_(?:mm|tile)\w+)\()"));
}

}  // namespace
}  // namespace gemvec::emulation
