// The C API's rectangles: ids with a mask, as ONNX Runtime takes them.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/try.h"
#include "capi/objects.h"

namespace gemvec::capi {

namespace {

// The tokens of one row: [begin, end).
struct Run {
  std::size_t begin = 0, end = 0;
};

// Where the mask of a row is 1.
Result<Run> run_of(std::span<const std::int64_t> mask, std::size_t row) {
  Run run;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    if (mask[i] != 1) {
      return invalid(fmt::format("attention_mask[{}, {}] {}: expected 0 or 1.", row, i, mask[i]));
    }
    if (run.end == 0) {
      run = {i, i + 1};
    } else if (run.end == i) {
      run.end = i + 1;
    } else {
      return invalid(
          fmt::format("attention_mask[{}, {}]: is 1 behind a 0 at {}; expected padding before or behind the "
                      "tokens of a row, not between them.",
                      row, i, run.end));
    }
  }
  if (run.end == 0)
    return invalid(fmt::format("attention_mask[{}]: has no 1; expected a token at least.", row));
  return run;
}

// The lists of a rectangle: `ids` one after the other, and where each lies in its row.
struct Lists {
  std::vector<std::int32_t> ids;
  std::vector<Run> runs;
};

Result<Lists> lists_of(const gemvec_model& model, const std::int64_t* ids, const std::int64_t* mask,
                       std::size_t rows, std::size_t tokens) {
  Lists lists;
  const auto vocab = static_cast<std::int64_t>(model.info.vocab);
  for (std::size_t row = 0; row < rows; ++row) {
    Run run{0, tokens};
    if (mask != nullptr) {
      GEMVEC_TRY(found, run_of({mask + row * tokens, tokens}, row));
      run = found;
    }
    if (run.end - run.begin > model.info.max_tokens) {
      return invalid(fmt::format("input_ids[{}]: {} tokens, expected {} at most.", row, run.end - run.begin,
                                 model.info.max_tokens));
    }
    for (std::size_t i = run.begin; i < run.end; ++i) {
      const std::int64_t id = ids[row * tokens + i];
      if (id < 0 || id >= vocab) {
        return invalid(fmt::format("input_ids[{}, {}] {}: expected 0 to {}.", row, i, id, vocab - 1));
      }
      lists.ids.push_back(static_cast<std::int32_t>(id));
    }
    lists.runs.push_back(run);
  }
  return lists;
}

// Rows of the tokens alone to rows of the rectangle, with zeros where padding is.
void spread(const std::vector<Run>& runs, std::size_t tokens, gemvec_result& result) {
  const std::size_t width = result.tokens.size() / std::max<std::size_t>(1, result.offsets.back());
  std::vector<float> rectangle(runs.size() * tokens * width);
  for (std::size_t row = 0; row < runs.size(); ++row) {
    const std::size_t from = result.offsets[row] * width;
    const std::size_t count = (runs[row].end - runs[row].begin) * width;
    std::copy_n(result.tokens.begin() + static_cast<std::ptrdiff_t>(from), count,
                rectangle.begin() + static_cast<std::ptrdiff_t>((row * tokens + runs[row].begin) * width));
  }
  result.tokens = std::move(rectangle);
  for (std::size_t row = 0; row <= runs.size(); ++row) result.offsets[row] = row * tokens;
}

Status check_shape(std::size_t rows, std::size_t tokens) {
  if (rows != 0 && tokens == 0) return invalid("input_ids: the rows have no tokens.");
  // Far more than any memory holds, and no product of it overflows.
  constexpr std::size_t kMost = std::size_t{1} << 48;
  if (tokens != 0 && rows > kMost / tokens) {
    return invalid(fmt::format("input_ids: {} rows of {} tokens are more than memory holds.", rows, tokens));
  }
  return {};
}

Result<gemvec_result> embed_rectangle(const gemvec_model& model, const std::int64_t* ids,
                                      const std::int64_t* mask, std::size_t rows, std::size_t tokens,
                                      const Call& call) {
  GEMVEC_CHECK_OK(check_shape(rows, tokens));
  GEMVEC_TRY(lists, lists_of(model, ids, mask, rows, tokens));
  std::vector<std::span<const std::int32_t>> spans;
  std::size_t at = 0;
  bool full = true;
  for (const Run& run : lists.runs) {
    spans.push_back(std::span<const std::int32_t>(lists.ids).subspan(at, run.end - run.begin));
    at += run.end - run.begin;
    full = full && run.end - run.begin == tokens;
  }
  GEMVEC_TRY(result, embed_lists(model, spans, call));
  if (!result.offsets.empty() && !full) spread(lists.runs, tokens, result);
  return result;
}

}  // namespace

}  // namespace gemvec::capi

gemvec_status gemvec_embed_padded(const gemvec_model* model, const int64_t* input_ids,
                                  const int64_t* attention_mask, size_t rows, size_t tokens,
                                  const gemvec_embed_options* options, gemvec_result** out) {
  using namespace gemvec::capi;  // NOLINT: a C function's body
  return guarded([&]() -> gemvec::Status {
    GEMVEC_CHECK_OK(usable(model));
    if (out == nullptr) return null("out");
    if (input_ids == nullptr && rows != 0 && tokens != 0) return null("input_ids");
    Call call;
    GEMVEC_CHECK_OK(read_call(*model, options, call));
    GEMVEC_TRY(result, embed_rectangle(*model, input_ids, attention_mask, rows, tokens, call));
    *out = std::make_unique<gemvec_result>(std::move(result)).release();
    return {};
  });
}
