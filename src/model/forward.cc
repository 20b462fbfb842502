#include "model/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/try.h"
#include "model/embedding.h"
#include "model/shared_product.h"
#include "model/team.h"

namespace gemvec::model {

namespace {

using kernels::kAttentionPanel;
using kernels::kPanel;

// Rows of one task of a row-wise step, where threads share a block: a row takes about a microsecond, ten
// times what handing out a task does, and a query of 18 tokens should end on all threads at once.
constexpr std::size_t kRowsPerTask = 2;

// Queries of one task of attention, where threads share a block: 8 tokens x 3 heads are 24 rows, whole tiles
// of every instruction set.
constexpr std::size_t kQueriesPerTask = 8;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

AttentionByLength attention_of(const ForwardContext& context) {
  const kernels::AttentionKernels& kernels = *context.kernels->attention;
  const kernels::AttentionKernel* const usual = context.bf16_products ? kernels.bf16 : kernels.f32;
  const bool codes = Recipe::of(context.weights->type).int8_scores && kernels.int8 != nullptr;
  return {usual, codes ? kernels.int8 : usual};
}

// One micro-batch on its way through the model. Method order is the order of the computation.
class Pass {
 public:
  Pass(const ForwardContext& context, const Batch& batch)
      : weights_(*context.weights),
        config_(context.weights->config),
        recipe_(Recipe::of(context.weights->type)),
        kernels_(*context.kernels),
        attention_(attention_of(context)),
        pool_(*context.pool),
        space_(*context.workspace),
        schedule_(context.workspace->schedule),
        bf16_products_(context.bf16_products),
        observer_(context.observer),
        between_layers_(context.between_layers),
        query_stride_(std::max(config_.width, config_.query_width())),
        batch_(batch) {}

  // Between two barriers a block goes from one layer's keys and values to the next one's: everything else
  // that a row needs is its own.
  Status run(const ForwardOutput& output) {
    if (observer_ != nullptr) observer_->begin_layer(0);
    for_blocks([&](const Block& block, Team team) {
      embed(block, team);
      enter_layer(0, block, team);
    });
    if (!failure_.ok()) return failure_;
    for (std::size_t i = 0; i < config_.layers; ++i) {
      if (observer_ != nullptr && i + 1 < config_.layers) observer_->begin_layer(i + 1);
      for_blocks([&](const Block& block, Team team) {
        attend(i, block, team);
        feed_forward(i, block, team);
        i + 1 < config_.layers ? enter_layer(i + 1, block, team) : leave(block, team);
      });
      if (observer_ != nullptr) observer_->end_layer(i);
      if (between_layers_ != nullptr && *between_layers_ && i + 1 < config_.layers) (*between_layers_)();
    }
    if (output.tokens != nullptr) {
      for (std::size_t row = 0; row < batch_.tokens(); ++row) {
        std::memcpy(output.tokens + row * config_.width, queries(row), config_.width * sizeof(float));
      }
    }
    if (output.embeddings != nullptr) {
      pool_texts();
      head(output.embeddings);
    }
    return {};
  }

 private:
  // body(block, team) for every block: a block a thread, or a block for all threads at a time.
  template <class Body>
  void for_blocks(Body&& body) {
    const auto& blocks = schedule_.blocks();
    if (schedule_.split()) {
      for (const Block& block : blocks) body(block, Team(pool_));
    } else {
      pool_.run(blocks.size(),
                [&](std::size_t index, unsigned thread) { body(blocks[index], Team(thread)); });
    }
  }

  template <class Body>
  void for_rows(const Block& block, Team team, Body&& body) {
    team.run(ceil_div(block.rows, kRowsPerTask), [&](std::size_t task, unsigned) {
      const std::size_t end = std::min(block.rows, (task + 1) * kRowsPerTask);
      for (std::size_t row = task * kRowsPerTask; row < end; ++row) body(row);
    });
  }

  BlockSpace& buffers(Team team) { return space_.blocks[team.leader()]; }
  float* residual(const Block& block, std::size_t row) {
    return space_.residual.data() + (block.row + row) * config_.width;
  }
  // Of the batch: a query's row, then attention's output, then the hidden state.
  float* queries(std::size_t row) { return space_.queries.data() + row * query_stride_; }
  float* queries(const Block& block, std::size_t row) { return queries(block.row + row); }

