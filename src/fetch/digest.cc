#include "fetch/digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/file.h"
#include "base/try.h"
#include "fetch/library.h"
#include "fetch/storage.h"
#include "gemvec/fetch.h"

namespace gemvec::fetch {

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  if (const auto api = Crypto::load(); api.ok()) (*api)->context_free(context);
}

Sha256::Sha256() {
  const auto api = Crypto::load();
  if (!api.ok()) {
    missing_ = api.error();
    return;
  }
  api_ = *api;
  context_.reset(api_->context_new());
  good_ = context_ != nullptr && api_->init(context_.get(), api_->sha256(), nullptr) == 1;
}

void Sha256::update(std::span<const std::byte> bytes) {
  good_ = good_ && api_->update(context_.get(), bytes.data(), bytes.size()) == 1;
}

Result<std::string> Sha256::finish() {
  if (missing_) return *missing_;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  good_ = good_ && api_->finish(context_.get(), digest.data(), &size) == 1;
  if (!good_) return Error{ErrorCode::kInternal, "OpenSSL cannot compute SHA-256 on this machine."};
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

Result<std::string> hash_file(const std::filesystem::path& path,
                              const std::function<Status(std::uint64_t done)>& advance) {
  GEMVEC_TRY(file, OpenFile::open(path, O_RDONLY));
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) return base::os_error("examine", path, errno);
  if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kIo, path.string() + ": expected a regular file."};
  Sha256 hash;
  std::vector<std::byte> block(1 << 20);  // 1 MiB: fits the L2 cache, and few system calls
  std::uint64_t done = 0;
  while (true) {
    const ssize_t got = ::read(file.fd(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::os_error("read", path, errno);
    if (got == 0) break;
    hash.update({block.data(), static_cast<std::size_t>(got)});
    done += static_cast<std::uint64_t>(got);
    if (advance) GEMVEC_CHECK_OK(advance(done));
  }
  return hash.finish();
}

}  // namespace gemvec::fetch

namespace gemvec {

Result<std::string> sha256_file(const std::filesystem::path& path) { return fetch::hash_file(path, {}); }

}  // namespace gemvec
