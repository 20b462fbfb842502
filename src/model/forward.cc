#include "model/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/try.h"

namespace gemvec::model {

namespace {

using kernels::GemmArgs;
using kernels::kPanel;

// Rows of one task of a matrix product: 192 rows x 768 floats are 576 KB, which stay in a 1 MB level-2 cache
// beside a panel of weights; a multiple of 12 and of 6, the rows of a tile.
constexpr std::size_t kRowBlock = 192;
// Panels of one task at most: 4 x 32 columns x 192 rows x 768 are 38 MFLOP, 0.1 to 0.3 ms of one core.
constexpr std::size_t kPanelGroup = 4;
// Rows of one task of a row-wise step: 8 rows x 768 floats are 24 KB, well inside a level-1 cache.
constexpr std::size_t kRowsPerTask = 8;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// One micro-batch on its way through the model. Method order is the order of the computation.
class Pass {
 public:
  Pass(const ForwardContext& context, const Batch& batch)
      : weights_(*context.weights),
        config_(context.weights->config),
        kernels_(*context.kernels),
        pool_(*context.pool),
        space_(*context.workspace),
        bf16_products_(context.bf16_products),
        batch_(batch) {
    for (std::size_t text = 0; text < batch.texts(); ++text) {
      const std::size_t length = batch.offsets[text + 1] - batch.offsets[text];
      const std::size_t panels = ceil_div(length, kPanel);
      texts_.push_back({batch.offsets[text], length, panels, keys_ / kPanel});
      for (std::size_t i = 0; i < panels; ++i) key_tasks_.push_back({text, i});
      for (std::size_t i = 0; i < ceil_div(length, kQueryTokens); ++i) query_tasks_.push_back({text, i});
      keys_ += panels * kPanel;
    }
  }

  void run(const ForwardOutput& output) {
    embed();
    for (std::size_t i = 0; i < config_.layers; ++i) {
      const PackedLayer& layer = weights_.layers[i];
      if (i == 0) norm(layer.input_norm);
      linear(layer.qkv, normed(config_.width), wide(config_.qkv_width()));
      heads(layer, config_.full_attention[i] ? weights_.rope_full : weights_.rope_sliding);
      attention(config_.full_attention[i]);
      linear(layer.o, branch(config_.query_width()), normed(config_.width));
      residual(normed(config_.width), layer.post_attention_norm, layer.pre_ffn_norm);
      linear(layer.gate_up, normed(config_.width), wide(2 * config_.ffn));
      gate();
      linear(layer.down, wide_gated(), branch(config_.width));
      const bool last = i + 1 == config_.layers;
      residual(branch(config_.width), layer.post_ffn_norm,
               last ? weights_.final_norm : weights_.layers[i + 1].input_norm);
    }
    if (output.tokens != nullptr) {
      std::memcpy(output.tokens, space_.normed.data(), batch_.tokens() * config_.width * sizeof(float));
    }
    if (output.embeddings != nullptr) {
      pool_texts();
      head(output.embeddings);
    }
  }

 private:
  struct Text {
    std::size_t first;      // row of its first token
    std::size_t length;     // tokens
    std::size_t panels;     // of keys
    std::size_t key_panel;  // its first panel among all texts'
  };
  struct Task {
    std::size_t text, index;
  };
  // [tokens, columns] inside a buffer whose rows are `stride` floats apart.
  struct Rows {
    float* data;
    std::size_t stride;
    [[nodiscard]] float* row(std::size_t i) const { return data + i * stride; }
  };

  Rows normed(std::size_t columns) { return {space_.normed.data(), columns}; }
  Rows branch(std::size_t columns) { return {space_.branch.data(), columns}; }
  Rows wide(std::size_t columns) { return {space_.wide.data(), columns}; }
  // The gated half of gate | up: written over the gate.
  Rows wide_gated() { return {space_.wide.data(), 2 * config_.ffn}; }

