// Where bytes come from: a file, standard input, or memory (tests and fuzzers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::cli {

class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  // Fills the beginning of `buffer` (not empty) and returns how much; 0 at the end of the stream.
  // Errors: kIo, kCancelled (a signal came while waiting).
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
  // Whether read() would return at once.
  [[nodiscard]] virtual bool ready() const { return true; }
};

// The name that stands for standard input among the arguments, and the one that messages use for it.
inline constexpr std::string_view kStdinArgument = "-";
inline constexpr std::string_view kStdinName = "standard input";

class FileStream final : public ByteStream {
 public:
  // Errors: kNotFound, kIo.
  static Result<std::unique_ptr<ByteStream>> open(const std::string& path);
  ~FileStream() override;

  Result<std::size_t> read(std::span<char> buffer) override;
  [[nodiscard]] bool ready() const override;

 private:
  FileStream(std::string name, int fd, bool owned);
  std::string name_;
  int fd_;
  bool owned_;  // standard input is not ours to close
};

class StringStream final : public ByteStream {
 public:
  // `bytes` must outlive the stream.
  explicit StringStream(std::string_view bytes) : rest_(bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  std::string_view rest_;
};

// Sum of the files' sizes, or 0 if one of them is not a regular file.
std::uint64_t total_size(std::span<const std::string> paths);

}  // namespace gemvec::cli
