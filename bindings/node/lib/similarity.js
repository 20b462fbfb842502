// Similarities of vectors.
"use strict";
const { choose, show } = require("./model.js");
const { native } = require("./native.js");
const { Tensor } = require("./tensor.js");

const KINDS = { cosine: 0, dot: 1, euclidean: 2, manhattan: 3 };

// One vector or several -> {data: Float32Array [rows, dim], rows, dim, single}.
function matrix(value, name) {
  if (value instanceof Float32Array) return { data: value, rows: 1, dim: value.length, single: true };
  if (value instanceof Tensor) {
    if (value.type !== "float32" || value.dims.length < 1 || value.dims.length > 2) {
      throw new TypeError(`${name} must be a float32 Tensor [rows, dim] or [dim].`);
    }
    const dim = value.dims.at(-1);
    return { data: value.data, rows: dim === 0 ? 0 : value.size / dim, dim, single: value.dims.length === 1 };
  }
  if (!Array.isArray(value)) {
    throw new TypeError(`${name} is ${show(value)}; it must be a vector, an array of vectors or a Tensor.`);
  }
  if (value.length > 0 && typeof value[0] === "number") {
    const { data, dim } = matrix([value], name);
    return { data, rows: 1, dim, single: true };
  }
  const dim = value[0]?.length ?? 0;
  const data = new Float32Array(value.length * dim);
  for (const [i, row] of value.entries()) {
    if (!(row instanceof Float32Array) && !(Array.isArray(row) && row.every((x) => typeof x === "number"))) {
      throw new TypeError(`${name}[${i}] must be a vector: a Float32Array or an array of numbers.`);
    }
    if (row.length !== dim) {
      throw new TypeError(`${name}[${i}] has ${row.length} numbers and ${name}[0] has ${dim}: not of one embedding.`);
    }
    data.set(row, i * dim);
  }
  return { data, rows: value.length, dim, single: false };
}

// similarity(a, b) of two vectors: a number; of a vector and several: a Float32Array; of several and several: an
// array with one Float32Array for each of `a`.
function similarity(a, b, kind = "cosine") {
  const number = choose(KINDS, kind, "kind");
  const left = matrix(a, "a");
  const right = matrix(b, "b");
  if (left.rows > 0 && right.rows > 0 && left.dim !== right.dim) {
    throw new TypeError(`a has ${left.dim} dimensions and b ${right.dim}: embed both with the same.`);
  }
  const rows = left.rows === 0 || right.rows === 0 ? [0, 0, 0] : [left.rows, right.rows, left.dim];
  const scores = native.similarity(
    number, rows[2] === 0 ? new Float32Array(0) : left.data, rows[0],
    rows[2] === 0 ? new Float32Array(0) : right.data, rows[1], rows[2],
  );
  if (left.single && right.single) return scores[0];
  if (left.single || right.single) return scores;
  return Array.from({ length: left.rows }, (_, i) => scores.subarray(i * right.rows, (i + 1) * right.rows));
}

module.exports = { similarity };
