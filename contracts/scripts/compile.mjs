// Compiles contracts of this package with an npm package solc, in memory.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const require = createRequire(import.meta.url);

/** The folder of the package. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** How the contracts are shipped. Without metadata the bytecode depends on nothing but sources, compiler and settings. */
export const SETTINGS = {
  optimizer: { enabled: true, runs: 200 },
  viaIR: false,
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

/** The name that the package has in import paths. */
const PREFIX = "inferproof-contracts/";

/** Every contract file but the tests: its path in the package. */
export function contractFiles() {
  const inFolder = (folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith(".sol"))
      .map((name) => (folder ? `${folder}/${name}` : name));
  return [...inFolder(""), ...inFolder("examples")].sort();
}

/** The text of a file of the package, with line ends as committed. */
export function source(path) {
  return readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");
}

/** The compiler of an npm package: `{ version(), compile() }`. */
export function compiler(name = "solc") {
  const found = require(name);
  // The package prints an error of our own as if it were the compiler's, with a megabyte of code.
  process.removeAllListeners("uncaughtException");
  process.removeAllListeners("unhandledRejection");
  return found;
}

/**
 * Compiles one file with what it imports and nothing else, so that no other file has a say in the result.
 * Throws on any error or warning. Returns solc's output for the file: its contracts by name, and its syntax tree.
 */
export function compile(solc, path, settings = SETTINGS, content = source(path)) {
  const input = {
    language: "Solidity",
    sources: { [path]: { content } },
    settings: {
      ...settings,
      remappings: [`${PREFIX}=`],
      outputSelection: { "*": { "*": ["abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode.object"], "": ["ast"] } },
    },
  };
  const read = (imported) => {
    try {
      return { contents: source(imported) };
    } catch (error) {
      return { error: error.message };
    }
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
  const complaints = (output.errors ?? []).filter((one) => one.severity !== "info");
  if (complaints.length > 0) throw new Error(complaints.map((one) => one.formattedMessage).join("\n"));
  return { contracts: output.contracts?.[path] ?? {}, ast: output.sources[path].ast };
}
