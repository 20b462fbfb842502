// The certificate and its key.
#include "server/http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <exception>
#include <fstream>
#include <string>

namespace gemvec::server {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Result<std::string> read_pem(const std::filesystem::path& path, const char* what) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 4'096> part{};
  // read() turns what the buffer throws (for a folder, say) into a state of the stream; its iterators do not.
  while (file.read(part.data(), part.size()) || file.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    return Error{ErrorCode::kIo, fmt::format("the TLS {} {} cannot be read", what, path.string())};
  }
  return text;
}

bool is_mismatch(const error_code& failed) {
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(failed.value()));
  return reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH;
}

Error mismatch(const std::filesystem::path& cert, const std::filesystem::path& key) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("the TLS key {} does not belong to the certificate {}", key.string(), cert.string())};
}

Result<std::shared_ptr<ssl::context>> make_context(const std::filesystem::path& cert,
                                                   const std::filesystem::path& key) {
  const auto chain = read_pem(cert, "certificate");
  if (!chain) return chain.error();
  const auto secret = read_pem(key, "key");
  if (!secret) return secret.error();

  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Without this OpenSSL would ask at the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); });

  error_code failed;
  context->use_certificate_chain(boost::asio::buffer(*chain), failed);
  if (failed) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} holds no certificate in PEM format", cert.string())};
  }
  context->use_private_key(boost::asio::buffer(*secret), ssl::context::pem, failed);
  if (failed && is_mismatch(failed)) return mismatch(cert, key);
  if (failed) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} holds no unencrypted private key in PEM format", key.string())};
  }
  if (SSL_CTX_check_private_key(native) != 1) return mismatch(cert, key);
  return context;
}

}  // namespace

Result<std::shared_ptr<ssl::context>> load_tls(const std::filesystem::path& cert,
                                               const std::filesystem::path& key) {
  if (cert.empty() || key.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "TLS needs both a certificate and a key, and only one is given"};
  }
  // Asio's constructors have no form that returns errors.
  try {
    auto context = make_context(cert, key);
    ERR_clear_error();  // what a refused file left behind would be taken for an error of the next call
    return context;
  } catch (const std::exception& failed) {
    return Error{ErrorCode::kInternal, fmt::format("TLS cannot be set up: {}", failed.what())};
  }
}

}  // namespace gemvec::server
