// Signal handlers: the flag, and the pipe that wakes a poll().
#include "cli/terminal/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace gemvec::cli {

namespace {

// What shells add to a signal's number to make an exit status.
constexpr int kSignalExitBase = 128;

volatile std::sig_atomic_t received_signal = 0;
std::array<int, 2> wake_pipe = {-1, -1};

extern "C" void on_signal(int signal) {
  const int saved_errno = errno;
  received_signal = signal;
  // The pipe is never full: a second signal has the default action. Nothing useful could be done
  // about a failure here; the flag is set in any case.
  [[maybe_unused]] const ssize_t written = write(wake_pipe[1], "", 1);
  errno = saved_errno;
}

void catch_one(int signal) {
  struct sigaction old = {};
  sigaction(signal, nullptr, &old);
  if (old.sa_handler == SIG_IGN) return;  // nohup, or a shell's background job
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void catch_signals() {
  if (pipe(wake_pipe.data()) == 0) {
    for (const int fd : wake_pipe) {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
      fcntl(fd, F_SETFL, O_NONBLOCK);
    }
  }
  catch_one(SIGINT);
  catch_one(SIGTERM);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

bool interrupted() { return received_signal != 0; }

int interrupt_exit_code() { return received_signal == 0 ? 0 : kSignalExitBase + received_signal; }

int interrupt_fd() { return wake_pipe[0]; }

}  // namespace gemvec::cli
