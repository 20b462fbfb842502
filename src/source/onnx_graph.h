// The graph of an ONNX file as one can walk it: who makes a value, and who uses it.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "gemvec/result.h"

namespace gemvec::source {

using NodeSet = std::set<const formats::OnnxNode*>;

class OnnxGraph {
 public:
  // Every value has one maker, and there is no circle. `model` must outlive this. Errors: kBadFormat.
  static Result<OnnxGraph> build(const formats::OnnxModel& model, std::string_view file);

  [[nodiscard]] const formats::OnnxModel& model() const { return *model_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  // After those that make their inputs, otherwise in the file's order. ONNX demands it of files, runtimes do
  // not, and so there are files in which it is not so.
  [[nodiscard]] const std::vector<const formats::OnnxNode*>& nodes() const { return nodes_; }

  // nullptr: an input of the graph, or a constant.
  [[nodiscard]] const formats::OnnxNode* maker(std::string_view value) const;
  [[nodiscard]] const std::vector<const formats::OnnxNode*>& users(std::string_view value) const;
  // nullptr: not a constant.
  [[nodiscard]] const formats::OnnxTensor* constant(std::string_view value) const {
    return model_->find(value);
  }

  // Those of `stops` that are reached from a value upwards without passing another one. The walk goes to the
  // nearest first, and ends after some 1000 steps. A shape that a value takes is not where it comes from.
  [[nodiscard]] NodeSet upstream(std::string_view value, const NodeSet& stops) const;
  // The nodes between a node and the first of `stops` downwards, without those; the same of the walk.
  [[nodiscard]] NodeSet downstream(const formats::OnnxNode& node, const NodeSet& stops) const;

  // `node "NAME" (com.microsoft.MatMulNBits)`
  static std::string describe(const formats::OnnxNode& node);
  // "FILE: node ...: PROBLEM."
  [[nodiscard]] Error bad(const formats::OnnxNode& node, const std::string& problem,
                          ErrorCode code = ErrorCode::kBadFormat) const;
  // "FILE: tensor ...: PROBLEM."
  [[nodiscard]] Error bad(const formats::OnnxTensor& tensor, const std::string& problem,
                          ErrorCode code = ErrorCode::kBadFormat) const;

 private:
  OnnxGraph(const formats::OnnxModel& model, std::string_view file) : model_(&model), file_(file) {}

  Status sort(const std::set<std::string_view>& inputs);

  const formats::OnnxModel* model_;
  std::string file_;
  std::vector<const formats::OnnxNode*> nodes_;
  std::map<std::string_view, const formats::OnnxNode*> makers_;
  std::map<std::string_view, std::vector<const formats::OnnxNode*>> users_;
};

// An input that the node has: neither left out nor beyond the last.
bool has_input(const formats::OnnxNode& node, std::size_t index);

// The operator, in ONNX's own domain or in ONNX Runtime's.
bool is_op(const formats::OnnxNode& node, std::string_view op);

}  // namespace gemvec::source
