// tests/golden/golden.json: 67 texts of 2 to 2048 tokens in many scripts, with their ids and the release's
// vectors.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "support/base64.h"

namespace gemvec::testing {

struct GoldenCase {
  std::string text;
  std::vector<std::int32_t> ids;  // with BOS and EOS
  std::vector<float> fp32;        // [768], unit vector of the safetensors weights
  std::vector<float> bf16;        // [768], of the weights rounded to bf16, fp32 arithmetic
};

inline std::vector<GoldenCase> golden_cases() {
  const auto json = base::read_json(GEMVEC_SOURCE_DIR "/tests/golden/golden.json", 10'000'000);
  if (!json.ok()) throw std::runtime_error(json.error().message);
  std::vector<GoldenCase> cases;
  for (const auto& value : json->at("cases").as_array()) {
    GoldenCase item;
    item.text = value.at("text").as_string();
    for (const auto& id : value.at("ids").as_array())
      item.ids.push_back(static_cast<std::int32_t>(id.as_int64()));
    item.fp32 = floats_of_base64(value.at("fp32").as_string());
    item.bf16 = floats_of_base64(value.at("bf16").as_string());
    cases.push_back(std::move(item));
  }
  return cases;
}

}  // namespace gemvec::testing
