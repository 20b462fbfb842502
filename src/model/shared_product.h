// A product as a team works on it: cut into tasks by columns.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "model/team.h"
#include "model/weights.h"

namespace gemvec::model {

// Some panels of a linear layer.
struct PanelRange {
  const PackedLinear* layer = nullptr;
  std::size_t first = 0, panels = 0;

  [[nodiscard]] const std::byte* weights() const { return layer->data + first * layer->panel_bytes(); }
};

// One layer, or two that read the same rows, in the order in which their weights lie. A task is `step` panels
// of one of them.
class SharedProduct {
 public:
  SharedProduct(const PackedLinear& layer, std::size_t step) : layers_{&layer, nullptr}, step_(step) {}
  SharedProduct(const PackedLinear& first, const PackedLinear& second, std::size_t step)
      : layers_{&first, &second}, step_(step) {}

  [[nodiscard]] std::size_t tasks() const {
    return tasks_of(*layers_[0]) + (layers_[1] == nullptr ? 0 : tasks_of(*layers_[1]));
  }
  [[nodiscard]] PanelRange at(std::size_t task) const {
    const bool second = task >= tasks_of(*layers_[0]);
    const PackedLinear& layer = *layers_[second ? 1 : 0];
    const std::size_t first = (second ? task - tasks_of(*layers_[0]) : task) * step_;
    return {&layer, first, std::min(step_, layer.panels() - first)};
  }
  // What `thread` multiplies first; null if it has no share.
  [[nodiscard]] const std::byte* first_weights(Team team, unsigned thread) const {
    const std::size_t first = team.share_begin(tasks(), thread);
    return first == team.share_end(tasks(), thread) ? nullptr : at(first).weights();
  }

 private:
  [[nodiscard]] std::size_t tasks_of(const PackedLinear& layer) const {
    return (layer.panels() + step_ - 1) / step_;
  }

  std::array<const PackedLinear*, 2> layers_;
  std::size_t step_;
};

}  // namespace gemvec::model
