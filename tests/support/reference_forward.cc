#include "support/reference_forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "support/number_types.h"

namespace gemvec::testing {

namespace {

using model::RawTensor;
using model::RawType;

struct Matrix {
  std::size_t rows = 0, cols = 0;
  std::vector<double> values;  // [rows, cols]

  Matrix(std::size_t r, std::size_t c) : rows(r), cols(c), values(r * c) {}
  [[nodiscard]] double* row(std::size_t i) { return values.data() + i * cols; }
  [[nodiscard]] const double* row(std::size_t i) const { return values.data() + i * cols; }
};

class Forward {
 public:
  Forward(const source::ModelSource& model, const ReferenceOptions& options)
      : config_(model.config), weights_(model.weights), options_(options) {}

  [[nodiscard]] ReferenceOutput run(std::span<const std::int32_t> ids) const {
    Matrix x(ids.size(), config_.width);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::vector<double> embedding = row_of(weights_.embedding, static_cast<std::size_t>(ids[i]));
      for (std::size_t c = 0; c < config_.width; ++c)
        x.row(i)[c] = embedding[c] * std::sqrt(static_cast<double>(config_.width));
    }
    for (std::size_t layer = 0; layer < config_.layers; ++layer) {
      const auto& w = weights_.layers[layer];
      add(x, norm(attention(norm(x, w.input_norm), layer), w.post_attention_norm));
      add(x, norm(feed_forward(norm(x, w.pre_ffn_norm), w), w.post_ffn_norm));
    }
    x = norm(x, weights_.final_norm);
    if (config_.dense_width == 0) return {x.values, mean(x).values};
    return {x.values, linear(linear(mean(x), weights_.dense2), weights_.dense3).values};
  }

 private:
  // One row of a tensor.
  [[nodiscard]] std::vector<double> row_of(const RawTensor& tensor, std::size_t row) const {
    std::vector<float> values(tensor.cols);
    if (tensor.type == RawType::kRows) {
      tensor.reader->read(row, values.data());
    } else if (tensor.type == RawType::kF32) {
      std::memcpy(values.data(), tensor.data + row * tensor.cols * 4, tensor.cols * 4);
    } else {
      for (std::size_t c = 0; c < tensor.cols; ++c) {
        std::uint16_t bits = 0;
        std::memcpy(&bits, tensor.data + (row * tensor.cols + c) * 2, 2);
        values[c] = tensor.type == RawType::kBf16 ? from_bf16(bits) : from_f16(bits);
      }
    }
    if (options_.bf16_weights) {
      const float added = tensor.one_added ? 1.0F : 0.0F;
      for (float& value : values) value = from_bf16(to_bf16(value - added)) + added;
    }
    return {values.begin(), values.end()};
  }

  // y = x W^T
  [[nodiscard]] Matrix linear(const Matrix& x, const RawTensor& w) const {
    Matrix y(x.rows, w.rows);
    for (std::size_t out = 0; out < w.rows; ++out) {
      const std::vector<double> row = row_of(w, out);
      for (std::size_t i = 0; i < x.rows; ++i) {
        double sum = 0;
        for (std::size_t c = 0; c < w.cols; ++c) sum += x.row(i)[c] * row[c];
        y.row(i)[out] = sum;
      }
    }
    return y;
  }

  // RMSNorm of every run of w.cols numbers: whole rows, or the heads in them.
  [[nodiscard]] Matrix norm(Matrix x, const RawTensor& w) const {
    std::vector<double> weights = row_of(w, 0);
    if (!w.one_added) {
      for (double& weight : weights) weight += 1;
    }
    for (std::size_t at = 0; at < x.values.size(); at += w.cols) {
      double* run = x.values.data() + at;
      double squares = 0;
      for (std::size_t c = 0; c < w.cols; ++c) squares += run[c] * run[c];
      const double scale = 1 / std::sqrt(squares / static_cast<double>(w.cols) + config_.eps);
      for (std::size_t c = 0; c < w.cols; ++c) run[c] *= scale * weights[c];
    }
    return x;
  }

