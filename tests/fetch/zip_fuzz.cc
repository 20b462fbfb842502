// Zips that lie: a good one with bytes changed where the input says, or the input itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "fetch/fake_release.h"
#include "fetch/zip_reader.h"

namespace {

class MemorySource : public gemvec::fetch::ByteSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  bool read(std::uint64_t offset, std::span<std::byte> out) override {
    const auto bytes = std::as_bytes(std::span(bytes_));
    if (offset > bytes.size() || out.size() > bytes.size() - offset) return false;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return true;
  }

 private:
  std::string bytes_;
};

// An even first byte: the rest as it is. Odd: triples of place and value laid over a good zip.
std::string make_input(std::span<const std::uint8_t> data) {
  static const std::string good = gemvec::fetch::testing::make_zip(
      {{"a/one.json", "{}"}, {"a/two.bin", std::string(3000, 'x')}, {"", "no name"}, {"../three", "3"}});
  if (data.empty() || data[0] % 2 == 0) return {data.begin(), data.end()};
  std::string zip = good;
  for (std::size_t at = 1; at + 3 <= data.size(); at += 3) {
    const std::size_t place = (std::size_t{data[at]} << 8 | data[at + 1]) % zip.size();
    zip[place] = static_cast<char>(data[at + 2]);
  }
  return zip;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMaxBytes = 1 << 16;
  auto zip = gemvec::fetch::ZipReader::open(std::make_unique<MemorySource>(make_input({data, size})), "fuzz");
  if (!zip.ok()) return 0;
  int left = 8;  // members worth unpacking: a directory of thousands adds nothing but time
  for (const std::string& name : (*zip)->names()) {
    if (left-- == 0) break;
    std::uint64_t done = 0;
    const auto status = (*zip)->extract(name, kMaxBytes, [&](std::span<const std::byte> block) {
      done += block.size();
      return gemvec::Status();
    });
    if (done > kMaxBytes || (!status.ok() && status.error().message.empty())) __builtin_trap();
  }
  return 0;
}
