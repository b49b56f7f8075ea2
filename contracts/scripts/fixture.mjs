#!/usr/bin/env node
// Writes test/fixtures/digits_mlp.json, which the tests of the verifier read: constructor data, keys and proofs, made by the program.
// Proofs are randomised, so every run writes another file that is as good. Run it when the machine or the format of proofs or keys
// changes: the tests say so.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./compile.mjs";
import { Program } from "./program.mjs";

const FILE = join(ROOT, "test/fixtures/digits_mlp.json");
const MAX_SIZE = 40_000;
const CONTEXT = `0x${"07".repeat(32)}`;

const program = new Program();
try {
  const [srs, other] = ["one", "other"].map((name) => program.srs(name, 12));
  const claim = (model) => ({ key: model.key, ...program.prove(model, CONTEXT) });
  const fixture = {
    srs: srs.data,
    otherSrs: other.data,
    secret: claim(program.model("digits_mlp", "secret", srs)),
    public: claim(program.model("digits_mlp", "public", srs)),
    // Tensors with signs and two bytes an element, and an input of several words.
    wide: claim(program.model("ops/averagepool_conv", "public", srs, "--bits", "9")),
  };
  const text = `${JSON.stringify(fixture, null, 2)}\n`;
  if (text.length > MAX_SIZE) throw new Error(`the fixture has ${text.length} bytes, more than ${MAX_SIZE}`);
  mkdirSync(dirname(FILE), { recursive: true });
  writeFileSync(FILE, text);
  console.log(`${FILE}: ${text.length} bytes`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  program.close();
}
