// One file over HTTP into a part file: resumed, retried, and never more than was expected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "fetch/monitor.h"
#include "fetch/release.h"
#include "gemvec/result.h"

namespace gemvec::fetch {

struct Curl;

struct Download {
  std::string url;
  std::string token;           // sent to this URL's origin only, never after a redirect elsewhere
  std::filesystem::path part;  // what it holds already is kept and continued
  std::uint64_t bytes = 0;     // the whole file
  // Told the bytes of this file that are in `part`; may end the download with an error.
  std::function<Status(std::uint64_t done)> advance;
};

// Connections are kept between downloads. Not for two threads at once.
class HttpClient {
 public:
  // REQUIRES: both outlive this object.
  HttpClient(const Patience& patience, const Monitor& monitor);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Success: `part` has exactly `bytes` bytes, not checked any further.
  // Errors: kUnauthorized (401, 403), kNetwork (everything else on the wire), kChecksum (the server
  // offers a file of another size), kIo (the disk), kCancelled and what `advance` gives.
  Status get(const Download& download);

 private:
  struct Transfer;
  Status attempt(const Download& download, Transfer& transfer);
  Status request(const Download& download, const std::string& url, bool with_token, Transfer& transfer);

  const Patience& patience_;
  const Monitor& monitor_;
  const Curl* api_ = nullptr;  // loaded by the first get()
  void* curl_ = nullptr;       // CURL*
  bool answered_ = false;      // a server has answered since this object was made
};

}  // namespace gemvec::fetch
