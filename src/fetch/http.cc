#include "fetch/http.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/try.h"
#include "fetch/library.h"
#include "fetch/storage.h"

namespace gemvec::fetch {

namespace {

constexpr long kOk = 200, kPartial = 206, kRangeNotSatisfiable = 416;

// scheme://host:port, or empty if the URL has none.
std::string origin_of(const Curl& api, const std::string& url) {
  CURLU* parsed = api.url();
  std::string origin;
  if (parsed != nullptr && api.url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
    for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
      char* text = nullptr;
      if (api.url_get(parsed, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        origin += text;
        origin += '\n';
        api.free(text);
      }
    }
  }
  api.url_cleanup(parsed);
  return origin;
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Worth asking again: the request was fine, the moment was not.
bool is_passing(long status) {
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

// A certificate that is wrong now is wrong in a second too.
bool is_hopeless(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

// The first byte of "Content-Range: bytes FIRST-LAST/TOTAL".
std::optional<std::uint64_t> range_start(std::string_view line) {
  constexpr std::string_view kName = "content-range:";
  if (line.size() < kName.size()) return {};
  for (std::size_t i = 0; i < kName.size(); ++i) {
    const char c = line[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kName[i]) return {};
  }
  const std::size_t digits = line.find_first_of("0123456789", kName.size());
  if (digits == std::string_view::npos) return {};
  std::uint64_t first = 0;
  const auto parsed = std::from_chars(line.data() + digits, line.data() + line.size(), first);
  return parsed.ec == std::errc() ? std::optional(first) : std::nullopt;
}

}  // namespace

// What one request does and how it ended. curl calls back into it.
struct HttpClient::Transfer {
  const Download* download = nullptr;
  const Monitor* monitor = nullptr;
  const Curl* api = nullptr;
  CURL* curl = nullptr;
  std::optional<OpenFile> file;
  std::uint64_t offset = 0;  // bytes in the part file
  bool body_begun = false;
  std::optional<std::uint64_t> range_from;  // of the last answer
  std::optional<Error> error;               // why a callback stopped curl
  long status = 0;
  CURLcode code = CURLE_OK;
  bool worth_retrying = false;
  long wait_s = 0;  // Retry-After

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
    auto& self = *static_cast<Transfer*>(user);
    const std::string_view line(data, size);
    if (line.starts_with("HTTP/")) self.range_from.reset();
    if (const auto from = range_start(line)) self.range_from = from;
    return size;
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
    auto& self = *static_cast<Transfer*>(user);
    auto status = self.take({reinterpret_cast<const std::byte*>(data), size});
    if (status.ok()) return size;
    self.error = std::move(status).error();
    return CURL_WRITEFUNC_ERROR;
  }

  static int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& self = *static_cast<Transfer*>(user);
    auto status = self.monitor->check();
    if (status.ok()) return 0;
    self.error = std::move(status).error();
    return 1;
  }

  // The body starts: at the place that was asked for, or at the file's beginning.
  Status begin_body() {
    const bool continues = status == kPartial && range_from == offset;
    if (status == kPartial && !continues) {
      worth_retrying = true;
      GEMVEC_CHECK_OK(start_over());
      return Error{ErrorCode::kNetwork,
                   download->url + ": the server sent another range than was asked for."};
    }
    if (!continues) GEMVEC_CHECK_OK(start_over());
    curl_off_t length = -1;
    api->easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length >= 0 && offset + static_cast<std::uint64_t>(length) != download->bytes)
      return other_size(offset + static_cast<std::uint64_t>(length));
    return {};
  }

  Status take(std::span<const std::byte> bytes) {
    if (!body_begun) {
      body_begun = true;
      api->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
      if (status == kOk || status == kPartial) GEMVEC_CHECK_OK(begin_body());
    }
    if (status != kOk && status != kPartial) return {};  // an error page: the status says enough
    if (offset + bytes.size() > download->bytes) return other_size(offset + bytes.size());
    GEMVEC_CHECK_OK(file->write(bytes));
    offset += bytes.size();
    return download->advance ? download->advance(offset) : monitor->check();
  }

  Status start_over() {
    if (::ftruncate(file->fd(), 0) != 0 || ::lseek(file->fd(), 0, SEEK_SET) != 0)
      return base::os_error("empty", download->part, errno);
    offset = 0;
    return {};
  }