  // residual = embedding row * sqrt(width)
  void embed(const Block& block, Team team) {
    const float scale = std::sqrt(static_cast<float>(config_.width));
    for_rows(block, team, [&](std::size_t row) {
      float* x = residual(block, row);
      const auto id = static_cast<std::size_t>(batch_.ids[block.row + row]);
      // The first norm is not there yet: its row of `hidden` is free.
      float* scratch = buffers(team).hidden.data() + row * config_.width;
      if (Status read = read_embedding(weights_, id, scratch, x); !read.ok()) {
        const std::scoped_lock lock(failure_mutex_);
        failure_ = std::move(read);
        std::memset(x, 0, config_.width * sizeof(float));
      }
      for (std::size_t i = 0; i < config_.width; ++i) x[i] *= scale;
    });
  }

  // q, k and v of the layer: queries ready for attention, keys and values packed as its operand.
  void enter_layer(std::size_t index, const Block& block, Team team) {
    const PackedLayer& layer = weights_.layers[index];
    BlockSpace& space = buffers(team);
    if (index == 0) {
      for_rows(block, team, [&](std::size_t row) {
        norm(residual(block, row), layer.input_norm, space, row, layer.query_key, &layer.value);
      });
    }
    const std::size_t width = config_.qkv_width();
    query_key_value(layer, block, team);
    const auto& segments = schedule_.segments();
    const RopeTable& rope = config_.full_attention[index] ? weights_.rope_full : weights_.rope_sliding;
    std::size_t row = 0;
    for (std::size_t s = block.segment_begin; s < block.segment_end; ++s) {
      const Segment& segment = segments[s];
      // A panel is two tasks: so that both threads have something to do with a query alone.
      team.run(2 * ceil_div(segment.count, kAttentionPanel), [&](std::size_t task, unsigned) {
        const std::size_t skip = task / 2 * kAttentionPanel;
        float* qkv = space.wide.data() + (row + skip) * width;
        task % 2 == 0 ? query_heads(layer, rope, block, row + skip, segment, skip, qkv)
                      : key_head(layer, rope, index, segment, skip, qkv);
      });
      row += segment.count;
    }
  }

  void rotate(const RopeTable& rope, std::size_t position, float* head) {
    const std::size_t dim = config_.head_dim, at = position * dim / 2;
    kernels_.rope->rotate(head, rope.cos + at, rope.sin + at, dim, head);
  }

  // The queries of one panel of positions, from its q | k | v: norms and rotations.
  void query_heads(const PackedLayer& layer, const RopeTable& rope, const Block& block, std::size_t row,
                   const Segment& segment, std::size_t skip, const float* qkv) {
    const std::size_t dim = config_.head_dim, first = segment.first + skip;
    const std::size_t count = std::min(kAttentionPanel, segment.count - skip);
    for (std::size_t i = 0; i < count; ++i) {
      const float* from = qkv + i * config_.qkv_width();
      float* q = queries(block, row + i);
      for (std::size_t head = 0; head < config_.heads; ++head) {
        kernels_.norm->norm(from + head * dim, layer.q_norm, dim, config_.eps, q + head * dim);
        rotate(rope, first + i, q + head * dim);
      }
    }
  }

  // The keys and values of the same: norms and rotations of keys, and both packed.
  void key_head(const PackedLayer& layer, const RopeTable& rope, std::size_t index, const Segment& segment,
                std::size_t skip, float* qkv) {
    const std::size_t dim = config_.head_dim;
    const TextSpan& text = schedule_.texts()[segment.text];
    kernels::AttentionPackArgs args;
    args.first = segment.first + skip;
    args.count = std::min(kAttentionPanel, segment.count - skip);
    for (std::size_t i = 0; i < args.count; ++i) {
      float* k = qkv + i * config_.qkv_width() + config_.query_width();
      kernels_.norm->norm(k, layer.k_norm, dim, config_.eps, k);
      rotate(rope, args.first + i, k);
    }
    args.k = qkv + config_.query_width();
    args.v = args.k + dim;
    args.ldk = args.ldv = config_.qkv_width();
    args.length = text.length;
    args.head_dim = dim;
    args.operand = space_.operands[index % 2].data() + text.operand;
    attention_.of(text.length).pack(args);
  }

