#include "formats/onnx_tensor.h"

#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors.h"

namespace gemvec::formats {

namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxRank = 16;

// Field numbers of TensorProto and StringStringEntryProto.
enum TensorField : protozero::pbf_tag_type {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kExternalData = 13,
  kDataLocation = 14,
};
enum EntryField : protozero::pbf_tag_type { kKey = 1, kValue = 2 };
constexpr std::int64_t kLocationExternal = 1;

struct TypeName {
  OnnxType type;
  unsigned bits;
  std::string_view name;
};
constexpr std::array kTypes = {
    TypeName{OnnxType::kFloat, 32, "float"},
    TypeName{OnnxType::kUint8, 8, "uint8"},
    TypeName{OnnxType::kInt8, 8, "int8"},
    TypeName{OnnxType::kUint16, 16, "uint16"},
    TypeName{OnnxType::kInt16, 16, "int16"},
    TypeName{OnnxType::kInt32, 32, "int32"},
    TypeName{OnnxType::kInt64, 64, "int64"},
    TypeName{OnnxType::kBool, 8, "bool"},
    TypeName{OnnxType::kFloat16, 16, "float16"},
    TypeName{OnnxType::kDouble, 64, "double"},
    TypeName{OnnxType::kUint32, 32, "uint32"},
    TypeName{OnnxType::kUint64, 64, "uint64"},
    TypeName{OnnxType::kComplex64, 64, "complex64"},
    TypeName{OnnxType::kComplex128, 128, "complex128"},
    TypeName{OnnxType::kBfloat16, 16, "bfloat16"},
    TypeName{OnnxType::kFloat8E4M3, 8, "float8e4m3fn"},
    TypeName{OnnxType::kFloat8E4M3Uz, 8, "float8e4m3fnuz"},
    TypeName{OnnxType::kFloat8E5M2, 8, "float8e5m2"},
    TypeName{OnnxType::kFloat8E5M2Uz, 8, "float8e5m2fnuz"},
    TypeName{OnnxType::kUint4, 4, "uint4"},
    TypeName{OnnxType::kInt4, 4, "int4"},
    TypeName{OnnxType::kFloat4, 4, "float4e2m1"},
};

const TypeName* type_of(std::int64_t number) {
  for (const TypeName& known : kTypes) {
    if (static_cast<std::int64_t>(known.type) == number) return &known;
  }
  return nullptr;
}

std::string_view as_string(protozero::data_view view) { return {view.data(), view.size()}; }
std::span<const std::byte> as_bytes(protozero::data_view view) {
  return std::as_bytes(std::span(view.data(), view.size()));
}

// What the message says, before any of it is believed. Numbers may come in several pieces of a field, which
// protobuf allows and writers do not do; then they are put together in `numbers`.
struct RawTensorProto {
  std::string_view name;
  std::int64_t type = 0;
  std::vector<std::uint64_t> dims;
  bool negative_dim = false, too_many_dims = false, segmented = false;
  std::optional<std::span<const std::byte>> raw_data;
  std::vector<std::byte> numbers;  // of a typed field, converted to the tensor's own type
  bool has_numbers = false;
  std::int64_t location = 0;
  std::optional<std::string_view> file, offset, length;  // external data
};

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
  std::array<std::byte, sizeof(T)> raw;
  std::memcpy(raw.data(), &value, sizeof(T));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

// An integer of a typed field in the size that the tensor's type has: truncated, as its writer meant it.
void append_integer(std::vector<std::byte>& bytes, unsigned bits, std::int64_t value) {
  switch (bits) {
    case 4:  // two of them in each integer already
    case 8:
      return append(bytes, static_cast<std::uint8_t>(value));
    case 16:
      return append(bytes, static_cast<std::uint16_t>(value));
    case 32:
      return append(bytes, static_cast<std::uint32_t>(value));
    default:
      return append(bytes, value);
  }
}

class TensorMessage {
 public:
  explicit TensorMessage(pbf_reader message) : message_(message) {}

  // Two passes: the numbers' size depends on the type, which may stand behind them.
  RawTensorProto read() {
    for (pbf_reader m = message_; m.next();) first_pass(m);
    const TypeName* type = type_of(out_.type);
    if (type == nullptr || type->bits > 64) return std::move(out_);
    for (pbf_reader m = message_; m.next();) second_pass(m, type->bits);
    return std::move(out_);
  }

