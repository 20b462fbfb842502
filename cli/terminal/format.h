// Numbers for people: durations, sizes, rates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemvec::cli {

std::string format_count(double value);                      // "1,234"; one decimal below 100: "12.3"
std::string format_bytes(double bytes);                      // "12.3 MB", powers of 1000
std::string format_duration(double seconds);                 // "0:07", "12:05", "1:02:03"
std::string format_bar(double fraction, std::size_t width);  // "[=====>    ]"

// Lines of at most `columns` bytes, broken at spaces. For our own ASCII texts.
std::string wrapped(std::string_view text, std::size_t columns);

// "1 text", "2 texts"
std::string plural(std::uint64_t count, std::string_view noun);

// One line without control characters, at most `max_columns` code points long ("…" where it is cut).
std::string one_line(std::string_view text, std::size_t max_columns);

}  // namespace gemvec::cli
