// Bad input: an Error that says what to do, never a crash. On a tiny model.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { before, describe, test } = require("node:test");
const { bits, tinyModel } = require("./support.js");

const folder = tinyModel();
const { AutoModel, AutoTokenizer, EmbeddingGemma, Tensor, findModel, pipeline } = require("../lib/index.js");

const none = { task: "none" };
const NO_TEXTS = [undefined, null, 7, Number.NaN, 7n, true, {}, () => "a", Symbol("a"), new Float32Array(2)];
const NO_TEXT_LISTS = [[undefined], [null], [7], [["a"]], ["a", ["b"]], ["a", {}], [Symbol("a")], [, "a"]];

describe("texts", () => {
  let model;
  let tokenizer;
  let extractor;
  before(async () => {
    model = await EmbeddingGemma.load({ dtype: "fp32" });
    tokenizer = await AutoTokenizer.from_pretrained();
    extractor = await pipeline("feature-extraction", undefined, {});
  });

  test("that are none are refused, with their place", async () => {
    for (const value of [...NO_TEXTS, ...NO_TEXT_LISTS]) {
      const wrong = { name: "TypeError", message: /must be a string|takes a string/ };
      await assert.rejects(model.embed(value, none), wrong);
      await assert.rejects(model.embedTensor(value, none), wrong);
      await assert.rejects(model.embedQuery(value), wrong);
      await assert.rejects(model.embedDocument(value), wrong);
      await assert.rejects(extractor(value), wrong);
      assert.throws(() => tokenizer(value), wrong);
      assert.throws(() => model.tokenize(value), wrong);
    }
    await assert.rejects(model.embed(["a", 7], none), /texts\[1\] is 7/);
    await assert.rejects(model.embedDocument([{ text: "a", title: 7 }]), /documents\[0\]/);
    await assert.rejects(model.embedDocument("a", { title: 7 }), /title/);
  });

  test("an empty list has no vectors, an empty text has one", async () => {
    assert.deepEqual(await model.embed([], none), []);
    assert.deepEqual(await model.embedDocument([]), []);
    assert.deepEqual((await model.embedTensor([], none)).dims, [0, 768]);
    assert.equal((await model.embed("", none)).length, 768);
    assert.deepEqual(tokenizer([], { padding: true }).input_ids.dims[0], 0);
    assert.deepEqual((await extractor([], { pooling: "sentence" })).dims, [0, 768]);
  });

  test("lone surrogates count as U+FFFD; NUL and control words are let be", async () => {
    const replaced = bits(await model.embed("a \ufffd b", none));
    assert.equal(bits(await model.embed("a \ud800 b", none)), replaced);
    assert.equal(bits(await model.embed("a \udfff b", none)), replaced);
    for (const text of ["\0", "a\0b", "<bos><eos><pad>", "\u{1f468}\u200d\u{1f469}", "\ufeff", "\ud83d"]) {
      assert.ok((await model.embed(text, none)).every(Number.isFinite));
    }
    assert.notEqual(bits(await model.embed("<eos>", none)), bits(await model.embed("<eos>", { ...none, controlText: "text" })));
  });

  test("options that do not exist, or not so, are refused", async () => {
    await assert.rejects(model.embed("a"), /needs the option task or prompt.*none/s);
    await assert.rejects(model.embed("a", { task: "none", prompt: "x" }), /task or prompt/);
    await assert.rejects(model.embed("a", { ...none, dimension: 128 }), /no option "dimension"; it has/);
    await assert.rejects(model.embed("a", { ...none, dimensions: 100 }), /dimensions is 100; the model has 768/);
    await assert.rejects(model.embed("a", { ...none, dimensions: "128" }), /dimensions is "128"/);
    await assert.rejects(model.embed("a", { task: "retrival" }), { code: "GEMVEC_INVALID_ARGUMENT", name: "TypeError", message: /retrieval-query/ });
    await assert.rejects(model.embed("a", { task: 7 }), /task is 7/);
    await assert.rejects(model.embed("a", { ...none, maxTokens: 1 }), /maxTokens is 1; .* 2 to 2048/);
    await assert.rejects(model.embed("a", { ...none, maxTokens: 2.5 }), /maxTokens is 2.5/);
    await assert.rejects(model.embed("a", { ...none, truncate: "middle" }), /truncate is "middle"; it can be right/);
    await assert.rejects(model.embed("a", { ...none, signal: {} }), /AbortSignal/);
    await assert.rejects(model.embed("a", { ...none, onProgress: 7 }), /callback/);
    await assert.rejects(model.embed("a", "query"), /an object of options/);
    await assert.rejects(model.embedDocument("a", { task: "none" }), /documents' prompt/);
    assert.throws(() => tokenizer("a", { text_pair: "b" }), /pairs/);
    assert.throws(() => tokenizer("a", 7), /object/);
    assert.throws(() => tokenizer("a", { truncation: true, max_length: 1 }), /max_length is 1/);
    assert.throws(() => tokenizer.decode(7), /array/);
    assert.throws(() => tokenizer.decode([Number.NaN]), /token id 0 is NaN/);
    assert.throws(() => tokenizer.decode([-1]), /token id 0 is -1/);
    assert.equal(tokenizer.decode([1 << 30]), ""); // no such token spells nothing
  });
});

describe("tensors", () => {
  let model;
  before(async () => (model = await AutoModel.from_pretrained()));
  const int64 = (rows) => new Tensor("int64", rows.flat(), [rows.length, rows[0].length]);

  test("that the model cannot take are refused, with their place", async () => {
    const good = [[2, 300, 1], [2, 301, 1]];
    const cases = [
      [{ input_ids: int64([[2, 1 << 20, 1]]) }, /1048576/],
      [{ input_ids: int64([[2, -1, 1]]) }, /-1/],
      [{ input_ids: new Tensor("int64", [2n ** 40n, 1n], [1, 2]) }, /1099511627776/],
      [{ input_ids: int64(good), attention_mask: int64([[0, 0, 0], [1, 1, 1]]) }, /attention_mask/],
      [{ input_ids: int64(good), attention_mask: int64([[1, 0, 1], [1, 1, 1]]) }, /attention_mask/],
      [{ input_ids: int64(good), attention_mask: int64([[1, 1, 2], [1, 1, 1]]) }, /attention_mask/],
      [{ input_ids: int64(good), attention_mask: int64([[1, 1, 1]]) }, /attention_mask is \[1,3\]/],
      [{ input_ids: [[2, 1], [2, 300, 1]] }, /input_ids\[1\] has 3 elements/],
      [{ input_ids: [[2, Number.NaN, 1]] }, /NaN/],
      [{ input_ids: [[2, 1.5, 1]] }, /1.5/],
      [{ input_ids: [["2", "1"]] }, /whole number/],
      [{ input_ids: [2, 1] }, /input_ids/],
      [{ input_ids: "2 1" }, /input_ids/],
      [{ input_ids: new Tensor("float32", [2, 1], [1, 2]) }, /float32; it must be of int64/],
      [{ input_ids: new Tensor("int64", [2, 1], [2]) }, /1 dimensions/],
      [{ input_ids: int64([Array(3000).fill(300)]) }, /2048/],
      [{}, /input_ids/],
      [undefined, /tokenizer gives/],
      ["a text", /tokenizer gives/],
    ];
    for (const [inputs, message] of cases) await assert.rejects(model(inputs), (error) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.match(error.message, message);
      return true;
    });
    const wrong = int64(good);
    wrong.dims = [2, 4]; // behind the constructor's back
    await assert.rejects(model({ input_ids: wrong }), /BigInt64Array/);
    wrong.dims = [2, 3];
    wrong.data = new Uint8Array(6);
    await assert.rejects(model({ input_ids: wrong }), TypeError);
    assert.equal((await model({ input_ids: int64(good) })).sentence_embedding.dims[0], 2);
  });

  test("whose memory goes away in the middle of the call do no harm", async () => {
    const ids = new BigInt64Array(400).fill(300n);
    const call = model({ input_ids: new Tensor("int64", ids, [2, 200]) });
    structuredClone(ids.buffer, { transfer: [ids.buffer] });
    assert.equal(ids.length, 0);
    assert.equal((await call).sentence_embedding.dims[0], 2);
  });
});

