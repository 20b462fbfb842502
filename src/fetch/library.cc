#include "fetch/library.h"

#include <dlfcn.h>
#include <openssl/opensslv.h>

#include <optional>
#include <string>

namespace gemvec::fetch {

namespace {

// The name carries the version of the interface that the headers describe.
constexpr const char* kCurlName = "libcurl.so.4";
#define GEMVEC_TEXT_OF(x) #x
#define GEMVEC_TEXT(x) GEMVEC_TEXT_OF(x)
constexpr const char* kCryptoName = "libcrypto.so." GEMVEC_TEXT(OPENSSL_SHLIB_VERSION);

class Loader {
 public:
  explicit Loader(const char* name) : name_(name), library_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) fail();
  }

  template <class Function>
  Loader& find(const char* symbol, Function& function) {
    if (error_) return *this;
    function = reinterpret_cast<Function>(::dlsym(library_, symbol));
    if (function == nullptr) fail();
    return *this;
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  void fail() {
    const char* reason = ::dlerror();
    error_ =
        Error{ErrorCode::kUnsupported, std::string(name_) + ": expected this library for fetching a model: " +
                                           (reason == nullptr ? "it lacks a function" : reason) + "."};
  }

  const char* name_;
  void* library_;
  std::optional<Error> error_;
};

struct LoadedCurl {
  Curl api;
  std::optional<Error> error;

  LoadedCurl() {
    error = Loader(kCurlName)
                .find("curl_global_init", api.global_init)
                .find("curl_easy_init", api.easy_init)
                .find("curl_easy_setopt", api.easy_setopt)
                .find("curl_easy_perform", api.easy_perform)
                .find("curl_easy_getinfo", api.easy_getinfo)
                .find("curl_easy_reset", api.easy_reset)
                .find("curl_easy_cleanup", api.easy_cleanup)
                .find("curl_easy_strerror", api.easy_strerror)
                .find("curl_url", api.url)
                .find("curl_url_set", api.url_set)
                .find("curl_url_get", api.url_get)
                .find("curl_url_cleanup", api.url_cleanup)
                .find("curl_free", api.free)
                .error();
    // curl_global_init is not thread-safe in the curl of Debian 12: here it runs once, under a static's lock.
    if (!error) api.global_init(CURL_GLOBAL_DEFAULT);
  }
};

struct LoadedCrypto {
  Crypto api;
  std::optional<Error> error;

  LoadedCrypto() {
    error = Loader(kCryptoName)
                .find("EVP_MD_CTX_new", api.context_new)
                .find("EVP_MD_CTX_free", api.context_free)
                .find("EVP_sha256", api.sha256)
                .find("EVP_DigestInit_ex", api.init)
                .find("EVP_DigestUpdate", api.update)
                .find("EVP_DigestFinal_ex", api.finish)
                .error();
  }
};

}  // namespace

Result<const Curl*> Curl::load() {
  static const LoadedCurl loaded;
  if (loaded.error) return *loaded.error;
  return &loaded.api;
}

Result<const Crypto*> Crypto::load() {
  static const LoadedCrypto loaded;
  if (loaded.error) return *loaded.error;
  return &loaded.api;
}

}  // namespace gemvec::fetch