  // residual += norm(o(softmax(Q K^T) V)), and the feed-forward's input from it.
  void attend(std::size_t index, const Block& block, Team team) {
    const PackedLayer& layer = weights_.layers[index];
    BlockSpace& space = buffers(team);
    std::size_t row = 0;
    for (std::size_t s = block.segment_begin; s < block.segment_end; ++s) {
      const Segment& segment = schedule_.segments()[s];
      // A thread alone takes the whole segment: the kernel cuts it into tiles of its own.
      const std::size_t step = team.alone() ? segment.count : kQueriesPerTask;
      team.run(ceil_div(segment.count, step), [&](std::size_t piece, unsigned thread) {
        const std::size_t skip = piece * step;
        const std::size_t count = std::min(step, segment.count - skip);
        attend_piece(index, segment, skip, count, queries(block, row + skip), thread);
        for (std::size_t r = row + skip; r < row + skip + count; ++r) {
          operand(queries(block, r), config_.query_width(), space, r, layer.output, nullptr);
        }
      });
      row += segment.count;
    }
    // An fp32 product reads the queries' rows as they are.
    linear(layer.output, gate_product(layer), block, team, queries(block, 0), query_stride_);
    for_rows(block, team, [&](std::size_t r) {
      add_norm(block, r, layer.post_attention_norm, layer.pre_ffn_norm, space, layer.gate_up, nullptr);
    });
  }

  void attend_piece(std::size_t index, const Segment& segment, std::size_t skip, std::size_t count, float* q,
                    unsigned thread) {
    const TextSpan& text = schedule_.texts()[segment.text];
    kernels::AttentionArgs args;
    args.q = args.out = q;
    args.ldq = args.ldo = query_stride_;
    args.operand = space_.operands[index % 2].data() + text.operand;
    args.length = text.length;
    args.head_dim = config_.head_dim;
    args.heads = config_.heads;
    args.first = segment.first + skip;
    args.tokens = count;
    args.reach = config_.full_attention[index] ? text.length : config_.window;
    args.scratch = space_.threads[thread].attention.data();
    attention_.of(text.length).attend(args);
  }

  // residual += norm(down(GELU(gate) * up)), and the next layer's input, or the last norm's, from it.
  void feed_forward(std::size_t index, const Block& block, Team team) {
    const PackedLayer& layer = weights_.layers[index];
    BlockSpace& space = buffers(team);
    gate(layer, block, team);
    for_rows(block, team, [&](std::size_t r) {
      operand(space.wide.data() + r * config_.ffn, config_.ffn, space, r, layer.down, nullptr);
    });
    // Behind the last layer comes the head, a small one.
    const PackedLayer& reader = weights_.layers[std::min(index + 1, config_.layers - 1)];
    linear(layer.down, query_key_value_product(reader, team), block, team, space.wide.data(), config_.ffn);
    if (index + 1 < config_.layers) {
      const PackedLayer& next = weights_.layers[index + 1];
      for_rows(block, team, [&](std::size_t r) {
        add_norm(block, r, layer.post_ffn_norm, next.input_norm, space, next.query_key, &next.value);
      });
    } else {
      for_rows(block, team, [&](std::size_t r) {
        kernels_.norm->add_norm(space.hidden.data() + r * config_.width, layer.post_ffn_norm, config_.width,
                                config_.eps, residual(block, r));
      });
    }
  }

  // wide = GELU(gate) * up, [rows, ffn]: two panels of products at a time, which are still in the level-1 or
  // level-2 cache when the gate is applied.
  void gate(const PackedLayer& layer, const Block& block, Team team) {
    BlockSpace& space = buffers(team);
    share(gate_product(layer), linear_product(layer.down, team), team,
          [&](const PanelRange& pair, const std::byte* next, unsigned thread) {
            float* products = space_.threads[thread].pair.data();
            multiply(pair, next, block, space, space.hidden.data(), config_.width, products, 2 * kPanel,
                     thread);
            for (std::size_t r = 0; r < block.rows; ++r) {
              const float* gate = products + r * 2 * kPanel;
              kernels_.geglu->geglu(gate, gate + kPanel, kPanel,
                                    space.wide.data() + r * config_.ffn + pair.first / 2 * kPanel);
            }
          });
  }

  // queries = the last norm of the residual: the hidden states, [tokens, width].
  void leave(const Block& block, Team team) {
    for_rows(block, team, [&](std::size_t r) {
      kernels_.norm->norm(residual(block, r), weights_.final_norm, config_.width, config_.eps,
                          queries(block, r));
    });
  }

