// The same server behind TLS.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <boost/asio/ssl.hpp>
#include <boost/beast/ssl.hpp>
#include <filesystem>
#include <fstream>

#include "server/http/http_testing.h"
#include "server/http/server.h"
#include "support/temp_dir.h"

namespace gemvec::server {
namespace {

using namespace std::chrono_literals;
namespace ssl = boost::asio::ssl;
using testing::get;
using testing::post;
using testing::start;
using testing::status;
using testing::usual_options;
using testing::usual_routes;
using TlsClient = testing::BasicClient<ssl::stream<boost::asio::ip::tcp::socket>>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

struct Identity {
  std::string cert, key;  // PEM
};

// A key on P-256 and a certificate for localhost, signed with itself.
Identity make_identity() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME* name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509_sign(cert, key, EVP_sha256());
  BIO* cert_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(cert_bio, cert);
  BIO* key_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(cert);
  EVP_PKEY_free(key);
  return {text_of(cert_bio), text_of(key_bio)};
}

class ServerTls : public ::testing::Test {
 protected:
  ServerTls() : identity_(make_identity()) {
    options_ = usual_options();
    options_.tls_cert = write("cert.pem", identity_.cert);
    options_.tls_key = write("key.pem", identity_.key);
    trusting_.add_certificate_authority(boost::asio::buffer(identity_.cert));
    trusting_.set_verify_mode(ssl::verify_peer);
  }

  std::filesystem::path write(const char* name, const std::string& text) {
    const std::filesystem::path path = folder_.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  void expect_refusal(ErrorCode code, const std::filesystem::path& named) {
    const auto server = HttpServer::start(options_, usual_routes(), {});
    ASSERT_FALSE(server.ok());
    EXPECT_EQ(server.error().code, code) << server.error().message;
    EXPECT_NE(server.error().message.find(named.string()), std::string::npos) << server.error().message;
  }

  gemvec::testing::TempDir folder_;
  Identity identity_;
  HttpOptions options_;
  ssl::context trusting_{ssl::context::tls_client};
};

TEST_F(ServerTls, RequestsAreServedAsOverPlainConnections) {
  const auto server = start(options_);
  TlsClient client(server->port(), trusting_);
  client.stream.handshake(ssl::stream_base::client);
  const std::string large(1'500'000, 'x');
  EXPECT_EQ(client.ask(get("/hello"))->body(), "hello");
  EXPECT_EQ(client.ask(post("/echo", large))->body(), large);
  client.send(post("/echo", "1") + get("/hello"));
  EXPECT_EQ(client.receive()->body(), "1");
  EXPECT_EQ(client.receive()->body(), "hello");
  EXPECT_EQ(status(client.ask(get("/hello", "Connection: close\r\n"))), 200U);
  // close_notify, not a cut.
  char byte = 0;
  boost::system::error_code failed;
  client.stream.read_some(boost::asio::buffer(&byte, 1), failed);
  EXPECT_EQ(failed, boost::asio::error::eof) << failed.message();
}

TEST_F(ServerTls, ARefusedUploadIsAnswered) {
  options_.payload_limit = 1'000;
  const auto server = start(options_);
  TlsClient client(server->port(), trusting_);
  client.stream.handshake(ssl::stream_base::client);
  client.send(post("/echo", std::string(1'000'000, 'x')));
  EXPECT_EQ(status(client.receive()), 413U);
}

TEST_F(ServerTls, OldVersionsPlainBytesAndSilenceAreCutOff) {
  options_.header_timeout = 300ms;
  const auto server = start(options_);
  ssl::context old(ssl::context::tls_client);
  SSL_CTX_set_max_proto_version(old.native_handle(), TLS1_1_VERSION);
  TlsClient outdated(server->port(), old);
  boost::system::error_code failed;
  outdated.stream.handshake(ssl::stream_base::client, failed);
  EXPECT_TRUE(failed);
  testing::Client plain(server->port());
  EXPECT_EQ(plain.ask(get("/hello")), std::nullopt);
  testing::Client silent(server->port());
  EXPECT_TRUE(silent.closed());
}

TEST_F(ServerTls, WorkIsCancelledWhenItsClientLeaves) {
  Router router;
  testing::Awaited<std::shared_ptr<const HttpRequest>> seen;
  testing::Awaited<Respond> waiting;
  router.add("GET", "/wait", Access::kKey,
             [&](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               waiting.set(respond);
               seen.set(request);
             });
  testing::Awaited<bool> closed;
  HttpServer::Observers observers;
  observers.connections = [&](std::size_t open) {
    if (open == 0) closed.set(true);
  };
  const auto server = start(options_, std::move(router), observers);
  {
    TlsClient client(server->port(), trusting_);
    client.stream.handshake(ssl::stream_base::client);
    client.send(get("/wait"));
    ASSERT_TRUE(seen.get().has_value());
  }
  ASSERT_TRUE(closed.get().has_value());
  EXPECT_TRUE((*seen.get())->cancellation->cancelled());
}

TEST_F(ServerTls, FilesThatAreNoneAreNamed) {
  const auto good_cert = options_.tls_cert, good_key = options_.tls_key;
  options_.tls_cert = folder_.path() / "nothing.pem";
  expect_refusal(ErrorCode::kIo, options_.tls_cert);
  options_.tls_cert = folder_.path();
  expect_refusal(ErrorCode::kIo, options_.tls_cert);
  options_.tls_cert = good_key;
  expect_refusal(ErrorCode::kInvalidArgument, options_.tls_cert);
  options_.tls_cert = good_cert;
  options_.tls_key = good_cert;
  expect_refusal(ErrorCode::kInvalidArgument, options_.tls_key);
  options_.tls_key = write("other.pem", make_identity().key);
  expect_refusal(ErrorCode::kInvalidArgument, options_.tls_key);
  options_.tls_key = "";
  expect_refusal(ErrorCode::kInvalidArgument, "");
}

}  // namespace
}  // namespace gemvec::server
