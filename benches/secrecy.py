#!/usr/bin/env python3
"""What secrecy costs: proofs of one network with public and secret weights, with public, committed and private input and output.

    python benches/secrecy.py --ours target/release/inferproof [--network fixtures/digits_cnn.onnx] [--repeat 9]

Proofs of all variants in turn, round by round, so that other work on the machine meets all alike; medians of CPU-seconds. Fails if a
proof with secret weights takes over 5 % more than one with public ones, or a committed tensor over 3 % more than a public one. What it costs on a
chain: `fixtures/golden/gas.json`.
"""

import sys

sys.dont_write_bytecode = True

import argparse  # noqa: E402
import json  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peer"))

import stages  # noqa: E402

PUBLIC, SECRET = "public weights", "secret weights"
# Name, flags of setup, what it is compared with, how many parts more it may take for each of how many.
VARIANTS = (
    (PUBLIC, ["--weights", "public"], None, 0, 0),
    (SECRET, [], PUBLIC, 0.05, 1),
    ("committed input", ["--input-as", "committed"], SECRET, 0.03, 1),
    ("committed output", ["--output-as", "committed"], SECRET, 0.03, 1),
    ("given output", ["--output-as", "given"], SECRET, 0.03, 1),
    ("both committed", ["--input-as", "committed", "--output-as", "committed"], SECRET, 0.03, 2),
    ("both private", ["--input-as", "private", "--output-as", "private"], SECRET, 0.03, 2),
)


def stage(name, argv, work):
    """Runs a stage to its end; its usage."""
    usage = stages.run(argv, work / name, stages.Limits(1800, 24 << 30))
    if usage.status != "ok":
        last = (usage.stderr.strip().splitlines() or usage.stdout.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"{name}: {usage.status}: {last[:300]}")
    return usage


def main():
    """Measures every variant and says which cost too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=Path, default=HERE.parent / "target/release/inferproof", help="the release build")
    parser.add_argument("--network", type=Path, default=HERE.parent / "fixtures/digits_cnn.onnx")
    parser.add_argument("--k", type=int, default=14, help="log2 of the SRS's rows")
    parser.add_argument("--repeat", type=int, default=9, help="proofs of each variant")
    arguments = parser.parse_args()
    command = [str(arguments.ours.resolve()), "--json"]
    samples, x = (arguments.network.with_name(f"{arguments.network.stem}_{what}") for what in ("samples.npz", "input.npy"))
    seconds, sizes = {name: [] for name, *_ in VARIANTS}, {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        srs = ["--srs", work / "dev.srs"]
        stage("quantise", [*command, "quantise", arguments.network, "--samples", samples, "-o", work / "model.ifq"], work)
        stage("srs", [*command, "srs", "new", "--insecure", "--k", str(arguments.k), "-o", work / "dev.srs"], work)
        stage("commit", [*command, "commit", "--input", x, "--like", work / "model.ifq", *srs, "-o", work / "x"], work)
        stage("run", [*command, "run", work / "model.ifq", "--input", x, "-o", work / "y.npy"], work)
        output = ["commit", "--input-quantised", work / "y.npy", "--like", work / "model.ifq", "--of-output"]
        stage("commit", [*command, *output, *srs, "-o", work / "y"], work)
        proves = {}
        for number, (name, flags, *_) in enumerate(VARIANTS):
            keys = work / f"keys-{number}"
            stage("setup", [*command, "setup", work / "model.ifq", *srs, "-o", keys, *flags], work)
            opening = ["--input-opening", work / "x.opening"] if "--input-as committed" in " ".join(flags) else ["--input", x]
            given = ["--output-opening", work / "y.opening"] if "given" in flags else []
            proves[name] = [*command, "prove", "--keys", keys, *srs, *opening, *given, "-o", work / "proof.json"]
        for turn in range(arguments.repeat):
            for name, flags, *_ in VARIANTS:
                fresh = ["--commit-output", work / f"fresh-{name}-{turn}"] if "--output-as committed" in " ".join(flags) else []
                usage = stage("prove", [*proves[name], *fresh], work)
                seconds[name].append(usage.cpu_s)
                sizes[name] = json.loads(usage.stdout)["proofBytes"]
    median = {name: statistics.median(values) for name, values in seconds.items()}
    failed = []
    print(f"{'':18} {'prove CPU-s':>12} {'spread':>13} {'more':>8} {'may be':>8} {'proof B':>8}")
    for name, _, base, allowed, count in VARIANTS:
        more = median[name] / median[base] - 1 if base else 0
        spread = f"{min(seconds[name]):.2f}..{max(seconds[name]):.2f}"
        print(f"{name:18} {median[name]:12.3f} {spread:>13} {more:8.1%} {allowed * count:8.0%} {sizes[name]:8}")
        if more > allowed * count:
            failed.append(name)
    if failed:
        sys.exit(f"more than it may be: {', '.join(failed)}")


if __name__ == "__main__":
    main()