  // Rotates the pairs (i, i + head_dim / 2) of every head by position * theta^(-2 i / head_dim).
  void rope(Matrix& x, double theta) const {
    const std::size_t half = config_.head_dim / 2;
    for (std::size_t position = 0; position < x.rows; ++position) {
      for (std::size_t at = 0; at < x.cols; at += config_.head_dim) {
        double* head = x.row(position) + at;
        for (std::size_t i = 0; i < half; ++i) {
          const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(config_.head_dim);
          const double angle = static_cast<double>(position) * std::pow(theta, exponent);
          const double a = head[i], b = head[i + half];
          head[i] = a * std::cos(angle) - b * std::sin(angle);
          head[i + half] = b * std::cos(angle) + a * std::sin(angle);
        }
      }
    }
  }

  [[nodiscard]] Matrix attention(const Matrix& h, std::size_t layer) const {
    const auto& w = weights_.layers[layer];
    const bool full = config_.full_attention[layer];
    const double theta = full ? config_.rope_theta_full : config_.rope_theta_sliding;
    Matrix q = norm(linear(h, w.q), w.q_norm);
    Matrix k = norm(linear(h, w.k), w.k_norm);
    const Matrix v = linear(h, w.v);
    rope(q, theta);
    rope(k, theta);
    Matrix o(h.rows, config_.query_width());
    for (std::size_t head = 0; head < config_.heads; ++head) {
      for (std::size_t i = 0; i < h.rows; ++i) {
        const std::size_t first = full || i < config_.window ? 0 : i - config_.window;
        const std::size_t last = full ? h.rows - 1 : std::min(h.rows - 1, i + config_.window);
        attend(q.row(i) + head * config_.head_dim, k, v, first, last, o.row(i) + head * config_.head_dim);
      }
    }
    return linear(o, w.o);
  }

  // out = softmax over the positions first..last of (q . k) * query_scale, times v.
  void attend(const double* q, const Matrix& k, const Matrix& v, std::size_t first, std::size_t last,
              double* out) const {
    std::vector<double> logits;
    for (std::size_t j = first; j <= last; ++j) {
      double dot = 0;
      for (std::size_t c = 0; c < config_.head_dim; ++c) dot += q[c] * k.row(j)[c];
      logits.push_back(dot * config_.query_scale);
    }
    const double top = *std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (double& logit : logits) total += logit = std::exp(logit - top);
    for (std::size_t j = first; j <= last; ++j) {
      for (std::size_t c = 0; c < config_.head_dim; ++c) out[c] += logits[j - first] / total * v.row(j)[c];
    }
  }

  [[nodiscard]] Matrix feed_forward(const Matrix& h, const model::RawLayer& w) const {
    Matrix m = linear(h, w.gate);
    const Matrix up = linear(h, w.up);
    for (std::size_t i = 0; i < m.values.size(); ++i) {
      const double x = m.values[i];
      // sqrt(2 / pi) as the reference implementation writes it.
      const double gelu = 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
      m.values[i] = gelu * up.values[i];
    }
    return linear(m, w.down);
  }

  static void add(Matrix& x, const Matrix& branch) {
    for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] += branch.values[i];
  }

  static Matrix mean(const Matrix& x) {
    Matrix p(1, x.cols);
    for (std::size_t i = 0; i < x.rows; ++i) {
      for (std::size_t c = 0; c < x.cols; ++c) p.values[c] += x.row(i)[c] / static_cast<double>(x.rows);
    }
    return p;
  }

  const model::Config& config_;
  const model::RawWeights& weights_;
  ReferenceOptions options_;
};

}  // namespace

ReferenceOutput reference_forward(const source::ModelSource& model, std::span<const std::int32_t> ids,
                                  const ReferenceOptions& options) {
  return Forward(model, options).run(ids);
}

std::vector<double> reference_embedding(const source::ModelSource& model, std::span<const std::int32_t> ids,
                                        const ReferenceOptions& options, std::size_t dim) {
  std::vector<double> vector = reference_forward(model, ids, options).embedding;
  if (dim != 0) vector.resize(dim);
  double squares = 0;
  for (const double value : vector) squares += value * value;
  for (double& value : vector) value /= std::sqrt(squares);
  return vector;
}

}  // namespace gemvec::testing
