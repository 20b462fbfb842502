// How a command ends early.
#include "cli/commands/failure.h"

#include "cli/io/output_file.h"
#include "cli/terminal/interrupt.h"

namespace gemvec::cli {

namespace {

int exit_code_of(const Error& error) {
  return error.code == ErrorCode::kCancelled && interrupted() ? interrupt_exit_code() : kFailed;
}

}  // namespace

Failure::Failure(const Error& error) : Failure(exit_code_of(error), error.message) {}

void print(std::string_view data) {
  OutputFile output = unwrap(OutputFile::open(""));
  unwrap(output.append(data));
}

}  // namespace gemvec::cli
