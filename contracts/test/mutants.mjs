#!/usr/bin/env node
// Shows that each check in the contracts is tested: takes it out in a temporary copy, and expects the tests to fail.
//
// Mutants are made in two ways. Every `if (..) revert ..;` of a file with `guards: true` is removed, one at a time; a revert of
// another form is an error here, so none can be overlooked. And each entry of `edits` replaces text that occurs exactly once.
//
// Arguments, if any: only mutants whose name contains one of them. The names are printed.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

// Each edit: what is broken, then pairs of text and replacement.
// Lines of ModelKeys.sol and InferenceVerifier.sol belong here too, once a suite in this folder tests those contracts.
const SUITES = [
  {
    file: "ModelRegistry.sol",
    test: "test/ModelRegistry.t.sol",
    guards: true,
    edits: [
      ["empty names pass", ["length == 0 || ", ""]],
      ["names of 64 bytes fail", ["length > MAX_NAME", "length >= MAX_NAME"]],
      ["entries are shared by owners", ["record = _records[owner][modelId];", "owner; record = _records[address(0)][modelId];"],
        ["Record storage record = _records[msg.sender][modelId];", "Record storage record = _records[address(0)][modelId];"]],
      ["lines are shared by owners", ["_lines[msg.sender][modelId] = ", "_lines[address(0)][modelId] = "],
        ["_lines[msg.sender][old.first]", "_lines[address(0)][old.first]"],
        ["name: _lines[owner]", "name: _lines[address(0)]"],
        ["return _lines[owner]", "return _lines[address(0)]"]],
      ["no link forth", ["old.next = modelId;", ""]],
      ["no link back", ["record.previous = previous;", "previous;"]],
      ["the line keeps its old head", ["line.latest = modelId;", ""]],
      ["a version starts a line", ["_add(modelId, old.first, previous);", "_add(modelId, modelId, previous);"]],
      ["no time", ["record.registeredAt = uint64(block.timestamp);", ""]],
      ["deprecation is not kept", ["record.deprecated = true;", ""]],
      ["a new line's key is not stored", ["modelId = verifier.storeKey(key);\n        _add", "modelId = keccak256(key);\n        _add"]],
      ["a version's key is not stored", ["modelId = verifier.storeKey(key);\n        Record", "modelId = keccak256(key);\n        Record"]],
    ],
  },
  {
    file: "InferenceContext.sol",
    test: "test/InferenceContext.t.sol",
    guards: true,
    edits: [
      ["no type hash", ["abi.encode(TYPEHASH, ", "abi.encode("]],
      ["another order", ["consumer, request, beneficiary, expiry))", "consumer, request, expiry, beneficiary))"]],
      ["chain not bound", ["block.chainid, address(this)", "uint256(0), address(this)"]],
      ["contract not bound", ["block.chainid, address(this)", "block.chainid, address(0)"]],
    ],
  },
  {
    file: "examples/InferenceEscrow.sol",
    test: "test/InferenceEscrow.t.sol",
    guards: true,
    edits: [
      ["the proof is not checked", ["verifier.verify(open.modelId, input, output, context, proof);", "context; proof;"]],
      ["another model is checked", ["verifier.verify(open.modelId,", 'verifier.verify("another model",']],
      ["payee not bound", ["here(id, payee,", "here(id, address(0),"]],
      ["request not bound", ["here(id, payee,", "here(bytes32(0), payee,"]],
      ["deadline not bound", ["here(id, payee, _requests[id].deadline)", "here(id, payee, 0)"]],
      ["ids repeat", ["_requested++", "_requested"]],
      ["ids do not depend on the requester", ["address(this), msg.sender, ", "address(this), address(0), "]],
      ["ids do not depend on the contract", ["block.chainid, address(this), ", "block.chainid, address(0), "]],
      ["ids do not depend on the chain", ["block.chainid, address(this), ", "uint256(1), address(this), "]],
      ["requests in the last second fail", ["block.timestamp > deadline", "block.timestamp >= deadline"]],
      ["deliveries in the last second fail", ["block.timestamp > open.deadline", "block.timestamp >= open.deadline"]],
      ["refunds in the last second", ["block.timestamp <= open.deadline", "block.timestamp < open.deadline"]],
      ["delivered after the payment", ["open.status = Status.Delivered;", ""],
        ["_pay(payee, open.reward);", "_pay(payee, open.reward); open.status = Status.Delivered;"]],
      ["refunded after the payment", ["open.status = Status.Refunded;", ""],
        ["_pay(open.requester, open.reward);", "_pay(open.requester, open.reward); open.status = Status.Refunded;"]],
      ["never delivered", ["open.status = Status.Delivered;", ""]],
      ["never refunded", ["open.status = Status.Refunded;", ""]],
      ["the sender is paid", ["_pay(payee, open.reward);", "_pay(msg.sender, open.reward);"]],
      ["all money is paid to a payee", ["_pay(payee, open.reward);", "_pay(payee, address(this).balance);"]],
      ["all money is refunded", ["_pay(open.requester, open.reward);", "_pay(open.requester, address(this).balance);"]],
      ["no output hash", ["open.outputHash = keccak256(output);", ""]],
    ],
  },
  {
    file: "examples/ScoreGate.sol",
    test: "test/ScoreGate.t.sol",
    guards: true,
    edits: [
      ["the proof is not checked", ["verifier.verify(modelId, input, output, contextOf(msg.sender, expiry), proof);", "proof;"]],
      ["another model is checked", ["verifier.verify(modelId,", 'verifier.verify("model",']],
      ["account not bound", ["bytes32(nonces[account]), account,", "bytes32(nonces[account]), address(0),"]],
      ["nonce not bound", ["bytes32(nonces[account]), account,", "bytes32(0), account,"]],
      ["expiry not bound", ["account, expiry);", "account, 0 * expiry);"]],
      ["nonces repeat", ["nonces[msg.sender]++", "nonces[msg.sender]"]],
      ["nonces are shared", ["nonces[msg.sender]++", "nonces[address(0)]++"]],
      ["the last second fails", ["block.timestamp > expiry", "block.timestamp >= expiry"]],
      ["the threshold passes", ["score <= threshold", "score < threshold"]],
      ["compared without sign", ["score <= threshold", "uint16(score) <= uint16(threshold)"]],
      ["small elements without sign", ["return int8(uint8(output[outputIndex]));", "return int16(uint16(uint8(output[outputIndex])));"]],
      ["large elements at half the place", ["uint256(outputIndex) * 2", "uint256(outputIndex) * 1"]],
      ["shorter outputs pass", ["output.length != expected", "output.length > expected"]],
      ["longer outputs pass", ["output.length != expected", "output.length < expected"]],
      ["low thresholds pass", ["threshold_ < low || ", "low == high || "]],
      ["the lowest threshold fails", ["threshold_ < low", "threshold_ <= low"]],
      ["high thresholds pass", [" || threshold_ >= high", " || low == high"]],
      ["the highest score as threshold passes", ["threshold_ >= high", "threshold_ > high"]],
      ["elements of 1 byte fail", ["elementBytes_ != 1 && ", ""]],
      ["elements of 2 bytes fail", [" && elementBytes_ != 2", ""]],
      ["an index at the end passes", ["outputIndex_ >= outputElements_", "outputIndex_ > outputElements_"]],
    ],
  },
];

