#include "source/onnx_graph.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "base/quote.h"
#include "base/try.h"

namespace gemvec::source {

namespace {

using formats::OnnxNode;
using formats::OnnxTensor;

// Edges of a walk, which is about a neighbourhood: the longest way between two weights, through attention and
// its masks, has some 100 nodes around it.
constexpr std::size_t kMaxWalk = 1024;

}  // namespace

Result<OnnxGraph> OnnxGraph::build(const formats::OnnxModel& model, std::string_view file) {
  OnnxGraph graph(model, file);
  const std::set<std::string_view> inputs(model.inputs().begin(), model.inputs().end());
  for (const OnnxNode& node : model.nodes()) {
    for (const std::string_view output : node.outputs) {
      if (output.empty()) continue;
      const bool is_known = inputs.contains(output) || graph.constant(output) != nullptr;
      if (is_known || !graph.makers_.emplace(output, &node).second)
        return graph.bad(node, "expected outputs of its own, but " + base::quote(output) + " exists already");
    }
  }
  GEMVEC_CHECK_OK(graph.sort(inputs));
  for (const OnnxNode* node : graph.nodes_) {
    for (const std::string_view input : node->inputs) {
      if (!input.empty()) graph.users_[input].push_back(node);
    }
  }
  return graph;
}

// Each node in its turn, but first those that make its inputs, which a sorted file has before it anyway. With
// a path of its own instead of recursion: a hostile file may have a hundred thousand nodes in a row.
Status OnnxGraph::sort(const std::set<std::string_view>& inputs) {
  enum class State : std::uint8_t { kUnseen, kOnPath, kDone };
  struct Step {
    const OnnxNode* node;
    std::size_t next_input = 0;
  };
  const std::vector<OnnxNode>& all = model_->nodes();
  std::vector<State> states(all.size(), State::kUnseen);
  const auto state = [&](const OnnxNode* node) -> State& {
    return states[static_cast<std::size_t>(node - all.data())];
  };
  std::vector<Step> path;
  const auto enter = [&](const OnnxNode* node) {
    state(node) = State::kOnPath;
    path.push_back({node});
  };
  for (const OnnxNode& node : all) {
    if (state(&node) == State::kUnseen) enter(&node);
    while (!path.empty()) {
      const OnnxNode* at = path.back().node;
      if (path.back().next_input == at->inputs.size()) {
        state(at) = State::kDone;
        nodes_.push_back(at);
        path.pop_back();
        continue;
      }
      const std::string_view input = at->inputs[path.back().next_input++];
      if (input.empty() || inputs.contains(input) || constant(input) != nullptr) continue;
      const OnnxNode* before = maker(input);
      if (before == nullptr)
        return bad(*at, "expected inputs that something in the file makes, found " + base::quote(input));
      if (state(before) == State::kOnPath)
        return bad(*at, "expected no circle, but " + base::quote(input) + " is made of its own output");
      if (state(before) == State::kUnseen) enter(before);
    }
  }
  return {};
}

const OnnxNode* OnnxGraph::maker(std::string_view value) const {
  const auto found = makers_.find(value);
  return found == makers_.end() ? nullptr : found->second;
}

const std::vector<const OnnxNode*>& OnnxGraph::users(std::string_view value) const {
  static const std::vector<const OnnxNode*> kNone;
  const auto found = users_.find(value);
  return found == users_.end() ? kNone : found->second;
}

NodeSet OnnxGraph::upstream(std::string_view value, const NodeSet& stops) const {
  NodeSet seen, reached;
  std::deque<std::string_view> next = {value};
  for (std::size_t steps = 0; !next.empty() && steps < kMaxWalk; ++steps) {
    const OnnxNode* node = maker(next.front());
    next.pop_front();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (stops.contains(node)) {
      reached.insert(node);
    } else if (node->op != "Shape") {
      const std::size_t count = std::min(node->inputs.size(), kMaxWalk);
      next.insert(next.end(), node->inputs.begin(),
                  node->inputs.begin() + static_cast<std::ptrdiff_t>(count));
    }
  }
  return reached;
}

NodeSet OnnxGraph::downstream(const OnnxNode& node, const NodeSet& stops) const {
  NodeSet seen;
  std::deque<const OnnxNode*> next = {&node};
  std::size_t steps = 0;
  while (!next.empty()) {
    const OnnxNode* from = next.front();
    next.pop_front();
    for (const std::string_view output : from->outputs) {
      for (const OnnxNode* user : users(output)) {
        if (++steps > kMaxWalk) return seen;
        if (!stops.contains(user) && seen.insert(user).second) next.push_back(user);
      }
    }
  }
  return seen;
}

std::string OnnxGraph::describe(const OnnxNode& node) {
  const std::string op = (node.domain.empty() ? "" : std::string(node.domain) + ".") + std::string(node.op);
  if (!node.name.empty()) return "node " + base::quote(node.name) + " (" + op + ")";
  const std::string_view output = node.outputs.empty() ? "" : node.outputs.front();
  return "node for " + base::quote(output) + " (" + op + ")";
}

Error OnnxGraph::bad(const OnnxNode& node, const std::string& problem, ErrorCode code) const {
  return {code, file_ + ": " + describe(node) + ": " + problem + "."};
}

Error OnnxGraph::bad(const OnnxTensor& tensor, const std::string& problem, ErrorCode code) const {
  return {code, file_ + ": tensor " + base::quote(tensor.name) + ": " + problem + "."};
}

bool has_input(const OnnxNode& node, std::size_t index) {
  return index < node.inputs.size() && !node.inputs[index].empty();
}

bool is_op(const OnnxNode& node, std::string_view op) {
  return node.op == op && (node.domain.empty() || node.domain == "com.microsoft");
}

}  // namespace gemvec::source