 private:
  void dim(std::int64_t value) {
    out_.negative_dim |= value < 0;
    out_.too_many_dims |= out_.dims.size() == kMaxRank;
    if (!out_.too_many_dims) out_.dims.push_back(static_cast<std::uint64_t>(value));
  }

  void first_pass(pbf_reader& m) {
    switch (m.tag_and_type()) {
      case tag_and_type(kDims, pbf_wire_type::length_delimited):
        for (const auto value : m.get_packed_int64()) dim(value);
        break;
      case tag_and_type(kDims, pbf_wire_type::varint):
        dim(m.get_int64());
        break;
      case tag_and_type(kDataType, pbf_wire_type::varint):
        out_.type = m.get_int64();
        break;
      case tag_and_type(kName, pbf_wire_type::length_delimited):
        out_.name = as_string(m.get_view());
        break;
      case tag_and_type(kRawData, pbf_wire_type::length_delimited):
        out_.raw_data = as_bytes(m.get_view());
        break;
      case tag_and_type(kExternalData, pbf_wire_type::length_delimited):
        entry(m.get_message());
        break;
      case tag_and_type(kDataLocation, pbf_wire_type::varint):
        out_.location = m.get_int64();
        break;
      case tag_and_type(kSegment, pbf_wire_type::length_delimited):
        out_.segmented = true;
        m.skip();
        break;
      default:
        m.skip();
    }
  }

  void second_pass(pbf_reader& m, unsigned bits) {
    std::vector<std::byte>& numbers = out_.numbers;
    const std::size_t before = numbers.size();
    switch (m.tag_and_type()) {
      case tag_and_type(kFloatData, pbf_wire_type::length_delimited):
      case tag_and_type(kDoubleData, pbf_wire_type::length_delimited): {
        const auto bytes = as_bytes(m.get_view());
        numbers.insert(numbers.end(), bytes.begin(), bytes.end());
        break;
      }
      case tag_and_type(kFloatData, pbf_wire_type::fixed32):
        append(numbers, m.get_float());
        break;
      case tag_and_type(kDoubleData, pbf_wire_type::fixed64):
        append(numbers, m.get_double());
        break;
      case tag_and_type(kInt32Data, pbf_wire_type::length_delimited):
      case tag_and_type(kInt64Data, pbf_wire_type::length_delimited):
      case tag_and_type(kUint64Data, pbf_wire_type::length_delimited):
        for (const auto value : m.get_packed_int64()) append_integer(numbers, bits, value);
        break;
      case tag_and_type(kInt32Data, pbf_wire_type::varint):
      case tag_and_type(kInt64Data, pbf_wire_type::varint):
      case tag_and_type(kUint64Data, pbf_wire_type::varint):
        append_integer(numbers, bits, m.get_int64());
        break;
      default:
        m.skip();
    }
    out_.has_numbers |= numbers.size() != before;
  }

  void entry(pbf_reader m) {
    std::string_view key, value;
    while (m.next()) {
      switch (m.tag_and_type()) {
        case tag_and_type(kKey, pbf_wire_type::length_delimited):
          key = as_string(m.get_view());
          break;
        case tag_and_type(kValue, pbf_wire_type::length_delimited):
          value = as_string(m.get_view());
          break;
        default:
          m.skip();
      }
    }
    if (key == "location") out_.file = value;
    if (key == "offset") out_.offset = value;
    if (key == "length") out_.length = value;
  }