/** The text with comments and strings blanked, so that positions stay. */
function code(text) {
  return text.replace(/\/\/[^\n]*|\/\*.*?\*\/|"[^"\n]*"/gs, (found) => found.replace(/[^\n]/g, " "));
}

/** Start and end of every `if (..) revert ..;`. Throws if a revert or require is anywhere else. */
function guards(text, file) {
  const bare = code(text);
  const found = [];
  for (const match of bare.matchAll(/\bif \(/g)) {
    let end = match.index + match[0].length;
    for (let depth = 1; depth > 0; end++) depth += { "(": 1, ")": -1 }[bare[end]] ?? 0;
    const action = /^\s*revert\b[^;]*;/.exec(bare.slice(end));
    if (action) found.push({ start: match.index, end: end + action[0].length });
  }
  for (const match of bare.matchAll(/\b(revert|require|assert)\b/g)) {
    if (!found.some(({ start, end }) => start < match.index && match.index < end)) {
      const line = text.slice(0, match.index).split("\n").length;
      throw new Error(`${file}:${line}: write this check as "if (..) revert ..;", so that it can be tested here`);
    }
  }
  return found;
}

/** All mutants of a suite: a name and the whole text of the file. */
function mutants({ file, guards: automatic, edits }) {
  const text = readFileSync(join(ROOT, file), "utf8");
  const made = [];
  for (const { start, end } of automatic ? guards(text, file) : []) {
    const line = text.slice(0, start).split("\n").length;
    const removed = text.slice(start, end).replace(/\s+/g, " ");
    made.push({ name: `${file}:${line} without ${removed}`, text: text.slice(0, start) + text.slice(end) });
  }
  for (const [what, ...pairs] of edits) {
    let mutated = text;
    for (const [from, to] of pairs) {
      const times = mutated.split(from).length - 1;
      if (times !== 1) throw new Error(`${file}, "${what}": ${JSON.stringify(from)} occurs ${times} times: bring the table up to date`);
      mutated = mutated.replace(from, () => to);
    }
    made.push({ name: `${file}: ${what}`, text: mutated });
  }
  return made;
}

/** A file of the package and all that it imports. */
function closure(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, imported] of readFileSync(join(ROOT, path), "utf8").matchAll(/^import [^;]*"(\.[^"]*)";/gms)) {
    closure(normalize(join(dirname(path), imported)), seen);
  }
  return seen;
}

