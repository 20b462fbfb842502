// `gemvec serve`: the HTTP server.
#include "server/serve.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/io/output_file.h"
#include "cli/terminal/interrupt.h"
#include "gemvec/diagnostics.h"

namespace gemvec::cli {

namespace {

struct ServeArguments {
  ModelOptions model;
  server::ServeOptions serve;
  std::string model_id, revision, dtype, pooling, prompt_name, hub_token, hub_cache, port_file;
  std::string otlp_endpoint, otlp_service_name, dense_path, uds_path;
  unsigned prometheus_port = 0;
  unsigned stop_timeout_s = 30, request_timeout_s = 300;
  bool disable_spans = false;
};

// What text-embeddings-inference calls its options, and the environment variable of each.
CLI::Option* add(CLI::App& command, const std::string& flag, auto& value, const std::string& help,
                 const std::string& type) {
  std::string variable = flag.substr(flag.rfind("--") + 2);
  for (char& c : variable) {
    if (c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return command.add_option(flag, value, help)->type_name(type)->envname(variable);
}

void add_model_options(CLI::App& command, ServeArguments& a) {
  add(command, "--model-id", a.model_id, "Folder or file, or the hub's id of the release", "ID|PATH");
  add(command, "--revision", a.revision, "Accepted; the release has one revision", "REV");
  command
      .add_option("--dtype", a.dtype,
                  "q8 (default), q4, mixed, fp32 or bf16; also float32, float16, bfloat16")
      ->type_name("D")
      ->envname("DTYPE")
      ->check(CLI::IsMember({"q8", "q4", "mixed", "fp32", "bf16", "float32", "float16", "bfloat16"}));
  command.add_flag("--exact", a.model.exact, "fp32 over exactly the file's numbers, quantised or not");
  add(command, "--served-model-name", a.serve.served_model_name, "Name in answers (default: the model's id)",
      "NAME");
  add(command, "--pooling", a.pooling, "Only mean, which is the model's", "P")
      ->check(CLI::IsMember({"mean"}));
  add(command, "--default-prompt-name", a.prompt_name, "Task of texts that name none", "TASK");
  add(command, "--default-prompt", a.serve.default_prompt, "The same as a string put before the text", "TEXT")
      ->excludes("--default-prompt-name");
  add_threads_option(command, a.model);
  command.add_option("--max-memory", a.model.max_memory, "Working memory at most, as 64M or 1G")
      ->type_name("BYTES")
      ->transform(CLI::AsSizeValue(false));
  command.add_flag("--no-cache", a.model.no_cache, "Pack the weights into memory, not into the cache");
}

void add_limit_options(CLI::App& command, ServeArguments& a) {
  add(command, "--max-concurrent-requests", a.serve.max_concurrent_requests,
      "Texts in flight; more are answered 429 (512)", "N")
      ->check(CLI::PositiveNumber);
  add(command, "--max-batch-tokens", a.serve.max_batch_tokens, "Tokens of a forward pass (16384)", "N")
      ->check(CLI::Range(2U, 1U << 20U).description("2-1048576"));
  add(command, "--max-batch-requests", a.serve.max_batch_requests, "Texts of a forward pass (no limit)", "N");
  add(command, "--max-client-batch-size", a.serve.max_client_batch_size, "Texts of a request (32)", "N")
      ->check(CLI::PositiveNumber);
  add(command, "--max-queue-tokens", a.serve.max_queue_tokens, "Tokens that wait (1048576)", "N")
      ->check(CLI::PositiveNumber);
  add(command, "--auto-truncate", a.serve.auto_truncate, "Cut texts that are too long (true)", "BOOL")
      ->expected(0, 1)
      ->default_str("true");
  add(command, "--cache-size", a.serve.cache_size, "Vectors kept for texts that come again (0)", "N");
  add(command, "--payload-limit", a.serve.http.payload_limit, "Bytes of a request's body (2000000)", "BYTES")
      ->check(CLI::PositiveNumber);
  add(command, "--max-connections", a.serve.http.max_connections, "Open connections (2048)", "N")
      ->check(CLI::PositiveNumber);
  add(command, "--tokenization-workers", a.serve.http.workers, "Threads for JSON and tokens (cores - 1)", "N")
      ->check(CLI::Range(1U, 64U).description("1-64"));
  add(command, "--request-timeout", a.request_timeout_s, "Seconds for a request, then 503 (300)", "S")
      ->check(CLI::PositiveNumber);
  add(command, "--stop-timeout", a.stop_timeout_s, "Seconds for what is in flight after SIGTERM (30)", "S");
}

void add_network_options(CLI::App& command, ServeArguments& a) {
  command.add_option("--hostname", a.serve.http.hostname, "Address to listen on (127.0.0.1)")
      ->type_name("IP");
  add(command, "-p,--port", a.serve.http.port, "Port; 0 takes a free one (3000)", "N");
  command.add_option("--port-file", a.port_file, "Write the port to this file once it is listened on")
      ->type_name("FILE");
  add(command, "--api-key", a.serve.http.api_keys, "Key that requests must have; may be given several times",
      "KEY");
  add(command, "--cors-allow-origin", a.serve.http.cors_allow_origin,
      "Web pages that may ask (any; none with a key)", "ORIGIN");
  command
      .add_option("--allowed-host", a.serve.http.allowed_hosts,
                  "Host names beside localhost on a loopback address")
      ->type_name("NAME");
  command.add_option("--tls-cert", a.serve.http.tls_cert, "Certificate chain, PEM: serve HTTPS")
      ->type_name("FILE");
  command.add_option("--tls-key", a.serve.http.tls_key, "Its private key, PEM")->type_name("FILE");
  command.add_flag("--json-output", a.serve.json_output, "Log in JSON")->envname("JSON_OUTPUT");
}

// Flags of text-embeddings-inference that have nothing to do here: a command line that has them still works.
void add_accepted_options(CLI::App& command, ServeArguments& a) {
  add(command, "--hf-token,--hf-api-token", a.hub_token, "Token of the model hub", "TOKEN");
  add(command, "--huggingface-hub-cache", a.hub_cache, "Where the model is kept", "DIR");
  add(command, "--prometheus-port", a.prometheus_port, "Accepted; metrics are on the main port", "N");
  add(command, "--otlp-endpoint", a.otlp_endpoint, "Accepted; nothing is sent", "URL");
  add(command, "--otlp-service-name", a.otlp_service_name, "Accepted", "NAME");
  add(command, "--dense-path", a.dense_path, "Accepted; the dense layers are the model's", "PATH");
  add(command, "--uds-path", a.uds_path, "Accepted", "PATH");
  command.add_flag("--disable-spans", a.disable_spans, "Accepted")->envname("DISABLE_SPANS");
}

// HOSTNAME is what shells and containers call the machine, so it only counts if it is an address to listen
// on.
void take_hostname_variable(const CLI::App& command, server::HttpOptions& http) {
  const char* variable = std::getenv("HOSTNAME");
  if (variable == nullptr || command.count("--hostname") != 0) return;
  in6_addr ignored{};
  if (inet_pton(AF_INET, variable, &ignored) == 1 || inet_pton(AF_INET6, variable, &ignored) == 1) {
    http.hostname = variable;
  }
}

std::string dtype_of(const std::string& name) {
  if (name == "float32") return "fp32";
  // fp16 cannot hold the model's residual stream; bf16 is what has as many bits and does.
  if (name == "float16" || name == "bfloat16") return "bf16";
  return name;
}

// A path if there is one; else the release, by any of the names that hubs have for it.
std::filesystem::path find_model(const ServeArguments& a, ModelOptions& model) {
  std::error_code ignored;
  if (a.model_id.empty() || std::filesystem::exists(a.model_id, ignored)) {
    model.model = a.model_id;
    return locate_model(model);
  }
  const std::string name = a.model_id.substr(a.model_id.rfind('/') + 1);
  if (name != "embeddinggemma-300m" && name != "embeddinggemma-300m-ONNX") {
    throw Failure(
        kWrongUsage,
        fmt::format("--model-id {}: expected a model's folder or file, or google/embeddinggemma-300m.",
                    a.model_id));
  }
  if (is_model_named(model)) return locate_model(model);
  FetchOptions fetch;
  fetch.hub_token = a.hub_token;
  fetch.cache_dir = a.hub_cache;
  FetchedModel fetched = unwrap(fetch_with_progress(std::move(fetch)));
  for (const std::string& note : fetched.notes) spdlog::info("{}", note);
  return std::move(fetched.path);
}

void write_port(const std::string& path, std::uint16_t port) {
  OutputFile file = unwrap(OutputFile::open(path));
  unwrap(file.append(fmt::format("{}\n", port)));
  unwrap(file.commit());
}

// The file first: whoever reads that the server listens finds the port in it.
void announce(const ServeArguments& a, std::uint16_t port) {
  if (!a.port_file.empty()) write_port(a.port_file, port);
  const std::string& host = a.serve.http.hostname;
  const bool v6 = host.find(':') != std::string::npos;
  spdlog::info("listening on {}://{}:{}", a.serve.http.tls_cert.empty() ? "http" : "https",
               v6 ? "[" + host + "]" : host, port);
}

int serve(ServeArguments& a) {
  if (a.serve.http.tls_cert.empty() != a.serve.http.tls_key.empty()) {
    throw Failure(kWrongUsage, "--tls-cert and --tls-key: expected both or neither.");
  }
  if (!a.otlp_endpoint.empty())
    spdlog::warn("--otlp-endpoint: no traces are sent; traceparent is passed on.");
  a.serve.http.stop_timeout = std::chrono::seconds(a.stop_timeout_s);
  a.serve.http.request_timeout = std::chrono::seconds(a.request_timeout_s);
  a.model.dtype = dtype_of(a.dtype);
  const std::filesystem::path path = find_model(a, a.model);
  a.serve.model_id = a.model_id.empty() ? "google/embeddinggemma-300m" : a.model_id;
  Embedder embedder = load_embedder(a.model, path);
  if (!a.prompt_name.empty()) {
    a.serve.default_prompt = unwrap_usage(embedder.prompts().prefix(a.prompt_name));
  }
  server::ServeHooks hooks;
  hooks.listening = [&](std::uint16_t port) { announce(a, port); };
  hooks.stop = interrupted;
  unwrap(server::serve(std::move(embedder), a.serve, hooks));
  return kDone;
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("serve", "Answer HTTP: TEI's, OpenAI's and Ollama's interfaces");
  auto arguments = std::make_shared<ServeArguments>();
  add_model_options(command, *arguments);
  add_limit_options(command, *arguments);
  add_network_options(command, *arguments);
  add_accepted_options(command, *arguments);
  command.footer(
      "Options have the names of text-embeddings-inference; each is also read from the environment, in\n"
      "capitals: MAX_BATCH_TOKENS. docs/server.md lists routes, limits and metrics.\n\n"
      "Example:\n  gemvec serve --port 8080");
  command.callback([&command, arguments, &action] {
    action = [&command, arguments] {
      take_hostname_variable(command, arguments->serve.http);
      return serve(*arguments);
    };
  });
}

}  // namespace gemvec::cli
