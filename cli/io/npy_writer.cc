// NumPy's .npy format. The number of rows stands at the beginning and is known at the end: a regular
// file is patched, anything else gets its bytes when they are complete, from a temporary file.
#include "cli/io/npy_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "cli/io/os_error.h"

namespace gemvec::cli {

static_assert(std::endian::native == std::endian::little,
              "the formats are little-endian, written as they are");

std::string npy_header(std::uint64_t rows, std::size_t width) {
  constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
  constexpr std::size_t kLengthBytes = 2;
  constexpr std::size_t kDictBytes = kNpyHeaderBytes - kMagic.size() - kLengthBytes;
  std::string header(kMagic);
  header += static_cast<char>(kDictBytes);  // little-endian: the low byte first, the high one is 0
  header += '\0';
  const std::string dict =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, width);
  header += dict;
  header.append(kDictBytes - dict.size() - 1, ' ');
  header += '\n';
  return header;
}

namespace {

std::string_view as_bytes(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// Into a regular file, whose header is patched.
class NpyFileWriter final : public RecordWriter {
 public:
  using RecordWriter::RecordWriter;

  Status begin() override { return output_.append(npy_header(0, options_.width)); }

  Status write(const OutputRecord& record) override {
    if (auto status = output_.append(as_bytes(record.values)); !status.ok()) return status;
    rows_ += record.values.size() / options_.width;
    ++records_;
    return {};
  }

  Status finish() override {
    if (auto status = stop(); !status.ok()) return status;
    return output_.commit();
  }

  Status stop() override { return output_.patch(0, npy_header(rows_, options_.width)); }

 private:
  std::uint64_t rows_ = 0;
};

// Into a pipe, through a temporary file that has no name: nothing is left of it, whatever happens.
class NpySpoolWriter final : public RecordWriter {
 public:
  using RecordWriter::RecordWriter;
  ~NpySpoolWriter() override {
    if (spool_ >= 0) close(spool_);
  }

  Status begin() override {
    const char* folder = std::getenv("TMPDIR");
    spool_name_ = fmt::format("{}/gemvec-XXXXXX", folder != nullptr && *folder != '\0' ? folder : "/tmp");
    spool_ = mkstemp(spool_name_.data());
    if (spool_ < 0) return os_error("create", spool_name_, errno);
    unlink(spool_name_.c_str());
    return {};
  }

  Status write(const OutputRecord& record) override {
    for (std::string_view rest = as_bytes(record.values); !rest.empty();) {
      const ssize_t count = ::write(spool_, rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return os_error("write", spool_name_, errno);
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
    rows_ += record.values.size() / options_.width;
    ++spooled_;
    return {};
  }

  Status finish() override {
    if (auto status = output_.append(npy_header(rows_, options_.width)); !status.ok()) return status;
    if (lseek(spool_, 0, SEEK_SET) != 0) return os_error("read", spool_name_, errno);
    std::array<char, kCopyBytes> block = {};
    for (;;) {
      const ssize_t count = read(spool_, block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return os_error("read", spool_name_, errno);
      if (count == 0) break;
      auto status = output_.append({block.data(), static_cast<std::size_t>(count)});
      if (!status.ok()) return status;
    }
    records_ = spooled_;
    return output_.commit();
  }

 private:
  static constexpr std::size_t kCopyBytes = std::size_t{64} << 10;  // a pipe's capacity
  int spool_ = -1;
  std::string spool_name_;
  std::uint64_t rows_ = 0;
  std::uint64_t spooled_ = 0;
};

}  // namespace

std::unique_ptr<RecordWriter> make_npy_writer(OutputFile output, const WriterOptions& options) {
  if (output.patchable()) return std::make_unique<NpyFileWriter>(std::move(output), options);
  return std::make_unique<NpySpoolWriter>(std::move(output), options);
}

}  // namespace gemvec::cli
