#include "formats/onnx.h"

#include <algorithm>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/onnx_external.h"
#include "formats/onnx_tensor.h"

namespace gemvec::formats {

namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

// The release, written out operator by operator, has some 3000 nodes and 600 constants. An entry costs about
// a hundred times the two bytes that it takes in a hostile file: these limits bound the memory.
constexpr std::size_t kMaxNodes = 1 << 17;
constexpr std::size_t kMaxTensors = 1 << 17;
constexpr std::size_t kMaxAttributes = 64;   // of a node; the operator with the most has fewer than 20
constexpr std::size_t kMaxValues = 1 << 12;  // inputs and outputs of a node or of the graph

// Field numbers, by message.
enum ModelField : protozero::pbf_tag_type { kGraph = 7, kOpsetImport = 8 };
enum OpsetField : protozero::pbf_tag_type { kOpsetDomain = 1, kOpsetVersion = 2 };
enum GraphField : protozero::pbf_tag_type { kNode = 1, kInitializer = 5, kInput = 11, kOutput = 12 };
enum ValueField : protozero::pbf_tag_type { kValueName = 1 };
enum NodeField : protozero::pbf_tag_type {
  kNodeInput = 1,
  kNodeOutput = 2,
  kNodeName = 3,
  kNodeOp = 4,
  kNodeAttribute = 5,
  kNodeDomain = 7,
};
enum AttributeField : protozero::pbf_tag_type {
  kAttributeName = 1,
  kAttributeFloat = 2,
  kAttributeInt = 3,
  kAttributeString = 4,
  kAttributeTensor = 5,
  kAttributeFloats = 7,
  kAttributeInts = 8,
};

std::string_view view_of(pbf_reader& m) {
  const auto view = m.get_view();
  return {view.data(), view.size()};
}

std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

// Fills an OnnxModel, field by field. Throws protozero::exception when a message is damaged.
class OnnxGraphParser {
 public:
  OnnxGraphParser(std::string_view file, const OnnxDataFiles& data_files)
      : file_(file), data_files_(data_files), storage_(std::make_shared<OnnxStorage>()) {
    out_.storage_ = storage_;
  }

  Result<OnnxModel> parse(pbf_reader m) {
    std::size_t graphs = 0;
    while (m.next()) {
      switch (m.tag_and_type()) {
        case tag_and_type(kGraph, pbf_wire_type::length_delimited):
          if (++graphs > 1) return bad("expected one graph, found a second");
          GEMVEC_CHECK_OK(graph(m.get_message()));
          break;
        case tag_and_type(kOpsetImport, pbf_wire_type::length_delimited):
          opset(m.get_message());
          break;
        default:
          m.skip();
      }
    }
    if (graphs == 0) return bad("expected an ONNX model, found no graph");
    std::erase_if(out_.inputs_, [&](std::string_view name) { return out_.by_name_.contains(name); });
    return std::move(out_);
  }

 private:
  [[nodiscard]] Error bad(const std::string& problem) const {
    return {ErrorCode::kBadFormat, std::string(file_) + ": " + problem + "."};
  }

  void opset(pbf_reader m) {
    std::string_view domain;
    std::int64_t version = 0;
    while (m.next()) {
      switch (m.tag_and_type()) {
        case tag_and_type(kOpsetDomain, pbf_wire_type::length_delimited):
          domain = view_of(m);
          break;
        case tag_and_type(kOpsetVersion, pbf_wire_type::varint):
          version = m.get_int64();
          break;
        default:
          m.skip();
      }
    }
    out_.opsets_[plain_domain(domain)] = version;
  }

  Status graph(pbf_reader m) {
    while (m.next()) {
      switch (m.tag_and_type()) {
        case tag_and_type(kNode, pbf_wire_type::length_delimited):
          if (++nodes_ > kMaxNodes) return too_many("nodes", kMaxNodes);
          GEMVEC_CHECK_OK(node(m.get_message()));
          break;
        case tag_and_type(kInitializer, pbf_wire_type::length_delimited): {
          GEMVEC_TRY(tensor, parse_onnx_tensor(m.get_message(), file_, data_files_, *storage_));
          GEMVEC_CHECK_OK(add(std::move(tensor)));
          break;
        }
        case tag_and_type(kInput, pbf_wire_type::length_delimited):
          GEMVEC_CHECK_OK(value(m.get_message(), out_.inputs_));
          break;
        case tag_and_type(kOutput, pbf_wire_type::length_delimited):
          GEMVEC_CHECK_OK(value(m.get_message(), out_.outputs_));
          break;
        default:
          m.skip();
      }
    }
    return {};
  }

