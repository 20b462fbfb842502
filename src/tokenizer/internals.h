// What is behind a Tokenizer, for the engine's cache: its tables out, tables that lie in other memory in.
#pragma once

#include <memory>
#include <string_view>

#include "gemvec/tokenizer.h"
#include "tokenizer/owned_tables.h"
#include "tokenizer/tables.h"

namespace gemvec {

struct Tokenizer::Impl {
  tokenizer::OwnedTables owned;        // empty if the tables lie in `memory`
  std::shared_ptr<const void> memory;  // keeps alive what `tables` views
  tokenizer::Tables tables;
};

namespace tokenizer {

struct Internals {
  // Valid as long as the tokenizer, also when it is moved.
  static const Tables& tables(const Tokenizer& tokenizer) { return tokenizer.impl_->tables; }
  // `tables` may view what `memory` owns.
  static Tokenizer make(const Tables& tables, std::shared_ptr<const void> memory);
};

}  // namespace tokenizer
}  // namespace gemvec
