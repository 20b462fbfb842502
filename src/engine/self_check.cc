#include "engine/self_check.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/try.h"
#include "engine/accuracy.h"
#include "engine/cache_file.h"
#include "engine/card.h"
#include "engine/embedder_impl.h"

namespace gemvec::engine {

namespace {

void judge(Embedder::Impl& impl, double max_abs_diff, DType weights) {
  impl.check_max_abs_diff = max_abs_diff;
  impl.check_weights = weights;
  const Accuracy accuracy = Accuracy::of(impl);
  impl.check = !accuracy.promises()                              ? WeightsCheck::kUnpromised
               : max_abs_diff <= accuracy.similarity_tolerance() ? WeightsCheck::kRelease
                                                                 : WeightsCheck::kDifferent;
}

// What an earlier load found: "bf16 1.25e-05".
std::optional<std::pair<DType, double>> read_note(const std::filesystem::path& note) {
  constexpr std::size_t kMostBytes = 64;  // a word and a number
  const auto text = base::read_file(note, kMostBytes);
  if (!text.ok()) return {};
  const std::size_t space = text->find(' ');
  if (space == std::string::npos) return {};
  const auto weights = parse_dtype(text->substr(0, space));
  double value = 0;
  const auto parsed = std::from_chars(text->data() + space + 1, text->data() + text->size(), value);
  if (!weights.ok() || parsed.ec != std::errc() || !std::isfinite(value)) return {};
  return std::pair(*weights, value);
}

// What is found is remembered beside the packed weights, but nothing is put beside a user's .gemvec file.
std::filesystem::path note_path(const Embedder::Impl& impl) {
  auto path = impl.block.file();
  if (impl.source.bundle != nullptr) {
    const auto identity = source_identity(path);
    if (impl.cache_dir.empty() || !identity.ok()) return {};
    std::error_code ignored;  // a folder that cannot be made is one that cannot be written
    std::filesystem::create_directories(impl.cache_dir / "packed", ignored);
    path = impl.cache_dir / "packed" / cache_key(*identity);
  }
  if (path.empty()) return {};
  path += fmt::format(".{}-{}.check", cpu::name_of(impl.kernels->isa), impl.arithmetic());
  return path;
}

}  // namespace

Status self_check(const Embedder& embedder, Embedder::Impl& impl) {
  const auto note = note_path(impl);
  if (!note.empty()) {
    if (const auto found = read_note(note)) {
      judge(impl, found->second, found->first);
      return {};
    }
  }
  auto compared = compare_with_card(embedder, impl.dtype);
  // Memory that is too little for the card's short texts may still do for the caller's: nothing is known
  // then.
  if (!compared.ok() && compared.error().code == ErrorCode::kInvalidArgument && impl.max_memory != 0)
    return {};
  GEMVEC_TRY(card, std::move(compared));
  judge(impl, card.max_abs_diff, card.weights);
  if (!note.empty()) {
    // Not remembering it costs the next load a few milliseconds, so a failure here is no error.
    const std::string text = fmt::format("{} {:.9g}\n", name_of(card.weights), card.max_abs_diff);
    if (auto file = base::AtomicFile::create(note); file.ok()) {
      if (file->write(std::as_bytes(std::span(text))).ok()) static_cast<void>(file->commit().ok());
    }
  }
  return {};
}

}  // namespace gemvec::engine
