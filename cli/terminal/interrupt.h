// Ctrl-C and termination as a state that long work polls, so that it can stop between two records.
#pragma once

namespace gemvec::cli {

// From now on SIGINT and SIGTERM only set the state below (a second one kills at once), and a closed
// pipe is an error of write() instead of a signal. Signals that the parent had ignored stay ignored.
void catch_signals();

[[nodiscard]] bool interrupted();

// 130 after SIGINT, 143 after SIGTERM, as shells report them; 0 if neither has come.
[[nodiscard]] int interrupt_exit_code();

// A file descriptor that becomes readable with the first signal, for poll(); -1 before catch_signals().
[[nodiscard]] int interrupt_fd();

}  // namespace gemvec::cli