  [[nodiscard]] Error too_many(const std::string& what, std::size_t limit) const {
    return bad("expected at most " + std::to_string(limit) + " " + what);
  }

  Status add(OnnxTensor tensor) {
    if (out_.tensors_.size() == kMaxTensors) return too_many("constants", kMaxTensors);
    if (!out_.by_name_.emplace(tensor.name, out_.tensors_.size()).second)
      return bad_onnx_tensor(file_, tensor.name, "expected one constant of this name, found a second");
    out_.tensors_.push_back(std::move(tensor));
    return {};
  }

  Status name_into(std::vector<std::string_view>& names, std::string_view name) const {
    if (names.size() == kMaxValues) return too_many("inputs or outputs of a node or graph", kMaxValues);
    GEMVEC_CHECK_OK(check_onnx_name(file_, name));
    names.push_back(name);
    return {};
  }

  Status value(pbf_reader m, std::vector<std::string_view>& names) const {
    std::string_view name;
    while (m.next()) {
      if (m.tag_and_type() == tag_and_type(kValueName, pbf_wire_type::length_delimited)) {
        name = view_of(m);
      } else {
        m.skip();
      }
    }
    return name_into(names, name);
  }

  Status node(pbf_reader m) {
    OnnxNode node;
    std::vector<pbf_reader> attributes;
    while (m.next()) {
      switch (m.tag_and_type()) {
        case tag_and_type(kNodeInput, pbf_wire_type::length_delimited):
          GEMVEC_CHECK_OK(name_into(node.inputs, view_of(m)));
          break;
        case tag_and_type(kNodeOutput, pbf_wire_type::length_delimited):
          GEMVEC_CHECK_OK(name_into(node.outputs, view_of(m)));
          break;
        case tag_and_type(kNodeName, pbf_wire_type::length_delimited):
          node.name = view_of(m);
          break;
        case tag_and_type(kNodeOp, pbf_wire_type::length_delimited):
          node.op = view_of(m);
          break;
        case tag_and_type(kNodeDomain, pbf_wire_type::length_delimited):
          node.domain = plain_domain(view_of(m));
          break;
        case tag_and_type(kNodeAttribute, pbf_wire_type::length_delimited):
          if (attributes.size() == kMaxAttributes) return too_many("attributes of a node", kMaxAttributes);
          attributes.push_back(m.get_message());
          break;
        default:
          m.skip();
      }
    }
    for (const std::string_view name : {node.name, node.op, node.domain})
      GEMVEC_CHECK_OK(check_onnx_name(file_, name));
    if (node.op == "Constant" && node.domain.empty() && node.outputs.size() == 1) {
      GEMVEC_TRY(is_known, constant(node.outputs[0], attributes));
      if (is_known) return {};
    }
    for (const pbf_reader& attribute : attributes) node.attributes.push_back(read_attribute(attribute));
    out_.nodes_.push_back(std::move(node));
    return {};
  }

  static OnnxAttribute read_attribute(pbf_reader m) {
    OnnxAttribute attribute;
    while (m.next()) {
      switch (m.tag_and_type()) {
        case tag_and_type(kAttributeName, pbf_wire_type::length_delimited):
          attribute.name = view_of(m);
          break;
        case tag_and_type(kAttributeFloat, pbf_wire_type::fixed32):
          attribute.number = m.get_float();
          break;
        case tag_and_type(kAttributeInt, pbf_wire_type::varint):
          attribute.integer = m.get_int64();
          break;
        case tag_and_type(kAttributeString, pbf_wire_type::length_delimited):
          attribute.text = view_of(m);
          break;
        case tag_and_type(kAttributeInts, pbf_wire_type::length_delimited):
          for (const auto value : m.get_packed_int64()) attribute.integers.push_back(value);
          break;
        case tag_and_type(kAttributeInts, pbf_wire_type::varint):
          attribute.integers.push_back(m.get_int64());
          break;
        default:
          m.skip();
      }
    }
    return attribute;
  }

