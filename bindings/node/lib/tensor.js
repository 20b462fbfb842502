// Tensor, with the names that Transformers.js gives its own, and the functions on tensors that go with this model.
"use strict";

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
  int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array,
  uint64: BigUint64Array,
};

// Below this length a vector is taken for zero, as in the release.
const LEAST_NORM = 1e-12;

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

// A dimension or index counted from the end if it is negative.
function from(index, size, what) {
  const found = index < 0 ? index + size : index;
  if (!Number.isInteger(found) || found < 0 || found >= size) {
    throw new RangeError(`${what} ${index} is out of range: there are ${size}.`);
  }
  return found;
}

function typed(type, data) {
  const Type = ARRAYS[type];
  if (Type === undefined) {
    throw new TypeError(`a Tensor's type is one of ${Object.keys(ARRAYS).join(", ")}, not ${String(type)}.`);
  }
  if (data instanceof Type) return data;
  if (!Array.isArray(data)) throw new TypeError(`a Tensor of ${type} takes a ${Type.name} or an array.`);
  if (Type !== BigInt64Array && Type !== BigUint64Array) return Type.from(data, Number);
  return Type.from(data, (item, i) => {
    if (typeof item !== "bigint" && !Number.isInteger(item)) {
      throw new TypeError(`element ${i} of a Tensor of ${type} is ${String(item)}; it must be a whole number.`);
    }
    return BigInt(item);
  });
}

class Tensor {
  // type, numbers row by row, sizes of the dimensions. A typed array of the right type is kept, not copied.
  constructor(type, data, dims) {
    this.type = type;
    this.data = typed(type, data);
    this.dims = [...(dims ?? [this.data.length])];
    if (!this.dims.every((size) => Number.isInteger(size) && size >= 0) || product(this.dims) !== this.data.length) {
      throw new TypeError(`a Tensor [${this.dims}] has another number of elements than its data, ${this.data.length}.`);
    }
  }

  get size() {
    return this.data.length;
  }

  // Nothing to free: the garbage collector does it. Here because scripts for Transformers.js call it.
  dispose() {}

  clone() {
    return new Tensor(this.type, this.data.slice(), this.dims);
  }

  item() {
    if (this.size !== 1) throw new Error(`item() is for a Tensor with one element; this has ${this.size}: use tolist().`);
    return this.data[0];
  }

  // Nested arrays; int64 as BigInt.
  tolist() {
    let list = Array.from(this.data);
    for (let d = this.dims.length - 1; d > 0; --d) {
      const size = this.dims[d];
      const rows = product(this.dims.slice(0, d));
      list = Array.from({ length: rows }, (_, i) => list.slice(i * size, (i + 1) * size));
    }
    return list;
  }

  to(type) {
    if (type === this.type) return this;
    const isBig = type === "int64" || type === "uint64";
    return new Tensor(type, Array.from(this.data, isBig ? (x) => BigInt(Math.trunc(Number(x))) : Number), this.dims);
  }

  // The same numbers with other dimensions, one of which may be -1.
  view(...dims) {
    const open = dims.indexOf(-1);
    if (open >= 0) dims[open] = this.size / -product(dims);
    return new Tensor(this.type, this.data, dims);
  }

  reshape(...dims) {
    return this.view(...dims);
  }

  squeeze(dim) {
    if (dim === undefined || dim === null) return this.view(...this.dims.filter((size) => size !== 1));
    const at = from(dim, this.dims.length, "dimension");
    return this.dims[at] === 1 ? this.view(...this.dims.filter((_, d) => d !== at)) : this;
  }

  unsqueeze(dim = 0) {
    const at = from(dim, this.dims.length + 1, "dimension");
    return this.view(...this.dims.slice(0, at), 1, ...this.dims.slice(at));
  }

  // The dimensions in another order.
  permute(...order) {
    const rank = this.dims.length;
    const axes = order.map((axis) => from(axis, rank, "dimension"));
    if (axes.length !== rank || new Set(axes).size !== rank) {
      throw new TypeError(`permute() and transpose() take all ${rank} dimensions in their new order, not [${order}].`);
    }
    const strides = this.dims.map((_, d) => product(this.dims.slice(d + 1)));
    const starts = axes.map((axis) => ({ size: this.dims[axis], stride: strides[axis] }));
    return new Tensor(this.type, gather(this.data, starts, 0), starts.map(({ size }) => size));
  }

  transpose(...order) {
    return this.permute(...order);
  }

  // For each dimension: null or nothing for all of it, an index, or [begin, end).
  slice(...ranges) {
    let offset = 0;
    const kept = [];
    for (const [d, size] of this.dims.entries()) {
      const stride = product(this.dims.slice(d + 1));
      const range = ranges[d];
      if (typeof range === "number") {
        offset += from(range, size, "index") * stride;
      } else {
        if (range !== null && range !== undefined && (!Array.isArray(range) || range.length !== 2)) {
          throw new TypeError("slice() takes null, an index or [begin, end] for each dimension.");
        }
        const limit = (edge) => Math.max(0, Math.min(size, edge < 0 ? edge + size : edge));
        const begin = limit(range?.[0] ?? 0);
        const end = Math.max(begin, limit(range?.[1] ?? size));
        offset += begin * stride;
        kept.push({ size: end - begin, stride });
      }
    }
    return new Tensor(this.type, gather(this.data, kept, offset), kept.map(({ size }) => size));
  }

  // Each row along `dim` divided by its p-norm.
  normalize(p = 2, dim = 1) {
    return this.clone().normalize_(p, dim);
  }

