// CSV with a header row, through libcsv.
#include "cli/io/csv_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <utility>

#include "cli/io/record_parse.h"

namespace gemvec::cli {

namespace {

// libcsv lets its buffer grow by this much at a time; its own 128 bytes make a field of 10 MB slow.
constexpr std::size_t kFieldGrowthBytes = std::size_t{64} << 10;

int no_space(unsigned char /*character*/) { return 0; }

}  // namespace

CsvReader::CsvReader(LineReader lines, ReaderOptions options)
    : lines_(std::move(lines)), options_(std::move(options)) {
  // Strict: a stray quote is an error of the file rather than a guess of ours.
  csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI);
  csv_set_blk_size(&parser_, kFieldGrowthBytes);
  csv_set_space_func(&parser_, no_space);  // spaces around a field belong to the text
}

CsvReader::~CsvReader() { csv_free(&parser_); }

void CsvReader::on_field(void* bytes, std::size_t size, void* self) {
  static_cast<CsvReader*>(self)->current_.fields.emplace_back(static_cast<const char*>(bytes), size);
}

void CsvReader::on_row(int /*terminator*/, void* self) {
  auto& reader = *static_cast<CsvReader*>(self);
  reader.complete_.push_back(std::exchange(reader.current_, Row{{}, reader.lines_.line_number()}));
}

std::string CsvReader::where(std::uint64_t line) const { return fmt::format("{}:{}", lines_.name(), line); }

Error CsvReader::parse_error() const {
  if (csv_error(const_cast<csv_parser*>(&parser_)) == CSV_ENOMEM) {
    return {ErrorCode::kIo, fmt::format("{}: out of memory for one field.", lines_.where())};
  }
  return {
      ErrorCode::kBadFormat,
      fmt::format("{}: not valid CSV: a quote stands inside a field that is not quoted, or text follows a "
                  "closing quote (a quote inside a quoted field is written twice).",
                  lines_.where())};
}

Status CsvReader::finish() {
  ended_ = true;
  if (csv_fini(&parser_, on_field, on_row, this) == 0) return {};
  return Error{
      ErrorCode::kBadFormat,
      fmt::format("{}: not valid CSV: the quoted field that begins in the row of line {} never ends.",
                  lines_.where(), current_.line)};
}

// Gives the parser one more line. A row may take several (quoted line breaks), and a line may hold
// several rows (bare carriage returns).
Status CsvReader::read_line() {
  std::string_view line;
  auto more = lines_.next_raw(line);
  if (!more.ok()) return std::move(more).error();
  if (!*more) return finish();
  const bool row_begins = current_.fields.empty() && parser_.quoted == 0;
  if (row_begins) {
    current_.line = lines_.line_number();
    row_bytes_ = 0;
  }
  row_bytes_ += line.size();
  if (row_bytes_ > lines_.max_bytes()) {
    return Error{ErrorCode::kBadFormat,
                 fmt::format("{}: the row is longer than {} bytes, the most that is read as one record.",
                             where(current_.line), lines_.max_bytes())};
  }
  if (csv_parse(&parser_, line.data(), line.size(), on_field, on_row, this) != line.size())
    return parse_error();
  return {};
}

Result<bool> CsvReader::next_row(Row& row) {
  while (complete_.empty() && !ended_) {
    if (auto status = read_line(); !status.ok()) return std::move(status).error();
  }
  if (complete_.empty()) return false;
  row = std::move(complete_.front());
  complete_.pop_front();
  return true;
}

Result<std::optional<std::size_t>> CsvReader::find_column(const std::string& name) const {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    if (header_[i] != name) continue;
    if (found) {
      return Error{ErrorCode::kBadFormat,
                   fmt::format("{}: the header has the column \"{}\" twice.", lines_.name(), name)};
    }
    found = i;
  }
  return found;
}

Status CsvReader::read_header() {
  header_read_ = true;
  Row row;
  auto more = next_row(row);
  if (!more.ok()) return std::move(more).error();
  if (!*more) return {};  // an empty file has no rows, and needs no header to say so
  header_ = std::move(row.fields);
  auto text = find_column(options_.field);
  if (!text.ok()) return std::move(text).error();
  if (!*text) {
    return Error{ErrorCode::kBadFormat,
                 fmt::format("{}: the header has no column \"{}\" (--field); it has: {}.", where(row.line),
                             options_.field, fmt::join(header_, ", "))};
  }
  text_column_ = **text;
  auto id = find_column(options_.id_field);
  if (!id.ok()) return std::move(id).error();
  id_column_ = *id;
  if (options_.title_field.empty()) return {};
  auto title = find_column(options_.title_field);
  if (!title.ok()) return std::move(title).error();
  title_column_ = *title;
  return {};
}

Result<bool> CsvReader::next(TextRecord& record) {
  if (!header_read_) {
    if (auto status = read_header(); !status.ok()) return std::move(status).error();
  }
  Row row;
  auto more = next_row(row);
  if (!more.ok() || !*more) return more;
  record.where = where(row.line);
  if (row.fields.size() != header_.size()) {
    return Error{ErrorCode::kBadFormat,
                 fmt::format("{}: the row has {} fields where the header has {} (a comma inside a text needs "
                             "quotes around it).",
                             record.where, row.fields.size(), header_.size())};
  }
  if (id_column_) record.id = RecordId{row.fields[*id_column_], true};
  if (title_column_ && !row.fields[*title_column_].empty()) record.title = row.fields[*title_column_];
  if (!options_.ids) {
    record.text = std::move(row.fields[text_column_]);
    return true;
  }
  auto ids = parse_ids(row.fields[text_column_], record.where);
  if (!ids.ok()) return std::move(ids).error();
  record.ids = std::move(*ids);
  return true;
}

}  // namespace gemvec::cli
