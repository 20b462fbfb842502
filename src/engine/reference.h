// What the release answers: the card's example and a few goldens, for checking weights and builds.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gemvec::engine {

// The model card's example, with its prompts.
inline constexpr std::string_view kCardQuery =
    "task: search result | query: Which planet is known as the Red Planet?";
inline constexpr std::array<std::string_view, 4> kCardDocuments = {
    "title: none | text: Venus is often called Earth's twin because of its similar size and proximity.",
    "title: none | text: Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "title: none | text: Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "title: none | text: Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
};
// Its similarities with the fp32 weights, and with the weights rounded to bf16 (fp32 arithmetic in both).
inline constexpr std::array<float, 4> kCardFp32 = {0.300822F, 0.636101F, 0.492703F, 0.488881F};
inline constexpr std::array<float, 4> kCardBf16 = {0.30109745F, 0.635883F, 0.49304956F, 0.48887485F};

struct ReferenceCase {
  std::string_view name;
  std::span<const std::int32_t> ids;          // with BOS and EOS
  std::span<const std::uint32_t> fp32, bf16;  // [768] bits of the unit vector of each weight set
};

// The card's five texts, one of 300 tokens (past the attention window) and one of 2048.
std::span<const ReferenceCase> reference_cases();

// Largest difference of one element of a unit vector that fp32 arithmetic may have, whatever the order of its
// sums: the contract of docs/numerics.md.
inline constexpr double kExactTolerance = 1e-6;
// Smallest cosine of bf16 products to fp32 arithmetic over the same weights.
inline constexpr double kBf16Cosine = 0.9999;

}  // namespace gemvec::engine
