// The certificate and its key.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>

#include "gemvec/result.h"

namespace gemvec::server {

// A context for TLS 1.2 and later with the certificate (chain) of `cert` and the key of `key`, both PEM.
// Errors name the file: kIo if it cannot be read, kInvalidArgument if it is not what it should be or if the
// two do not belong together. Encrypted keys are refused: nobody is there to be asked for the passphrase.
Result<std::shared_ptr<boost::asio::ssl::context>> load_tls(const std::filesystem::path& cert,
                                                            const std::filesystem::path& key);

}  // namespace gemvec::server
