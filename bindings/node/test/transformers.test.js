// The calls of Transformers.js on a tiny model.
"use strict";
const assert = require("node:assert/strict");
const { before, describe, test } = require("node:test");
const { bits, texts, tinyModel } = require("./support.js");

const folder = tinyModel();
const { AutoModel, AutoTokenizer, EmbeddingGemma, Tensor, cos_sim, dot, matmul, mean_pooling, pipeline } = require("../lib/index.js");

const id = "onnx-community/embeddinggemma-300m-ONNX"; // here the tiny model: GEMVEC_MODEL names it
const none = { task: "none" };

describe("AutoTokenizer and AutoModel", () => {
  let tokenizer;
  let model;
  before(async () => {
    tokenizer = await AutoTokenizer.from_pretrained(id);
    model = await AutoModel.from_pretrained(id, { dtype: "fp32", device: "cpu", session_options: {} });
  });

  test("give both outputs, padded rows included, with the direct API's bits", async () => {
    const list = ["a lamp", "a much longer text about stones and rivers", ""];
    const inputs = await tokenizer(list, { padding: true });
    const [rows, width] = inputs.input_ids.dims;
    assert.equal(rows, 3);
    assert.equal(inputs.input_ids.type, "int64");
    assert.ok(inputs.input_ids.data instanceof BigInt64Array);
    assert.deepEqual(inputs.attention_mask.dims, [3, width]);
    const { sentence_embedding, last_hidden_state } = await model(inputs);
    assert.deepEqual(sentence_embedding.dims, [3, 768]);
    assert.deepEqual(last_hidden_state.dims, [3, width, 768]);
    const direct = await EmbeddingGemma.load({ model: folder, dtype: "bf16", compute: "fp32" });
    const expected = await direct.embed(list, none);
    for (const [i, row] of [...sentence_embedding].entries()) assert.equal(bits(row.data), bits(expected[i]));
    const alone = await model(tokenizer(list[0]));
    const count = alone.last_hidden_state.dims[1];
    assert.equal(bits(last_hidden_state[0].slice([0, count]).data), bits(alone.last_hidden_state.data));
    assert.ok(last_hidden_state[0].slice([count, width]).data.every((x) => x === 0));
    // Padding before the text changes nothing.
    tokenizer.padding_side = "left";
    const left = await model(tokenizer(list, { padding: true }));
    tokenizer.padding_side = "right";
    assert.equal(bits(left.sentence_embedding.data), bits(sentence_embedding.data));
    // No mask: all ones. Arrays of arrays do as well.
    const bare = await model({ input_ids: [tokenizer.encode(list[0])] });
    assert.equal(bits(bare.sentence_embedding.data), bits(alone.sentence_embedding.data));
    direct.dispose();
  });

  test("the tokenizer's options", () => {
    assert.throws(() => tokenizer(["a", "a much longer text"]), /padding: true/);
    const plain = tokenizer(["a", "a b"], { return_tensor: false });
    assert.ok(Array.isArray(plain.input_ids[0]) && typeof plain.input_ids[0][0] === "number");
    assert.equal(tokenizer("a", { return_tensor: false }).input_ids.at(-1), 1);
    assert.equal(tokenizer(["a"], { padding: "max_length", max_length: 16 }).input_ids.dims[1], 16);
    const cut = tokenizer(["lamp ".repeat(50)], { truncation: true, max_length: 9 });
    assert.deepEqual(cut.input_ids.dims, [1, 9]);
    assert.equal(cut.input_ids.data[8], 1n); // EOS is kept
    const long = tokenizer(["lamp ".repeat(3000)], { truncation: true });
    assert.deepEqual([long.input_ids.dims[1], long.input_ids.data[2047]], [2048, 1n]);
    assert.equal(tokenizer.encode("a", { add_special_tokens: false }).length, tokenizer.encode("a").length - 2);
    const ids = tokenizer.encode("a lamp");
    assert.equal(tokenizer.decode(ids, { skip_special_tokens: true }), "a lamp");
    assert.deepEqual(tokenizer.batch_decode([ids], { skip_special_tokens: true }), ["a lamp"]);
    assert.equal(tokenizer.tokenize("a lamp").length, ids.length - 2);
    assert.deepEqual([tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id], [0, 1, 2]);
    assert.equal(tokenizer.model_max_length, 2048);
  });

  test("dtypes by Transformers.js's names", async () => {
    const loaded = async (dtype) => {
      const { dtype: name, compute } = (await AutoModel.from_pretrained(id, { dtype })).info;
      return `${name} ${compute}`;
    };
    assert.equal(await loaded("fp32"), "bf16 fp32");
    assert.equal(await loaded(undefined), "bf16 fp32");
    assert.match(await loaded("q8"), /^q8/);
    assert.match(await loaded({ model: "q4f16" }), /^q4/);
    await assert.rejects(loaded("fp16"), /overflow/);
    await assert.rejects(loaded("q3"), /dtype is "q3"; it can be .*fp32, q8/);
  });

  test("progress_callback and signal", async () => {
    const told = [];
    await AutoModel.from_pretrained(id, { progress_callback: ({ status }) => told.push(status) });
    assert.deepEqual([told[0], told.at(-1)], ["initiate", "done"]);
    await assert.rejects(AutoModel.from_pretrained(id, { signal: AbortSignal.abort() }), { name: "AbortError" });
    const inputs = tokenizer(texts(200), { padding: true });
    const controller = new AbortController();
    const call = model(inputs, { signal: controller.signal });
    controller.abort();
    await assert.rejects(call, { name: "AbortError" });
  });

  test("pipeline: pooling, normalize, quantize", async () => {
    const extractor = await pipeline("feature-extraction", id, { dtype: "fp32" });
    const list = ["a lamp", "a longer text about rivers"];
    const inputs = tokenizer(list, { padding: true });
    const { sentence_embedding, last_hidden_state } = await model(inputs);
    const states = await extractor(list);
    assert.equal(bits(states.data), bits(last_hidden_state.data));
    const sentence = await extractor(list, { pooling: "sentence" });
    assert.equal(bits(sentence.data), bits(sentence_embedding.data));
    const mean = await extractor(list, { pooling: "mean", normalize: true });
    assert.deepEqual(mean.dims, [2, 768]);
    assert.equal(bits(mean.data), bits(mean_pooling(last_hidden_state, inputs.attention_mask).normalize(2, -1).data));
    assert.ok(Math.abs(Math.hypot(...mean[0].data) - 1) < 1e-6);
    assert.ok(cos_sim(mean[0].data, sentence[0].data) < 0.9); // which is why "sentence" is there
    assert.equal(bits((await extractor(list, { pooling: "cls" }))[1].data), bits(last_hidden_state[1][0].data));
    const count = tokenizer.encode(list[0]).length;
    assert.equal(bits((await extractor(list, { pooling: "last_token" }))[0].data), bits(last_hidden_state[0][count - 1].data));
    const packed = await extractor("a lamp", { pooling: "sentence", quantize: true, precision: "ubinary" });
    assert.deepEqual([packed.dims, packed.type], [[1, 96], "uint8"]);
    assert.equal(packed.data[0] >= 128, sentence_embedding.data[0] > 0);
    const signed = await extractor("a lamp", { pooling: "sentence", quantize: true });
    assert.equal(signed.data[3], packed.data[3] - 128);
    await assert.rejects(extractor("a", { pooling: "max" }), /pooling is "max"; it can be none, mean/);
    await assert.rejects(pipeline("text-generation", id), /feature-extraction/);
    await extractor.dispose();
    await assert.rejects(extractor("a"), { code: "GEMVEC_DISPOSED" });
  });
});

