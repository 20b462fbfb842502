// Counts of what went through the embedder, as a progress line, a summary and warnings.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

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

  [[nodiscard]] std::uint64_t texts() const { return texts_; }

 private:
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point last_;
  RateMeter text_rate_, token_rate_, byte_rate_;
  std::uint64_t texts_ = 0, tokens_ = 0, truncated_ = 0, repaired_ = 0, invalid_sequences_ = 0;
  std::uint64_t double_prompts_ = 0;
};

}  // namespace gemvec::cli
