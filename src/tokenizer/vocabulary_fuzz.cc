// Any pieces, scores and types: refused with a message, or tables that are whole and that encode any text.
//
// Input: records of a type, a score, a length and that many bytes of a piece, behind the tokens that every
// vocabulary needs; if the first byte is odd they come before these, so that ids move.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemvec/tokenizer.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"
#include "tokenizer/vocabulary.h"

namespace {

namespace tokenizer = gemvec::tokenizer;

struct Lists {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<std::int64_t> types;

  void add(std::string piece, float score, std::int64_t type) {
    pieces.push_back(std::move(piece));
    scores.push_back(score);
    types.push_back(type);
  }
};

void add_least(Lists& lists) {
  for (const char* control : {"<pad>", "<eos>", "<bos>"}) lists.add(control, 0, 3);
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte)
    lists.add(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">", 0, 6);
  for (const char* piece : {"\xE2\x96\x81", "a", "b"}) lists.add(piece, 0, 1);
}

void add_records(std::string_view input, Lists& lists) {
  while (input.size() >= 3) {
    const auto type = static_cast<std::uint8_t>(input[0]);
    const auto score = static_cast<std::int8_t>(input[1]);
    const std::size_t size = std::min<std::size_t>(static_cast<std::uint8_t>(input[2]), input.size() - 3);
    lists.add(std::string(input.substr(3, size)), score, type);
    input.remove_prefix(3 + size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  Lists lists;
  if (data[0] % 2 == 0) add_least(lists);
  add_records(input.substr(1), lists);
  if (data[0] % 2 != 0) add_least(lists);
  const std::vector<std::string_view> pieces(lists.pieces.begin(), lists.pieces.end());
  auto tables = tokenizer::build_tables({pieces, lists.scores, lists.types}, "fuzz");
  if (!tables.ok()) {
    if (tables.error().message.empty()) std::abort();
    return 0;
  }
  // What reads the cache checks every index.
  const auto memory = std::make_shared<const tokenizer::OwnedTables>(std::move(tables).value());
  const tokenizer::Tables views = memory->view();
  const std::size_t bytes = tokenizer::packed_bytes(views);
  const std::unique_ptr<std::byte[], decltype(&std::free)> block(
      static_cast<std::byte*>(std::aligned_alloc(
          tokenizer::kPackedAlignment, (bytes + tokenizer::kPackedAlignment - 1) /
                                           tokenizer::kPackedAlignment * tokenizer::kPackedAlignment)),
      &std::free);
  tokenizer::pack_tables(views, {block.get(), bytes});
  if (!tokenizer::view_tables({block.get(), bytes}, "fuzz").ok()) std::abort();
  const auto encoding = tokenizer::Internals::make(views, memory).encode(input, {.max_tokens = 0});
  if (!encoding.ok() || encoding->ids.size() < 2) std::abort();
  for (const std::int32_t id : encoding->ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= views.vocab_size()) std::abort();
  }
  return 0;
}
