// How many calls run at once, and how a running one is watched and cancelled.
"use strict";
const { native, throwIfAborted } = require("./native.js");

// Each running call has a thread, which mostly waits: short calls that wait for the model together are computed
// together, and more than this many would gain nothing.
const LANES = 16;
// How often progress is looked at: as often as a person can follow.
const PROGRESS_MS = 50;

let running = 0;
const waiting = []; // functions that begin a call

function next() {
  running -= 1;
  const begin = waiting.shift();
  if (begin !== undefined) begin();
}

// Resolves when there is a lane; rejects if `signal` says so before.
function lane(signal) {
  if (running < LANES) {
    running += 1;
    return undefined;
  }
  return new Promise((resolve, reject) => {
    const begin = () => {
      signal?.removeEventListener("abort", abort);
      running += 1;
      resolve();
    };
    const abort = () => {
      waiting.splice(waiting.indexOf(begin), 1);
      reject(signal.reason);
    };
    waiting.push(begin);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

// call(watch) -> promise, in a lane. `onProgress` gets {stage, done, total} now and then, and at the end.
async function run(call, { signal, onProgress } = {}) {
  throwIfAborted(signal);
  if (onProgress !== undefined && onProgress !== null && typeof onProgress !== "function") {
    throw new TypeError("the progress callback must be a function.");
  }
  const wait = lane(signal);
  if (wait !== undefined) await wait;
  let timer;
  let abort;
  let failure; // of the progress callback: the caller's own error ends the call
  try {
    throwIfAborted(signal); // it may have been aborted just when its turn came
    const watch = signal || onProgress ? new native.Watch() : undefined;
    if (signal) {
      abort = () => watch.cancel();
      signal.addEventListener("abort", abort, { once: true });
    }
    let told = -1;
    const tell = () => {
      const progress = watch.progress();
      if (failure !== undefined || progress.total === 0 || progress.done === told) return;
      told = progress.done;
      try {
        onProgress(progress);
      } catch (error) {
        failure = { error };
        watch.cancel();
      }
    };
    if (onProgress) timer = setInterval(tell, PROGRESS_MS);
    const result = await call(watch);
    // It may have been too late for the library, but not for the caller.
    throwIfAborted(signal);
    if (onProgress) tell();
    if (failure !== undefined) throw failure.error;
    return result;
  } catch (error) {
    if (failure !== undefined) throw failure.error;
    if (error?.code === "GEMVEC_CANCELLED") throwIfAborted(signal);
    throw error;
  } finally {
    if (timer !== undefined) clearInterval(timer);
    if (abort !== undefined) signal.removeEventListener("abort", abort);
    next();
  }
}

module.exports = { run };