describe("Tensor", () => {
  const tensor = new Tensor("float32", [1, 2, 3, 4, 5, 6], [2, 3]);

  test("shapes", async () => {
    assert.deepEqual(tensor.tolist(), [[1, 2, 3], [4, 5, 6]]);
    assert.deepEqual(tensor.transpose(1, 0).tolist(), [[1, 4], [2, 5], [3, 6]]);
    assert.deepEqual(tensor[1].tolist(), [4, 5, 6]);
    assert.deepEqual(tensor.slice(null, [0, 2]).tolist(), [[1, 2], [4, 5]]);
    assert.deepEqual(tensor.slice(-1, [-2, null]).tolist(), [5, 6]);
    assert.deepEqual(tensor.view(3, -1).tolist(), [[1, 2], [3, 4], [5, 6]]);
    assert.deepEqual(tensor.unsqueeze(0).dims, [1, 2, 3]);
    assert.deepEqual(tensor.unsqueeze(0).squeeze().dims, [2, 3]);
    assert.deepEqual(tensor.mean(0).tolist(), [2.5, 3.5, 4.5]);
    assert.deepEqual(tensor.mean(1, true).dims, [2, 1]);
    assert.equal(tensor.mean().item(), 3.5);
    assert.equal(tensor.nothing, undefined);
    assert.deepEqual((await matmul(tensor, tensor.transpose(1, 0))).tolist(), [[14, 32], [32, 77]]);
    assert.deepEqual(new Tensor("float32", [3, 4], [1, 2]).normalize().tolist().flat().map((x) => x.toFixed(4)), ["0.6000", "0.8000"]);
    assert.deepEqual(tensor.to("int64").data[5], 6n);
    const cube = new Tensor("int32", Array.from({ length: 24 }, (_, i) => i), [2, 3, 4]);
    assert.deepEqual(cube.permute(2, 0, 1).tolist()[1], [[1, 5, 9], [13, 17, 21]]);
    assert.equal(dot([1, 2], [3, 4]), 11);
    assert.deepEqual(new Tensor("float32", [], [0, 3]).tolist(), []);
  });

  test("what is wrong is said", async () => {
    assert.throws(() => new Tensor("float32", [1, 2], [3]), /another number of elements/);
    assert.throws(() => new Tensor("float99", [1]), /type is one of/);
    assert.throws(() => new Tensor("int64", [Number.NaN], [1, 1]), /element 0 .*NaN; it must be a whole number/);
    assert.throws(() => tensor.transpose(0), /all 2 dimensions/);
    assert.throws(() => tensor.item(), /tolist/);
    assert.throws(() => tensor[2], /out of range/);
    await assert.rejects(matmul(tensor, tensor), /inner dimensions/);
  });
});
