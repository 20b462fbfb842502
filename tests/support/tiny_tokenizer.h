// tokenizer.json of the tiny model: the release's form and special ids over a handful of words.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>

namespace gemvec::testing {

// Ids as in the release: <pad> 0, <eos> 1, <bos> 2, <unk> 3, <mask> 4, turns 105 and 106, runs of line
// breaks 107..137, runs of spaces 138..167, HTML tags 168..237, bytes 238..493. Then letters, digits,
// punctuation, a few characters of other scripts and some merged words; <unusedN> up to `vocab`; and
// <image_soft_token> as the id `vocab`, one past the table, as in the release.
// REQUIRES: vocab >= 600
boost::json::object make_tiny_tokenizer(std::size_t vocab);

}  // namespace gemvec::testing
