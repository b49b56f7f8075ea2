#!/usr/bin/env python3
"""Proves the same models with inferproof and with ezkl in one run and prints what each took.

    python benches/peer/compare.py [--models lenet5,mlp_digits] [--skip-peer] [--json]

CPU-seconds are user and system time of a stage's whole process, so a busy machine disturbs them little; its wall
time is in the JSON lines only. `verify s` is wall time of the verification by itself, as each system tells it.
Quantising, calibrating and making the SRS count for neither system, nor does ezkl's witness. `prove` and `verify`
are medians.
"""

import sys

sys.dont_write_bytecode = True

import argparse  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import ours  # noqa: E402
import peer  # noqa: E402
import stages  # noqa: E402
from measure import Row, measured  # noqa: E402

HERE = Path(__file__).resolve().parent
MODELS = ("mlp_digits", "mlp_mnist", "lenet5", "resnet8")
# With ezkl the LeNet-5 needs about 11 GB and ten minutes of CPU time, so it is asked for by --peer-models.
PEER_MODELS = ("mlp_digits", "mlp_mnist")
COLUMNS = (
    ("model", "model", "{}"), ("system", "system", "{}"), ("setting", "setting", "{}"), ("k", "k", "{}"),
    ("setup CPU-s", "setup_cpu_s", "{:.2f}"), ("prove CPU-s", "prove_cpu_s", "{:.2f}"),
    ("verify s", "verify_s", "{:.3f}"), ("verify CPU-s", "verify_cpu_s", "{:.3f}"),
    ("setup peak MB", "setup_rss_mb", "{:.0f}"),
    ("prove peak MB", "prove_rss_mb", "{:.0f}"), ("proof bytes", "proof_bytes", "{:,}"),
    ("proving key bytes", "proving_key_bytes", "{:,}"), ("verifying key bytes", "verifying_key_bytes", "{:,}"),
    ("class as float", "same_class", "{}"), ("output error", "output_error", "{:.1g}"), ("status", "status", "{}"),
)


def run(arguments):
    """Measures everything that was asked for, row by row."""
    data = arguments.work / "models"
    subprocess.run([sys.executable, str(HERE / "models.py"), "--out", str(data), *arguments.models], check=True)
    limits = stages.Limits(arguments.limit_s, int(arguments.limit_gb * 2**30))
    for model in arguments.models:
        for name, *setting in ours.settings(model):
            row = new_row(model, "inferproof", name, arguments, limits)
            yield measured(row, ours.measure, arguments.ours, data, setting, arguments.repeat)
        if arguments.skip_peer or model not in arguments.peer_models:
            continue
        for weights in arguments.peer_weights:
            row = new_row(model, "ezkl", f"{weights} weights", arguments, limits)
            yield measured(row, peer.measure, data, PeerSrs(arguments), weights, arguments.repeat)
            if not arguments.keep:
                shutil.rmtree(row.work)  # a proving key of theirs can be gigabytes


def new_row(model, system, setting, arguments, limits):
    """A row with a folder of its own."""
    folder = "-".join([model, system, *"".join(c if c.isalnum() else " " for c in setting).split()])
    return Row(model, system, setting, arguments.work / folder, limits)


class PeerSrs:
    """Makes an SRS for ezkl out of one of ours, once for each size."""

    def __init__(self, arguments):
        self.ours = arguments.ours
        self.folder = arguments.work / "srs"

    def __call__(self, k):
        """The file for circuits of 2^k rows."""
        self.folder.mkdir(exist_ok=True)
        made, wanted = self.folder / f"{k}.srs", self.folder / f"{k}.ezkl"
        if not wanted.exists():
            new = [str(self.ours), "srs", "new", "--insecure", "--k", str(k), "-o", str(made)]
            subprocess.run(new, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run([sys.executable, str(HERE / "srs.py"), str(made), str(k), str(wanted)], check=True)
        return wanted


def table(rows):
    """A Markdown table of the columns that matter."""
    lines = [[title for title, _, _ in COLUMNS], ["---"] * len(COLUMNS)]
    lines += [[cell(row.get(name), form) for _, name, form in COLUMNS] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value, form):
    """A figure, or a dash where a stage never came to it."""
    if value is None:
        return "-"
    return form.format(("no", "yes")[value] if isinstance(value, bool) else value)


def names(text):
    """A list separated by commas."""
    return text.split(",")


def command_line():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = HERE.parents[1] / "target" / "release" / "inferproof"
    parser.add_argument("--models", type=names, default=MODELS, help=f"default: {','.join(MODELS)}")
    parser.add_argument("--peer-models", type=names, default=PEER_MODELS, help=f"default: {','.join(PEER_MODELS)}")
    parser.add_argument("--peer-weights", type=names, default=["fixed"],
                        help="ezkl's param_visibility: fixed (default, the cheapest), polycommit, private")
    parser.add_argument("--skip-peer", action="store_true", help="inferproof only")
    parser.add_argument("--ours", type=Path, default=target, help="the inferproof program (default: of target/release)")
    parser.add_argument("--work", type=Path, help="folder for all files (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep ezkl's files, too")
    parser.add_argument("--repeat", type=int, default=3, help="proofs and verifications to take the median of")
    parser.add_argument("--limit-s", type=float, default=1800, help="wall seconds a stage may take")
    parser.add_argument("--limit-gb", type=float, default=14, help="memory a stage may take")
    parser.add_argument("--json", action="store_true", help="one JSON object a row instead of the table")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.models if name not in MODELS]:
        parser.error(f"no model is called {unknown[0]}; there are {', '.join(MODELS)}")
    if unknown := [name for name in arguments.peer_models if name not in peer.RUN_ARGS]:
        parser.error(f"no ezkl settings for {unknown[0]}")
    if not arguments.ours.is_file():
        parser.error(f"{arguments.ours} is missing: cargo build --release, or --ours")
    return arguments


def main():
    """Measures, prints, and fails if a row did."""
    arguments = command_line()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        arguments.work = (arguments.work or Path(scratch)).resolve()
        arguments.work.mkdir(parents=True, exist_ok=True)
        arguments.ours = arguments.ours.resolve()
        for row in run(arguments):
            rows.append(row)
            print(f"{row['model']}, {row['system']}, {row['setting']}: {row['status']}", file=sys.stderr, flush=True)
            if arguments.json:
                print(json.dumps(row), flush=True)
    if not arguments.json:
        print(table(rows))
    sys.exit(any(row["status"] != "ok" for row in rows))


if __name__ == "__main__":
    main()
