// The Node package beside the command and, if it is there, Transformers.js on the same texts.
//
//   node bench/bindings/node.mjs [--rounds N] [--seconds S] [--dtype q8|q4|fp32] [--json FILE]
//                                [--transformers FOLDER --onnx FOLDER]
//
// In each round, in turn, each in a process of its own: `gemvec bench` of build/release (or GEMVEC_BIN), the direct API,
// AutoModel, and Transformers.js. Measured: M, 32 texts of about 190 tokens in one call; queries alone; the time from the
// start of the process to its first vector; resident memory, and what of it is no mapped file. Ratios are taken within a
// round: the machine's drift cancels. The package must be built (npm install in bindings/node).
//
// Transformers.js: --transformers is a folder where `npm ci --ignore-scripts` was run with bench/bindings/transformers.js's
// package.json and lockfile; --onnx has fused.onnx, fused-q8.onnx, fused-q4.onnx, as bench/peers/run makes them.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(import.meta.url);
const root = path.resolve(path.dirname(here), "..", "..");
const program = process.env.GEMVEC_BIN ?? path.join(root, "build", "release", "bin", "gemvec");
const require = createRequire(import.meta.url);
const library = () => require(path.join(root, "bindings", "node"));

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    dtype: { type: "string", default: "q8" },
    json: { type: "string" },
    transformers: { type: "string" },
    onnx: { type: "string" },
    worker: { type: "string" }, // not for people: the process of one engine
  },
});
const seconds = Number(options.seconds);
const raw = JSON.parse(fs.readFileSync(path.join(root, "bench", "data", "texts.json"), "utf8"));
const M = raw.M.map((text) => `title: none | text: ${text}`);
const queries = raw.S.slice(0, 8).map((text) => `task: search result | query: ${text}`);

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

// ---- One engine: embed(texts) -> promise of its vectors, one after the other ----

async function directEngine() {
  // AutoModel's fp32 are the ONNX release's numbers: measure the same.
  const fp32 = options.dtype === "fp32" ? { dtype: "bf16", compute: "fp32" } : { dtype: options.dtype };
  const model = await library().EmbeddingGemma.load(fp32);
  return async (texts) => (await model.embed(texts, { task: "none" }))[0];
}

async function autoEngine({ AutoTokenizer, AutoModel }, model_id) {
  const tokenizer = await AutoTokenizer.from_pretrained(model_id);
  const model = await AutoModel.from_pretrained(model_id, { dtype: options.dtype });
  return async (texts) => {
    const { sentence_embedding } = await model(await tokenizer(texts, { padding: true, truncation: true }));
    return sentence_embedding.data.subarray(0, 768);
  };
}

async function transformersEngine() {
  const from = createRequire(path.resolve(options.transformers, "package.json"));
  const package_ = await import(pathToFileURL(from.resolve("@huggingface/transformers")));
  package_.env.allowRemoteModels = false;
  package_.env.localModelPath = hubFolder();
  return autoEngine(package_, "release");
}

// A folder laid out as the ONNX release is on the hub, of links.
function hubFolder() {
  const hub = fs.mkdtempSync(path.join(os.tmpdir(), "gemvec-bench-node-"));
  process.on("exit", () => fs.rmSync(hub, { recursive: true, force: true }));
  const folder = path.join(hub, "release");
  fs.mkdirSync(path.join(folder, "onnx"), { recursive: true });
  const model = library().findModel();
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
    fs.symlinkSync(path.join(model, name), path.join(folder, name));
  }
  const file = { fp32: "fused.onnx", q8: "fused-q8.onnx", q4: "fused-q4.onnx" }[options.dtype];
  const name = { fp32: "model.onnx", q8: "model_quantized.onnx", q4: "model_q4.onnx" }[options.dtype];
  fs.symlinkSync(path.resolve(options.onnx, file), path.join(folder, "onnx", name));
  // The data beside it keeps the name that the graph says.
  for (const data of fs.readdirSync(options.onnx)) {
    if (data.startsWith(`${file}.data`) || data.startsWith(`${file}_data`)) {
      fs.symlinkSync(path.resolve(options.onnx, data), path.join(folder, "onnx", data));
    }
  }
  return hub;
}

async function time(calls) {
  const took = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end || took.length < 3) {
    for (const call of calls) {
      const began = performance.now();
      await call();
      took.push(performance.now() - began);
    }
  }
  return median(took);
}

