// The command line as a whole: which commands there are, and what an error looks like.
#pragma once

namespace gemvec::cli {

// Runs the command that the arguments name and returns the process's exit code: 0 done, 1 failed,
// 2 wrong usage, 130 or 143 interrupted by SIGINT or SIGTERM.
int run(int argc, const char* const* argv);

}  // namespace gemvec::cli
