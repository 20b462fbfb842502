// What `npm install` runs: nothing if the addon for this machine is there, as in the package that `npm pack` makes;
// in a checkout, builds it with cmake-js. `--pack`: what `npm pack` runs, so that the package has the addon in it.
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const here = __dirname;
const root = path.resolve(here, "..", "..");
const platform = `${process.platform}-${process.arch}`;
const target = path.join(here, "prebuilds", platform, "gemvec.node");
const isCheckout = fs.existsSync(path.join(root, "include", "gemvec", "gemvec.h"));

function fail(message) {
  console.error(`gemvec: ${message}`);
  process.exit(1);
}

function build() {
  const output = path.join(root, "build", "node");
  const cmakeJs = require.resolve("cmake-js/bin/cmake-js");
  try {
    execFileSync(process.execPath, [cmakeJs, "compile", "--directory", here, "--out", output], { stdio: "inherit" });
  } catch {
    fail(`the addon could not be built; what it needs is installed by ${path.join(root, "scripts", "setup")}.`);
  }
  fs.mkdirSync(path.dirname(target), { recursive: true });
  // A running Node may have the old one mapped: replace it, do not write into it.
  fs.copyFileSync(path.join(output, "node-addon", "gemvec.node"), `${target}.new`);
  fs.renameSync(`${target}.new`, target);
}

if (process.argv.includes("--pack")) {
  if (!fs.existsSync(target)) build();
  for (const name of ["LICENSE", "NOTICE"]) fs.copyFileSync(path.join(root, name), path.join(here, name));
} else if (isCheckout) {
  build();
} else if (!fs.existsSync(target)) {
  fail(`this package has no addon for ${platform}: get a checkout of gemvec and run npm install in bindings/node.`);
}
