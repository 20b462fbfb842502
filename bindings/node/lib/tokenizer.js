// AutoTokenizer: texts to tensors of ids, as Transformers.js has it; but a text that is cut keeps its EOS.
"use strict";
const { Callable } = require("./callable.js");
const { MAX_TOKENS, TRUNCATES, count, findModel, isObject, show } = require("./model.js");
const { native, throwIfAborted } = require("./native.js");
const { Tensor } = require("./tensor.js");

// gemvec_special of gemvec.h
const SPECIAL = { pad: 0, eos: 1, bos: 2 };

function texts_of(value) {
  const list = Array.isArray(value) ? value : [value];
  for (const [i, text] of list.entries()) {
    if (typeof text === "string") continue;
    const place = Array.isArray(value) ? `text[${i}]` : "text";
    throw new TypeError(`${place} is ${show(text)}; the tokenizer takes a string or an array of strings.`);
  }
  return list;
}

// Ids as people have them (numbers, BigInt, typed arrays, a Tensor) -> Int32Array.
function ids_of(value) {
  const list = value instanceof Tensor ? value.data : value;
  if (!Array.isArray(list) && !ArrayBuffer.isView(list)) {
    throw new TypeError(`token ids are ${show(value)}; they must be an array of whole numbers.`);
  }
  return Int32Array.from(list, (id, i) => {
    const number = Number(id);
    if (!Number.isInteger(number) || number < 0 || number > 0x7fffffff) {
      throw new TypeError(`token id ${i} is ${show(id)}; it must be a whole number from 0.`);
    }
    return number;
  });
}

class Tokenizer extends Callable {
  #native;

  constructor(loaded) {
    super();
    this.#native = loaded;
    this.model_max_length = MAX_TOKENS;
    this.padding_side = "right";
    for (const [name, which] of Object.entries(SPECIAL)) {
      this[`${name}_token_id`] = loaded.specialId(which);
      this[`${name}_token`] = loaded.piece(loaded.specialId(which));
    }
  }

  get vocab_size() {
    return this.#native.vocabSize();
  }

  // {input_ids, attention_mask}: int64 Tensors [texts, tokens]; or, with return_tensor: false, arrays of numbers.
  _call(text, options = {}) {
    if (!isObject(options)) throw new TypeError(`the tokenizer's options are ${show(options)}; they must be an object.`);
    const { padding = false, truncation, max_length, add_special_tokens = true, return_tensor = true } = options;
    if (options.text_pair !== undefined && options.text_pair !== null) {
      throw new TypeError("text_pair: this model has no pairs of texts.");
    }
    const texts = texts_of(text);
    const longest = count(max_length, "max_length", 2, Number.MAX_SAFE_INTEGER);
    const given = {
      maxTokens: truncation ? longest || MAX_TOKENS : 0,
      truncate: TRUNCATES.right,
      noBosEos: !add_special_tokens,
      left: this.padding_side === "left",
    };
    if (!return_tensor && !padding) {
      const lists = this.#native.encode(texts, given).map((ids) => Array.from(ids));
      const encoded = { input_ids: lists, attention_mask: lists.map((ids) => ids.map(() => 1)) };
      return Array.isArray(text) ? encoded : { input_ids: lists[0], attention_mask: encoded.attention_mask[0] };
    }
    if (!padding && texts.length > 1) {
      const lengths = this.#native.encode(texts, given).map((ids) => ids.length);
      if (lengths.some((length) => length !== lengths[0])) {
        throw new Error(`the texts have ${Math.min(...lengths)} to ${Math.max(...lengths)} tokens and no one tensor ` +
          "can hold them: pass { padding: true }, and { truncation: true } for texts beyond 2048 tokens.");
      }
    }
    const width = padding === "max_length" ? longest || MAX_TOKENS : 0;
    const { ids, mask, rows, width: tokens } = this.#native.pad(texts, { ...given, width });
    const input_ids = new Tensor("int64", ids, [rows, tokens]);
    const attention_mask = new Tensor("int64", mask, [rows, tokens]);
    if (return_tensor) return { input_ids, attention_mask };
    const numbers = (tensor) => tensor.tolist().map((list) => list.map(Number));
    const encoded = { input_ids: numbers(input_ids), attention_mask: numbers(attention_mask) };
    if (Array.isArray(text)) return encoded;
    return { input_ids: encoded.input_ids[0], attention_mask: encoded.attention_mask[0] };
  }

  encode(text, { add_special_tokens = true } = {}) {
    if (typeof text !== "string") throw new TypeError(`text is ${show(text)}; it must be a string.`);
    return Array.from(this.#native.encode([text], { noBosEos: !add_special_tokens })[0]);
  }

  // The tokens as the vocabulary spells them.
  tokenize(text, { add_special_tokens = false } = {}) {
    return this.encode(text, { add_special_tokens }).map((id) => this.#native.piece(id));
  }

  decode(ids, { skip_special_tokens = false } = {}) {
    return this.#native.decode(ids_of(ids), skip_special_tokens);
  }

  batch_decode(batch, options) {
    const lists = batch instanceof Tensor ? batch.tolist() : batch;
    if (!Array.isArray(lists)) throw new TypeError(`batch is ${show(batch)}; it must be an array of arrays of ids.`);
    return lists.map((ids) => this.decode(ids, options));
  }
}

const AutoTokenizer = {
  // `model`: the release's name on the hub, or a path. All other options of Transformers.js are let pass.
  async from_pretrained(model, options = {}) {
    throwIfAborted(options?.signal);
    return new Tokenizer(await native.loadTokenizer(findModel(model), options?.cacheDir ?? ""));
  },
};

module.exports = { AutoTokenizer, Tokenizer };
