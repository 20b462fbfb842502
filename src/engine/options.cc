// Names of options, and where the cache is.
#include <cstdlib>
#include <string>

#include "gemvec/embedder.h"

namespace gemvec {

std::filesystem::path default_cache_dir() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const auto own = variable("GEMVEC_CACHE"); !own.empty()) return own;
  if (const auto xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg / "gemvec";
  if (const auto home = variable("HOME"); !home.empty()) return home / ".cache" / "gemvec";
  return {};
}

Result<DType> parse_dtype(std::string_view name) {
  if (name == "fp32") return DType::kFp32;
  if (name == "bf16") return DType::kBf16;
  if (name == "q8") return DType::kQ8;
  if (name == "q4") return DType::kQ4;
  if (name == "mixed") return DType::kMixed;
  return Error{ErrorCode::kInvalidArgument,
               "dtype '" + std::string(name) + "': expected one of fp32, bf16, q8, q4, mixed."};
}

Result<Compute> parse_compute(std::string_view name) {
  if (name == "native") return Compute::kNative;
  if (name == "fp32") return Compute::kFp32;
  return Error{ErrorCode::kInvalidArgument,
               "compute '" + std::string(name) + "': expected one of native, fp32."};
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::kFp32:
      return "fp32";
    case DType::kBf16:
      return "bf16";
    case DType::kQ8:
      return "q8";
    case DType::kQ4:
      return "q4";
    case DType::kMixed:
      return "mixed";
  }
  return "";
}

std::string_view name_of(Compute compute) { return compute == Compute::kFp32 ? "fp32" : "native"; }

}  // namespace gemvec
