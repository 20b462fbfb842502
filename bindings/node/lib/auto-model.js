// AutoModel: ids to last_hidden_state and sentence_embedding, as Transformers.js has it.
"use strict";
const { Callable } = require("./callable.js");
const { run } = require("./lanes.js");
const { findModel, isObject, loadModel, show } = require("./model.js");
const { throwIfAborted } = require("./native.js");
const { Tensor } = require("./tensor.js");

const OUTPUT_BOTH = 3; // GEMVEC_OUTPUT_VECTORS | GEMVEC_OUTPUT_TOKENS of gemvec.h

// The files of the ONNX release by Transformers.js's names, and what gemvec has in their place. Its fp32 file holds
// weights that were rounded to bf16, and computes in fp32.
const ONNX_FP32 = { dtype: "bf16", compute: "fp32" };
const DTYPES = {
  auto: ONNX_FP32, fp32: ONNX_FP32, q8: { dtype: "q8" }, int8: { dtype: "q8" }, uint8: { dtype: "q8" },
  q4: { dtype: "q4" }, q4f16: { dtype: "q4" }, bnb4: { dtype: "q4" }, bf16: { dtype: "bf16" },
};

function dtype_of(value, path) {
  const name = isObject(value) ? value.model : value; // {model: "q8"}: a dtype for each file
  // Of a .gemvec file the numbers were chosen when it was written.
  if (name === undefined || name === null) return path.endsWith(".gemvec") ? {} : ONNX_FP32;
  if (typeof name === "string" && Object.hasOwn(DTYPES, name)) return DTYPES[name];
  if (name === "fp16") {
    throw new TypeError('dtype "fp16": this model\'s activations overflow in fp16. Use "fp32", "q8" or "q4".');
  }
  throw new TypeError(`dtype is ${show(name)}; it can be ${Object.keys(DTYPES).join(", ")}.`);
}

// Tensor of int64 [texts, tokens]; arrays of arrays of numbers are taken as well.
function idTensor(value, name) {
  if (value instanceof Tensor) {
    if (value.dims.length !== 2) throw new TypeError(`${name} has ${value.dims.length} dimensions; it must have 2.`);
    if (value.type === "int64") return value;
    if (value.type === "int32" || value.type === "bool") return value.to("int64");
    throw new TypeError(`${name} is a Tensor of ${value.type}; it must be of int64, as the tokenizer makes it.`);
  }
  if (!Array.isArray(value) || !value.every(Array.isArray)) {
    throw new TypeError(`${name} is ${show(value)}; it must be a Tensor of int64 [texts, tokens].`);
  }
  const width = value[0]?.length ?? 0;
  const ragged = value.findIndex((row) => row.length !== width);
  if (ragged >= 0) {
    throw new TypeError(`${name}[${ragged}] has ${value[ragged].length} elements and ${name}[0] has ${width}: pad them.`);
  }
  return new Tensor("int64", value.flat(), [value.length, width]);
}

class Model extends Callable {
  #native;

  constructor(loaded) {
    super();
    this.#native = loaded;
    const { width, vocabSize, maxTokens } = loaded.info();
    this.config = { model_type: "gemma3_text", hidden_size: width, vocab_size: vocabSize, max_position_embeddings: maxTokens };
  }

  // What was loaded: dtype, isa, threads, sizes.
  get info() {
    return this.#native.info();
  }

  // {input_ids, attention_mask}, [texts, tokens] -> {last_hidden_state [texts, tokens, 768], sentence_embedding
  // [texts, 768]}. Rows of last_hidden_state that are padding are zero. `options.signal` cancels.
  async _call(inputs, options = {}) {
    if (!isObject(inputs) || inputs.input_ids === undefined) {
      throw new TypeError("the model takes what the tokenizer gives: { input_ids, attention_mask }.");
    }
    const ids = idTensor(inputs.input_ids, "input_ids");
    const given = inputs.attention_mask ?? null;
    const mask = given === null ? null : idTensor(given, "attention_mask");
    const [rows, width] = ids.dims;
    if (mask !== null && (mask.dims[0] !== rows || mask.dims[1] !== width)) {
      throw new TypeError(`attention_mask is [${mask.dims}] and input_ids [${ids.dims}]: they must be alike.`);
    }
    const call = (watch) =>
      this.#native.embedPadded(ids.data, mask?.data ?? null, rows, width, { outputs: OUTPUT_BOTH }, watch);
    const result = await run(call, options);
    return {
      last_hidden_state: new Tensor("float32", result.tokens, [rows, width, result.width]),
      sentence_embedding: new Tensor("float32", result.vectors, [rows, result.dim || result.width]),
    };
  }

  async forward(inputs, options) {
    return this._call(inputs, options);
  }

  // Frees the model once no call uses it any more. Later calls throw.
  async dispose() {
    this.#native.dispose();
  }
}

const AutoModel = {
  // `model`: the release's name on the hub, or a path. dtype and progress_callback as in Transformers.js; also signal,
  // threads and cacheDir, as EmbeddingGemma.load() has them. Everything else of Transformers.js (device, session_options,
  // local_files_only, ...) is let pass: there is one way to run this model.
  async from_pretrained(model, options = {}) {
    const { dtype, progress_callback: tell, signal, threads, cacheDir } = options ?? {};
    if (tell !== undefined && tell !== null && typeof tell !== "function") {
      throw new TypeError("progress_callback must be a function.");
    }
    throwIfAborted(signal);
    const file = findModel(model);
    const about = { name: model ?? file, file };
    const onProgress = tell
      ? ({ done, total }) => tell({ status: "progress", ...about, progress: (100 * done) / total, loaded: done, total })
      : undefined;
    tell?.({ status: "initiate", ...about });
    const loaded = await loadModel({ model: file, ...dtype_of(dtype, file), signal, threads, cacheDir, onProgress });
    tell?.({ status: "done", ...about });
    return new Model(loaded);
  },
};

module.exports = { AutoModel };