  pbf_reader message_;
  RawTensorProto out_;
};

// The product of dims, or nothing if the tensor's bits do not fit into 64 bits.
std::optional<std::uint64_t> count_of(const std::vector<std::uint64_t>& dims, unsigned bits) {
  std::uint64_t count = 1;
  for (const std::uint64_t dim : dims) {
    if (dim != 0 && count > std::numeric_limits<std::uint64_t>::max() / bits / dim) return std::nullopt;
    count *= dim;
  }
  return count;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class TensorChecker {
 public:
  TensorChecker(RawTensorProto proto, std::string_view file) : proto_(std::move(proto)), file_(file) {}

  Result<OnnxTensor> check(const OnnxDataFiles& data_files, OnnxStorage& storage) {
    GEMVEC_CHECK_OK(check_onnx_name(file_, proto_.name));
    const TypeName* type = type_of(proto_.type);
    if (type == nullptr) {
      return bad("expected numbers of a type that ONNX knows, found type " + std::to_string(proto_.type),
                 ErrorCode::kUnsupported);
    }
    if (proto_.segmented) return bad("expected all of it, found a segment", ErrorCode::kUnsupported);
    if (proto_.too_many_dims) return bad("expected at most 16 dimensions");
    const auto count = count_of(proto_.dims, type->bits);
    if (proto_.negative_dim || !count)
      return bad("expected dimensions whose product fits into 64 bits, found " + shape());
    OnnxTensor tensor{proto_.name, type->type, proto_.dims, *count, {}, false};
    expected_ = (*count * type->bits + 7) / 8;
    type_ = type;
    if (proto_.location == kLocationExternal) {
      GEMVEC_CHECK_OK(external(tensor, data_files));
    } else if (proto_.file) {
      return bad("expected data_location EXTERNAL where a file is named");
    } else {
      GEMVEC_CHECK_OK(internal(tensor, storage));
    }
    return tensor;
  }

 private:
  [[nodiscard]] std::string shape() const {
    return proto_.negative_dim ? "a negative one" : shape_text(proto_.dims);
  }

  [[nodiscard]] Error bad(const std::string& problem, ErrorCode code = ErrorCode::kBadFormat) const {
    return bad_onnx_tensor(file_, proto_.name, problem, code);
  }

  [[nodiscard]] std::string what() const {
    return shape_text(proto_.dims) + " of " + std::string(type_->name) + " takes " +
           std::to_string(expected_) + " bytes";
  }

  Status internal(OnnxTensor& tensor, OnnxStorage& storage) {
    if (proto_.raw_data && proto_.has_numbers) return bad("expected raw_data or numbers, found both");
    if (proto_.raw_data || expected_ == 0) {
      tensor.bytes = proto_.raw_data.value_or(std::span<const std::byte>());
      tensor.is_mapped = true;
    } else {
      storage.push_back(std::move(proto_.numbers));
      tensor.bytes = storage.back();
    }
    if (tensor.bytes.size() != expected_)
      return bad(what() + ", but there are " + std::to_string(tensor.bytes.size()));
    return {};
  }

  Status external(OnnxTensor& tensor, const OnnxDataFiles& data_files) {
    if (proto_.raw_data || proto_.has_numbers)
      return bad("expected external data only, found bytes here too");
    if (!proto_.file) return bad("external data: location: expected the name of a file, found nothing");
    GEMVEC_TRY(bytes, data_files(*proto_.file));
    const std::string in = "external data in " + base::quote(*proto_.file) + ": ";
    const auto offset = whole_number(proto_.offset.value_or("0"));
    if (!offset || *offset > bytes.size()) {
      return bad(in + "offset: expected a whole number of at most " + std::to_string(bytes.size()) +
                 ", the file's size, found " + base::quote(*proto_.offset));
    }
    const std::uint64_t rest = bytes.size() - *offset;
    const auto length = proto_.length ? whole_number(*proto_.length) : rest;
    if (!length || *length > rest) {
      return bad(in + "length: expected a whole number of at most " + std::to_string(rest) +
                 ", the bytes after the offset, found " + base::quote(*proto_.length));
    }
    if (*length != expected_) return bad(in + what() + ", but there are " + std::to_string(*length));
    tensor.bytes = bytes.subspan(*offset, *length);
    tensor.is_mapped = true;
    return {};
  }

  RawTensorProto proto_;
  std::string_view file_;
  const TypeName* type_ = nullptr;
  std::uint64_t expected_ = 0;  // bytes
};

}  // namespace

std::string_view name_of(OnnxType type) {
  const TypeName* known = type_of(static_cast<std::int64_t>(type));
  return known == nullptr ? "" : known->name;
}

unsigned bits_of(OnnxType type) {
  const TypeName* known = type_of(static_cast<std::int64_t>(type));
  return known == nullptr ? 0 : known->bits;
}

Error bad_onnx_tensor(std::string_view file, std::string_view tensor, const std::string& problem,
                      ErrorCode code) {
  return {code, std::string(file) + ": tensor " + base::quote(tensor) + ": " + problem + "."};
}

Status check_onnx_name(std::string_view file, std::string_view name) {
  if (name.size() <= kMaxNameBytes) return {};
  return Error{ErrorCode::kBadFormat, std::string(file) + ": expected names of at most " +
                                          std::to_string(kMaxNameBytes) + " bytes, found " +
                                          base::quote(name) + " of " + std::to_string(name.size()) + "."};
}

Result<OnnxTensor> parse_onnx_tensor(pbf_reader message, std::string_view file,
                                     const OnnxDataFiles& data_files, OnnxStorage& storage) {
  return TensorChecker(TensorMessage(message).read(), file).check(data_files, storage);
}

}  // namespace gemvec::formats
