// Shared libraries that are loaded when they are first needed. libcurl and what it needs are 25 libraries,
// and linking them at start takes 8 ms of every process, of which few ever download or hash anything.
#pragma once

#include <curl/curl.h>
#include <openssl/evp.h>

#include "gemvec/result.h"

namespace gemvec::fetch {

// The functions of libcurl that are used, under their names without "curl_".
struct Curl {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_perform) easy_perform = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_reset) easy_reset = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_url) url = nullptr;
  decltype(&::curl_url_set) url_set = nullptr;
  decltype(&::curl_url_get) url_get = nullptr;
  decltype(&::curl_url_cleanup) url_cleanup = nullptr;
  decltype(&::curl_free) free = nullptr;

  // Loaded and initialised once, for ever. From any thread. Errors: kUnsupported (not on this machine).
  static Result<const Curl*> load();
};

// The same of libcrypto, under their names without "EVP_".
struct Crypto {
  decltype(&::EVP_MD_CTX_new) context_new = nullptr;
  decltype(&::EVP_MD_CTX_free) context_free = nullptr;
  decltype(&::EVP_sha256) sha256 = nullptr;
  decltype(&::EVP_DigestInit_ex) init = nullptr;
  decltype(&::EVP_DigestUpdate) update = nullptr;
  decltype(&::EVP_DigestFinal_ex) finish = nullptr;

  static Result<const Crypto*> load();
};

}  // namespace gemvec::fetch
