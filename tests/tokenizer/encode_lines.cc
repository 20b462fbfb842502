// encode_lines TOKENIZER_JSON [text]: the token ids of each text on standard input, one line per text.
//
// A text comes as its number of bytes in decimal, a newline, and the bytes, so that it may have any bytes.
// Without BOS and EOS. With "text" control strings are ordinary text.
#include <charconv>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

#include "gemvec/tokenizer.h"

namespace {

// False at the end of the input, or if it is not of the form above.
bool read_text(std::string& text) {
  std::string line;
  std::size_t size = 0;
  if (!std::getline(std::cin, line)) return false;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size);
  if (error != std::errc() || end != line.data() + line.size()) return false;
  text.resize(size);
  return static_cast<bool>(std::cin.read(text.data(), static_cast<std::streamsize>(size)));
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  if (argc < 2) return 2;
  const auto tokenizer = gemvec::Tokenizer::from_file(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.error().message << "\n";
    return 1;
  }
  gemvec::TokenizeOptions options;
  options.max_tokens = 0;
  options.add_bos_eos = false;
  if (argc > 2 && std::string_view(argv[2]) == "text") options.control_text = gemvec::ControlText::kText;
  for (std::string text, line; read_text(text);) {
    const auto encoding = tokenizer->encode(text, options);
    if (!encoding.ok()) return 1;
    line.clear();
    for (const std::int32_t id : encoding->ids) line += std::to_string(id) + " ";
    line += "\n";
    std::cout << line;
  }
  return std::cout.flush() ? 0 : 1;
}
