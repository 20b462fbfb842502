// Any bytes as the tokenizer's packed tables, and good tables with damage, without the checksum that stands
// in front of them: refused with a message, or a tokenizer that stays inside its tables and comes to an end.
//
// The first byte chooses: the rest is the bytes themselves, or a list of edits to good tables.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/aligned.h"
#include "gemvec/tokenizer.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"
#include "tokenizer/tiny_tokenizer.h"

namespace {

using Bytes = std::vector<std::byte>;

Bytes packed(const gemvec::testing::TinyTokenizer& tiny) {
  const auto tokenizer = gemvec::Tokenizer::from_json(tiny.text());
  if (!tokenizer.ok()) std::abort();
  const auto& tables = gemvec::tokenizer::Internals::tables(*tokenizer);
  Bytes bytes(gemvec::tokenizer::packed_bytes(tables));
  gemvec::tokenizer::pack_tables(tables, bytes);
  return bytes;
}

// Each edit is 8 bytes: kind and place (1 + 3), value (4). Places are multiples of 4, so that one edit
// changes one id, offset or half a slot; those of the head are as likely as those of all tables together.
void edit(Bytes& bytes, std::string_view edits) {
  constexpr std::size_t kHeadBytes = 128;
  for (; edits.size() >= 8 && bytes.size() >= kHeadBytes; edits.remove_prefix(8)) {
    std::uint32_t words[2];
    std::memcpy(words, edits.data(), sizeof(words));
    const unsigned kind = words[0] & 7;
    const std::size_t range = kind & 1 ? kHeadBytes : bytes.size();
    const std::size_t at = (words[0] >> 8) * 4 % (range / 4 * 4);
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    if (kind < 2) value = words[1];
    if (kind == 2 || kind == 3) value += words[1] & 1 ? 1 : ~std::uint32_t{0};
    if (kind == 4 || kind == 5) value ^= 1U << (words[1] & 31);
    std::memcpy(bytes.data() + at, &value, sizeof(value));
    if (kind == 6) bytes.resize(words[1] % (bytes.size() + 65));
    // The same word many times: what fills slots and chains nodes.
    if (kind == 7) {
      for (std::size_t i = at; i + 4 <= std::min(bytes.size(), at + 4096); i += 4)
        std::memcpy(bytes.data() + i, &words[1], 4);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::mt19937 bits(1);
  static const Bytes kGood[] = {
      packed(gemvec::testing::tiny_tokenizer()),
      packed(gemvec::testing::random_tokenizer(bits, gemvec::testing::Merges::kBytes)),
      packed(gemvec::testing::random_tokenizer(bits, gemvec::testing::Merges::kDense))};
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  Bytes bytes;
  if (data[0] % 8 == 0) {
    bytes.resize(rest.size());
    std::copy_n(reinterpret_cast<const std::byte*>(rest.data()), rest.size(), bytes.begin());
  } else {
    bytes = kGood[data[0] / 8 % 3];
    edit(bytes, rest);
  }
  // Aligned as in a file, and with nothing that may be read behind it.
  auto buffer = gemvec::base::AlignedBuffer<std::byte>::create(bytes.size());
  if (!buffer.ok()) std::abort();
  std::copy(bytes.begin(), bytes.end(), buffer->data());
  const auto tables = gemvec::tokenizer::view_tables({buffer->data(), bytes.size()}, "fuzz");
  if (!tables.ok()) {
    if (tables.error().code != gemvec::ErrorCode::kBadFormat) std::abort();
    if (!tables.error().message.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  const gemvec::Tokenizer tokenizer = gemvec::tokenizer::Internals::make(*tables, nullptr);
  static const std::string kText =
      "hello  world\n\n<b>lll</b><bos>\xE2\x96\x81\xE2\x96\x81\xF0\x9F\x98\x80\xFF" + std::string(300, 'a') +
      std::string(300, 'l') + std::string(100, '\xFF');
  for (const auto control : {gemvec::ControlText::kParse, gemvec::ControlText::kText}) {
    const auto encoding = tokenizer.encode(kText, {.control_text = control, .offsets = true});
    if (!encoding.ok()) std::abort();
    for (const std::int32_t id : encoding->ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= tokenizer.vocab_size()) std::abort();
      static_cast<void>(tokenizer.piece(id).size());
    }
  }
  return 0;
}
