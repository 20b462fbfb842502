// Lines of a stream, of bounded length, with their numbers.
#include "cli/io/line_reader.h"

#include <fmt/format.h>

#include <utility>

namespace gemvec::cli {

namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;  // a pipe's capacity: one read empties it
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineReader::LineReader(std::unique_ptr<ByteStream> stream, std::string name, std::size_t max_bytes)
    : stream_(std::move(stream)), name_(std::move(name)), max_bytes_(max_bytes) {}

std::string LineReader::where() const { return fmt::format("{}:{}", name_, line_number_); }

Error LineReader::too_long() const {
  return {ErrorCode::kBadFormat,
          fmt::format("{}:{}: the line is longer than {} bytes, the most that is read as one text.", name_,
                      line_number_ + 1, max_bytes_)};
}

bool LineReader::ready() const {
  return ended_ || buffer_.find('\n', begin_) != std::string::npos || stream_->ready();
}

// Reads more behind what has not been returned yet; false at the end of the stream.
Result<bool> LineReader::fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kReadBytes);
  auto count = stream_->read({buffer_.data() + kept, kReadBytes});
  buffer_.resize(kept + (count.ok() ? *count : 0));
  if (!count.ok()) return std::move(count).error();
  ended_ = *count == 0;
  return !ended_;
}

Result<bool> LineReader::next_raw(std::string_view& line) {
  std::size_t scanned = begin_;
  std::size_t end = 0;
  for (;;) {
    const std::size_t newline = buffer_.find('\n', scanned);
    if (newline != std::string::npos || ended_) {
      end = newline == std::string::npos ? buffer_.size() : newline + 1;
      break;
    }
    if (buffer_.size() - begin_ > max_bytes_) return too_long();
    scanned = buffer_.size() - begin_;
    if (auto more = fill(); !more.ok()) return more;
  }
  if (end == begin_) return false;
  line = std::string_view(buffer_).substr(begin_, end - begin_);
  if (line.size() > max_bytes_) return too_long();
  begin_ = end;
  bytes_done_ += line.size();
  if (line_number_++ == 0 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  return true;
}

Result<bool> LineReader::next(std::string_view& line) {
  auto more = next_raw(line);
  if (!more.ok() || !*more) return more;
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  return true;
}

Result<std::string> LineReader::rest() {
  for (;;) {
    if (buffer_.size() - begin_ > max_bytes_) {
      return Error{ErrorCode::kBadFormat,
                   fmt::format("{}: the file is larger than {} bytes, the most that is read as one text.",
                               name_, max_bytes_)};
    }
    auto more = fill();
    if (!more.ok()) return std::move(more).error();
    if (!*more) break;
  }
  std::string text = std::move(buffer_);
  buffer_.clear();
  bytes_done_ += text.size();
  if (line_number_++ == 0 && text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

}  // namespace gemvec::cli
