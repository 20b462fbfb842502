// The direct API: texts to vectors.
"use strict";
const { run } = require("./lanes.js");
const {
  CONTROL_TEXTS, LOAD_OPTIONS, MAX_TOKENS, TRUNCATES, choose, count, dimensions, isObject, known, loadModel, show,
} = require("./model.js");
const { throwIfAborted } = require("./native.js");
const { similarity } = require("./similarity.js");
const { Tensor } = require("./tensor.js");

const OUTPUT_VECTORS = 1; // GEMVEC_OUTPUT_... of gemvec.h
const EMBED_OPTIONS = [
  "task", "prompt", "title", "dimensions", "normalize", "truncate", "maxTokens", "controlText", "signal", "onProgress",
];
// What task: "none" means: the text brings its own prompt.
const NO_TASK = "none";

function checkTexts(texts, what = "texts") {
  if (!Array.isArray(texts)) {
    throw new TypeError(`${what} is ${show(texts)}; it must be a string or an array of strings.`);
  }
  for (let i = 0; i < texts.length; ++i) {
    if (typeof texts[i] !== "string") {
      throw new TypeError(`${what}[${i}] is ${show(texts[i])}; it must be a string.`);
    }
  }
  return texts;
}

// A document as embedDocument() takes it, as {title, text}.
function document(value, place) {
  if (typeof value === "string") return { text: value };
  if (isObject(value) && typeof value.text === "string" && ["string", "undefined"].includes(typeof value.title)) {
    return value;
  }
  throw new TypeError(`${place} is ${show(value)}; it must be a string or {text, title}.`);
}

class EmbeddingGemma {
  #model;
  #truncateDim;

  constructor(model, truncateDim) {
    if (model === undefined) throw new TypeError("use: await EmbeddingGemma.load(options).");
    this.#model = model;
    this.#truncateDim = truncateDim;
  }

  static async load(options) {
    const given = known(options, LOAD_OPTIONS, "EmbeddingGemma.load()");
    throwIfAborted(given.signal);
    const truncateDim = dimensions(given.truncateDim, "truncateDim");
    return new EmbeddingGemma(await loadModel(given), truncateDim);
  }

  // Names of tasks, and the prompts that they put before a text.
  get prompts() {
    return this.#model.prompts();
  }

  // What was loaded: dtype, isa, threads, sizes.
  get info() {
    return this.#model.info();
  }

  // A string -> Float32Array; an array of strings -> an array of Float32Array, which are views of one buffer.
  async embed(texts, options) {
    const { data, dim } = await this.#vectors(typeof texts === "string" ? [texts] : texts, options, "embed()");
    if (typeof texts === "string") return data;
    return Array.from({ length: texts.length }, (_, i) => data.subarray(i * dim, (i + 1) * dim));
  }

  // The same as one Tensor [texts, dimensions].
  async embedTensor(texts, options) {
    const list = typeof texts === "string" ? [texts] : texts;
    const { data, dim } = await this.#vectors(list, options, "embedTensor()");
    return new Tensor("float32", data, [list.length, dim]);
  }

  async embedQuery(query, options) {
    const given = known(options, EMBED_OPTIONS, "embedQuery()");
    return this.embed(query, given.prompt === undefined ? { task: "retrieval-query", ...given } : given);
  }

  // Documents are strings or {text, title}; the option `title` is for all that have none of their own.
  async embedDocument(documents, options) {
    const { title, ...rest } = known(options, EMBED_OPTIONS, "embedDocument()");
    if (rest.task !== undefined || rest.prompt !== undefined) {
      throw new TypeError("embedDocument() has the documents' prompt: use embed() with another.");
    }
    if (title !== undefined && typeof title !== "string") throw new TypeError("title must be a string.");
    const isList = Array.isArray(documents);
    const texts = (isList ? documents : [documents]).map((value, i) => {
      const item = document(value, isList ? `documents[${i}]` : "document");
      return this.#model.promptFor("retrieval-document", item.title ?? title) + item.text;
    });
    return this.embed(isList ? texts : texts[0], { ...rest, task: NO_TASK });
  }

  similarity(a, b, kind) {
    return similarity(a, b, kind);
  }

  // Token ids of each text, BOS and EOS included, as the model would see them.
  tokenize(texts, options) {
    const given = known(options, ["task", "prompt", "title", "maxTokens", "truncate", "controlText"], "tokenize()");
    const lists = this.#model.tokenizer().encode(checkTexts(typeof texts === "string" ? [texts] : texts), {
      prompt: given.prompt ?? this.#promptOf(given),
      maxTokens: count(given.maxTokens, "maxTokens", 2, MAX_TOKENS) || MAX_TOKENS,
      truncate: choose(TRUNCATES, given.truncate, "truncate"),
      controlText: choose(CONTROL_TEXTS, given.controlText, "controlText"),
    });
    return typeof texts === "string" ? lists[0] : lists;
  }

  // Frees the model once no call uses it any more. Later calls throw.
  dispose() {
    this.#model.dispose();
  }

  #promptOf({ task, title }) {
    return task === undefined || task === NO_TASK ? "" : this.#model.promptFor(task, title);
  }

  async #vectors(texts, options, what) {
    checkTexts(texts);
    const given = known(options, EMBED_OPTIONS, what);
    if ((given.task === undefined) === (given.prompt === undefined)) {
      const names = [...Object.keys(this.#model.prompts()), NO_TASK].join(", ");
      throw new TypeError(`${what} needs the option task or prompt. Vectors without a prompt find less: if the texts ` +
        `bring their own, say task: "${NO_TASK}". Tasks: ${names}.`);
    }
    for (const name of ["task", "prompt", "title"]) {
      if (given[name] !== undefined && typeof given[name] !== "string") {
        throw new TypeError(`${name} is ${show(given[name])}; it must be a string.`);
      }
    }
    const call = {
      task: given.task === NO_TASK ? "" : given.task,
      title: given.title,
      prompt: given.prompt,
      outputs: OUTPUT_VECTORS,
      dim: dimensions(given.dimensions) || this.#truncateDim,
      raw: given.normalize === false,
      truncate: choose(TRUNCATES, given.truncate, "truncate"),
      controlText: choose(CONTROL_TEXTS, given.controlText, "controlText"),
      maxTokens: count(given.maxTokens, "maxTokens", 2, MAX_TOKENS),
    };
    // `texts` may change while the call waits for its turn.
    const copy = [...texts];
    const result = await run((watch) => this.#model.embed(copy, call, watch), given);
    return { data: result.vectors, dim: result.dim };
  }
}

if (typeof Symbol.dispose === "symbol") EmbeddingGemma.prototype[Symbol.dispose] = EmbeddingGemma.prototype.dispose;

module.exports = { EmbeddingGemma };
