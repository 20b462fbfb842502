// Lines of a stream, of bounded length, with their numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cli/io/byte_stream.h"
#include "gemvec/result.h"

namespace gemvec::cli {

// Longest line or record that is read. The model sees 2048 tokens, some 10 KB, of it; the limit only
// has to be far above honest input and far below what hurts the machine.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{64} << 20;

class LineReader {
 public:
  LineReader(std::unique_ptr<ByteStream> stream, std::string name, std::size_t max_bytes = kMaxRecordBytes);

  // The next line with its terminator, which only the last line may lack. Valid until the next call;
  // false at the end. A byte order mark at the stream's beginning is left out.
  // Errors: kIo, kCancelled, kBadFormat (longer than max_bytes).
  Result<bool> next_raw(std::string_view& line);
  // The same without the terminator, "\n" or "\r\n".
  Result<bool> next(std::string_view& line);
  // Everything that is left.
  Result<std::string> rest();

  // Whether a line, or the end, can probably be had without waiting for somebody to write it.
  [[nodiscard]] bool ready() const;

  // Of the line returned last; the first is 1.
  [[nodiscard]] std::uint64_t line_number() const { return line_number_; }
  // "NAME:LINE", for messages.
  [[nodiscard]] std::string where() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::size_t max_bytes() const { return max_bytes_; }
  // Bytes of the lines returned so far.
  [[nodiscard]] std::uint64_t bytes_done() const { return bytes_done_; }

 private:
  Result<bool> fill();
  Error too_long() const;

  std::unique_ptr<ByteStream> stream_;
  std::string name_;
  std::size_t max_bytes_;
  std::string buffer_;  // [begin_, size) has not been returned yet
  std::size_t begin_ = 0;
  bool ended_ = false;
  std::uint64_t line_number_ = 0;
  std::uint64_t bytes_done_ = 0;
};

}  // namespace gemvec::cli
