// Loading, and what options mean, with names in place of C's numbers.
"use strict";
const { run } = require("./lanes.js");
const { native } = require("./native.js");

// As gemvec_dtype, gemvec_compute, gemvec_truncate and gemvec_control_text of gemvec.h number them.
const DTYPES = { fp32: 1, bf16: 2, q8: 3, q4: 4, mixed: 5 };
const COMPUTES = { native: 0, fp32: 1 };
const TRUNCATES = { right: 0, left: 1, error: 2 };
const CONTROL_TEXTS = { parse: 0, text: 1 };
const DIMENSIONS = [768, 512, 256, 128];
const MAX_TOKENS = 2048;

function choose(table, value, name) {
  if (value === undefined || value === null) return 0;
  if (typeof value === "string" && Object.hasOwn(table, value)) return table[value];
  throw new TypeError(`${name} is ${show(value)}; it can be ${Object.keys(table).join(", ")}.`);
}

// A value in a message: short, and never throwing.
function show(value) {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "bigint" ? `${value}n` : String(value);
}

function count(value, name, least, most) {
  if (value === undefined || value === null) return 0;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`${name} is ${show(value)}; it must be a whole number from ${least} to ${most}.`);
  }
  return value;
}

function dimensions(value, name = "dimensions") {
  if (value === undefined || value === null) return 0;
  if (!DIMENSIONS.includes(value)) {
    throw new TypeError(`${name} is ${show(value)}; the model has ${DIMENSIONS.join(", ")}.`);
  }
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// Refuses members that nobody would read: a misspelt `dimension` is a vector of the wrong width.
function known(options, names, what) {
  if (options === undefined) return {};
  if (!isObject(options)) throw new TypeError(`${what} takes an object of options, not ${show(options)}.`);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new TypeError(`${what} has no option ${show(name)}; it has ${names.join(", ")}.`);
    }
  }
  return options;
}

function findModel(name) {
  if (name !== undefined && name !== null && typeof name !== "string") {
    throw new TypeError(`model is ${show(name)}; it must be a string: a path, or the release's name on the hub.`);
  }
  return native.findModel(name ?? "");
}

const LOAD_OPTIONS = [
  "model", "dtype", "compute", "threads", "cacheDir", "exact", "allowHeadless", "noCache", "skipSelfCheck",
  "maxMemory", "truncateDim", "signal", "onProgress", "onMessage",
];

// -> the native model. Options as EmbeddingGemma.load() has them.
async function loadModel(options) {
  if (options.onMessage !== undefined && typeof options.onMessage !== "function") {
    throw new TypeError("onMessage must be a function.");
  }
  const given = {
    model: findModel(options.model),
    cacheDir: options.cacheDir,
    dtype: choose(DTYPES, options.dtype, "dtype"),
    compute: choose(COMPUTES, options.compute, "compute"),
    threads: count(options.threads, "threads", 1, 1024),
    exact: options.exact,
    allowHeadless: options.allowHeadless,
    noCache: options.noCache,
    skipSelfCheck: options.skipSelfCheck,
    maxMemory: count(options.maxMemory, "maxMemory", 0, Number.MAX_SAFE_INTEGER),
  };
  const loaded = await run((watch) => native.loadModel(given, watch), options);
  if (options.onMessage) for (const { level, message } of loaded.messages) options.onMessage(message, level);
  return loaded.model;
}

module.exports = {
  CONTROL_TEXTS, LOAD_OPTIONS, MAX_TOKENS, TRUNCATES, choose, count, dimensions, findModel, isObject, known, loadModel,
  show,
};