  [[nodiscard]] Error other_size(std::uint64_t found) const {
    return {ErrorCode::kChecksum, download->url + ": expected a file of " + std::to_string(download->bytes) +
                                      " bytes, the server has one of at least " + std::to_string(found) +
                                      "."};
  }
};

HttpClient::HttpClient(const Patience& patience, const Monitor& monitor)
    : patience_(patience), monitor_(monitor) {}

HttpClient::~HttpClient() {
  if (curl_ != nullptr) api_->easy_cleanup(curl_);
}

Status HttpClient::get(const Download& download) {
  if (api_ == nullptr) {
    GEMVEC_TRY(api, Curl::load());
    api_ = api;
    curl_ = api_->easy_init();
  }
  if (curl_ == nullptr) return Error{ErrorCode::kInternal, "libcurl cannot be started."};
  GEMVEC_CHECK_OK(make_folder(download.part.parent_path()));
  if (size_of(download.part) > download.bytes) remove_quietly(download.part);
  int in_vain = 0;  // attempts in a row that brought nothing
  long wait_ms = patience_.backoff_ms;
  while (size_of(download.part) < download.bytes) {
    const std::uint64_t before = size_of(download.part);
    Transfer transfer;
    auto status = attempt(download, transfer);
    if (status.ok()) break;
    const bool progressed = size_of(download.part) > before;
    in_vain = progressed ? 1 : in_vain + 1;
    if (progressed) wait_ms = patience_.backoff_ms;
    if (!transfer.worth_retrying || in_vain >= (answered_ ? patience_.attempts : patience_.connect_attempts))
      return status;
    constexpr long kLongestWaitMs = 30'000;  // a person is looking at the progress bar
    GEMVEC_CHECK_OK(monitor_.sleep(
        std::chrono::milliseconds(std::min(std::max(wait_ms, transfer.wait_s * 1000), kLongestWaitMs))));
    wait_ms *= 2;
  }
  return {};
}

// One request and the redirects it leads through. Followed here, not by curl, so that the token's way
// can be seen: it goes to the origin that the user configured and nowhere else.
Status HttpClient::attempt(const Download& download, Transfer& transfer) {
  GEMVEC_TRY(file, OpenFile::open(download.part, O_WRONLY | O_CREAT));
  const off_t end = ::lseek(file.fd(), 0, SEEK_END);
  if (end < 0) return base::os_error("find the end of", download.part, errno);
  transfer.download = &download;
  transfer.monitor = &monitor_;
  transfer.api = api_;
  transfer.curl = curl_;
  transfer.offset = static_cast<std::uint64_t>(end);
  transfer.file = std::move(file);

  const std::string home = origin_of(*api_, download.url);
  constexpr int kMaxRedirects = 10;  // the hub needs two
  std::string url = download.url;
  for (int i = 0; i <= kMaxRedirects; ++i) {
    GEMVEC_CHECK_OK(request(download, url, origin_of(*api_, url) == home, transfer));
    if (!is_redirect(transfer.status)) break;
    char* next = nullptr;
    api_->easy_getinfo(curl_, CURLINFO_REDIRECT_URL, &next);
    if (next == nullptr) break;
    if (url.starts_with("https:") && !std::string_view(next).starts_with("https:"))
      return Error{ErrorCode::kNetwork, url + ": refused to follow a redirect to an unencrypted address."};
    url = next;
  }

  const long status = transfer.status;
  const std::string answer = url + ": the server answered " + std::to_string(status);
  if (status == 401 || status == 403) return Error{ErrorCode::kUnauthorized, answer + "."};
  if (status == kRangeNotSatisfiable) {
    transfer.worth_retrying = true;
    GEMVEC_CHECK_OK(transfer.start_over());
    return Error{ErrorCode::kNetwork, answer + "."};
  }
  transfer.worth_retrying = is_passing(status);
  if (is_redirect(status)) return Error{ErrorCode::kNetwork, answer + " once too often."};
  if (status != kOk && status != kPartial) return Error{ErrorCode::kNetwork, answer + "."};
  if (transfer.offset == download.bytes) return {};
  transfer.worth_retrying = true;
  return Error{ErrorCode::kNetwork, url + ": the connection ended after " + std::to_string(transfer.offset) +
                                        " of " + std::to_string(download.bytes) + " bytes."};
}

Status HttpClient::request(const Download& download, const std::string& url, bool with_token,
                           Transfer& transfer) {
  CURL* curl = curl_;
  api_->easy_reset(curl);  // keeps the connections
  std::array<char, CURL_ERROR_SIZE> words{};
  api_->easy_setopt(curl, CURLOPT_URL, url.c_str());
  api_->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  api_->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  api_->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  api_->easy_setopt(curl, CURLOPT_USERAGENT, "gemvec");
  api_->easy_setopt(curl, CURLOPT_ERRORBUFFER, words.data());
  api_->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, patience_.connect_s);
  api_->easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1000L);  // bytes/s
  api_->easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, patience_.stall_s);
  api_->easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  api_->easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  api_->easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  api_->easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  api_->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  api_->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  api_->easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  // As OpenSSL's own programs do; companies with a certificate authority of their own rely on it.
  if (const char* bundle = std::getenv("SSL_CERT_FILE"); bundle != nullptr && *bundle != '\0')
    api_->easy_setopt(curl, CURLOPT_CAINFO, bundle);
  const std::string range = std::to_string(transfer.offset) + "-";
  if (transfer.offset > 0) api_->easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  if (with_token && !download.token.empty()) {
    api_->easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    api_->easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, download.token.c_str());
  }

  transfer.body_begun = false;
  transfer.status = 0;
  transfer.code = api_->easy_perform(curl);
  api_->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.status);
  curl_off_t wait_s = 0;
  api_->easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s);
  transfer.wait_s = static_cast<long>(std::min<curl_off_t>(wait_s, 3600));
  api_->easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (transfer.status != 0) answered_ = true;
  if (transfer.error) return *transfer.error;
  if (transfer.code == CURLE_OK) return {};
  transfer.worth_retrying = !is_hopeless(transfer.code);
  if (!answered_ && transfer.code == CURLE_COULDNT_RESOLVE_HOST)
    transfer.worth_retrying = false;  // no name service: this machine is offline
  const std::string reason = words[0] != '\0' ? words.data() : api_->easy_strerror(transfer.code);
  return Error{ErrorCode::kNetwork, url + ": " + reason + "."};
}

}  // namespace gemvec::fetch
