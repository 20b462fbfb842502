// The Node package as its users get it: built by npm install, packed, and installed where there is no compiler.
// Run by the test runner of Node beside tests/ecosystem's node_modules; GEMVEC_ROOT is the checkout.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

const root = process.env.GEMVEC_ROOT;
const home = path.join(root, "bindings", "node");
const npm = (folder, ...words) =>
  execFileSync("npm", [...words, "--no-audit", "--no-fund"], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const MOST_BYTES = 15e6; // what a package may take of a user's disk and line, without the model

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gemvec-package-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

test("one command builds it, and the package is small and needs no compiler", () => {
  npm(home, "install", "--foreground-scripts");
  const [{ filename, size, unpackedSize, files }] = JSON.parse(npm(home, "pack", "--json", "--pack-destination", folder));
  console.log(`package: ${size} bytes, unpacked ${unpackedSize}`);
  assert.ok(size < MOST_BYTES && unpackedSize < MOST_BYTES);
  const names = files.map((file) => file.path);
  for (const name of ["LICENSE", "NOTICE", "README.md", "lib/index.d.ts"]) assert.ok(names.includes(name), name);
  assert.ok(!names.some((name) => /^(test|native|node_modules)\//.test(name)));

  fs.writeFileSync(path.join(folder, "package.json"), '{ "private": true }');
  npm(folder, "install", path.join(folder, filename));
  const installed = fs.readdirSync(path.join(folder, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["gemvec"]);
});

test("what is installed runs the model card's example", () => {
  fs.copyFileSync(path.join(home, "test", "release", "card.mjs"), path.join(folder, "card.mjs"));
  const printed = execFileSync(process.execPath, ["card.mjs"], { cwd: folder, encoding: "utf8", env: { ...process.env, PATH: "" } });
  const numbers = [...printed.matchAll(/0\.\d+/g)].map(Number);
  for (const [i, expected] of [0.30109745, 0.635883, 0.49304956, 0.48887485].entries()) {
    assert.ok(Math.abs(numbers[i] - expected) < 1e-6, `${numbers[i]}, expected ${expected}`);
  }
});

test("the addon needs the C library alone, and shows the process nothing but what Node calls", () => {
  const addon = path.join(folder, "node_modules", "gemvec", "prebuilds", `${process.platform}-${process.arch}`, "gemvec.node");
  const needed = [...execFileSync("readelf", ["-d", addon], { encoding: "utf8" }).matchAll(/NEEDED.*\[(.*)\]/g)].map((match) => match[1]);
  for (const name of needed) assert.match(name, /^(libc|libm|libpthread|libdl|ld-linux-[\w-]+)\.so/, name);
  const symbols = execFileSync("nm", ["-D", "--defined-only", "--format=just-symbols", addon], { encoding: "utf8" });
  for (const name of symbols.trim().split("\n")) assert.match(name, /^(napi_register|node_api_module_get_api_version)/);
});

test("TypeScript accepts what the types allow, and refuses what they do not", () => {
  const tsc = path.join(path.dirname(process.argv[1]), "node_modules", "typescript", "bin", "tsc");
  const check = (text, ...options) => {
    fs.writeFileSync(path.join(folder, "check.mts"), text);
    const words = [tsc, "--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "false", ...options, "check.mts"];
    const { status, stdout } = spawnSync(process.execPath, words, { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stdout);
  };
  check(`
    import { AutoModel, AutoTokenizer, EmbeddingGemma, Tensor, matmul, pipeline, similarity } from "gemvec";
    const model: EmbeddingGemma = await EmbeddingGemma.load({ dtype: "q8", truncateDim: 256 });
    const one: Float32Array = await model.embedQuery("a");
    const many: Float32Array[] = await model.embedDocument(["a", { text: "b", title: "c" }], { dimensions: 128 });
    const scores: Float32Array = similarity(one, many);
    const score: number = similarity(one, one);
    const tokenizer = await AutoTokenizer.from_pretrained("id");
    const inputs = await tokenizer(["a", "b"], { padding: true });
    const { sentence_embedding } = await (await AutoModel.from_pretrained("id", { dtype: "fp32", device: "cpu" }))(inputs);
    const product: Tensor = await matmul(sentence_embedding, sentence_embedding.transpose(1, 0));
    const extractor = await pipeline("feature-extraction", "id", { dtype: "q8" });
    const states: Tensor = await extractor(["a"], { pooling: "mean", normalize: true });
    export { score, scores, product, states };
  `);
  // The card's example is JavaScript: what it does with tolist() says no types.
  check(fs.readFileSync(path.join(home, "test", "release", "card.mjs"), "utf8"), "--noImplicitAny", "false");
  for (const wrong of ['EmbeddingGemma.load({ dtype: "fp64" })', '(await EmbeddingGemma.load()).embed("a")', "new EmbeddingGemma()"]) {
    assert.throws(() => check(`import { EmbeddingGemma } from "gemvec";\nexport const value = ${wrong};\n`), wrong);
  }
});
