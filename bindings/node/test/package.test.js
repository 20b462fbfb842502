// What the package looks like from outside.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
require("./support.js").tinyModel();

const home = path.join(__dirname, "..");
const required = require("../lib/index.js");

test("import and require give the same", async () => {
  const imported = await import("../lib/index.mjs");
  const { default: all, ...names } = imported;
  assert.equal(all, required);
  assert.deepEqual(Object.keys(names).sort(), Object.keys(required).sort());
  for (const name of Object.keys(required)) assert.equal(imported[name], required[name]);
});

test("the types name what there is, and nothing else", () => {
  const types = fs.readFileSync(path.join(home, "lib", "index.d.ts"), "utf8");
  const values = [...types.matchAll(/^export (?:const|function|class) (\w+)/gm)].map((match) => match[1]);
  assert.deepEqual([...new Set(values)].sort(), Object.keys(required).sort());
  const declared = /export class EmbeddingGemma \{(.*?)\n\}/s.exec(types)[1];
  const { EmbeddingGemma, Tensor } = required;
  const own = Object.getOwnPropertyNames(EmbeddingGemma.prototype).filter((name) => name !== "constructor");
  for (const name of own) assert.match(declared, new RegExp(`\\b${name}\\b[(:]`), name);
  const tensor = /export class Tensor \{(.*?)\n\}/s.exec(types)[1];
  const methods = Object.getOwnPropertyNames(Tensor.prototype).filter((name) => name !== "constructor");
  for (const name of methods) assert.match(tensor, new RegExp(`\\b${name}\\b[(:]`), name);
});

test("package.json names files that are there, and the lockfile no registry", () => {
  const { version, exports } = require("../package.json");
  assert.equal(version, required.version);
  const files = Object.values(exports["."]).flatMap(Object.values);
  for (const file of files) assert.ok(fs.existsSync(path.join(home, file)), file);
  const lock = fs.readFileSync(path.join(home, "package-lock.json"), "utf8");
  assert.doesNotMatch(lock, /"resolved"|https?:/);
});
