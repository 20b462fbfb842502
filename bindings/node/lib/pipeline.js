// pipeline("feature-extraction"), as Transformers.js has it.
"use strict";
const { AutoModel } = require("./auto-model.js");
const { Callable } = require("./callable.js");
const { AutoTokenizer } = require("./tokenizer.js");
const { show } = require("./model.js");
const { Tensor, mean_pooling } = require("./tensor.js");

// What `pooling` makes of the two outputs and the mask. Only "sentence" is the model's own embedding: all others are
// made from hidden states, without the two dense layers that the release has behind the mean.
const POOLING = {
  none: ({ last_hidden_state }) => last_hidden_state,
  mean: ({ last_hidden_state }, mask) => mean_pooling(last_hidden_state, mask),
  cls: ({ last_hidden_state }) => last_hidden_state.slice(null, 0),
  first_token: ({ last_hidden_state }) => last_hidden_state.slice(null, 0),
  last_token: ({ last_hidden_state }, mask) => lastTokens(last_hidden_state, mask),
  eos: ({ last_hidden_state }, mask) => lastTokens(last_hidden_state, mask),
  sentence: ({ sentence_embedding }) => sentence_embedding,
};

// The row of each text's last token, which is not the last row if the text is padded.
function lastTokens(states, mask) {
  const [texts, tokens, width] = states.dims;
  const out = new Float32Array(texts * width);
  for (let i = 0; i < texts; ++i) {
    let last = tokens - 1;
    while (last > 0 && mask.data[i * tokens + last] === 0n) last -= 1;
    out.set(states.data.subarray((i * tokens + last) * width, (i * tokens + last + 1) * width), i * width);
  }
  return new Tensor("float32", out, [texts, width]);
}

// One bit for each number, 1 above 0, the first in a byte's highest; "binary" has the bytes less 128.
function quantize(tensor, precision) {
  if (precision !== "binary" && precision !== "ubinary") {
    throw new TypeError(`precision is ${show(precision)}; it can be binary, ubinary.`);
  }
  const width = tensor.dims.at(-1);
  const signed = precision === "binary";
  const bytes = new (signed ? Int8Array : Uint8Array)(tensor.size / 8);
  for (let i = 0; i < bytes.length; ++i) {
    let byte = 0;
    for (let bit = 0; bit < 8; ++bit) byte = 2 * byte + (tensor.data[8 * i + bit] > 0 ? 1 : 0);
    bytes[i] = signed ? byte - 128 : byte;
  }
  return new Tensor(signed ? "int8" : "uint8", bytes, [...tensor.dims.slice(0, -1), width / 8]);
}

class FeatureExtraction extends Callable {
  constructor(tokenizer, model) {
    super();
    this.task = "feature-extraction";
    this.tokenizer = tokenizer;
    this.model = model;
  }

  // A text or several -> Tensor [texts, 768], or with pooling "none" [texts, tokens, 768].
  async _call(texts, { pooling = "none", normalize = false, quantize: bits = false, precision = "binary", signal } = {}) {
    if (typeof pooling !== "string" || !Object.hasOwn(POOLING, pooling)) {
      throw new TypeError(`pooling is ${show(pooling)}; it can be ${Object.keys(POOLING).join(", ")}.`);
    }
    const inputs = this.tokenizer(texts, { padding: true, truncation: true });
    let result = POOLING[pooling](await this.model(inputs, { signal }), inputs.attention_mask);
    if (normalize) result = result.normalize(2, -1);
    return bits ? quantize(result, precision) : result;
  }

  async dispose() {
    await this.model.dispose();
  }
}

async function pipeline(task, model, options = {}) {
  if (task !== "feature-extraction") {
    throw new TypeError(`pipeline(${show(task)}): this model does "feature-extraction" and nothing else.`);
  }
  const [tokenizer, loaded] = await Promise.all([
    AutoTokenizer.from_pretrained(model, options),
    AutoModel.from_pretrained(model, options),
  ]);
  options?.progress_callback?.({ status: "ready", task, model });
  return new FeatureExtraction(tokenizer, loaded);
}

module.exports = { pipeline };
