// What the tests share: the package as its users get it, a tiny model, the command to compare with, the goldens.
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "..", "..", "..");

// Of other programs than Node: with the address sanitizer its library is loaded into Node, and they have their own.
const environment = () => ({ ...process.env, LD_PRELOAD: "" });

// A model folder of the tests' own, made once a program, and a cache for it: tests/cli/write_tiny_model.cc.
function tinyModel() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gemvec-node-"));
  process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  execFileSync(process.env.GEMVEC_TINY_MODEL, [path.join(folder, "model")], { env: environment() });
  process.env.GEMVEC_CACHE = path.join(folder, "cache");
  process.env.GEMVEC_MODEL = path.join(folder, "model");
  return path.join(folder, "model");
}

// Vectors that the command gives: an array of Float32Array.
function commandVectors(texts, ...options) {
  const input = texts.map((text) => JSON.stringify({ text })).join("\n");
  const command = ["embed", "--input-format", "jsonl", "--output-format", "f32", ...options];
  const settings = { input, maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "ignore"], env: environment() };
  const bytes = execFileSync(process.env.GEMVEC_BIN, command, settings);
  const copy = new Uint8Array(bytes).buffer;
  const width = copy.byteLength / 4 / texts.length;
  return texts.map((_, i) => new Float32Array(copy, 4 * i * width, width));
}

// 67 texts with their prompts, ids and vectors: {text, ids, fp32, bf16}.
function goldens() {
  const file = fs.readFileSync(path.join(root, "tests", "golden", "golden.json"), "utf8");
  const floats = (base64) => new Float32Array(new Uint8Array(Buffer.from(base64, "base64")).buffer);
  return JSON.parse(file).cases.map((item) => ({ ...item, fp32: floats(item.fp32), bf16: floats(item.bf16) }));
}

// Texts of 1 to 12 words, the same at each run; some milliseconds each.
function texts(count) {
  const words = "river stone lamp green window paper slow train orange market quiet signal winter garden".split(" ");
  let state = 1;
  const next = (below) => (state = (state * 48271) % 0x7fffffff) % below;
  return Array.from({ length: count }, () => Array.from({ length: 1 + next(12) }, () => words[next(words.length)]).join(" "));
}

const bits = (vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");

module.exports = { bits, commandVectors, goldens, root, texts, tinyModel };
