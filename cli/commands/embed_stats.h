// Counts of what went through the embedder, as a progress line, a summary and warnings.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "cli/commands/text_counts.h"
#include "cli/terminal/progress.h"
#include "gemvec/embedder.h"

namespace gemvec::cli {

class EmbedStats {
 public:
  EmbedStats();

  void add(std::span<const TextInfo> texts);
  void add_double_prompt() { ++double_prompts_; }

  // "1,234 texts [==>   ] 27%  88 texts/s  12,345 tokens/s  ETA 1:02"; the bar and the ETA need to
  // know how much input there is (bytes_total of 0 means unknown).
  [[nodiscard]] std::string progress(std::uint64_t bytes_done, std::uint64_t bytes_total);
  // "5 texts, 97 tokens in 0.1 s: 970 tokens/s, 50 texts/s"
  [[nodiscard]] std::string summary() const;
  // Warns of texts that were cut, repaired, or had the prompt already.
  void warn(std::size_t max_tokens) const;

  [[nodiscard]] std::uint64_t texts() const { return counts_.texts; }

 private:
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point last_;
  RateMeter text_rate_, token_rate_, byte_rate_;
  TextCounts counts_;
  std::uint64_t tokens_ = 0, double_prompts_ = 0;
};

}  // namespace gemvec::cli
