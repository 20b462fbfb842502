// A worker of bench/peers: gemvec behind the protocol of bench/peers/protocol.py, one JSON object a line.
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemvec/diagnostics.h"
#include "gemvec/embedder.h"

namespace {

namespace json = boost::json;
using gemvec::Embedder;
using Texts = std::vector<std::string>;

template <typename T>
T unwrap(gemvec::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void say(const json::object& answer) { std::cout << json::serialize(answer) << std::endl; }

void say_error(std::string_view message) { say({{"event", "error"}, {"message", message}}); }

std::string string_of(const json::object& object, std::string_view key) {
  return json::value_to<std::string>(object.at(key));
}

gemvec::Embeddings embed(const Embedder& embedder, const std::vector<std::string_view>& texts) {
  return unwrap(embedder.embed(texts));
}

Embedder load(const json::object& spec) {
  gemvec::LoadOptions options;
  options.model = string_of(spec, "model");
  options.dtype = unwrap(gemvec::parse_dtype(string_of(spec, "dtype")));
  options.compute = unwrap(gemvec::parse_compute(string_of(spec, "compute")));
  options.threads = spec.at("threads").to_number<unsigned>();
  Embedder embedder = unwrap(Embedder::load(options));
  const std::string first = string_of(spec, "first_text");
  embed(embedder, {first});
  return embedder;
}

json::object facts_of(const Embedder& embedder) {
  const gemvec::ModelInfo info = embedder.info();
  return {{"version", "gemvec " + gemvec::version()},
          {"isa", info.isa},
          {"dtype", info.dtype},
          {"compute", info.compute},
          {"packed_bytes", info.packed_bytes},
          {"packed_from_cache", info.packed_from_cache},
          {"flops_per_token", gemvec::linear_flops_per_token(info)}};
}

json::object run(const Embedder& embedder, const json::object& request, const Texts& texts) {
  const bool alone = request.contains("alone") && request.at("alone").as_bool();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> values;
  std::size_t tokens = 0;
  const auto add = [&](gemvec::Embeddings part) {
    for (const gemvec::TextInfo& info : part.texts) tokens += info.tokens;
    values = std::move(part.values);
  };
  const auto begin = std::chrono::steady_clock::now();
  if (alone) {
    for (const std::string_view text : views) add(embed(embedder, {text}));
  } else {
    add(embed(embedder, views));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (request.contains("vectors")) {
    std::ofstream file(string_of(request, "vectors"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
    if (!file.flush()) throw std::runtime_error(string_of(request, "vectors") + ": cannot be written.");
  }
  return {{"event", "ran"}, {"seconds", seconds.count()}, {"tokens", tokens}};
}

json::object answer(const Embedder& embedder, const json::object& request,
                    std::map<std::string, Texts>& all) {
  const std::string what = string_of(request, "do");
  if (what == "texts") {
    all[string_of(request, "name")] = json::value_to<Texts>(request.at("texts"));
    return {{"event", "texts"}};
  }
  if (what == "run") return run(embedder, request, all.at(string_of(request, "name")));
  if (what == "peak") return {{"event", "peak"}, {"gflops", gemvec::measure_peak_gflops(embedder)}};
  throw std::runtime_error("no such request: " + what);
}

int serve(std::string_view spec) {
  const Embedder embedder = load(json::parse(spec).as_object());
  say({{"event", "ready"}, {"facts", facts_of(embedder)}});
  std::map<std::string, Texts> texts;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      say(answer(embedder, json::parse(line).as_object(), texts));
    } catch (const std::exception& error) {
      say_error(error.what());
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::runtime_error("expected one argument, a JSON object.");
    return serve(argv[1]);
  } catch (const std::exception& error) {
    say_error(error.what());
    return 1;
  }
}
