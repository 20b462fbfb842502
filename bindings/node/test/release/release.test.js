// On the release's weights: the goldens, the model card's example, and what both APIs give beside the command.
"use strict";
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");
const { bits, commandVectors, goldens } = require("../support.js");
const { AutoModel, AutoTokenizer, EmbeddingGemma, pipeline } = require("../../lib/index.js");

const none = { task: "none" };
const cases = goldens();
const list = cases.map(({ text }) => text);

// Elements of unit vectors (docs/numerics.md).
function near(got, expected, tolerance) {
  const worst = got.reduce((most, x, k) => Math.max(most, Math.abs(x - expected[k])), 0);
  assert.ok(worst <= tolerance, `an element is off by ${worst}, more than ${tolerance}`);
}

test("q8, the default: the command's bits for all goldens, in one call and in eight at once", async () => {
  const model = await EmbeddingGemma.load();
  const expected = commandVectors(list, "--task", "none").map(bits);
  assert.deepEqual((await model.embed(list, none)).map(bits), expected);
  const parts = Array.from({ length: 8 }, (_, i) => [...list.keys()].filter((k) => k % 8 === i));
  const vectors = await Promise.all(parts.map((part) => model.embed(part.map((k) => list[k]), none)));
  for (const [i, part] of parts.entries()) {
    for (const [j, k] of part.entries()) assert.equal(bits(vectors[i][j]), expected[k]);
  }
  for (const [k, { ids }] of cases.entries()) assert.deepEqual(Array.from(model.tokenize(list[k])), ids);
  model.dispose();
});

test("fp32: the goldens to 1e-6, and the command's bits", async () => {
  const model = await EmbeddingGemma.load({ dtype: "fp32" });
  const some = cases.filter(({ tokens }) => tokens <= 300);
  const vectors = await model.embed(some.map(({ text }) => text), none);
  for (const [i, { fp32 }] of some.entries()) near(vectors[i], fp32, 1e-6);
  const expected = commandVectors(some.map(({ text }) => text), "--task", "none", "--dtype", "fp32");
  assert.deepEqual(vectors.map(bits), expected.map(bits));
  model.dispose();
});

test("AutoModel's fp32: the goldens of the weights that the ONNX release has, padded together", async () => {
  const some = cases.filter(({ tokens }) => tokens <= 300);
  const tokenizer = await AutoTokenizer.from_pretrained("onnx-community/embeddinggemma-300m-ONNX");
  const model = await AutoModel.from_pretrained("onnx-community/embeddinggemma-300m-ONNX", { dtype: "fp32" });
  const inputs = tokenizer(some.map(({ text }) => text), { padding: true });
  const { sentence_embedding } = await model(inputs);
  for (const [i, { bf16 }] of some.entries()) near(sentence_embedding[i].data, bf16, 1e-6);
  const expected = commandVectors(some.map(({ text }) => text), "--task", "none", "--dtype", "bf16", "--compute", "fp32");
  for (const [i, vector] of expected.entries()) assert.equal(bits(sentence_embedding[i].data), bits(vector));
  await model.dispose();
});

test("the model card's example prints the card's similarities and ranking", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gemvec-card-"));
  try {
    fs.mkdirSync(path.join(folder, "node_modules"));
    fs.symlinkSync(path.join(__dirname, "..", ".."), path.join(folder, "node_modules", "gemvec"));
    fs.copyFileSync(path.join(__dirname, "card.mjs"), path.join(folder, "card.mjs"));
    const printed = execFileSync(process.execPath, ["card.mjs"], { cwd: folder, encoding: "utf8" });
    const numbers = [...printed.matchAll(/0\.\d+/g)].map(Number);
    near(numbers.slice(0, 4), [0.30109745, 0.635883, 0.49304956, 0.48887485], 1e-6);
    assert.deepEqual([...printed.matchAll(/index: (\d)/g)].map((match) => Number(match[1])), [1, 2, 3, 0]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test("pooling mean is what Transformers.js gives, and sentence is the release", async () => {
  const text = cases[0].text;
  const extractor = await pipeline("feature-extraction", "onnx-community/embeddinggemma-300m-ONNX", { dtype: "fp32" });
  near((await extractor(text, { pooling: "sentence" })).data, cases[0].bf16, 1e-6);
  const mean = await extractor(text, { pooling: "mean", normalize: true });
  const cosine = mean.data.reduce((sum, x, k) => sum + x * cases[0].bf16[k], 0);
  assert.ok(Math.abs(cosine) < 0.1, `mean pooling has nothing to do with the release's vector: cosine ${cosine}`);
  await extractor.dispose();
});
