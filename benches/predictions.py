#!/usr/bin/env python3
"""From the ONNX file to the verified proof, network by network: what it took beside what `inspect` predicted.

    python benches/predictions.py --ours target/release/inferproof [--networks FOLDER] [--json]

Measures the machine first (`calibrate-machine`). Fails if a network cannot be proved, or if a proof's CPU-seconds
are more than a quarter off the prediction, or peak memory more than a fifth. The SRS is of the circuit's size: reading a larger file takes longer, as all
of it is hashed. CPU-seconds are user and system time of the whole process, start and reading
included; the least of the repetitions counts, as other work on the machine only adds.
"""

import sys

sys.dont_write_bytecode = True

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
sys.path.insert(0, str(HERE / "peer"))

import stages  # noqa: E402

# A prediction may be off by this part of itself.
TOLERANCE = 0.25
MEMORY_TOLERANCE = 0.2
# A process that does nothing has about this much by the system's count; below it memory says nothing about a proof.
LEAST_MB = 17
COLUMNS = (
    ("network", "network", "{}"), ("parameters", "parameters", "{:,}"), ("k", "k", "{}"), ("W", "lanes", "{}"),
    ("setup CPU-s", "setup_cpu_s", "{:.2f}"), ("setup MB", "setup_mb", "{:.0f}"),
    ("prove CPU-s", "prove_cpu_s", "{:.2f}"), ("predicted", "predicted_s", "{:.2f}"),
    ("prove MB", "prove_mb", "{:.0f}"), ("predicted", "predicted_mb", "{:.0f}"), ("wall s", "prove_wall_s", "{:.1f}"),
    ("within", "within", "{}"),
)


class Failed(Exception):
    """A stage did not come to its end."""


def stage(name, argv, work):
    """Runs a stage to its end; its usage."""
    usage = stages.run(argv, work / "log" / name, stages.Limits(1800, 24 << 30))
    if usage.status != "ok":
        last = (usage.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failed(f"{name}: {usage.status}: {last[:300]}")
    return usage


def srs_of(k, command, work):
    """An SRS for circuits of 2^k rows, made once."""
    srs = work / f"dev{k}.srs"
    if not srs.exists():
        stage("srs", [*command, "srs", "new", "--insecure", "--k", str(k), "-o", srs], work)
    return srs


def measure(network, command, work, repeat):
    """One network: all stages, and the figures of the two that count."""
    model, keys, output, proof = (work / name for name in ("model.ifq", "keys", "output.npy", "proof.json"))
    files = {what: network.with_name(f"{network.stem}_{what}") for what in ("samples.npz", "input.npy")}
    stage("quantise", [*command, "quantise", network, "--samples", files["samples.npz"], "-o", model], work)
    inspected = json.loads(stage("inspect", [*command, "inspect", model], work).stdout)
    plan = inspected["plans"]["prover"][0]
    srs = srs_of(plan["k"], command, work)
    setup = stage("setup", [*command, "setup", model, "--srs", srs, "-o", keys, "--replace"], work)
    stage("run", [*command, "run", model, "--input", files["input.npy"], "-o", output], work)
    prove = [*command, "prove", "--keys", keys, "--srs", srs, "--input", files["input.npy"], "-o", proof]
    proofs = [stage("prove", prove, work) for _ in range(repeat)]
    stage("verify", [*command, "verify", "--key", keys / "verifying.key", "--srs", srs, "--expect-output", output, proof], work)
    least = min(proofs, key=lambda usage: usage.cpu_s)
    row = {
        "network": network.stem, "parameters": inspected["weightCount"], "k": plan["k"], "lanes": plan["lanes"],
        "setup_cpu_s": setup.cpu_s, "setup_mb": setup.rss_mb, "prove_cpu_s": least.cpu_s, "prove_wall_s": least.wall_s,
        "prove_mb": max(usage.rss_mb for usage in proofs), "predicted_s": plan["proverSeconds"],
        "predicted_mb": plan["proverBytes"] / 2**20,
    }
    pairs = [(row["prove_cpu_s"], row["predicted_s"], TOLERANCE)]
    if row["prove_mb"] > LEAST_MB:
        pairs.append((row["prove_mb"], row["predicted_mb"], MEMORY_TOLERANCE))
    row["within"] = all(abs(measured / predicted - 1) <= tolerance for measured, predicted, tolerance in pairs)
    return row


def table(rows):
    """The rows as a table of text."""
    cells = [[name for name, _, _ in COLUMNS]]
    cells += [[form.format(row[key]) for _, key, form in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def main():
    """Measures every network and says which predictions were off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=Path, default=HERE.parent / "target/release/inferproof", help="the release build")
    parser.add_argument("--networks", type=Path, help="a folder of fixtures/generate.py networks, measured too")
    parser.add_argument("--repeat", type=int, default=2, help="proofs of each network")
    parser.add_argument("--json", action="store_true", help="a line of JSON a network")
    arguments = parser.parse_args()
    networks = [FIXTURES / f"{name}.onnx" for name in ("digits_mlp", "digits_cnn", "resnet8")]
    if arguments.networks:
        networks += sorted(arguments.networks.glob("*.onnx"))
    command = [str(arguments.ours.resolve()), "--json"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "log").mkdir()
        # What this run measures of the machine stays in it.
        os.environ["XDG_CONFIG_HOME"] = folder
        stage("calibrate-machine", [*command, "calibrate-machine"], work)
        for network in networks:
            rows.append(measure(network, command, work, arguments.repeat))
            if arguments.json:
                print(json.dumps(rows[-1]), flush=True)
    if not arguments.json:
        print(table(rows))
    off = [row["network"] for row in rows if not row["within"]]
    if off:
        sys.exit(f"predictions off: {', '.join(off)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
