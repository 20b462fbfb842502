// Where bytes come from: a file, standard input, or memory.
#include "cli/io/byte_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "cli/io/os_error.h"
#include "cli/terminal/interrupt.h"

namespace gemvec::cli {

FileStream::FileStream(std::string name, int fd, bool owned)
    : name_(std::move(name)), fd_(fd), owned_(owned) {}

FileStream::~FileStream() {
  if (owned_) close(fd_);
}

Result<std::unique_ptr<ByteStream>> FileStream::open(const std::string& path) {
  if (path == kStdinArgument) {
    return std::unique_ptr<ByteStream>(new FileStream(std::string(kStdinName), STDIN_FILENO, false));
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error("open", path, errno);
  return std::unique_ptr<ByteStream>(new FileStream(path, fd, true));
}

Result<std::size_t> FileStream::read(std::span<char> buffer) {
  for (;;) {
    // A pipe or a terminal may keep us waiting for ever; the pipe of the signal handler ends that.
    // Other errors of poll() are found again, with a better message, by read().
    std::array<pollfd, 2> waiting = {pollfd{fd_, POLLIN, 0}, pollfd{interrupt_fd(), POLLIN, 0}};
    poll(waiting.data(), waiting.size(), -1);
    if (interrupted()) return Error{ErrorCode::kCancelled, name_ + ": reading was interrupted."};
    const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN) return os_error("read", name_, errno);
  }
}

bool FileStream::ready() const {
  pollfd waiting = {fd_, POLLIN, 0};
  return poll(&waiting, 1, 0) != 0;
}

Result<std::size_t> StringStream::read(std::span<char> buffer) {
  const std::size_t count = std::min(buffer.size(), rest_.size());
  std::copy_n(rest_.begin(), count, buffer.begin());
  rest_.remove_prefix(count);
  return count;
}

std::uint64_t total_size(std::span<const std::string> paths) {
  std::uint64_t total = 0;
  for (const std::string& path : paths) {
    struct stat info = {};
    const int status = path == kStdinArgument ? fstat(STDIN_FILENO, &info) : stat(path.c_str(), &info);
    if (status != 0 || !S_ISREG(info.st_mode)) return 0;
    total += static_cast<std::uint64_t>(info.st_size);
  }
  return total;
}

}  // namespace gemvec::cli
