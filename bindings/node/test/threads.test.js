// Worker threads, the garbage collector, and memory. On a tiny model.
"use strict";
const assert = require("node:assert/strict");
const { execFileSync, spawnSync } = require("node:child_process");
const { once } = require("node:events");
const path = require("node:path");
const { test } = require("node:test");
const { Worker } = require("node:worker_threads");
const { bits, texts, tinyModel } = require("./support.js");

tinyModel();
const { EmbeddingGemma } = require("../lib/index.js");

const none = { task: "none" };
const library = JSON.stringify(path.join(__dirname, "..", "lib", "index.js"));

// Loads a model and embeds what it is sent, each list in a call of its own, all at once.
const WORKER = `
  const { parentPort } = require("node:worker_threads");
  const { EmbeddingGemma } = require(${library});
  parentPort.on("message", async ({ lists, quit }) => {
    if (quit) return parentPort.close();
    const model = await EmbeddingGemma.load({ dtype: "fp32", threads: 1 });
    parentPort.postMessage("loaded");
    const vectors = await Promise.all(lists.map((list) => model.embed(list, { task: "none" })));
    parentPort.postMessage(vectors.map((list) => list.map((v) => Buffer.from(v.slice().buffer).toString("base64"))));
  });
`;

test("workers give what the main thread gives", async () => {
  const model = await EmbeddingGemma.load({ dtype: "fp32" });
  const lists = Array.from({ length: 8 }, (_, i) => texts(20).slice(i));
  const expected = await Promise.all(lists.map(async (list) => (await model.embed(list, none)).map(bits)));
  const workers = Array.from({ length: 4 }, () => new Worker(WORKER, { eval: true }));
  await Promise.all(workers.map(async (worker) => {
    worker.postMessage({ lists });
    assert.equal((await once(worker, "message"))[0], "loaded");
    assert.deepEqual((await once(worker, "message"))[0], expected);
    worker.postMessage({ quit: true });
    assert.deepEqual(await once(worker, "exit"), [0]);
  }));
});

test("a worker may be ended in the middle of a call", async () => {
  for (let i = 0; i < 10; ++i) {
    const worker = new Worker(WORKER, { eval: true });
    worker.postMessage({ lists: Array.from({ length: 6 }, () => texts(5000)) });
    await once(worker, "message");
    await new Promise((resolve) => setTimeout(resolve, 3 * i));
    const began = Date.now();
    await worker.terminate();
    assert.ok(Date.now() - began < 5000); // the call itself would take much longer
  }
});

test("process.exit() in the middle of a call ends the process at once", () => {
  const program = `
    const { EmbeddingGemma } = require(${library});
    EmbeddingGemma.load({ dtype: "fp32" }).then((model) => {
      for (let i = 0; i < 5; ++i) model.embed(Array(20000).fill("stone lamp river"), { task: "none" });
      setTimeout(() => process.exit(7), 20);
    });`;
  const run = spawnSync(process.execPath, ["-e", program], { encoding: "utf8", timeout: 60000 });
  assert.deepEqual([run.status, run.signal, run.stderr], [7, null, ""]);
});

test("the garbage collector may run in the middle of a call, and takes models and vectors nobody has", () => {
  const program = `
    const { EmbeddingGemma } = require(${library});
    const texts = ${JSON.stringify(texts(20))};
    async function once() {
      const model = await EmbeddingGemma.load({ dtype: "fp32", threads: 1 });
      return model.embed([...texts], { task: "none" }); // nobody has the model from here on
    }
    (async () => {
      const timer = setInterval(gc, 0);
      let kept;
      for (let i = 0; i < 30; ++i) {
        const vectors = await once();
        gc();
        kept ??= vectors.at(-1);
        if (kept.some((x, k) => x !== vectors.at(-1)[k])) throw new Error("other bits");
      }
      clearInterval(timer);
    })();`;
  execFileSync(process.execPath, ["--expose-gc", "-e", program], { timeout: 120000 });
});

const sanitized = process.env.GEMVEC_SANITIZE ? "a sanitizer keeps freed memory on purpose" : false;
test("10,000 calls use no more memory than 1,000", { timeout: 120000, skip: sanitized }, () => {
  const program = `
    const { EmbeddingGemma } = require(${library});
    (async () => {
      const model = await EmbeddingGemma.load({ dtype: "fp32", threads: 1 });
      const texts = ["a", "b"];
      const sizes = [];
      for (let i = 1; i <= 10000; ++i) {
        await model.embed(texts, { task: "none" });
        if (i % 1000 === 0) sizes.push((gc(), await new Promise(setImmediate), process.memoryUsage.rss()));
      }
      console.log(JSON.stringify(sizes));
    })();`;
  const sizes = JSON.parse(execFileSync(process.execPath, ["--expose-gc", "-e", program], { encoding: "utf8" }));
  // 9,000 results of two vectors are 55 MB: a leak of a quarter would show.
  assert.ok(sizes.at(-1) - sizes[0] < 12e6, `resident bytes after each 1,000 calls: ${sizes}`);
});