  // hidden = RMSNorm(x), and what the layers that read it multiply.
  void norm(const float* x, const float* scale, BlockSpace& space, std::size_t row,
            const PackedLinear& reader, const PackedLinear* other) {
    float* h = space.hidden.data() + row * config_.width;
    kernels_.norm->norm(x, scale, config_.width, config_.eps, h);
    operand(h, config_.width, space, row, reader, other);
  }

  // residual += RMSNorm(hidden); hidden = RMSNorm(residual), and what the layers that read it multiply.
  void add_norm(const Block& block, std::size_t row, const float* scale, const float* next_scale,
                BlockSpace& space, const PackedLinear& reader, const PackedLinear* other) {
    float* h = space.hidden.data() + row * config_.width;
    kernels_.norm->add_norm_norm(h, scale, config_.width, config_.eps, residual(block, row), next_scale, h);
    operand(h, config_.width, space, row, reader, other);
  }

  // A row as the layers that read it multiply it: as codes, in bf16, or as it is.
  void operand(const float* x, std::size_t columns, BlockSpace& space, std::size_t row,
               const PackedLinear& reader, const PackedLinear* other) {
    if (has_codes(reader.encoding) || (other != nullptr && has_codes(other->encoding))) {
      const std::size_t group = group_of(columns);
      const auto quantize = recipe_.per_channel ? kernels_.quantize->plain : kernels_.quantize->row;
      quantize(x, columns, group, space.codes.data() + row * columns * kernels_.gemm_int8->code_bytes,
               space.groups.data() + row * (columns / group));
    }
    const bool bf16 =
        reader.encoding == Encoding::kBf16 || (other != nullptr && other->encoding == Encoding::kBf16);
    if (bf16_products_ && bf16) {
      kernels_.convert->to_bf16(x, columns, space.bf16.data() + row * columns);
    }
  }

  // About sixteen tasks a thread where threads share a block, so that the last one to end is not far behind.
  std::size_t panels_per_task(std::size_t panels, Team team) const {
    return team.alone() ? panels : std::max<std::size_t>(1, panels / (16 * pool_.size()));
  }

  SharedProduct linear_product(const PackedLinear& layer, Team team) const {
    return {layer, panels_per_task(layer.panels(), team)};
  }
  SharedProduct query_key_value_product(const PackedLayer& layer, Team team) const {
    return {layer.query_key, layer.value, panels_per_task(layer.query_key.panels(), team)};
  }
  // A task is a panel of gate and the panel of up that belongs to it.
  static SharedProduct gate_product(const PackedLayer& layer) { return {layer.gate_up, 2}; }

  // body(panels, next, thread) for every task of a product; `next` is what the thread reads when it has done
  // its share, or null.
  template <class Body>
  void share(const SharedProduct& product, const SharedProduct& following, Team team, Body&& body) {
    const std::size_t tasks = product.tasks();
    team.run(tasks, [&](std::size_t task, unsigned thread) {
      const bool last = task + 1 == team.share_end(tasks, thread);
      body(product.at(task), last ? following.first_weights(team, thread) : nullptr, thread);
    });
  }

  // wide = q | k | v, [rows, qkv_width]. Both products in one go of the team, with one barrier.
  void query_key_value(const PackedLayer& layer, const Block& block, Team team) {
    BlockSpace& space = buffers(team);
    share(query_key_value_product(layer, team), linear_product(layer.output, team), team,
          [&](const PanelRange& part, const std::byte* next, unsigned thread) {
            const std::size_t column = part.layer == &layer.value ? layer.query_key.outputs : 0;
            multiply(part, next, block, space, space.hidden.data(), config_.width,
                     space.wide.data() + column + part.first * kPanel, config_.qkv_width(), thread);
          });
  }

  // hidden = in * W^T over the block's rows. `in` is what fp32 products read. `following`: the product after
  // it.
  void linear(const PackedLinear& layer, const SharedProduct& following, const Block& block, Team team,
              const float* in, std::size_t in_stride) {
    BlockSpace& space = buffers(team);
    share(linear_product(layer, team), following, team,
          [&](const PanelRange& part, const std::byte* next, unsigned thread) {
            multiply(part, next, block, space, in, in_stride, space.hidden.data() + part.first * kPanel,
                     config_.width, thread);
          });
  }