  template <class Body>
  void for_rows(Body&& body) {
    const std::size_t tokens = batch_.tokens();
    pool_.run(ceil_div(tokens, kRowsPerTask), [&](std::size_t task, unsigned) {
      const std::size_t end = std::min(tokens, (task + 1) * kRowsPerTask);
      for (std::size_t row = task * kRowsPerTask; row < end; ++row) body(row);
    });
  }

  // A row that the next linear layer reads, as bf16 if it multiplies in bf16.
  void finish_operand(const float* row, std::size_t index, std::size_t columns) {
    if (bf16_products_) kernels_.convert->to_bf16(row, columns, space_.narrow.data() + index * columns);
  }

  // residual = embedding row * sqrt(width)
  void embed() {
    const float scale = std::sqrt(static_cast<float>(config_.width));
    for_rows([&](std::size_t row) {
      float* x = space_.residual.data() + row * config_.width;
      read_row(weights_.embedding, static_cast<std::size_t>(batch_.ids[row]),
               weights_.type == WeightType::kBf16, x);
      for (std::size_t i = 0; i < config_.width; ++i) x[i] *= scale;
    });
  }

  // normed = RMSNorm(residual)
  void norm(const float* scale) {
    for_rows([&](std::size_t row) {
      float* h = space_.normed.data() + row * config_.width;
      kernels_.norm->norm(space_.residual.data() + row * config_.width, scale, config_.width, config_.eps, h);
      finish_operand(h, row, config_.width);
    });
  }

  // out = in * W^T over all tokens. `in` is read from the bf16 operand where there is one.
  void linear(const PackedLinear& layer, Rows in, Rows out) {
    const std::size_t panels = layer.outputs / kPanel;
    const std::size_t tokens = batch_.tokens();
    const std::size_t blocks = ceil_div(tokens, kRowBlock);
    // At least four tasks a thread where there are panels enough, so that the last one to end is not far
    // behind.
    const std::size_t wanted = ceil_div(4 * pool_.size(), blocks);
    const std::size_t group = std::clamp<std::size_t>(panels / wanted, 1, kPanelGroup);
    const std::size_t groups = ceil_div(panels, group);
    const bool f32 = weights_.type == WeightType::kF32;
    const auto multiply = f32              ? kernels_.gemm->f32
                          : bf16_products_ ? kernels_.gemm->bf16
                                           : kernels_.gemm->bf16_wide;
    const std::size_t element = f32 ? sizeof(float) : sizeof(std::uint16_t);
    pool_.run(blocks * groups, [&](std::size_t task, unsigned) {
      const std::size_t first_row = task % blocks * kRowBlock;
      const std::size_t first_panel = task / blocks * group;
      GemmArgs args;
      if (bf16_products_) {
        args.a = space_.narrow.data() + first_row * layer.inputs;
        args.lda = layer.inputs;
      } else {
        args.a = in.row(first_row);
        args.lda = in.stride;
      }
      args.b_panel_stride = layer.inputs * kPanel;
      args.b = static_cast<const std::byte*>(layer.data) + first_panel * args.b_panel_stride * element;
      args.c = out.row(first_row) + first_panel * kPanel;
      args.ldc = out.stride;
      args.m = std::min(kRowBlock, tokens - first_row);
      args.k = layer.inputs;
      args.panels = std::min(group, panels - first_panel);
      multiply(args);
    });
  }

