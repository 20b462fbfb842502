#include "fetch/zip_reader.h"

#include <fcntl.h>
#include <minizip/unzip.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/try.h"

namespace gemvec::fetch {

Result<std::unique_ptr<ByteSource>> JoinedFiles::open(const std::vector<std::filesystem::path>& paths) {
  auto joined = std::make_unique<JoinedFiles>();
  std::uint64_t end = 0;
  for (const auto& path : paths) {
    GEMVEC_TRY(file, OpenFile::open(path, O_RDONLY));
    joined->files_.push_back(std::move(file));
    end += size_of(path);
    joined->ends_.push_back(end);
  }
  return std::unique_ptr<ByteSource>(std::move(joined));
}

bool JoinedFiles::read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), offset);
    if (end == ends_.end()) return false;
    const std::uint64_t begin = end == ends_.begin() ? 0 : *(end - 1);
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), *end - offset));
    const ssize_t got = ::pread(files_[static_cast<std::size_t>(end - ends_.begin())].fd(), out.data(), count,
                                static_cast<off_t>(offset - begin));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

// What minizip reads through: it knows a file by read, seek and tell.
struct ZipReader::Stream {
  std::unique_ptr<ByteSource> source;
  std::uint64_t at = 0;
  bool failed = false;  // the source could not be read: not the zip's fault
  unzFile zip = nullptr;

  static voidpf open(voidpf opaque, const void*, int) { return opaque; }

  static uLong read(voidpf, voidpf stream, void* buffer, uLong size) {
    auto& self = *static_cast<Stream*>(stream);
    if (self.at >= self.source->size()) return 0;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, self.source->size() - self.at));
    if (!self.source->read(self.at, {static_cast<std::byte*>(buffer), count})) {
      self.failed = true;
      return 0;
    }
    self.at += count;
    return count;
  }

  static uLong write(voidpf, voidpf, const void*, uLong) { return 0; }
  static ZPOS64_T tell(voidpf, voidpf stream) { return static_cast<Stream*>(stream)->at; }

  static long seek(voidpf, voidpf stream, ZPOS64_T offset, int origin) {
    auto& self = *static_cast<Stream*>(stream);
    std::uint64_t from = 0;
    if (origin == ZLIB_FILEFUNC_SEEK_CUR) from = self.at;
    if (origin == ZLIB_FILEFUNC_SEEK_END) from = self.source->size();
    const std::uint64_t to = from + offset;
    if (to < from || to > self.source->size()) return -1;
    self.at = to;
    return 0;
  }

  static int close(voidpf, voidpf) { return 0; }
  static int error(voidpf, voidpf stream) { return static_cast<Stream*>(stream)->failed ? 1 : 0; }
};

Result<std::unique_ptr<ZipReader>> ZipReader::open(std::unique_ptr<ByteSource> source, std::string name) {
  std::unique_ptr<ZipReader> reader(new ZipReader);
  reader->name_ = std::move(name);
  reader->stream_ = std::make_unique<Stream>();
  reader->stream_->source = std::move(source);
  zlib_filefunc64_def functions{};
  functions.zopen64_file = Stream::open;
  functions.zread_file = Stream::read;
  functions.zwrite_file = Stream::write;
  functions.ztell64_file = Stream::tell;
  functions.zseek64_file = Stream::seek;
  functions.zclose_file = Stream::close;
  functions.zerror_file = Stream::error;
  functions.opaque = reader->stream_.get();
  reader->stream_->zip = unzOpen2_64(reader->name_.c_str(), &functions);
  if (reader->stream_->zip == nullptr)
    return Error{ErrorCode::kBadFormat, reader->name_ + ": expected a zip file, found no directory of one."};
  GEMVEC_CHECK_OK(reader->list());
  return reader;
}

ZipReader::~ZipReader() {
  if (stream_ != nullptr && stream_->zip != nullptr) unzClose(stream_->zip);
}

Error ZipReader::damaged(std::string_view member, std::string_view what) const {
  if (stream_->failed)
    return {ErrorCode::kIo, name_ + ": cannot read '" + std::string(member) + "' from the disk."};
  return {ErrorCode::kBadFormat,
          name_ + ": the member '" + std::string(member) + "' " + std::string(what) + "."};
}

Status ZipReader::list() {
  // The release's zip has 22 members and a wheel 6: a directory beyond this is not ours, and need not
  // be walked for minutes.
  constexpr std::size_t kMaxMembers = 10'000;
  std::array<char, 1024> name{};  // longer names are cut by minizip, and are none of ours
  int code = unzGoToFirstFile(stream_->zip);
  for (; code == UNZ_OK && names_.size() < kMaxMembers; code = unzGoToNextFile(stream_->zip)) {
    unz_file_info64 info{};
    code = unzGetCurrentFileInfo64(stream_->zip, &info, name.data(), name.size(), nullptr, 0, nullptr, 0);
    if (code != UNZ_OK) break;
    const std::size_t length = std::min<std::size_t>(info.size_filename, name.size());
    names_.emplace_back(name.data(), length);
  }
  if (code == UNZ_END_OF_LIST_OF_FILE) return {};
  return Error{ErrorCode::kBadFormat, name_ + ": the zip's directory is damaged after " +
                                          std::to_string(names_.size()) + " members."};
}

Status ZipReader::extract(std::string_view member, std::uint64_t max_bytes,
                          const std::function<Status(std::span<const std::byte>)>& sink) {
  const auto found = std::find(names_.begin(), names_.end(), member);
  if (found == names_.end())
    return Error{ErrorCode::kBadFormat, name_ + ": there is no member '" + std::string(member) + "'."};
  // By its place, not by unzLocateFile: that compares only the first 256 bytes of a name.
  int code = unzGoToFirstFile(stream_->zip);
  for (auto at = names_.begin(); code == UNZ_OK && at != found; ++at) code = unzGoToNextFile(stream_->zip);
  if (code != UNZ_OK || unzOpenCurrentFile(stream_->zip) != UNZ_OK)
    return damaged(member, "cannot be opened");

  std::vector<std::byte> block(1 << 18);  // 256 KiB: a few blocks of deflate at a time
  std::uint64_t done = 0;
  Status status;
  while (status.ok()) {
    const int got = unzReadCurrentFile(stream_->zip, block.data(), static_cast<unsigned>(block.size()));
    if (got == 0) break;
    if (got < 0) {
      status = damaged(member, "is damaged at byte " + std::to_string(done));
      break;
    }
    done += static_cast<std::uint64_t>(got);
    if (done > max_bytes) {
      status = damaged(member, "is larger than the expected " + std::to_string(max_bytes) + " bytes");
      break;
    }
    status = sink({block.data(), static_cast<std::size_t>(got)});
  }
  const int closed = unzCloseCurrentFile(stream_->zip);
  if (!status.ok()) return status;
  if (closed == UNZ_CRCERROR) return damaged(member, "does not match its own checksum");
  if (closed != UNZ_OK || stream_->failed) return damaged(member, "is damaged");
  return {};
}

}  // namespace gemvec::fetch
