#include "cli/terminal/bytes_progress.h"

#include <fmt/format.h>

#include "cli/terminal/format.h"

namespace gemvec::cli {

void BytesProgress::draw(const std::string& label, std::uint64_t done, std::uint64_t total) {
  constexpr std::size_t kBarColumns = 20;
  if (label != label_) meter_ = {};
  label_ = label;
  meter_.add(static_cast<double>(done));
  if (!line_.due()) return;
  std::string text = label;
  if (total != 0) {
    const double fraction = static_cast<double>(done) / static_cast<double>(total);
    text += fmt::format(" {} {:.0f}%", format_bar(fraction, kBarColumns), 100 * fraction);
  }
  text += "  " + format_bytes(static_cast<double>(done));
  if (total != 0) text += " of " + format_bytes(static_cast<double>(total));
  if (meter_.rate() > 0) text += fmt::format("  {}/s", format_bytes(meter_.rate()));
  const double eta = total == 0 ? -1 : meter_.eta(static_cast<double>(total));
  if (eta >= 0) text += "  ETA " + format_duration(eta);
  line_.draw(text);
}

}  // namespace gemvec::cli