async function worker(name) {
  const engine = { direct: directEngine, AutoModel: () => autoEngine(library(), undefined), transformers: transformersEngine }[name];
  const embed = await engine();
  const first = await embed([queries[0]]);
  console.log("first");
  await embed(M);
  const m = await time([() => embed(M)]);
  for (const query of queries.slice(0, 4)) await embed([query]);
  const one = await time(queries.map((query) => () => embed([query])));
  const status = fs.readFileSync("/proc/self/status", "utf8");
  const megabytes = (field) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)[1]) / 1024;
  console.log(JSON.stringify({ m, one, peak: megabytes("VmHWM"), own: megabytes("RssAnon"), vector: Array.from(first) }));
  process.exit(0);
}

// ---- All of them, in turn ----

function ofWorker(name) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(process.execPath, [here, ...process.argv.slice(2), "--worker", name], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    let start;
    child.stdout.on("data", (data) => {
      start ??= performance.now() - began;
      output += data;
    });
    child.on("close", (code) => {
      if (code !== 0) return reject(new Error(`${name} ended with ${code}.`));
      resolve({ start, ...JSON.parse(output.trim().split("\n").at(-1)) });
    });
  });
}

function ofCommand() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gemvec-bench-node-"));
  try {
    // Of each set of texts, which is one call: its milliseconds.
    const timed = (sets) => {
      const file = path.join(folder, "texts.json");
      fs.writeFileSync(file, JSON.stringify(sets));
      const numbers = options.dtype === "fp32" ? ["--dtype", "bf16", "--compute", "fp32"] : ["--dtype", options.dtype];
      const each = String(seconds / Object.keys(sets).length);
      const printed = execFileSync(program, ["bench", "--texts", file, "--json", "--seconds", each, ...numbers]);
      return JSON.parse(printed).results.map((result) => 1000 * result.median_seconds);
    };
    return { m: timed({ M })[0], one: median(timed(Object.fromEntries(queries.map((query, i) => [`query ${i}`, [query]])))) };
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function main() {
  const names = ["direct", "AutoModel", ...(options.transformers && options.onnx ? ["transformers"] : [])];
  const rounds = [];
  for (let i = 0; i < Number(options.rounds); ++i) {
    const round = { command: ofCommand() };
    for (const name of names) round[name] = await ofWorker(name);
    rounds.push(round);
    if (options.json) fs.writeFileSync(options.json, `${JSON.stringify({ options, rounds }, null, 1)}\n`);
    console.error(`round ${i + 1} of ${options.rounds}`);
  }
  const ids = M.reduce((sum, text) => sum + countTokens(text), 0);
  const of = (name, field) => median(rounds.map((round) => round[name][field]));
  const ratio = (name, field) => median(rounds.map((round) => round[name][field] / round.command[field]));
  const cosine = (name) => rounds[0][name].vector.reduce((sum, x, k) => sum + x * rounds[0].direct.vector[k], 0);
  console.log(`${options.dtype}, ${os.availableParallelism?.() ?? os.cpus().length} cores, Node ${process.version}, medians of ${rounds.length} rounds`);
  console.log("engine       | M tokens/s | M time / command's | query ms | / command's | first vector s | peak MB | own MB | cosine");
  const line = (...cells) => console.log(cells.map((cell, i) => String(cell).padEnd([12, 10, 18, 8, 11, 14, 7, 6, 6][i])).join(" | "));
  line("gemvec bench", ((1000 * ids) / of("command", "m")).toFixed(0), 1, of("command", "one").toFixed(2), 1, "", "", "", "");
  for (const name of names) {
    line(name, ((1000 * ids) / of(name, "m")).toFixed(0), ratio(name, "m").toFixed(3), of(name, "one").toFixed(2),
      ratio(name, "one").toFixed(3), (of(name, "start") / 1000).toFixed(2), of(name, "peak").toFixed(0),
      of(name, "own").toFixed(0), cosine(name).toFixed(4));
  }
}

let tokenizer;
function countTokens(text) {
  return tokenizer(text, { truncation: true }).input_ids.size;
}

if (options.worker) {
  await worker(options.worker);
} else {
  tokenizer = await library().AutoTokenizer.from_pretrained();
  await main();
}
