// Counts of what went through the embedder.
#include "cli/commands/embed_stats.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "cli/terminal/format.h"

namespace gemvec::cli {

namespace {

constexpr std::size_t kBarColumns = 16;

}  // namespace

EmbedStats::EmbedStats() : begin_(std::chrono::steady_clock::now()), last_(begin_) {
  text_rate_.add(0, begin_);
  token_rate_.add(0, begin_);
  byte_rate_.add(0, begin_);
}

void EmbedStats::add(std::span<const TextInfo> texts) {
  last_ = std::chrono::steady_clock::now();
  for (const TextInfo& text : texts) {
    tokens_ += text.tokens;
    counts_.add(text.truncated, text.invalid_sequences);
  }
  text_rate_.add(static_cast<double>(counts_.texts), last_);
  token_rate_.add(static_cast<double>(tokens_), last_);
}

std::string EmbedStats::progress(std::uint64_t bytes_done, std::uint64_t bytes_total) {
  byte_rate_.add(static_cast<double>(bytes_done), last_);
  std::string text = plural(counts_.texts, "text");
  if (bytes_total != 0) {
    const double fraction = static_cast<double>(bytes_done) / static_cast<double>(bytes_total);
    text += fmt::format(" {} {:.0f}%", format_bar(fraction, kBarColumns), 100 * fraction);
  }
  text += fmt::format("  {} texts/s  {} tokens/s", format_count(text_rate_.rate()),
                      format_count(token_rate_.rate()));
  const double eta = bytes_total == 0 ? -1 : byte_rate_.eta(static_cast<double>(bytes_total));
  if (eta >= 0) text += "  ETA " + format_duration(eta);
  return text;
}

std::string EmbedStats::summary() const {
  const double seconds = std::chrono::duration<double>(last_ - begin_).count();
  const double per_second = seconds > 0 ? 1 / seconds : 0;
  return fmt::format("{}, {} in {} s: {} tokens/s, {} texts/s", plural(counts_.texts, "text"),
                     plural(tokens_, "token"), fmt::format("{:.2f}", seconds),
                     format_count(static_cast<double>(tokens_) * per_second),
                     format_count(static_cast<double>(counts_.texts) * per_second));
}

void EmbedStats::warn(std::size_t max_tokens) const {
  counts_.warn(max_tokens);
  if (double_prompts_ != 0) {
    spdlog::warn(
        "{} of {} began with the task's prompt already, and now have it twice (--task none uses texts "
        "as they are).",
        double_prompts_, plural(counts_.texts, "text"));
  }
}

}  // namespace gemvec::cli