  // A node without inputs whose one attribute is its value. False: a constant of another kind (strings, a
  // sparse one), which stays a node, and is no weight.
  Result<bool> constant(std::string_view output, const std::vector<pbf_reader>& attributes) {
    for (pbf_reader m : attributes) {
      std::string_view name;
      std::vector<float> floats;
      std::vector<std::int64_t> integers;
      OnnxTensor tensor;
      bool is_tensor = false;
      while (m.next()) {
        switch (m.tag_and_type()) {
          case tag_and_type(kAttributeName, pbf_wire_type::length_delimited):
            name = view_of(m);
            break;
          case tag_and_type(kAttributeFloat, pbf_wire_type::fixed32):
          case tag_and_type(kAttributeFloats, pbf_wire_type::fixed32):
            floats.push_back(m.get_float());
            break;
          case tag_and_type(kAttributeFloats, pbf_wire_type::length_delimited):
            for (const auto value : m.get_packed_float()) floats.push_back(value);
            break;
          case tag_and_type(kAttributeInt, pbf_wire_type::varint):
          case tag_and_type(kAttributeInts, pbf_wire_type::varint):
            integers.push_back(m.get_int64());
            break;
          case tag_and_type(kAttributeInts, pbf_wire_type::length_delimited):
            for (const auto value : m.get_packed_int64()) integers.push_back(value);
            break;
          case tag_and_type(kAttributeTensor, pbf_wire_type::length_delimited): {
            GEMVEC_TRY(parsed, parse_onnx_tensor(m.get_message(), file_, data_files_, *storage_));
            tensor = std::move(parsed);
            is_tensor = true;
            break;
          }
          default:
            m.skip();
        }
      }
      if (name == "value" && !is_tensor) continue;
      if (name.starts_with("value_float")) fill(tensor, OnnxType::kFloat, floats, name == "value_float");
      if (name.starts_with("value_int")) fill(tensor, OnnxType::kInt64, integers, name == "value_int");
      if (name != "value" && tensor.bytes.empty()) continue;
      tensor.name = output;
      GEMVEC_CHECK_OK(add(std::move(tensor)));
      return true;
    }
    return false;
  }

  template <class T>
  void fill(OnnxTensor& tensor, OnnxType type, const std::vector<T>& values, bool scalar) {
    if (values.empty() || (scalar && values.size() != 1)) return;
    storage_->push_back(bytes_of(values));
    tensor.type = type;
    tensor.elements = values.size();
    if (!scalar) tensor.dims = {values.size()};
    tensor.bytes = storage_->back();
    tensor.is_mapped = false;
  }

  std::string_view file_;
  const OnnxDataFiles& data_files_;
  std::shared_ptr<OnnxStorage> storage_;
  std::size_t nodes_ = 0;
  OnnxModel out_;
};

const OnnxAttribute* OnnxNode::find(std::string_view attribute) const {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const OnnxAttribute& a) { return a.name == attribute; });
  return found == attributes.end() ? nullptr : &*found;
}

std::int64_t OnnxNode::integer(std::string_view attribute, std::int64_t otherwise) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr ? otherwise : found->integer;
}

std::int64_t OnnxModel::opset(std::string_view domain) const {
  const auto found = opsets_.find(domain);
  return found == opsets_.end() ? 0 : found->second;
}

const OnnxTensor* OnnxModel::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

Result<OnnxModel> OnnxModel::parse(std::span<const std::byte> bytes, std::string_view name,
                                   const OnnxDataFiles& data_files) {
  const auto bad = [&](const std::string& problem) {
    return Error{ErrorCode::kBadFormat, std::string(name) + ": expected an ONNX model, " + problem + "."};
  };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // What `git clone` leaves of a large file when git-lfs is not installed.
  if (text.starts_with("version https://git-lfs"))
    return bad("found a Git LFS pointer to it; fetch it with `git lfs pull`");
  // The one place where protozero's exceptions end.
  try {
    return OnnxGraphParser(name, data_files).parse(pbf_reader(text.data(), text.size()));
  } catch (const protozero::end_of_buffer_exception&) {
    return bad("found a message that ends too early, as if the file were cut short");
  } catch (const protozero::exception& error) {
    return bad("found a damaged message (" + std::string(error.what()) + ")");
  }
}

Result<OnnxModel> OnnxModel::open(const std::filesystem::path& path) {
  GEMVEC_TRY(file, base::MappedFile::open(path));
  OnnxExternalFiles external(path);
  const auto bytes = [&](std::string_view location) { return external.bytes(location); };
  GEMVEC_TRY(model, parse(file.bytes(), path.string(), bytes));
  model.files_.push_back(std::move(file));
  model.paths_.push_back(path);
  external.release(model.files_, model.paths_);
  return model;
}

}  // namespace gemvec::formats