describe("models", () => {
  test("that are none are refused, with what to do", async () => {
    const missing = { code: "GEMVEC_NOT_FOUND", message: /no-such/ };
    await assert.rejects(EmbeddingGemma.load({ model: "no-such/model" }), missing);
    await assert.rejects(AutoModel.from_pretrained("no-such/model"), missing);
    await assert.rejects(AutoTokenizer.from_pretrained("no-such/model"), missing);
    await assert.rejects(pipeline("feature-extraction", "no-such/model"), missing);
    assert.throws(() => findModel("no-such/model"), missing);
    await assert.rejects(EmbeddingGemma.load({ model: 7 }), /model is 7/);
    await assert.rejects(EmbeddingGemma.load({ model: __dirname }), (error) => error instanceof Error && /test/.test(error.message));
    await assert.rejects(EmbeddingGemma.load({ model: __filename }), (error) => /bad-input/.test(error.message));
    await assert.rejects(EmbeddingGemma.load({ dtype: "fp64" }), /dtype is "fp64"; it can be fp32, bf16, q8/);
    await assert.rejects(EmbeddingGemma.load({ threads: 0 }), /threads is 0/);
    await assert.rejects(EmbeddingGemma.load({ truncateDim: 100 }), /truncateDim is 100/);
    await assert.rejects(EmbeddingGemma.load({ device: "webgpu" }), /no option "device"/);
    await assert.rejects(EmbeddingGemma.load("path"), /an object of options/);
    assert.throws(() => new EmbeddingGemma(), /EmbeddingGemma.load/);
  });

  test("that are damaged are refused, with the file", async () => {
    const damaged = path.join(folder, "..", "damaged");
    fs.cpSync(folder, damaged, { recursive: true });
    fs.truncateSync(path.join(damaged, "model.safetensors"), 5000);
    await assert.rejects(EmbeddingGemma.load({ model: damaged }), { code: "GEMVEC_BAD_FORMAT", message: /model\.safetensors/ });
    fs.writeFileSync(path.join(damaged, "tokenizer.json"), "{}");
    await assert.rejects(AutoTokenizer.from_pretrained(damaged), { message: /tokenizer\.json/ });
  });
});
