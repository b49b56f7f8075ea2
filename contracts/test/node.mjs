#!/usr/bin/env node
// The whole story on a real node: deploys the contracts on anvil, registers models, proves with the program, verifies, and lets the
// examples act on proofs. Prints what it cost. Exits with 1 if anything is not as it should be, with the node stopped in any case.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  BaseError, ContractFunctionRevertedError, createTestClient, encodeFunctionData, http, keccak256, parseEther, parseEventLogs, publicActions,
  walletActions,
} from "viem";
import { anvil as chain } from "viem/chains";
import { ROOT } from "../scripts/compile.mjs";
import { native } from "../scripts/native.mjs";
import { Program } from "../scripts/program.mjs";

const NO_CONTEXT = `0x${"00".repeat(32)}`;
/** How long the node may take to start, in milliseconds. */
const PATIENCE = 20_000;
const REWARD = parseEther("1");

/** Starts a node on a free port of this machine. Returns its address and what stops it. */
async function start() {
  const node = spawn(native("anvil"), ["--host", "127.0.0.1", "--port", "0", "--hardfork", "osaka"], { stdio: ["ignore", "pipe", "pipe"] });
  const stop = () => node.kill("SIGKILL");
  process.once("exit", stop);
  let said = "";
  const address = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`anvil ${why}: ${said}`));
    const timer = setTimeout(() => fail("is not ready in time"), PATIENCE);
    const hear = (text) => {
      said += text;
      const found = /Listening on ([\d.]+:\d+)/.exec(said);
      if (found) resolve(found[1]);
      if (found) clearTimeout(timer);
    };
    node.stdout.setEncoding("utf8").on("data", hear);
    node.stderr.setEncoding("utf8").on("data", hear);
    node.once("error", reject);
    node.once("exit", (code) => fail(`exits with ${code}`));
  }).catch((error) => {
    stop();
    throw error;
  });
  return { url: `http://${address}`, stop };
}

const artifact = (name) => JSON.parse(readFileSync(join(ROOT, `artifacts/${name}.json`), "utf8"));

function check(truth, what) {
  if (!truth) throw new Error(`not so: ${what}`);
  console.log(`ok  ${what}`);
}

/** One chain with its accounts, and a table of gas. */
class Story {
  /** Rows of the table. */
  gas = [];
  /** Errors of the verifier reach callers through other contracts. */
  #errors = artifact("InferenceVerifier").abi.filter((item) => item.type === "error");

  static async on(url) {
    const story = new Story();
    story.client = createTestClient({ chain, mode: "anvil", transport: http(url), pollingInterval: 20, cacheTime: 0 })
      .extend(publicActions)
      .extend(walletActions);
    [story.deployer, story.requester, story.prover, story.mallory] = await story.client.getAddresses();
    return story;
  }

  async now() {
    return (await this.client.getBlock()).timestamp;
  }

