// The direct API on a tiny model: shapes, prompts, and the command's bits.
"use strict";
const assert = require("node:assert/strict");
const { after, before, describe, test } = require("node:test");
const { bits, commandVectors, texts, tinyModel } = require("./support.js");

tinyModel();
const { EmbeddingGemma, similarity, version } = require("../lib/index.js");

const none = { task: "none" };

describe("EmbeddingGemma", () => {
  let model;
  before(async () => (model = await EmbeddingGemma.load({ dtype: "fp32", threads: 2 })));
  after(() => model.dispose());

  test("gives one vector for a text, and several, views of one buffer, for several", async () => {
    const one = await model.embed("a lamp", none);
    assert.ok(one instanceof Float32Array);
    assert.equal(one.length, 768);
    const many = await model.embed(["a lamp", "", "two lamps"], none);
    assert.deepEqual(many.map((vector) => vector.length), [768, 768, 768]);
    assert.equal(bits(many[0]), bits(one));
    assert.ok(many.every((vector) => vector.buffer === many[0].buffer));
    assert.equal(many[0].buffer.byteLength, 3 * 768 * 4);
    for (const vector of many) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
  });

  test("gives the command's bits, in any company", async () => {
    const list = texts(20);
    const expected = commandVectors(list, "--task", "clustering", "--dtype", "fp32");
    const got = await model.embed(list, { task: "clustering" });
    assert.deepEqual(got.map(bits), expected.map(bits));
    const alone = await model.embed(list[7], { task: "clustering" });
    assert.equal(bits(alone), bits(expected[7]));
    for (const dimensions of [512, 256, 128]) {
      const command = commandVectors(list, "--task", "clustering", "--dtype", "fp32", "--dim", String(dimensions));
      const cut = await model.embed(list, { task: "clustering", dimensions });
      assert.deepEqual(cut.map(bits), command.map(bits));
    }
  });

  test("queries and documents have their prompts", async () => {
    const query = await model.embedQuery("red fruit");
    assert.equal(bits(query), bits(await model.embed("task: search result | query: red fruit", none)));
    const question = await model.embedQuery("red fruit?", { task: "question-answering" });
    assert.equal(bits(question), bits(await model.embed("task: question answering | query: red fruit?", none)));
    assert.equal(bits(await model.embedQuery("fruit", { prompt: "red " })), bits(await model.embed("red fruit", none)));
    const documents = await model.embedDocument(["plums", { text: "plums", title: "Fruit" }, { text: "plums" }]);
    assert.equal(bits(documents[0]), bits(await model.embed("plums", { prompt: "title: none | text: " })));
    assert.equal(bits(documents[1]), bits(await model.embed("title: Fruit | text: plums", none)));
    assert.equal(bits(documents[2]), bits(documents[0]));
    assert.equal(bits(await model.embedDocument("plums", { title: "Fruit" })), bits(documents[1]));
    assert.equal(model.prompts["retrieval-query"], "task: search result | query: ");
  });

  test("embedTensor, tokenize, info, truncateDim, normalize", async () => {
    const tensor = await model.embedTensor(["a", "b"], { ...none, dimensions: 256 });
    assert.deepEqual([tensor.dims, tensor.type, tensor.size], [[2, 256], "float32", 512]);
    const ids = model.tokenize("a", { task: "retrieval-query" });
    assert.deepEqual([ids[0], ids.at(-1)], [2, 1]);
    assert.equal(model.tokenize(["word ".repeat(3000)])[0].length, 2048);
    assert.equal(model.info.dtype, "fp32");
    assert.equal(model.info.threads, 2);
    assert.match(version, /^\d+\.\d+\.\d+$/);
    const narrow = await EmbeddingGemma.load({ dtype: "fp32", truncateDim: 128, threads: 1 });
    assert.equal((await narrow.embed("a", none)).length, 128);
    assert.equal((await narrow.embed("a", { ...none, dimensions: 512 })).length, 512);
    const raw = await model.embed("a", { ...none, normalize: false });
    const unit = await model.embed("a", none);
    assert.ok(Math.abs(raw[5] / Math.hypot(...raw) - unit[5]) < 1e-6);
    narrow.dispose();
  });

  test("a long text keeps its EOS; truncate says which end goes", async () => {
    const long = "lamp ".repeat(3000);
    assert.equal(model.tokenize(long).at(-1), 1);
    const left = await model.embed(`${long} stone`, { ...none, truncate: "left" });
    assert.notEqual(bits(left), bits(await model.embed(`${long} stone`, none)));
    await assert.rejects(model.embed(long, { ...none, truncate: "error" }), { code: "GEMVEC_TOO_LONG", message: /2048/ });
  });

  test("eight calls at once give what each gives alone, and the event loop goes on", async () => {
    const lists = Array.from({ length: 8 }, (_, i) => texts(20).slice(i, i + 12));
    const expected = [];
    for (const list of lists) expected.push((await model.embed(list, none)).map(bits));
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 1);
    const got = await Promise.all(lists.map((list) => model.embed(list, none)));
    clearInterval(timer);
    assert.deepEqual(got.map((list) => list.map(bits)), expected);
    assert.ok(ticks > 0);
  });

  test("similarity of vectors, lists and tensors", async () => {
    const a = await model.embed(["a lamp", "a stone"], none);
    assert.ok(Math.abs(similarity(a[0], a[0]) - 1) < 1e-6);
    const row = similarity(a[0], a);
    assert.ok(row instanceof Float32Array && row.length === 2);
    const table = model.similarity(a, a);
    assert.deepEqual([table.length, table[1].length], [2, 2]);
    assert.equal(table[1][0], table[0][1]);
    const tensor = await model.embedTensor(["a lamp", "a stone"], none);
    assert.deepEqual(similarity(tensor, a), table);
    assert.equal(similarity([3, 4], [3, 4], "dot"), 25);
    assert.equal(similarity([0, 0], [3, 4], "euclidean"), -5);
    assert.equal(similarity([0, 0], [3, 4], "manhattan"), -7);
    assert.equal(similarity([0, 0], [3, 4]), 0);
    assert.deepEqual(similarity([], a), []);
    assert.throws(() => similarity([1, 2], [1, 2, 3]), /a has 2 dimensions and b 3/);
    assert.throws(() => similarity([[1, 2], [1]], [1, 2]), /a\[1\] has 1 numbers/);
    assert.throws(() => similarity([1], [1], "jaccard"), /kind is "jaccard"; it can be cosine/);
    assert.throws(() => similarity("a", [1]), /a is "a"/);
  });

  test("progress is told, the end included", async () => {
    const list = texts(200);
    const told = [];
    await model.embed(list, { ...none, onProgress: ({ done, total }) => told.push([done, total]) });
    assert.ok(told.length >= 1);
    assert.deepEqual(told.at(-1), [list.length, list.length]);
    const mine = new Error("mine");
    const onProgress = () => {
      throw mine;
    };
    await assert.rejects(model.embed(list, { ...none, onProgress }), mine);
  });

  test("an AbortSignal ends a call before, while it waits and while it runs", async () => {
    await assert.rejects(model.embed("a", { ...none, signal: AbortSignal.abort() }), { name: "AbortError" });
    const reason = new Error("no longer wanted");
    await assert.rejects(model.embed("a", { ...none, signal: AbortSignal.abort(reason) }), reason);
    const long = texts(1000);
    const whole = Date.now();
    const controller = new AbortController();
    // Twenty calls: some run, the others wait for a lane.
    const calls = Array.from({ length: 20 }, () => model.embed(long, { ...none, signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 30);
    await Promise.all(calls.map((call) => assert.rejects(call, reason)));
    assert.ok(Date.now() - whole < 20000);
    assert.equal((await model.embed("a", none)).length, 768); // and the lanes are free again
  });

  test("disposing in the middle of a call is safe, and later calls say what happened", async () => {
    const other = await EmbeddingGemma.load({ dtype: "fp32", threads: 1 });
    const call = other.embed(texts(100), none);
    other.dispose();
    other.dispose();
    assert.equal((await call).length, 100);
    await assert.rejects(other.embed("a", none), { code: "GEMVEC_DISPOSED", message: /load it again/ });
    assert.throws(() => other.info, { code: "GEMVEC_DISPOSED" });
    assert.throws(() => other.tokenize("a"), { code: "GEMVEC_DISPOSED" });
  });
});
