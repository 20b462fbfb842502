// A .gemvec file with damage, most of it behind checksums that are right again: refused with a message that
// names the file, or a model whose parts lie inside the bytes and whose tokenizer stays inside its tables.
//
// The first byte chooses: the bytes that follow are the whole file; or its description, with `config` and
// all; or edits of a good file, whose checksums are then made to fit or left as they are.
#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/aligned.h"
#include "base/piece_hash.h"
#include "formats/bundle.h"
#include "source/bundle_model.h"
#include "source/model_config.h"
#include "support/tiny_model.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace {

using gemvec::formats::Bundle;
using gemvec::formats::BundlePart;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHeaderHash = 24, kEntries = 40, kEntryBytes = 40;  // docs/formats/gemvec.md
constexpr std::array kParts = {BundlePart::kDescription, BundlePart::kTokenizer, BundlePart::kWeights};

template <class T>
T get(const Bytes& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

template <class T>
void set(Bytes& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

// The parts of a good file of one layer: its weights are zeros, which nobody reads here.
struct Good {
  std::string description;
  Bytes tokenizer;
  std::size_t weight_bytes = 0, verified_bytes = 0;
};

Good make_good() {
  const auto tiny = gemvec::testing::make_tiny_model(
      {.layers = 1, .width = 32, .heads = 1, .head_dim = 32, .ffn = 32, .dense_width = 32});
  const auto config = gemvec::source::parse_model_config(boost::json::serialize(tiny.config), "config.json");
  const auto tokenizer = gemvec::Tokenizer::from_json(boost::json::serialize(tiny.tokenizer));
  if (!config.ok() || !tokenizer.ok()) std::abort();
  gemvec::source::ModelSource source;
  source.config = config->config;
  source.config.dense_width = 32;
  Good good;
  good.description =
      gemvec::source::describe_model(source, gemvec::model::WeightType::kQ8Whole, tiny.sentence_transformers);
  const auto& tables = gemvec::tokenizer::Internals::tables(*tokenizer);
  good.tokenizer.resize(gemvec::tokenizer::packed_bytes(tables));
  gemvec::tokenizer::pack_tables(tables, good.tokenizer);
  const auto layout = gemvec::model::PackedLayout::of(source.config, gemvec::model::WeightType::kQ8Whole);
  good.weight_bytes = layout.bytes;
  good.verified_bytes = layout.verified_bytes;
  return good;
}

// Where a checksum's bytes are inside the file, they get the one that fits.
void fix_checksums(Bytes& file) {
  if (file.size() < kPage) return;
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const std::size_t entry = kEntries + i * kEntryBytes;
    const auto offset = get<std::uint64_t>(file, entry + 8), verified = get<std::uint64_t>(file, entry + 24);
    if (offset > file.size() || verified > file.size() - offset) continue;
    set(file, entry + 32, gemvec::base::hash_pieces(std::span(file).subspan(offset, verified), nullptr));
  }
  set(file, kHeaderHash, std::uint64_t{0});
  set(file, kHeaderHash, static_cast<std::uint64_t>(XXH3_64bits(file.data(), kPage)));
}

Bytes make_file(std::string_view description, const Good& good) {
  Bytes file(kPage);
  std::memcpy(file.data(), "GEMVECMD", 8);
  set(file, 8, std::uint32_t{1});
  set(file, 12, std::uint32_t{0x01020304});
  set(file, 32, std::uint64_t{kParts.size()});
  const std::uint32_t versions[] = {gemvec::source::kDescriptionVersion,
                                    gemvec::tokenizer::kPackedTablesVersion,
                                    gemvec::source::kPackedWeightsVersion};
  const std::size_t sizes[] = {description.size(), good.tokenizer.size(), good.weight_bytes};
  const std::size_t verified[] = {description.size(), good.tokenizer.size(), good.verified_bytes};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const std::size_t entry = kEntries + i * kEntryBytes;
    set(file, entry, static_cast<std::uint32_t>(kParts[i]));
    set(file, entry + 4, versions[i]);
    set(file, entry + 8, std::uint64_t{file.size()});
    set(file, entry + 16, std::uint64_t{sizes[i]});
    set(file, entry + 24, std::uint64_t{verified[i]});
    const std::size_t at = file.size();
    file.resize((at + sizes[i] + kPage - 1) / kPage * kPage);
    if (i == 0) std::memcpy(file.data() + at, description.data(), description.size());
    if (i == 1) std::copy(good.tokenizer.begin(), good.tokenizer.end(), file.begin() + static_cast<long>(at));
  }
  set(file, 16, std::uint64_t{file.size()});
  fix_checksums(file);
  return file;
}