  // Some panels of a layer, for all rows of a block.
  void multiply(const PanelRange& part, const std::byte* next, const Block& block, BlockSpace& space,
                const float* in, std::size_t in_stride, float* out, std::size_t out_stride, unsigned thread) {
    const PackedLinear& layer = *part.layer;
    if (has_codes(layer.encoding)) {
      kernels::GemmInt8Args args;
      args.a = space.codes.data();
      args.lda = layer.inputs;
      args.a_groups = space.groups.data();
      args.group = group_of(layer.inputs);
      args.ldg = layer.inputs / args.group;
      args.b = part.weights();
      args.next = next;
      args.c = out;
      args.ldc = out_stride;
      args.m = block.rows;
      args.k = layer.inputs;
      args.panels = part.panels;
      args.scratch = space_.threads[thread].gemm.data();
      return int8_kernel(*kernels_.gemm_int8, layer.encoding)(args);
    }
    const bool f32 = layer.encoding == Encoding::kF32;
    kernels::GemmArgs args;
    args.a = !f32 && bf16_products_ ? static_cast<const void*>(space.bf16.data()) : in;
    args.lda = !f32 && bf16_products_ ? layer.inputs : in_stride;
    args.b = part.weights();
    args.b_panel_stride = layer.inputs * kPanel;
    args.next = next;
    args.c = out;
    args.ldc = out_stride;
    args.m = block.rows;
    args.k = layer.inputs;
    args.panels = part.panels;
    (f32 ? kernels_.gemm->f32 : bf16_products_ ? kernels_.gemm->bf16 : kernels_.gemm->bf16_wide)(args);
    if (observer_ != nullptr && part.first == 0) {
      observer_->inputs(layer, block.row, block.rows, in, in_stride);
    }
  }

  // pooled = mean over all tokens of a text, BOS, EOS and prompt included.
  void pool_texts() {
    const auto& texts = schedule_.texts();
    pool_.run(texts.size(), [&](std::size_t index, unsigned) {
      const TextSpan& text = texts[index];
      float* sum = space_.pooled.data() + index * config_.width;
      std::memset(sum, 0, config_.width * sizeof(float));
      for (std::size_t i = 0; i < text.length; ++i) {
        kernels_.pool->add(queries(text.first + i), config_.width, sum);
      }
      kernels_.pool->scale(sum, config_.width, 1.0F / static_cast<float>(text.length));
    });
  }

  // out[texts, width] = pooled * head
  void head(float* out) {
    pool_.run(weights_.head.panels(), [&](std::size_t panel, unsigned) {
      kernels::GemmArgs args;
      args.a = space_.pooled.data();
      args.lda = config_.width;
      args.b_panel_stride = weights_.head.inputs * kPanel;
      args.b = weights_.head.data + panel * weights_.head.panel_bytes();
      args.c = out + panel * kPanel;
      args.ldc = config_.width;
      args.m = batch_.texts();
      args.k = weights_.head.inputs;
      args.panels = 1;
      kernels_.gemm->f32(args);
    });
  }

  const Weights& weights_;
  const Config& config_;
  const Recipe recipe_;
  const kernels::KernelTable& kernels_;
  const AttentionByLength attention_;
  base::ThreadPool& pool_;
  Workspace& space_;
  const Schedule& schedule_;
  const bool bf16_products_;
  InputObserver* const observer_;
  const std::function<void()>* const between_layers_;
  const std::size_t query_stride_;  // floats from one row of `queries` to the next
  const Batch& batch_;
  std::mutex failure_mutex_;
  Status failure_;  // of a row of the embedding table
};

}  // namespace

Status forward(const ForwardContext& context, const Batch& batch, const ForwardOutput& output) {
  const Config& config = context.weights->config;
  Workspace& space = *context.workspace;
  const AttentionByLength attention = attention_of(context);
  space.schedule.plan(batch, context.pool->size(), context.kernels->block_rows, attention, config.head_dim);
  GEMVEC_CHECK_OK(space.reserve(config, *context.kernels, attention, batch.tokens(), batch.texts(),
                                space.schedule.operand_bytes(), context.pool->size()));
  return Pass(context, batch).run(output);
}

std::uint64_t forward_bytes(const ForwardContext& context, std::size_t tokens) {
  return Workspace::bytes_for(context.weights->config, *context.kernels, attention_of(context), tokens,
                              context.pool->size());
}

}  // namespace gemvec::model
