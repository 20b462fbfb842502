#include "formats/safetensors_writer.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>
#include <iterator>

namespace gemvec::formats {

namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kHeaderAlignment = 8;  // so that the numbers behind it are aligned in memory

std::string json_string(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

}  // namespace

std::string safetensors_header(std::span<const SafetensorsEntry> entries, std::string_view framework) {
  std::string json = "{";
  auto to = std::back_inserter(json);
  if (!framework.empty()) fmt::format_to(to, R"("__metadata__":{{"format":{}}})", json_string(framework));
  std::uint64_t at = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (json.size() > 1) json += ',';
    fmt::format_to(to, R"({}:{{"dtype":{},"shape":[)", json_string(entry.name), json_string(entry.dtype));
    for (std::size_t i = 0; i < entry.shape.size(); ++i) {
      fmt::format_to(to, "{}{}", i == 0 ? "" : ",", entry.shape[i]);
    }
    fmt::format_to(to, R"(],"data_offsets":[{},{}]}})", at, at + entry.bytes);
    at += entry.bytes;
  }
  json += '}';
  json.resize((json.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  std::string header(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    header[i] = static_cast<char>(std::uint64_t{json.size()} >> 8 * i & 0xFF);
  }
  return header + json;
}

}  // namespace gemvec::formats
