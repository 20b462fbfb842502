// The package for import: the names of index.js.
import gemvec from "./index.js";

export const {
  AutoModel, AutoTokenizer, EmbeddingGemma, Tensor, cos_sim, dot, env, findModel, matmul, mean_pooling, pipeline,
  similarity, version,
} = gemvec;
export default gemvec;
