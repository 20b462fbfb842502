// What `gemvec serve` can be told. Names and defaults are those of text-embeddings-inference 1.9.3 where it
// has such an option.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gemvec/embedder.h"

namespace gemvec::server {

// Limits of a connection, whatever is asked over it.
struct HttpOptions {
  std::string hostname = "127.0.0.1";     // loopback: whoever wants to be reached from outside says so
  std::uint16_t port = 3000;              // 0: any free one
  std::size_t payload_limit = 2'000'000;  // bytes of a body
  std::size_t header_limit = 16'384;      // bytes of the request line and the headers together
  std::size_t max_connections = 2'048;    // more are closed at once
  std::chrono::milliseconds header_timeout{10'000};    // from the first byte to the end of the head
  std::chrono::milliseconds body_timeout{30'000};      // for the whole body
  std::chrono::milliseconds idle_timeout{90'000};      // between two requests of one connection
  std::chrono::milliseconds request_timeout{300'000};  // from the head to the answer; then 503
  std::chrono::milliseconds write_timeout{30'000};     // for the whole answer to be taken
  std::chrono::milliseconds stop_timeout{30'000};      // what is in flight after SIGTERM
  std::filesystem::path tls_cert{}, tls_key{};         // PEM; both or neither
  std::vector<std::string> api_keys{};                 // any of them opens
  std::vector<std::string> cors_allow_origin{};        // "*" anywhere = any; empty: see docs/server.md
  // Names that a Host header may have on a loopback bind, beside localhost and loopback addresses: a page of
  // another site cannot reach a server on this machine by pointing its own name at it.
  std::vector<std::string> allowed_hosts{};
  unsigned io_threads = 1;
  unsigned workers = 0;  // threads for JSON and tokens (--tokenization-workers); 0: cores - 1, 1 to 64
};

struct ServeOptions {
  HttpOptions http{};
  LoadOptions load{};
  std::string model_id{};                     // as the user named it
  std::string served_model_name{};            // empty: model_id
  std::size_t max_concurrent_requests = 512;  // texts in flight
  std::size_t max_batch_tokens = 16'384;      // of one forward pass; the batcher stays below that by itself
  std::size_t max_batch_requests = 0;         // texts of one forward pass; 0: no limit
  std::size_t max_client_batch_size = 32;     // texts of one request
  std::size_t max_queue_tokens = 1'048'576;   // waiting; beyond it 429. 512 texts of 2048 tokens
  bool auto_truncate = true;
  std::string default_prompt{};  // put before texts that name none; already looked up if a name was given
  std::size_t cache_size = 0;    // vectors kept; 0: none
  bool json_output = false;      // the access log
};

}  // namespace gemvec::server
