// JSON Lines: one JSON string, array of ids, or object a line.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "cli/io/text_reader.h"

namespace gemvec::cli {

class JsonlReader final : public RecordSource {
 public:
  JsonlReader(LineReader lines, ReaderOptions options);
  Result<bool> next(TextRecord& record) override;
  [[nodiscard]] bool ready() const override { return lines_.ready(); }
  [[nodiscard]] std::uint64_t bytes_done() const override { return lines_.bytes_done(); }

 private:
  Status fill_content(const boost::json::value& content, TextRecord& record) const;
  Status fill_object(const boost::json::object& object, TextRecord& record) const;
  [[nodiscard]] Error wrong(std::string_view expected, const boost::json::value& found) const;

  LineReader lines_;
  ReaderOptions options_;
};

}  // namespace gemvec::cli
