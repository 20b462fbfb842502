// Numbers for people: durations, sizes, rates.
#include "cli/terminal/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace gemvec::cli {

namespace {

std::string with_commas(std::uint64_t value) {
  constexpr std::size_t kGroup = 3;
  std::string digits = fmt::format("{}", value);
  for (std::size_t at = digits.size(); at > kGroup;) {
    at -= kGroup;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace

std::string format_count(double value) {
  constexpr double kDecimalBelow = 99.95;  // 99.96 would print as 100.0
  if (value < kDecimalBelow && value != std::floor(value)) return fmt::format("{:.1f}", value);
  return with_commas(static_cast<std::uint64_t>(std::llround(value)));
}

std::string format_bytes(double bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  constexpr double kStep = 1000;
  std::size_t unit = 0;
  while (bytes >= kStep && unit + 1 < kUnits.size()) {
    bytes /= kStep;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string format_duration(double seconds) {
  constexpr long long kMinute = 60;
  constexpr long long kHour = 3600;
  const long long total = std::llround(std::max(seconds, 0.0));
  if (total < kHour) return fmt::format("{}:{:02}", total / kMinute, total % kMinute);
  return fmt::format("{}:{:02}:{:02}", total / kHour, total % kHour / kMinute, total % kMinute);
}

std::string format_bar(double fraction, std::size_t width) {
  const auto filled = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width));
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return "[" + bar + "]";
}

std::string wrapped(std::string_view text, std::size_t columns) {
  std::string lines;
  while (text.size() > columns) {
    const std::size_t space = text.rfind(' ', columns);
    if (space == std::string_view::npos) break;
    lines += text.substr(0, space);
    lines += '\n';
    text.remove_prefix(space + 1);
  }
  return lines += text;
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", with_commas(count), noun, count == 1 ? "" : "s");
}

std::string one_line(std::string_view text, std::size_t max_columns) {
  constexpr unsigned char kSpace = 0x20;
  constexpr unsigned char kDelete = 0x7F;
  std::string line;
  std::size_t columns = 0;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool starts_code_point = (byte & 0xC0U) != 0x80U;
    if (starts_code_point && ++columns > max_columns) return line + "…";
    line += byte < kSpace || byte == kDelete ? ' ' : character;
  }
  return line;
}

}  // namespace gemvec::cli
