// Runs the command-line program on files in a temporary folder, for scripts that need keys and proofs.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./compile.mjs";

const FIXTURES = join(ROOT, "../fixtures");
const BUILT = join(ROOT, "../target/release/inferproof");

/** The program: what the variable INFERPROOF names, else what is found in PATH, else what `cargo build --release` made. */
function find() {
  if (process.env.INFERPROOF) return process.env.INFERPROOF;
  const known = spawnSync("inferproof", ["--version"]);
  if (!known.error) return "inferproof";
  if (existsSync(BUILT)) return BUILT;
  throw new Error("there is no program inferproof: cargo build --release, or name it in the variable INFERPROOF");
}

/** The program with a folder for its files, which `close` removes. */
export class Program {
  #path = find();
  #folder = mkdtempSync(join(tmpdir(), "inferproof-"));

  constructor() {
    process.once("exit", () => this.close());
  }

  close() {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Runs a subcommand and returns what it prints as JSON. */
  run(...words) {
    const done = spawnSync(this.#path, ["--json", ...words], { cwd: this.#folder, encoding: "utf8", maxBuffer: 1 << 26 });
    if (done.error) throw done.error;
    if (done.status !== 0) throw new Error(`inferproof ${words.join(" ")} exits with ${done.status}: ${done.stderr}${done.stdout}`);
    return JSON.parse(done.stdout);
  }

  /** Makes an SRS that is insecure. Returns its file, and what the verifier's constructor takes. */
  srs(name, k) {
    this.run("srs", "new", "--insecure", "--k", `${k}`, "-o", `${name}.srs`);
    this.run("contract", "export", "--srs", `${name}.srs`, "-o", name);
    const read = (file) => readFileSync(join(this.#folder, name, file), "utf8");
    const { bytecode } = JSON.parse(read("artifacts/InferenceVerifier.json"));
    const deployment = read("InferenceVerifier.hex").trim();
    if (!deployment.startsWith(bytecode)) throw new Error("InferenceVerifier.hex does not start with the verifier's bytecode");
    // One argument `bytes`: an offset, a length, and the bytes.
    const encoded = deployment.slice(bytecode.length);
    const length = Number(`0x${encoded.slice(64, 128)}`);
    return { file: `${name}.srs`, data: `0x${encoded.slice(128, 128 + 2 * length)}` };
  }

  /** Makes the keys of a model in `fixtures/`. `visibility` is public or secret; `options` go to `quantise`. */
  model(name, visibility, srs, ...options) {
    const folder = `${name.replaceAll("/", "-")}-${visibility}`;
    const fixture = (end) => join(FIXTURES, name + end);
    this.run("quantise", fixture(".onnx"), "--samples", fixture("_samples.npz"), "-o", `${folder}.ifq`, ...options);
    this.run("setup", `${folder}.ifq`, "--srs", srs.file, "-o", folder, "--weights", visibility, "--optimise", "gas");
    const { modelId, key } = this.run("contract", "model-data", "--key", `${folder}/verifying.key`);
    return { modelId, key, folder, srs, input: fixture("_input.npy") };
  }

  /** Proves a model's output on its input, for a context of 32 bytes in hex. Returns the arguments of `verify`. */
  prove(model, context) {
    const file = `${model.folder}/proof.json`;
    const plain = context.replace(/^0x/, "");
    this.run("prove", "--keys", model.folder, "--srs", model.srs.file, "--input", model.input, "--context", plain, "-o", file);
    this.run("verify", "--key", `${model.folder}/verifying.key`, "--srs", model.srs.file, "--context", plain, file);
    const proof = JSON.parse(readFileSync(join(this.#folder, file), "utf8"));
    const fields = ["modelId", "input", "output", "context", "proof"].map((field) => [field, `0x${proof[field]}`]);
    return Object.fromEntries(fields);
  }
}
