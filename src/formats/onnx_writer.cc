#include "formats/onnx_writer.h"

#include <bit>
#include <protozero/pbf_writer.hpp>
#include <type_traits>

namespace gemvec::formats {

namespace {

using protozero::pbf_writer;

// Field numbers of onnx.proto, those that are written.
namespace model_field {
constexpr protozero::pbf_tag_type kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kGraph = 7,
                                  kOperatorSet = 8, kMetadata = 14;
}
namespace operator_set_field {
constexpr protozero::pbf_tag_type kDomain = 1, kVersion = 2;
}
namespace entry_field {  // StringStringEntryProto
constexpr protozero::pbf_tag_type kKey = 1, kValue = 2;
}
namespace graph_field {
constexpr protozero::pbf_tag_type kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node_field {
constexpr protozero::pbf_tag_type kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5, kDomain = 7;
}
namespace attribute_field {
constexpr protozero::pbf_tag_type kName = 1, kInt = 3, kInts = 8, kType = 20;
}
namespace tensor_field {
constexpr protozero::pbf_tag_type kDims = 1, kDataType = 2, kName = 8, kRawData = 9, kExternalData = 13,
                                  kDataLocation = 14;
}
namespace value_field {  // ValueInfoProto, TypeProto, TypeProto.Tensor, TensorShapeProto, its Dimension
constexpr protozero::pbf_tag_type kName = 1, kType = 2, kTensorType = 1, kElementType = 1, kShape = 2,
                                  kDim = 1, kDimValue = 1, kDimName = 2;
}

constexpr std::int32_t kAttributeInt = 2, kAttributeInts = 7;  // AttributeProto.AttributeType
constexpr std::int32_t kExternal = 1;                          // TensorProto.DataLocation

// protozero takes what std::string and its own view can be made from.
protozero::data_view view(std::string_view text) { return {text.data(), text.size()}; }

void add_entry(pbf_writer& to, protozero::pbf_tag_type field, std::string_view key, std::string_view value) {
  pbf_writer entry(to, field);
  entry.add_string(entry_field::kKey, view(key));
  entry.add_string(entry_field::kValue, view(value));
}

void add_value(std::string& graph, protozero::pbf_tag_type field, std::string_view name,
               OnnxWriter::Type type, std::span<const OnnxWriter::Dim> shape) {
  pbf_writer to(graph);
  pbf_writer value(to, field);
  value.add_string(value_field::kName, view(name));
  pbf_writer type_proto(value, value_field::kType);
  pbf_writer tensor(type_proto, value_field::kTensorType);
  tensor.add_int32(value_field::kElementType, static_cast<std::int32_t>(type));
  pbf_writer shape_proto(tensor, value_field::kShape);
  for (const OnnxWriter::Dim& dim : shape) {
    pbf_writer to_dim(shape_proto, value_field::kDim);
    if (const auto* number = std::get_if<std::uint64_t>(&dim)) {
      to_dim.add_int64(value_field::kDimValue, static_cast<std::int64_t>(*number));
    } else {
      to_dim.add_string(value_field::kDimName, std::get<std::string>(dim));
    }
  }
}

void add_tensor_head(pbf_writer& tensor, std::string_view name, OnnxWriter::Type type,
                     std::span<const std::uint64_t> shape) {
  for (const std::uint64_t dim : shape) {
    tensor.add_int64(tensor_field::kDims, static_cast<std::int64_t>(dim));
  }
  tensor.add_int32(tensor_field::kDataType, static_cast<std::int32_t>(type));
  tensor.add_string(tensor_field::kName, view(name));
}

// The numbers' bytes, little-endian.
template <class T>
void add_raw(std::string& graph, std::string_view name, OnnxWriter::Type type,
             std::span<const std::uint64_t> shape, std::span<const T> values) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::string bytes;
  for (const T value : values) {
    const auto bits = std::bit_cast<Bits>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(bits >> 8 * i & 0xFF);
  }
  pbf_writer to(graph);
  pbf_writer tensor(to, graph_field::kInitializer);
  add_tensor_head(tensor, name, type, shape);
  tensor.add_bytes(tensor_field::kRawData, bytes);
}

void add_attribute(pbf_writer& node, const OnnxWriter::Attribute& attribute) {
  pbf_writer to(node, node_field::kAttribute);
  to.add_string(attribute_field::kName, view(attribute.name));
  if (const auto* number = std::get_if<std::int64_t>(&attribute.value)) {
    to.add_int64(attribute_field::kInt, *number);
    to.add_int32(attribute_field::kType, kAttributeInt);
    return;
  }
  for (const std::int64_t number : std::get<std::vector<std::int64_t>>(attribute.value)) {
    to.add_int64(attribute_field::kInts, number);
  }
  to.add_int32(attribute_field::kType, kAttributeInts);
}

}  // namespace

void OnnxWriter::add_input(std::string_view name, Type type, std::span<const Dim> shape) {
  add_value(graph_, graph_field::kInput, name, type, shape);
}

void OnnxWriter::add_output(std::string_view name, Type type, std::span<const Dim> shape) {
  add_value(graph_, graph_field::kOutput, name, type, shape);
}

void OnnxWriter::add_node(const Node& node) {
  pbf_writer to(graph_);
  pbf_writer out(to, graph_field::kNode);
  for (const std::string& input : node.inputs) out.add_string(node_field::kInput, input);
  for (const std::string& output : node.outputs) out.add_string(node_field::kOutput, output);
  out.add_string(node_field::kName, node.outputs.front());
  out.add_string(node_field::kOp, view(node.op));
  for (const Attribute& attribute : node.attributes) add_attribute(out, attribute);
  if (!node.domain.empty()) out.add_string(node_field::kDomain, view(node.domain));
}

void OnnxWriter::add_constant(std::string_view name, std::span<const std::uint64_t> shape,
                              std::span<const float> values) {
  add_raw(graph_, name, Type::kFloat, shape, values);
}

void OnnxWriter::add_constant(std::string_view name, std::span<const std::uint64_t> shape,
                              std::span<const std::int64_t> values) {
  add_raw(graph_, name, Type::kInt64, shape, values);
}

std::uint64_t OnnxWriter::add_external(std::string_view name, Type type, std::span<const std::uint64_t> shape,
                                       std::uint64_t bytes) {
  const std::uint64_t alignment = bytes >= kLarge ? kPage : kAlignment;
  const std::uint64_t offset = (data_bytes_ + alignment - 1) / alignment * alignment;
  data_bytes_ = offset + bytes;
  pbf_writer to(graph_);
  pbf_writer tensor(to, graph_field::kInitializer);
  add_tensor_head(tensor, name, type, shape);
  add_entry(tensor, tensor_field::kExternalData, "location", data_file_);
  add_entry(tensor, tensor_field::kExternalData, "offset", std::to_string(offset));
  add_entry(tensor, tensor_field::kExternalData, "length", std::to_string(bytes));
  tensor.add_enum(tensor_field::kDataLocation, kExternal);
  return offset;
}

std::string OnnxWriter::serialize(const Model& model) const {
  std::string out;
  pbf_writer to(out);
  to.add_int64(model_field::kIrVersion, model.ir_version);
  to.add_string(model_field::kProducerName, "gemvec");
  to.add_string(model_field::kProducerVersion, model.producer_version);
  std::string graph;
  pbf_writer(graph).add_string(graph_field::kName, model.graph_name);
  to.add_message(model_field::kGraph, graph + graph_);
  for (const auto& [domain, version] : model.operator_sets) {
    pbf_writer set(to, model_field::kOperatorSet);
    set.add_string(operator_set_field::kDomain, domain);
    set.add_int64(operator_set_field::kVersion, version);
  }
  for (const auto& [key, value] : model.metadata) add_entry(to, model_field::kMetadata, key, value);
  return out;
}

}  // namespace gemvec::formats
