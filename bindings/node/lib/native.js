// The addon, and errors as JavaScript has them.
"use strict";
const path = require("node:path");

function load() {
  // For gemvec's own tests, which build the addon elsewhere.
  const given = process.env.GEMVEC_NODE_ADDON;
  const platform = `${process.platform}-${process.arch}`;
  const file = given || path.join(__dirname, "..", "prebuilds", platform, "gemvec.node");
  try {
    return require(file);
  } catch (cause) {
    const advice = `run "npm rebuild gemvec", or "npm install" in bindings/node of a checkout`;
    throw new Error(`gemvec's addon for ${platform} does not load (${file}): ${advice}.`, { cause });
  }
}

const native = load();
// Threads that compute while the process tears itself down would touch what is gone.
process.once("exit", () => native.stop());

// DOMException as fetch() throws it, or what abort(reason) was given.
function throwIfAborted(signal) {
  if (signal === undefined || signal === null) return;
  if (typeof signal !== "object" || typeof signal.addEventListener !== "function") {
    throw new TypeError("signal must be an AbortSignal.");
  }
  if (signal.aborted) throw signal.reason;
}

module.exports = { native, throwIfAborted };