  /** Waits for a transaction, which must succeed. `row` names it in the table of gas. */
  async #done(hash, row) {
    const receipt = await this.client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`${row}: the transaction failed`);
    this.gas.push([row, receipt.gasUsed]);
    return receipt;
  }

  async deploy(name, ...args) {
    const { abi, bytecode } = artifact(name);
    const hash = await this.client.deployContract({ abi, bytecode, args, account: this.deployer });
    const { contractAddress: address } = await this.#done(hash, `deploy ${name}`);
    return { address, abi: [...abi, ...this.#errors.filter((error) => !abi.some((own) => own.name === error.name))] };
  }

  read({ address, abi }, functionName, ...args) {
    return this.client.readContract({ address, abi, functionName, args });
  }

  /** Sends a transaction; also one that only reads, for what it costs. Returns the events. */
  async send(row, account, { address, abi }, functionName, args, value = 0n) {
    const data = encodeFunctionData({ abi, functionName, args });
    const { logs } = await this.#done(await this.client.sendTransaction({ account, to: address, data, value }), row);
    return parseEventLogs({ abi, logs });
  }

  /** Fails unless a call would revert with the error of this name. */
  async refused(what, name, account, { address, abi }, functionName, args) {
    let found = "nothing";
    try {
      await this.client.simulateContract({ address, abi, functionName, args, account });
    } catch (error) {
      const revert = error instanceof BaseError && error.walk((one) => one instanceof ContractFunctionRevertedError);
      if (!revert) throw error;
      found = revert.data?.errorName ?? revert.signature ?? "a revert without a name";
    }
    check(found === name, `${what}: ${name}${found === name ? "" : `, but got ${found}`}`);
  }

  print() {
    const width = Math.max(...this.gas.map(([row]) => row.length));
    console.log(`\n${"gas of transactions, Osaka".padEnd(width)}`);
    for (const [row, gas] of this.gas) console.log(`${row.padEnd(width)}  ${gas.toLocaleString("en").padStart(10)}`);
  }
}

const claimOf = ({ modelId, input, output, context, proof }) => [modelId, input, output, context, proof];

/** A copy of hex data with one bit of a byte flipped. */
function spoiled(data, byte) {
  const at = 2 + 2 * byte + 1;
  return data.slice(0, at) + (parseInt(data[at], 16) ^ 1).toString(16) + data.slice(at + 1);
}

async function tell(story, program) {
  const srs = program.srs("dev", 15);
  const mlp = program.model("digits_mlp", "public", srs);
  const cnn = program.model("digits_cnn", "secret", srs);

  const verifier = await story.deploy("InferenceVerifier", srs.data);
  const registry = await story.deploy("ModelRegistry", verifier.address);
  check(await story.read(verifier, "insecure"), "the verifier says that its SRS is for development");

  for (const [name, model] of [["digits_mlp", mlp], ["digits_cnn", cnn]]) {
    const events = await story.send(`register ${name}`, story.deployer, registry, "register", [model.key, name]);
    const { args } = events.find(({ eventName }) => eventName === "Registered");
    check(args.modelId === model.modelId && args.name === name, `${name} is registered under the id that the program computes`);
    const code = await story.client.getCode({ address: await story.read(verifier, "keyPointer", model.modelId) });
    check(code.startsWith("0x00"), `${name}: the key is stored, as data`);
  }

  const [small, large] = [mlp, cnn].map((model) => program.prove(model, NO_CONTEXT));
  for (const [name, proved] of [["digits_mlp", small], ["digits_cnn", large]]) {
    await story.send(`verify ${name}`, story.prover, verifier, "verify", claimOf(proved));
    check(await story.read(verifier, "tryVerify", ...claimOf(proved)), `${name}: a true proof is accepted`);
    const forged = [
      ["another output", "InvalidProof", { ...proved, output: spoiled(proved.output, 0) }],
      ["another context", "InvalidProof", { ...proved, context: spoiled(NO_CONTEXT, 31) }],
      ["another scalar", "InvalidProof", { ...proved, proof: spoiled(proved.proof, 1187) }],
      ["a point off the curve", "InvalidPoint", { ...proved, proof: spoiled(proved.proof, 67) }],
      ["a shorter proof", "InvalidProofLength", { ...proved, proof: proved.proof.slice(0, -2) }],
      ["another verifier's proof", "WrongVerifier", { ...proved, proof: spoiled(proved.proof, 0) }],
      ["a model that nobody stored", "ModelNotStored", { ...proved, modelId: spoiled(proved.modelId, 0) }],
    ];
    for (const [what, error, claim] of forged) {
      await story.refused(`${name}, ${what}`, error, story.prover, verifier, "verify", claimOf(claim));
      check(!(await story.read(verifier, "tryVerify", ...claimOf(claim))), `${name}, ${what}: tryVerify says false`);
    }
  }
  await story.send("verifyBatch, both", story.prover, verifier, "verifyBatch", [[small, large]]);
  await story.send("verifyBatch, digits_mlp twice", story.prover, verifier, "verifyBatch", [[small, small]]);
  check(true, "batches of true proofs are accepted");
  const mixed = [small, { ...large, output: spoiled(large.output, 1) }];
  await story.refused("a batch with one forged proof", "InvalidProof", story.prover, verifier, "verifyBatch", [mixed]);
  await story.refused("a batch of none", "EmptyBatch", story.prover, verifier, "verifyBatch", [[]]);

  await escrow(story, program, verifier, cnn, large);
  await gate(story, program, verifier, mlp, small);

  await story.send("deprecate", story.deployer, registry, "deprecate", [cnn.modelId]);
  check(await story.read(registry, "isDeprecated", story.deployer, cnn.modelId), "a deprecated model is flagged");
  check(await story.read(verifier, "tryVerify", ...claimOf(large)), "and its proofs are accepted as before");
}

async function escrow(story, program, verifier, model, earlier) {
  const { requester, prover, mallory } = story;
  const contract = await story.deploy("InferenceEscrow", verifier.address);
  const ask = async (row) => {
    const deadline = (await story.now()) + 1000n;
    const asked = [model.modelId, keccak256(earlier.input), deadline];
    const [{ args }] = await story.send(row, requester, contract, "request", asked, REWARD);
    return { id: args.id, deadline };
  };
  const balance = (address) => story.client.getBalance({ address });

  const { id } = await ask("escrow: request");
  const made = program.prove(model, await story.read(contract, "contextOf", id, prover));
  const deliver = (payee, { input, output, proof }) => [id, input, output, payee, proof];
  await story.refused("a proof for no request", "InvalidProof", prover, contract, "deliver", deliver(prover, earlier));
  await story.refused("a proof copied for another payee", "InvalidProof", mallory, contract, "deliver", deliver(mallory, made));
  const wrong = { ...made, input: spoiled(made.input, 0) };
  await story.refused("another input than asked for", "WrongInput", prover, contract, "deliver", deliver(prover, wrong));
  const before = await balance(prover);
  // Whoever sends the transaction, the payee of the proof is paid.
  const events = await story.send("escrow: deliver digits_cnn", mallory, contract, "deliver", deliver(prover, made));
  check(events.some(({ eventName }) => eventName === "Delivered"), "a proof for this request and payee is delivered");
  check((await balance(prover)) === before + REWARD, "the payee of the proof is paid");
  await story.refused("a second delivery", "NotOpen", prover, contract, "deliver", deliver(prover, made));

  const late = await ask("escrow: second request");
  await story.refused("the first proof for the second request", "InvalidProof", prover, contract, "deliver", [
    late.id, made.input, made.output, prover, made.proof,
  ]);
  await story.refused("a refund before the deadline", "DeadlineNotPassed", requester, contract, "refund", [late.id]);
  await story.client.setNextBlockTimestamp({ timestamp: late.deadline + 1n });
  await story.client.mine({ blocks: 1 });
  const inTime = program.prove(model, await story.read(contract, "contextOf", late.id, prover));
  await story.refused("a delivery after the deadline", "DeadlinePassed", prover, contract, "deliver", [
    late.id, inTime.input, inTime.output, prover, inTime.proof,
  ]);
  await story.refused("a refund to another", "NotRequester", mallory, contract, "refund", [late.id]);
  const held = await balance(contract.address);
  await story.send("escrow: refund", requester, contract, "refund", [late.id]);
  check(held === REWARD && (await balance(contract.address)) === 0n, "the requester is paid back after the deadline");
  await story.refused("a second refund", "NotOpen", requester, contract, "refund", [late.id]);
}

async function gate(story, program, verifier, model, earlier) {
  const { prover, mallory } = story;
  const scores = [...Buffer.from(earlier.output.slice(2), "hex")].map((byte) => (byte << 24) >> 24);
  const best = scores.indexOf(Math.max(...scores));
  const deploy = (threshold) => story.deploy("ScoreGate", verifier.address, model.modelId, scores.length, best, 1, threshold);
  const contract = await deploy(scores[best] - 1);
  const expiry = (await story.now()) + 1000n;
  const made = program.prove(model, await story.read(contract, "contextOf", prover, expiry));
  const pass = [made.input, made.output, expiry, made.proof];
  await story.refused("a proof of another account", "InvalidProof", mallory, contract, "pass", pass);
  await story.refused("another expiry", "InvalidProof", prover, contract, "pass", [made.input, made.output, expiry + 1n, made.proof]);
  const [{ args }] = await story.send("gate: pass digits_mlp", prover, contract, "pass", pass);
  const { score } = await story.read(contract, "passOf", prover);
  check(args.account === prover && score === scores[best], `an account passes with its score of ${score}`);
  await story.refused("the same proof again", "InvalidProof", prover, contract, "pass", pass);
  await story.refused("a score that is not above", "ScoreTooLow", prover, await deploy(scores[best]), "pass", pass);
}

// A signal ends the node too.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

let node;
let program;
try {
  program = new Program();
  node = await start();
  const story = await Story.on(node.url);
  await tell(story, program);
  story.print();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  node?.stop();
  program?.close();
}