/** A copy of what one suite needs and nothing else: it compiles in a moment. */
function copy(suite, folder) {
  for (const path of [...closure(suite.test), "foundry.toml", "remappings.txt", "package.json", "scripts/solc"]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

/** Runs a suite in a copy. Returns the names of tests that passed and that failed. */
function run(suite, folder) {
  const forge = join(ROOT, "scripts/forge");
  const env = { ...process.env, FOUNDRY_PROFILE: "quick" };
  const options = { cwd: folder, env, encoding: "utf8", maxBuffer: 1 << 26 };
  const done = spawnSync(process.execPath, [forge, "test", "--json", "--match-path", suite.test], options);
  let results;
  try {
    results = JSON.parse(done.stdout);
  } catch {
    throw new Error(`forge gave no results:\n${done.stdout}\n${done.stderr}\n${done.error ?? ""}`);
  }
  const tests = Object.values(results).flatMap((one) => Object.entries(one.test_results));
  const named = (status) => tests.filter(([, result]) => result.status === status).map(([name]) => name.split("(")[0]);
  const outcome = { passed: named("Success"), failed: named("Failure") };
  if ((done.status === 0) !== (outcome.failed.length === 0)) throw new Error(`forge exits with ${done.status}: ${outcome.failed}`);
  return outcome;
}

/** Runs every wanted mutant of a suite. Returns the names of those that no test noticed, and how many ran. */
function hunt(suite, wanted) {
  const chosen = mutants(suite).filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  const survivors = [];
  try {
    copy(suite, folder);
    const before = run(suite, folder);
    if (before.failed.length > 0 || before.passed.length === 0) throw new Error(`${suite.test} fails as it is: ${before.failed}`);
    for (const { name, text } of chosen) {
      writeFileSync(join(folder, suite.file), text);
      const { failed } = run(suite, folder);
      console.log(`${failed.length > 0 ? "ok      " : "SURVIVED"} ${name}${failed.length > 0 ? ` (${failed[0]})` : ""}`);
      if (failed.length === 0) survivors.push(name);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { survivors, ran: chosen.length };
}

try {
  const wanted = process.argv.slice(2);
  const results = SUITES.map((suite) => hunt(suite, wanted));
  const survivors = results.flatMap((one) => one.survivors);
  const ran = results.reduce((sum, one) => sum + one.ran, 0);
  console.log(`${ran - survivors.length} of ${ran} mutants noticed by the tests`);
  if (survivors.length > 0 || ran === 0) process.exitCode = 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
