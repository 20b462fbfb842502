// Clients from npm, as they come, get the golden vectors: run by the test runner of Node, beside its node_modules.
// GEMVEC_SERVER_URL is the server; GEMVEC_GOLDEN a JSON file: {model, texts, vectors, queries, queryVectors}.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { InferenceClient } from "@huggingface/inference";
import { Ollama } from "ollama";
import OpenAI from "openai";

const url = process.env.GEMVEC_SERVER_URL;
const golden = JSON.parse(readFileSync(process.env.GEMVEC_GOLDEN, "utf8"));

function assertVectors(got, expected) {
  assert.equal(got.length, expected.length);
  for (const [i, row] of expected.entries()) {
    assert.equal(got[i].length, row.length);
    for (const [k, value] of row.entries()) {
      assert.ok(Math.abs(got[i][k] - value) < 1e-5, `vector ${i}, element ${k}: ${got[i][k]}, expected ${value}`);
    }
  }
}

// The first elements, of unit length again.
function cut(rows, width) {
  return rows.map((row) => {
    const prefix = row.slice(0, width);
    const length = Math.hypot(...prefix);
    return prefix.map((value) => value / length);
  });
}

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "-", maxRetries: 0 });

test("openai: base64, which is what it asks for by itself", async () => {
  const answer = await openai.embeddings.create({ model: golden.model, input: golden.texts });
  assertVectors(answer.data.map((row) => row.embedding), golden.vectors);
  assert.ok(answer.usage.total_tokens > 0);
});

test("openai: floats, dimensions, one text", async () => {
  const floats = await openai.embeddings.create({
    model: golden.model, input: golden.texts, encoding_format: "float", dimensions: 256,
  });
  assertVectors(floats.data.map((row) => row.embedding), cut(golden.vectors, 256));
  const one = await openai.embeddings.create({ model: golden.model, input: golden.texts[0] });
  assertVectors([one.data[0].embedding], golden.vectors.slice(0, 1));
});

test("openai: errors are its own classes", async () => {
  const many = openai.embeddings.create({ model: golden.model, input: Array(33).fill("a") });
  await assert.rejects(many, (error) => error instanceof OpenAI.UnprocessableEntityError && /batch size 33/.test(error.message));
});

test("openai: models", async () => {
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  assert.deepEqual(names, [golden.model]);
});

test("@huggingface/inference: featureExtraction", async () => {
  const byUrl = new InferenceClient("-", { endpointUrl: `${url}/embed` });
  const clients = [new InferenceClient("-").endpoint(`${url}/embed`), byUrl];
  for (const client of clients) {
    assertVectors(await client.featureExtraction({ inputs: golden.texts, normalize: true }), golden.vectors);
  }
  assertVectors(await byUrl.featureExtraction({ inputs: golden.texts[0] }), golden.vectors.slice(0, 1));
  const queries = await byUrl.featureExtraction({ inputs: golden.queries, prompt_name: "query", truncate: true });
  assertVectors(queries, golden.queryVectors);
});

test("@huggingface/inference: sentenceSimilarity", async () => {
  const client = new InferenceClient("-", { endpointUrl: `${url}/similarity` });
  const [first, ...others] = golden.texts;
  const got = await client.sentenceSimilarity({ inputs: { source_sentence: first, sentences: others } });
  const dot = (row) => row.reduce((sum, value, i) => sum + value * golden.vectors[0][i], 0);
  assertVectors([got], [golden.vectors.slice(1).map(dot)]);
});

test("ollama: embed, embeddings, list, show, ps", async () => {
  const client = new Ollama({ host: url });
  const answer = await client.embed({ model: golden.model, input: golden.texts });
  assertVectors(answer.embeddings, golden.vectors);
  const short = await client.embed({ model: golden.model, input: golden.texts, dimensions: 128 });
  assertVectors(short.embeddings, cut(golden.vectors, 128));
  const older = await client.embeddings({ model: golden.model, prompt: golden.texts[0] });
  assertVectors(cut([older.embedding], 768), golden.vectors.slice(0, 1));
  assert.deepEqual((await client.list()).models.map((model) => model.model), [`${golden.model}:latest`]);
  assert.ok((await client.show({ model: golden.model })).capabilities.includes("embedding"));
  assert.equal((await client.ps()).models.length, 1);
  await assert.rejects(client.embed({ model: "llama3", input: "a" }), /not found, try pulling it first/);
});
