// Any bytes as tokenizer.json, and a good file with damage: refused with a message, or a tokenizer whose
// ids all lie inside its table.
//
// The first byte chooses: the rest is the file itself, or a list of edits to a good file, so that the
// checks behind the JSON parser are reached.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gemvec/tokenizer.h"
#include "tokenizer/tiny_tokenizer.h"

namespace {

// Each edit is 4 bytes: place (2), length, kind; an insertion takes its bytes from what follows.
std::string edited(std::string text, std::string_view edits) {
  while (edits.size() >= 4 && !text.empty()) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(edits[i]); };
    const std::size_t place = (std::size_t{byte(0)} << 8 | byte(1)) % text.size();
    std::size_t length = byte(2) % 64;
    const unsigned kind = byte(3) % 4;
    edits.remove_prefix(4);
    if (kind == 0) {
      text.erase(place, length);
    } else if (kind == 1) {
      text.insert(place, std::string(text.substr(place, length)));
    } else {
      length = std::min(length, edits.size());
      if (kind == 2) text.erase(place, length);
      text.insert(place, edits.substr(0, length));
      edits.remove_prefix(length);
    }
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string kGood[] = {gemvec::testing::tiny_tokenizer().text(false),
                                      gemvec::testing::tiny_tokenizer().text(true)};
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string json = data[0] % 4 == 0 ? std::string(rest) : edited(kGood[data[0] & 1], rest);
  const auto tokenizer = gemvec::Tokenizer::from_json(json, "fuzz");
  if (!tokenizer.ok()) {
    if (tokenizer.error().code != gemvec::ErrorCode::kBadFormat) std::abort();
    if (!tokenizer.error().message.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  const std::string_view text = "hello  world\n\n<b>lll</b><bos>\xE2\x96\x81\xE2\x96\x81\xF0\x9F\x98\x80\xFF";
  for (const auto control : {gemvec::ControlText::kParse, gemvec::ControlText::kText}) {
    const auto encoding = tokenizer->encode(text, {.control_text = control});
    if (!encoding.ok()) std::abort();
    for (const std::int32_t id : encoding->ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= tokenizer->vocab_size()) std::abort();
    }
  }
  return 0;
}
