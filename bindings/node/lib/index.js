// The package for require(). index.mjs has the same names for import.
"use strict";
const { AutoModel } = require("./auto-model.js");
const { EmbeddingGemma } = require("./embedding-gemma.js");
const { findModel } = require("./model.js");
const { native } = require("./native.js");
const { pipeline } = require("./pipeline.js");
const { similarity } = require("./similarity.js");
const { Tensor, cos_sim, dot, matmul, mean_pooling } = require("./tensor.js");
const { AutoTokenizer } = require("./tokenizer.js");

// Scripts for Transformers.js set members of it. gemvec looks at none: it downloads nothing.
const env = {};

module.exports = {
  AutoModel, AutoTokenizer, EmbeddingGemma, Tensor, cos_sim, dot, env, findModel, matmul, mean_pooling, pipeline,
  similarity, version: native.version,
};