  // From q | k | v: queries and keys normed and rotated, keys and values packed as operands of attention.
  // Queries go to `normed` as [tokens * heads, head_dim].
  void heads(const PackedLayer& layer, const RopeTable& rope) {
    const std::size_t dim = config_.head_dim;
    pool_.run(key_tasks_.size(), [&](std::size_t index, unsigned) {
      const Text& text = texts_[key_tasks_[index].text];
      const std::size_t panel = key_tasks_[index].index;
      float* keys = space_.keys.data() + (text.key_panel + panel) * dim * kPanel;
      float* values = space_.values.data() + text.key_panel * kPanel * dim;
      const std::size_t end = std::min(text.length, (panel + 1) * kPanel);
      if (end < (panel + 1) * kPanel) std::memset(keys, 0, dim * kPanel * sizeof(float));
      for (std::size_t position = panel * kPanel; position < end; ++position) {
        float* qkv = space_.wide.data() + (text.first + position) * config_.qkv_width();
        const float* cos = rope.cos + position * dim / 2;
        const float* sin = rope.sin + position * dim / 2;
        for (std::size_t head = 0; head < config_.heads; ++head) {
          float* q = space_.normed.data() + ((text.first + position) * config_.heads + head) * dim;
          kernels_.norm->norm(qkv + head * dim, layer.q_norm, dim, config_.eps, q);
          kernels_.rope->rotate(q, cos, sin, dim, q);
        }
        float* k = qkv + config_.query_width();
        kernels_.norm->norm(k, layer.k_norm, dim, config_.eps, k);
        kernels_.rope->rotate(k, cos, sin, dim, k);
        for (std::size_t i = 0; i < dim; ++i) keys[i * kPanel + position % kPanel] = k[i];
        const float* v = k + dim;
        for (std::size_t part = 0; part < dim / kPanel; ++part) {
          std::memcpy(values + (part * text.panels * kPanel + position) * kPanel, v + part * kPanel,
                      kPanel * sizeof(float));
        }
      }
    });
  }

  // branch = softmax(Q K^T) V, [tokens, heads * head_dim]. A task takes kQueryTokens tokens of one text with
  // all heads, which share the keys and values.
  void attention(bool full) {
    pool_.run(query_tasks_.size(), [&](std::size_t index, unsigned thread) {
      const Text& text = texts_[query_tasks_[index].text];
      const std::size_t first = query_tasks_[index].index * kQueryTokens;
      attend(text, first, std::min(kQueryTokens, text.length - first), full, thread);
    });
  }

  void attend(const Text& text, std::size_t first, std::size_t tokens, bool full, unsigned thread) {
    const std::size_t dim = config_.head_dim;
    const std::size_t reach = full ? text.length : config_.window;
    const std::size_t panel_begin = first > reach ? (first - reach) / kPanel : 0;
    const std::size_t panel_end = std::min(text.panels, (first + tokens - 1 + reach) / kPanel + 1);
    const std::size_t key_begin = panel_begin * kPanel;
    const std::size_t key_end = std::min(text.length, panel_end * kPanel);
    const std::size_t row0 = (text.first + first) * config_.heads;
    float* scores = space_.scores.data() + thread * space_.scores_stride;

    GemmArgs products;  // scores[tokens * heads, keys] = Q K^T
    products.a = space_.normed.data() + row0 * dim;
    products.lda = dim;
    products.b_panel_stride = dim * kPanel;
    products.b = space_.keys.data() + (text.key_panel + panel_begin) * products.b_panel_stride;
    products.c = scores;
    products.ldc = (panel_end - panel_begin) * kPanel + kScoresPadding;
    products.m = tokens * config_.heads;
    products.k = dim;
    products.panels = panel_end - panel_begin;
    kernels_.gemm->f32(products);

    float sums[kQueryTokens * kMaxHeads];
    for (std::size_t row = 0; row < products.m; ++row) {
      const std::size_t position = first + row / config_.heads;
      const std::size_t begin = position > reach ? position - reach : 0;
      const std::size_t end = std::min(text.length, position + reach + 1);
      sums[row] = kernels_.softmax->exponentials(scores + row * products.ldc, products.panels * kPanel,
                                                 begin - key_begin, end - key_begin);
    }

    GemmArgs mix;  // out[tokens * heads, head_dim] = P V
    mix.a = scores;
    mix.lda = products.ldc;
    mix.b_panel_stride = text.panels * kPanel * kPanel;
    mix.b = space_.values.data() + text.key_panel * kPanel * dim + key_begin * kPanel;
    mix.c = space_.branch.data() + row0 * dim;
    mix.ldc = dim;
    mix.m = products.m;
    mix.k = key_end - key_begin;
    mix.panels = dim / kPanel;
    kernels_.gemm->f32(mix);
    for (std::size_t row = 0; row < mix.m; ++row) {
      kernels_.softmax->scale(mix.c + row * dim, dim, 1.0F / sums[row]);
    }
    for (std::size_t token = 0; token < tokens; ++token) {
      const std::size_t row = text.first + first + token;
      finish_operand(space_.branch.data() + row * config_.query_width(), row, config_.query_width());
    }
  }

