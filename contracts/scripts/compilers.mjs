#!/usr/bin/env node
// Compiles every contract with the oldest and the newest compiler that the pragmas allow, and with both pipelines.
// A warning is a failure.
import { SETTINGS, compile, compiler, contractFiles, source } from "./compile.mjs";

const throughIr = { ...SETTINGS, viaIR: true };
/** Which files, by their pragma. */
const all = () => true;
const interfaces = (path) => source(path).includes("pragma solidity >=0.8.20 <0.9.0;");

const RUNS = [
  { name: "solc", settings: throughIr, files: all },
  { name: "solc-newest", settings: SETTINGS, files: all },
  { name: "solc-newest", settings: throughIr, files: all },
  { name: "solc-floor", settings: SETTINGS, files: all },
  { name: "solc-interfaces", settings: { ...SETTINGS, evmVersion: "paris" }, files: interfaces },
];

for (const { name, settings, files } of RUNS) {
  const solc = compiler(name);
  const said = new Set();
  const what = `${solc.version().split("+")[0]}, ${settings.viaIR ? "IR" : "legacy"} pipeline`;
  for (const path of contractFiles().filter(files)) {
    try {
      compile(solc, path, settings);
    } catch (error) {
      // A file that several import would be reported for each.
      if (!said.has(error.message)) console.error(`${what}, ${path}:\n${error.message}`);
      said.add(error.message);
      process.exitCode = 1;
    }
  }
  console.log(what);
}