// Each edit is 8 bytes: kind and place (1 + 3), value (4). The header, which is small, is as likely to be hit
// as all of the rest.
void edit(Bytes& file, std::string_view edits) {
  constexpr std::size_t kHeaderBytes = kEntries + kParts.size() * kEntryBytes;
  for (; edits.size() >= 8 && file.size() >= kPage; edits.remove_prefix(8)) {
    std::uint32_t words[2];
    std::memcpy(words, edits.data(), sizeof(words));
    const unsigned kind = words[0] & 7;
    const std::size_t range = kind & 1 ? kHeaderBytes : file.size();
    const std::size_t at = (words[0] >> 8) * 4 % range / 4 * 4;
    if (kind < 2) set(file, at, words[1]);
    if (kind == 2 || kind == 3) set(file, at, get<std::uint32_t>(file, at) + words[1] % 8192 - 4096);
    if (kind == 4 || kind == 5) set(file, at, get<std::uint32_t>(file, at) ^ 1U << (words[1] & 31));
    if (kind == 6) file.resize(words[1] % (file.size() + kPage + 1));
    if (kind == 7) file[at + (words[1] & 3)] = static_cast<std::byte>(words[1] >> 8);
  }
}

bool is_inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
  const std::less_equal<> not_after;
  return part.empty() || (not_after(whole.data(), part.data()) &&
                          not_after(part.data() + part.size(), whole.data() + whole.size()));
}

void expect_named(const gemvec::Error& error) {
  if (!error.message.starts_with("fuzz.gemvec: ")) std::abort();
}

void use_tokenizer(const gemvec::source::ModelSource& source) {
  const auto tokenizer = gemvec::source::bundle_tokenizer(source);
  if (!tokenizer.ok()) return expect_named(tokenizer.error());
  const auto encoding = tokenizer->encode("hello  world\n\n<b>the</b><bos>\xF0\x9F\x98\x80\xFF");
  if (!encoding.ok()) std::abort();
  for (const std::int32_t id : encoding->ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokenizer->vocab_size()) std::abort();
  }
}

void check(std::span<const std::byte> bytes) {
  auto opened = Bundle::parse(bytes, "fuzz.gemvec");
  if (!opened.ok()) return expect_named(opened.error());
  const auto bundle = std::make_shared<const Bundle>(std::move(opened).value());
  for (const BundlePart part : kParts) {
    if (!is_inside(bundle->bytes(part), bytes)) std::abort();
    if (bundle->section(part).bytes != bundle->bytes(part).size()) std::abort();
    if (const auto good = bundle->check(part, nullptr); !good.ok()) expect_named(good.error());
  }
  const auto source = gemvec::source::read_bundle(bundle, "fuzz.gemvec");
  if (!source.ok()) return expect_named(source.error());
  // The kernels trust these sizes.
  const auto layout = gemvec::model::PackedLayout::of(source->config, source->packed_type);
  const auto weights = bundle->bytes(BundlePart::kWeights);
  if (layout.bytes != weights.size() || layout.embedding > weights.size()) std::abort();
  if (source->config.layers == 0 || source->config.full_attention.size() != source->config.layers)
    std::abort();
  use_tokenizer(*source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Good kGood = make_good();
  static const Bytes kFile = make_file(kGood.description, kGood);
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  Bytes file;
  if (data[0] % 8 == 0) {
    const auto bytes = std::as_bytes(std::span(rest));
    file.assign(bytes.begin(), bytes.end());
  } else if (data[0] % 8 < 4) {
    file = make_file(rest, kGood);
  } else {
    file = kFile;
    edit(file, rest);
    if (data[0] % 8 != 7) fix_checksums(file);
  }
  // Aligned as in a file, and with nothing that may be read behind it.
  auto buffer = gemvec::base::AlignedBuffer<std::byte>::create(file.size());
  if (!buffer.ok()) std::abort();
  std::copy(file.begin(), file.end(), buffer->data());
  check({buffer->data(), file.size()});
  return 0;
}
