// The reader over several files, and the two plain formats: lines and whole files.
#include "cli/io/text_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "cli/io/csv_reader.h"
#include "cli/io/jsonl_reader.h"
#include "cli/io/record_parse.h"

namespace gemvec::cli {

namespace {

Result<bool> fill_plain(std::string text, const ReaderOptions& options, TextRecord& record) {
  if (!options.ids) {
    record.text = std::move(text);
    return true;
  }
  auto ids = parse_ids(text, record.where);
  if (!ids.ok()) return std::move(ids).error();
  record.ids = std::move(*ids);
  return true;
}

class LinesReader final : public RecordSource {
 public:
  LinesReader(LineReader lines, ReaderOptions options)
      : lines_(std::move(lines)), options_(std::move(options)) {}

  Result<bool> next(TextRecord& record) override {
    std::string_view line;
    auto more = lines_.next(line);
    if (!more.ok() || !*more) return more;
    record.where = lines_.where();
    return fill_plain(std::string(line), options_, record);
  }
  [[nodiscard]] bool ready() const override { return lines_.ready(); }
  [[nodiscard]] std::uint64_t bytes_done() const override { return lines_.bytes_done(); }

 private:
  LineReader lines_;
  ReaderOptions options_;
};

class WholeFileReader final : public RecordSource {
 public:
  WholeFileReader(LineReader lines, ReaderOptions options)
      : lines_(std::move(lines)), options_(std::move(options)) {}

  Result<bool> next(TextRecord& record) override {
    if (std::exchange(done_, true)) return false;
    auto text = lines_.rest();
    if (!text.ok()) return std::move(text).error();
    record.where = lines_.name();
    record.id = RecordId{lines_.name(), true};
    return fill_plain(std::move(*text), options_, record);
  }
  [[nodiscard]] bool ready() const override { return lines_.ready(); }
  [[nodiscard]] std::uint64_t bytes_done() const override { return lines_.bytes_done(); }

 private:
  LineReader lines_;
  ReaderOptions options_;
  bool done_ = false;
};

}  // namespace

Result<std::vector<std::int32_t>> parse_ids(std::string_view text, std::string_view where) {
  constexpr std::string_view kSpace = " \t\r\n";
  std::vector<std::int32_t> ids;
  for (std::size_t at = text.find_first_not_of(kSpace); at != std::string_view::npos;
       at = text.find_first_not_of(kSpace, at)) {
    const std::size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    std::int32_t id = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0) {
      constexpr std::size_t kShown = 20;  // enough to find it by
      return Error{ErrorCode::kBadFormat,
                   fmt::format("{}: expected token ids with spaces between them, found \"{}\".", where,
                               word.substr(0, kShown))};
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

std::unique_ptr<RecordSource> make_record_source(LineReader lines, const ReaderOptions& options) {
  switch (options.format) {
    case InputFormat::kJsonl:
      return std::make_unique<JsonlReader>(std::move(lines), options);
    case InputFormat::kCsv:
      return std::make_unique<CsvReader>(std::move(lines), options);
    case InputFormat::kFile:
      return std::make_unique<WholeFileReader>(std::move(lines), options);
    case InputFormat::kLines:
      break;
  }
  return std::make_unique<LinesReader>(std::move(lines), options);
}

TextReader::TextReader(std::vector<std::string> files, ReaderOptions options)
    : files_(std::move(files)), options_(std::move(options)) {
  if (files_.empty()) files_.emplace_back(kStdinArgument);
  bytes_total_ = total_size(files_);
}

std::uint64_t TextReader::bytes_done() const { return bytes_before_ + (source_ ? source_->bytes_done() : 0); }

Result<bool> TextReader::next(TextRecord& record) {
  record = {};
  for (;;) {
    if (source_) {
      auto more = source_->next(record);
      if (!more.ok() || *more) return more;
      bytes_before_ += source_->bytes_done();
      source_.reset();
    }
    if (next_file_ == files_.size()) return false;
    const std::string& file = files_[next_file_++];
    auto stream = FileStream::open(file);
    if (!stream.ok()) return std::move(stream).error();
    std::string name = file == kStdinArgument ? std::string(kStdinName) : file;
    source_ = make_record_source(LineReader(std::move(*stream), std::move(name), options_.max_record_bytes),
                                 options_);
  }
}

}  // namespace gemvec::cli
