// NumPy's .npy format, version 1.0: a header with the shape, then the numbers.
#pragma once

#include <memory>
#include <string>

#include "cli/io/record_writer.h"

namespace gemvec::cli {

// The header of a C-ordered float32 array of [rows, width], always kNpyHeaderBytes long so that it can
// be written again when the number of rows is known.
std::string npy_header(std::uint64_t rows, std::size_t width);
inline constexpr std::size_t kNpyHeaderBytes = 128;  // a multiple of 64, as the format asks

std::unique_ptr<RecordWriter> make_npy_writer(OutputFile output, const WriterOptions& options);

}  // namespace gemvec::cli
