// Any bytes as a text: ids inside the table, offsets that tile the text, and the tokens that the plainest
// form of the algorithm gives.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "gemvec/tokenizer.h"
#include "tokenizer/tiny_tokenizer.h"

namespace {

struct Subject {
  gemvec::testing::TinyTokenizer tiny;
  std::optional<gemvec::Tokenizer> tokenizer;
};

std::vector<Subject> make_subjects() {
  std::vector<Subject> subjects;
  std::mt19937 bits(1);
  subjects.push_back({gemvec::testing::tiny_tokenizer(), {}});
  using gemvec::testing::Merges;
  for (const Merges merges : {Merges::kText, Merges::kBytes, Merges::kDense, Merges::kText, Merges::kDense}) {
    subjects.push_back({gemvec::testing::random_tokenizer(bits, merges), {}});
  }
  for (Subject& subject : subjects) {
    auto loaded = gemvec::Tokenizer::from_json(subject.tiny.text());
    if (!loaded.ok()) std::abort();
    subject.tokenizer.emplace(std::move(loaded).value());
  }
  return subjects;
}

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Subject> kSubjects = make_subjects();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Subject& subject = kSubjects[data[0] / 2 % kSubjects.size()];
  const bool parse_control = data[0] % 2 == 0;
  gemvec::TokenizeOptions options;
  options.max_tokens = 0;
  options.add_bos_eos = false;
  options.offsets = true;
  options.control_text = parse_control ? gemvec::ControlText::kParse : gemvec::ControlText::kText;
  const auto encoding = subject.tokenizer->encode(text, options);
  check(encoding.ok());
  const auto expected = gemvec::testing::reference_encode(subject.tiny, text, parse_control);
  check(encoding->ids.size() == expected.size() && encoding->offsets.size() == expected.size());
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    check(encoding->ids[i] >= 0 && static_cast<std::size_t>(encoding->ids[i]) < subject.tiny.pieces.size());
    check(encoding->ids[i] == expected[i].id);
    check(encoding->offsets[i].begin == at && encoding->offsets[i].end >= at);
    at = encoding->offsets[i].end;
  }
  check(at == text.size());
  return 0;
}
