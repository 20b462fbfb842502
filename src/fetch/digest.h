// SHA-256 of bytes and files, by OpenSSL (which uses the processor's SHA instructions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "gemvec/result.h"

struct evp_md_ctx_st;

namespace gemvec::fetch {

struct Crypto;

class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  // Lower-case hex. Ends the computation: call it once. Errors: kInternal (OpenSSL refuses SHA-256),
  // kUnsupported (there is no OpenSSL on this machine).
  Result<std::string> finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
  const Crypto* api_ = nullptr;
  std::optional<Error> missing_;  // OpenSSL is not on this machine
  bool good_ = false;
};

// The hash of a regular file. `advance` is told the bytes read so far and may end the work with an
// error; it may be empty. Errors: kNotFound, kIo, and what `advance` gives.
Result<std::string> hash_file(const std::filesystem::path& path,
                              const std::function<Status(std::uint64_t done)>& advance);

}  // namespace gemvec::fetch
