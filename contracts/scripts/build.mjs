#!/usr/bin/env node
// Writes artifacts/<Contract>.json from the sources. With --check it writes nothing and fails if a file would change.
// Names of contracts after the options restrict it to those.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT, SETTINGS, compile, compiler, contractFiles, source } from "./compile.mjs";

const FOLDER = join(ROOT, "artifacts");
/** EIP-170 and EIP-3860. */
const MAX_CODE = 24_576;
const MAX_INIT_CODE = 49_152;

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const size = (hex) => (hex.length - 2) / 2;

/** SHA-256 over a line `path sha256` for each source that went in, in order of paths. */
function sourceDigest(paths) {
  return sha256(paths.map((path) => `${path} ${sha256(source(path))}\n`).join(""));
}

/** A contract that someone can deploy, or an interface that someone can call. */
function isShipped(ast, name) {
  const node = ast.nodes.find((one) => one.nodeType === "ContractDefinition" && one.name === name);
  return node.contractKind === "interface" || (node.contractKind === "contract" && !node.abstract);
}

/** The artifacts of one file, by name. */
function artifacts(solc, path) {
  const { contracts, ast } = compile(solc, path);
  const made = {};
  for (const [name, contract] of Object.entries(contracts)) {
    if (!isShipped(ast, name)) continue;
    if (`${name}.sol` !== basename(path)) throw new Error(`${path} has a contract ${name}: name the file after its contract`);
    const artifact = {
      contractName: name,
      abi: contract.abi,
      bytecode: `0x${contract.evm.bytecode.object}`,
      deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
      compiler: solc.version(),
      settings: SETTINGS,
      sourceDigest: sourceDigest(Object.keys(JSON.parse(contract.metadata).sources).sort()),
    };
    if (size(artifact.deployedBytecode) > MAX_CODE || size(artifact.bytecode) > MAX_INIT_CODE) {
      const sizes = `${size(artifact.deployedBytecode)} bytes of code, ${size(artifact.bytecode)} to deploy it`;
      throw new Error(`${name} is too large: ${sizes}`);
    }
    made[name] = artifact;
  }
  return made;
}

/** What differs between a committed file and what it should be, or nothing. */
function difference(file, text) {
  if (!existsSync(file)) return "is missing";
  const committed = readFileSync(file, "utf8").replaceAll("\r\n", "\n");
  if (committed === text) return undefined;
  let old;
  try {
    old = JSON.parse(committed);
  } catch {
    return "is no JSON";
  }
  const now = JSON.parse(text);
  const fields = [...new Set([...Object.keys(now), ...Object.keys(old ?? {})])];
  const changed = fields.filter((field) => JSON.stringify(old?.[field]) !== JSON.stringify(now[field]));
  return `differs in ${changed.join(", ") || "its layout"}`;
}

/** The example in README.md must compile as it stands there. */
function checkReadme(solc) {
  const blocks = [...source("README.md").matchAll(/```solidity\n(.*?)```/gs)];
  if (blocks.length === 0) throw new Error("README.md has no example");
  for (const [, text] of blocks) compile(solc, "README.sol", SETTINGS, text);
}

function main() {
  const check = process.argv.includes("--check");
  const only = process.argv.slice(2).filter((one) => !one.startsWith("--"));
  const solc = compiler();
  const made = {};
  for (const path of contractFiles()) {
    if (only.length === 0 || only.includes(basename(path, ".sol"))) Object.assign(made, artifacts(solc, path));
  }
  for (const name of only) if (!made[name]) throw new Error(`there is no contract ${name} to build`);

  mkdirSync(FOLDER, { recursive: true });
  const wrong = [];
  for (const [name, artifact] of Object.entries(made)) {
    const file = join(FOLDER, `${name}.json`);
    const text = `${JSON.stringify(artifact, null, 2)}\n`;
    const differs = difference(file, text);
    if (differs && check) wrong.push(`contracts/artifacts/${name}.json ${differs}`);
    if (differs && !check) writeFileSync(file, text);
    console.log(`${name}: ${size(artifact.deployedBytecode)} bytes${differs && !check ? ", written" : ""}`);
  }
  for (const file of only.length === 0 ? readdirSync(FOLDER) : []) {
    if (made[basename(file, ".json")]) continue;
    if (check) wrong.push(`contracts/artifacts/${file} has no contract`);
    else rmSync(join(FOLDER, file));
  }
  if (check && only.length === 0) checkReadme(solc);
  if (wrong.length > 0) {
    throw new Error(`${wrong.join("\n")}\nIf the sources are as intended: cd contracts && npm ci && npm run build`);
  }
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