  // residual += RMSNorm(from); normed = RMSNorm(residual), the input of what comes next.
  void residual(Rows from, const float* scale, const float* next_scale) {
    for_rows([&](std::size_t row) {
      float* x = space_.residual.data() + row * config_.width;
      float* h = space_.normed.data() + row * config_.width;
      kernels_.norm->add_norm(from.row(row), scale, config_.width, config_.eps, x);
      kernels_.norm->norm(x, next_scale, config_.width, config_.eps, h);
      finish_operand(h, row, config_.width);
    });
  }

  // gate = GELU(gate) * up
  void gate() {
    for_rows([&](std::size_t row) {
      float* gate = wide_gated().row(row);
      kernels_.geglu->geglu(gate, gate + config_.ffn, config_.ffn, gate);
      finish_operand(gate, row, config_.ffn);
    });
  }

  // pooled = mean over all tokens of a text, BOS, EOS and prompt included.
  void pool_texts() {
    pool_.run(texts_.size(), [&](std::size_t index, unsigned) {
      const Text& text = texts_[index];
      float* sum = space_.pooled.data() + index * config_.width;
      std::memset(sum, 0, config_.width * sizeof(float));
      for (std::size_t i = 0; i < text.length; ++i) {
        kernels_.pool->add(space_.normed.data() + (text.first + i) * config_.width, config_.width, sum);
      }
      kernels_.softmax->scale(sum, config_.width, 1.0F / static_cast<float>(text.length));
    });
  }

  // out[texts, width] = pooled * head
  void head(float* out) {
    const std::size_t panels = weights_.head.outputs / kPanel;
    pool_.run(panels, [&](std::size_t panel, unsigned) {
      GemmArgs args;
      args.a = space_.pooled.data();
      args.lda = config_.width;
      args.b_panel_stride = weights_.head.inputs * kPanel;
      args.b = static_cast<const float*>(weights_.head.data) + panel * args.b_panel_stride;
      args.c = out + panel * kPanel;
      args.ldc = config_.width;
      args.m = texts_.size();
      args.k = weights_.head.inputs;
      args.panels = 1;
      kernels_.gemm->f32(args);
    });
  }

  const Weights& weights_;
  const Config& config_;
  const kernels::KernelTable& kernels_;
  base::ThreadPool& pool_;
  Workspace& space_;
  const bool bf16_products_;
  const Batch& batch_;
  std::vector<Text> texts_;
  std::vector<Task> key_tasks_;    // one panel of 32 positions of a text each
  std::vector<Task> query_tasks_;  // kQueryTokens positions of a text each
  std::size_t keys_ = 0;
};

}  // namespace

std::size_t padded_keys(const Batch& batch) {
  std::size_t keys = 0;
  for (std::size_t i = 0; i < batch.texts(); ++i) {
    keys += ceil_div(batch.offsets[i + 1] - batch.offsets[i], kPanel) * kPanel;
  }
  return keys;
}

Status forward(const ForwardContext& context, const Batch& batch, const ForwardOutput& output) {
  std::size_t longest = 0;
  for (std::size_t i = 0; i < batch.texts(); ++i) {
    longest = std::max(longest, batch.offsets[i + 1] - batch.offsets[i]);
  }
  GEMVEC_CHECK_OK(context.workspace->reserve(context.weights->config, batch.tokens(), padded_keys(batch),
                                             ceil_div(longest, kPanel) * kPanel, context.pool->size()));
  Pass(context, batch).run(output);
  return {};
}

}  // namespace gemvec::model