  normalize_(p = 2, dim = 1) {
    const at = from(dim, this.dims.length, "dimension");
    const { data } = this;
    forRows(this.dims, at, (begin, stride, size) => {
      let sum = 0;
      for (let i = 0; i < size; ++i) sum += Math.abs(data[begin + i * stride]) ** p;
      const norm = Math.max(sum ** (1 / p), LEAST_NORM);
      for (let i = 0; i < size; ++i) data[begin + i * stride] /= norm;
    });
    return this;
  }

  // The mean along `dim`, or of all elements.
  mean(dim, keepdim = false) {
    if (dim === undefined || dim === null) return this.view(-1).mean(0);
    const at = from(dim, this.dims.length, "dimension");
    const means = [];
    forRows(this.dims, at, (begin, stride, size) => {
      let sum = 0;
      for (let i = 0; i < size; ++i) sum += this.data[begin + i * stride];
      means.push(sum / size);
    });
    const dims = this.dims.flatMap((size, d) => (d === at ? (keepdim ? [1] : []) : [size]));
    return new Tensor(this.type, means, dims);
  }

  // Rows, or the numbers of a Tensor with one dimension.
  *[Symbol.iterator]() {
    for (let i = 0; i < (this.dims[0] ?? 0); ++i) yield this.dims.length > 1 ? row(this, i) : this.data[i];
  }
}

// Row i, without a copy.
function row(tensor, i) {
  const at = from(i, tensor.dims[0] ?? 0, "index");
  const dims = tensor.dims.slice(1);
  const size = product(dims);
  return new Tensor(tensor.type, tensor.data.subarray(at * size, (at + 1) * size), dims);
}

// tensor[i] is row i: what no object above it has is looked for here. A proxy of each tensor would slow all else down.
Object.setPrototypeOf(Tensor.prototype, new Proxy(Object.prototype, {
  get(object, key, receiver) {
    if (typeof key === "string" && /^\d+$/.test(key)) return row(receiver, Number(key));
    return Reflect.get(object, key, receiver);
  },
}));

// The numbers of a box of strided dimensions, in order.
function gather(data, box, offset) {
  const out = new data.constructor(product(box.map(({ size }) => size)));
  let at = 0;
  const walk = (d, begin) => {
    if (d === box.length) {
      out[at++] = data[begin];
      return;
    }
    const { size, stride } = box[d];
    if (d === box.length - 1 && stride === 1) {
      out.set(data.subarray(begin, begin + size), at);
      at += size;
      return;
    }
    for (let i = 0; i < size; ++i) walk(d + 1, begin + i * stride);
  };
  walk(0, offset);
  return out;
}

// visit(begin, stride, size) for each row along dimension `at`.
function forRows(dims, at, visit) {
  const stride = product(dims.slice(at + 1));
  const size = dims[at];
  for (let outer = 0; outer < product(dims.slice(0, at)); ++outer) {
    for (let inner = 0; inner < stride; ++inner) visit(outer * size * stride + inner, stride, size);
  }
}

function expectTensor(value, name, rank) {
  if (!(value instanceof Tensor) || value.dims.length !== rank) {
    throw new TypeError(`${name} must be a Tensor with ${rank} dimensions.`);
  }
}

// The matrix product of a [m, k] and b [k, n]. A promise, as Transformers.js gives; sums are taken in double precision.
async function matmul(a, b) {
  expectTensor(a, "a", 2);
  expectTensor(b, "b", 2);
  const [m, k] = a.dims;
  const n = b.dims[1];
  if (b.dims[0] !== k) throw new TypeError(`matmul() of [${a.dims}] and [${b.dims}]: the inner dimensions differ.`);
  const out = new Float32Array(m * n);
  const sums = new Float64Array(n);
  for (let i = 0; i < m; ++i) {
    sums.fill(0);
    for (let j = 0; j < k; ++j) {
      const factor = a.data[i * k + j];
      for (let l = 0, at = j * n; l < n; ++l) sums[l] += factor * b.data[at + l];
    }
    out.set(sums, i * n);
  }
  return new Tensor("float32", out, [m, n]);
}

// The mean of the rows of hidden states [texts, tokens, width] where the mask [texts, tokens] is not 0.
function mean_pooling(last_hidden_state, attention_mask) {
  expectTensor(last_hidden_state, "last_hidden_state", 3);
  expectTensor(attention_mask, "attention_mask", 2);
  const [texts, tokens, width] = last_hidden_state.dims;
  if (attention_mask.dims[0] !== texts || attention_mask.dims[1] !== tokens) {
    throw new TypeError(`attention_mask [${attention_mask.dims}] does not go with [${last_hidden_state.dims}].`);
  }
  const out = new Float32Array(texts * width);
  const sums = new Float64Array(width);
  for (let i = 0; i < texts; ++i) {
    sums.fill(0);
    let count = 0;
    for (let t = 0; t < tokens; ++t) {
      if (Number(attention_mask.data[i * tokens + t]) === 0) continue;
      count += 1;
      const begin = (i * tokens + t) * width;
      for (let d = 0; d < width; ++d) sums[d] += last_hidden_state.data[begin + d];
    }
    for (let d = 0; d < width; ++d) out[i * width + d] = count === 0 ? 0 : sums[d] / count;
  }
  return new Tensor("float32", out, [texts, width]);
}

function dot(a, b) {
  if (a.length !== b.length) throw new TypeError(`dot() of ${a.length} and ${b.length} numbers.`);
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i] * b[i];
  return sum;
}

// The cosine of two arrays of numbers; 0 if one has no length.
function cos_sim(a, b) {
  const norms = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
  return norms === 0 ? 0 : dot(a, b) / norms;
}

module.exports = { Tensor, cos_sim, dot, matmul, mean_pooling };
