// What the inputs of a linear layer have in common, measured over the rows of a few texts: what rounding its
// weights needs to know.
//
// With x' what an input's codes stand for (rotated, kernels/quantize) and d the differences that rounding
// makes to an output's weights, the output is off by d.x', and the mean of its square over the inputs is
// d' M d with M = mean(x' x'^T). Let L L^T be M's Cholesky factor: d' M d = |L^T d|^2, and element j of L^T d
// is L_jj (d_j + sum over i > j of d_i L_ij / L_jj). So weights are rounded from the last to the first, and
// each takes back what those after it have done to its element: model/round_weights.h.
#pragma once

#include <cstddef>

#include "base/aligned.h"
#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "kernels/table.h"

namespace gemvec::model {

struct InputStatistics {
  std::size_t k = 0;
  base::AlignedBuffer<double> mean;        // [k] of x
  base::AlignedBuffer<double> coded_mean;  // [k] of x'
  // Panels of 32 columns j, [k / 32][k][32]: L_ij / L_jj for i > j, else anything.
  base::AlignedBuffer<float> feedback;

  // How much d_i, i > j, of a panel's columns: the first float of row i.
  [[nodiscard]] const float* row(std::size_t panel, std::size_t i) const {
    return feedback.data() + (panel * k + i) * kernels::kPanel;
  }
};

// Of x [rows, k]. Rows with a number that is not finite, or so large that its square would not be, count as
// zeros: they come of damaged weights. The same bits with any number of threads. Errors: kIo (out of memory).
Result<InputStatistics> measure_inputs(const float* x, std::size_t rows, std::size_t k,
                                       const kernels::KernelTable& kernels, base::ThreadPool& pool);

}  // namespace gemvec::model
