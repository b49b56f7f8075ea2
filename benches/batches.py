#!/usr/bin/env python3
"""What several inputs in one proof take: the table of docs/design/011-several-inputs.md.

    python benches/batches.py --ours BINARY MODEL.ifq SAMPLES.npz 1,4,16 [MODEL.ifq SAMPLES.npz 1,4 ..]

CPU-seconds are user and system time of the whole process of `prove`, medians of three; gas is what `setup` says. Needs numpy.
"""

import argparse
import json
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy

REPEATS = 3


def run(binary, *arguments):
    """What a command says, and the CPU-seconds it took."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    said = subprocess.run([binary, "--json", *map(str, arguments)], capture_output=True, text=True, check=True).stdout
    return json.loads(said), spent() - before


def measure(binary, work, model, samples, batch):
    """A row of the table."""
    archive = numpy.load(samples)
    all_inputs = archive[archive.files[0]].astype("f4")
    inputs = all_inputs[[i % len(all_inputs) for i in range(batch)]]
    numpy.save(work / "x.npy", inputs if batch > 1 else inputs[0])
    inspected, _ = run(binary, "inspect", model, "--batch-in-one", batch)
    srs = work / f"{inspected['plans']['prover'][0]['k']}.srs"
    if not srs.exists():
        run(binary, "srs", "new", "--insecure", "--k", srs.stem, "-o", srs)
    made, _ = run(binary, "setup", model, "--srs", srs, "-o", work / "keys", "--replace", "--batch-in-one", batch)
    plan = made["plans"][0]
    prove = ("prove", "--keys", work / "keys", "--srs", srs, "--input", work / "x.npy", "-o", work / "proof.json", "--engine", "cpu")
    seconds = sorted(run(binary, *prove)[1] for _ in range(REPEATS))[REPEATS // 2]
    run(binary, "verify", "--key", work / "keys/verifying.key", "--srs", srs, work / "proof.json")
    return (f"| {Path(model).stem} | {batch} | {plan['layout']} | {plan['rows']:,} | {plan['k']} | {seconds:.2f} | {1000 * seconds / batch:.1f} "
            f"| {plan['gas']:,} | {plan['gas'] // batch:,} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("cases", nargs="+")
    arguments = parser.parse_args()
    if len(arguments.cases) % 3:
        parser.error("model, samples and numbers of inputs, three by three")
    print("| network | inputs | layout | rows | k | CPU-s | CPU-ms an input | gas | gas an input |")
    with tempfile.TemporaryDirectory() as work:
        for model, samples, batches in zip(*[iter(arguments.cases)] * 3):
            for batch in map(int, batches.split(",")):
                print(measure(arguments.ours, Path(work), model, samples, batch), flush=True)


if __name__ == "__main__":
    main()
