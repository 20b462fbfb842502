// What the Python tests of GGUF files need of the library's inside.
//
//   gguf_probe tiny FOLDER                    a tiny model whose rows are whole blocks of 256
//   gguf_probe decode TYPE COLUMNS < bytes    rows of blocks to fp32
//   gguf_probe encode TYPE COLUMNS < fp32     and back
//   gguf_probe ids FILE                       ids of texts, as tests/tokenizer/encode_lines.cc reads and
//   writes gguf_probe tables FILE                    the tokenizer's tables, as their cache has them
//
// FILE is a .gguf or a tokenizer.json.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "formats/ggml_blocks.h"
#include "source/formats.h"
#include "support/tiny_model.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace {

using gemvec::formats::GgmlType;

int write_tiny(const char* folder) {
  // The release's width, so that all dimensions exist; six layers, so that one of them has full attention.
  gemvec::testing::write_tiny_model(
      folder, {.layers = 6, .width = 768, .heads = 1, .head_dim = 256, .ffn = 256, .dense_width = 256});
  return 0;
}

std::string read_all() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

int write_all(const void* data, std::size_t size) {
  return std::fwrite(data, 1, size, stdout) == size && std::fflush(stdout) == 0 ? 0 : 1;
}

int decode(GgmlType type, std::size_t columns) {
  const std::string bytes = read_all();
  const std::size_t row = gemvec::formats::ggml_row_bytes(type, columns);
  std::vector<float> out(bytes.size() / row * columns);
  for (std::size_t i = 0; i < bytes.size() / row; ++i) {
    gemvec::formats::ggml_decode_row(type, reinterpret_cast<const std::byte*>(bytes.data()) + i * row,
                                     columns, out.data() + i * columns);
  }
  return write_all(out.data(), out.size() * sizeof(float));
}

int encode(GgmlType type, std::size_t columns) {
  const std::string bytes = read_all();
  const std::size_t row = gemvec::formats::ggml_row_bytes(type, columns);
  std::vector<float> x(bytes.size() / sizeof(float));
  bytes.copy(reinterpret_cast<char*>(x.data()), x.size() * sizeof(float));
  std::vector<std::byte> out(x.size() / columns * row);
  for (std::size_t i = 0; i < x.size() / columns; ++i)
    gemvec::formats::ggml_encode_row(type, x.data() + i * columns, columns, out.data() + i * row);
  return write_all(out.data(), out.size());
}

int ids(const gemvec::Tokenizer& tokenizer) {
  std::string line, text;
  while (std::getline(std::cin, line)) {
    text.resize(std::stoul(line));
    if (!std::cin.read(text.data(), static_cast<std::streamsize>(text.size()))) return 1;
    const auto encoding = tokenizer.encode(text, {.max_tokens = 0, .add_bos_eos = false});
    if (!encoding.ok()) return 1;
    for (const std::int32_t id : encoding->ids) std::cout << id << ' ';
    std::cout << '\n';
  }
  return std::cout.flush() ? 0 : 1;
}

int tables(const gemvec::Tokenizer& tokenizer) {
  const auto& views = gemvec::tokenizer::Internals::tables(tokenizer);
  std::vector<std::byte> bytes(gemvec::tokenizer::packed_bytes(views));
  gemvec::tokenizer::pack_tables(views, bytes);
  return write_all(bytes.data(), bytes.size());
}

int run(const std::vector<std::string_view>& arguments) {
  const std::string_view command = arguments[0];
  if (command == "tiny") return write_tiny(arguments[1].data());
  if (command == "decode" || command == "encode") {
    if (arguments.size() != 3) return 2;
    const auto type = static_cast<std::uint32_t>(std::stoul(std::string(arguments[1])));
    if (gemvec::formats::ggml_traits(type) == nullptr) return 2;
    const std::size_t columns = std::stoul(std::string(arguments[2]));
    return command == "decode" ? decode(static_cast<GgmlType>(type), columns)
                               : encode(static_cast<GgmlType>(type), columns);
  }
  const auto tokenizer = gemvec::source::read_tokenizer(arguments[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  return command == "ids" ? ids(*tokenizer) : command == "tables" ? tables(*tokenizer) : 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
