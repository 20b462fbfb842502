# Writes OUTPUT, a source file that defines what assets.h declares: the files NAMES (with commas between them) of
# FOLDER, byte by byte, each with the beginning of its SHA-256 as its ETag.
string(REPLACE "," ";" NAMES "${NAMES}")
set(arrays "")
set(table "")
set(index 0)
foreach(name IN LISTS NAMES)
  file(READ ${FOLDER}/${name} hex HEX)
  file(SHA256 ${FOLDER}/${name} digest)
  string(SUBSTRING ${digest} 0 16 digest)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr unsigned char kBytes${index}[] = {${bytes}};\n")
  string(APPEND table "    {\"${name}\", as_text(kBytes${index}, sizeof(kBytes${index})), \"\\\"${digest}\\\"\"},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(
  WRITE ${OUTPUT}
  "// Made by server/page/embed.cmake from server/page/static/.
#include \"server/page/assets.h\"

namespace gemvec::server {
namespace {

std::string_view as_text(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

${arrays}
const Asset kAssets[] = {
${table}};

}  // namespace

std::span<const Asset> assets() { return kAssets; }

}  // namespace gemvec::server
")
