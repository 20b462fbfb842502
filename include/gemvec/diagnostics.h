// Is this build, on this machine, with these weights, right - and how fast could it be?
#pragma once

#include <string>
#include <vector>

#include "gemvec/embedder.h"
#include "gemvec/result.h"

namespace gemvec {

struct VerifyCase {
  std::string name;         // "card: Mars, known for ...", "golden: 300 tokens"
  double max_abs_diff = 0;  // largest difference of one element of the unit vector
  double cosine = 0;        // to the reference vector
  double tolerance = 0;     // what max_abs_diff (fp32 arithmetic) or 1 - cosine (others) must not exceed
  bool ok = false;
};

struct VerifyReport {
  std::vector<float> similarities;           // [4], the card's query against its four documents
  std::vector<float> expected_similarities;  // [4], of the weight set that was loaded
  std::vector<VerifyCase> cases;
  bool ok = false;
  // false for DType::kMixed and for weights that their file has in codes: the release's vectors are not
  // promised of them, and the cases say how far off they are, no more.
  bool promised = true;
};

// Embeds the card's example and a few goldens built into the library (short, past the attention
// window, and 2048 tokens) and compares with the release's vectors of the embedder's weight set; of fp32
// weights, of the set that is nearer, because a file may hold weights that were rounded to bf16 before.
// Some 2,500 tokens: seconds. Errors: those of Embedder::embed.
Result<VerifyReport> verify(const Embedder& embedder);

// What the processor can do in the arithmetic of the embedder's linear layers, measured now on
// `info().threads` threads with registers only. GFLOP/s; a multiply-add counts as two.
double measure_peak_gflops(const Embedder& embedder);

// Work of the linear layers for one token, in FLOP.
double linear_flops_per_token(const ModelInfo& info);

// Names of the instruction sets compiled in, best first, and whether this machine has each.
struct IsaInfo {
  std::string name;
  bool supported = false;
  bool selected = false;
};
std::vector<IsaInfo> instruction_sets();

std::string version();  // "0.1.0"

}  // namespace gemvec
