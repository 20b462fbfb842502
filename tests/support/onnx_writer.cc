#include "support/onnx_writer.h"

#include <protozero/pbf_writer.hpp>
#include <stdexcept>

namespace gemvec::testing {

namespace {

using protozero::pbf_writer;

void write_entry(pbf_writer& tensor, const char* key, const std::optional<std::string>& value) {
  if (!value) return;
  pbf_writer entry(tensor, 13);
  entry.add_string(1, key);
  entry.add_string(2, *value);
}

void write(pbf_writer& out, const OnnxTensorSpec& tensor) {
  if (!tensor.dims.empty()) out.add_packed_int64(1, tensor.dims.begin(), tensor.dims.end());
  out.add_int32(2, tensor.type);
  out.add_string(8, tensor.name);
  if (!tensor.floats.empty()) out.add_packed_float(4, tensor.floats.begin(), tensor.floats.end());
  if (!tensor.int32s.empty()) out.add_packed_int32(5, tensor.int32s.begin(), tensor.int32s.end());
  if (!tensor.int64s.empty()) out.add_packed_int64(7, tensor.int64s.begin(), tensor.int64s.end());
  if (tensor.location) {
    write_entry(out, "location", tensor.location);
    write_entry(out, "offset", tensor.offset);
    write_entry(out, "length", tensor.length);
    out.add_enum(14, 1);
  }
  if (!tensor.bytes.empty()) out.add_bytes(9, tensor.bytes);
}

void write(pbf_writer& out, const std::string& name, const OnnxAttributeSpec& value) {
  out.add_string(1, name);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) out.add_int64(3, *integer);
  if (const auto* number = std::get_if<float>(&value)) out.add_float(2, *number);
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value))
    out.add_packed_int64(8, integers->begin(), integers->end());
  if (const auto* tensor = std::get_if<OnnxTensorSpec>(&value)) {
    pbf_writer inner(out, 5);
    write(inner, *tensor);
  }
}

void write(pbf_writer& out, const OnnxNodeSpec& node) {
  for (const auto& input : node.inputs) out.add_string(1, input);
  for (const auto& output : node.outputs) out.add_string(2, output);
  out.add_string(3, node.name);
  out.add_string(4, node.op);
  for (const auto& [name, value] : node.attributes) {
    pbf_writer attribute(out, 5);
    write(attribute, name, value);
  }
  out.add_string(7, node.domain);
}

template <class T>
T& find(std::vector<T>& items, std::string_view name) {
  for (T& item : items) {
    if (item.name == name) return item;
  }
  throw std::runtime_error("the graph has no " + std::string(name));
}

}  // namespace

OnnxTensorSpec& OnnxSpec::tensor(std::string_view name) { return find(tensors, name); }
OnnxNodeSpec& OnnxSpec::node(std::string_view name) { return find(nodes, name); }

std::string onnx_bytes(const OnnxSpec& spec) {
  std::string bytes;
  pbf_writer model(bytes);
  model.add_int64(1, 10);  // ir_version
  {
    pbf_writer graph(model, 7);
    for (const auto& node : spec.nodes) {
      pbf_writer out(graph, 1);
      write(out, node);
    }
    for (const auto& tensor : spec.tensors) {
      pbf_writer out(graph, 5);
      write(out, tensor);
    }
    for (const auto& name : spec.inputs) pbf_writer(graph, 11).add_string(1, name);
    for (const auto& name : spec.outputs) pbf_writer(graph, 12).add_string(1, name);
  }
  for (const auto& [domain, version] : {std::pair("", 21), std::pair("com.microsoft", 1)}) {
    pbf_writer opset(model, 8);
    opset.add_string(1, domain);
    opset.add_int64(2, version);
  }
  return bytes;
}

}  // namespace gemvec::testing
