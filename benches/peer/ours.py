"""inferproof, stage by stage, through its command line."""

import json
import statistics

from measure import compared, load

# The command line takes 8 bits and shift 10 by itself, and limbs where they make a program smaller.
DEFAULT = ("8 bits, shift 10 (default)", [], "cheapest")
SMALL = ("7 bits, shift 8", ["--bits", "7", "--shift", "8"], "cheapest")
DIRECT = ("8 bits, shift 10, no limbs", [], "direct")
SETTINGS = {"mlp_digits": [DEFAULT, SMALL, DIRECT], "mlp_mnist": [DEFAULT, SMALL, DIRECT]}


def settings(model):
    """The settings to measure a model with: name, arguments of `quantise`, and which plan to take."""
    return SETTINGS.get(model, [DEFAULT])


def measure(row, binary, data, setting, repeat):
    """Quantises, makes an SRS of the size that the plan asks for, sets up, proves and verifies."""
    (quantise_arguments, which), model, work = setting, row.values["model"], row.work
    quantised, srs, keys, proof = (work / name for name in ("model.ifq", "dev.srs", "keys", "proof.json"))
    command = [str(binary), "--json"]
    samples = data / f"{model}_samples.npz"
    usage = row.stage("quantise", [*command, "quantise", data / f"{model}.onnx", "--samples", samples, "-o", quantised,
                                   *quantise_arguments])
    report = json.loads(usage.stdout)["report"]
    row.note(top1_agreement=report["top1_agreement"])
    layout = note_plan(row, json.loads(row.stage("inspect", [*command, "inspect", quantised]).stdout), which)
    row.stage("srs", [*command, "srs", "new", "--insecure", "--k", str(row.values["k"]), "-o", srs])
    row.stage("setup", [*command, "setup", quantised, "--srs", srs, "-o", keys, "--replace", "--layout", layout])
    row.note(proving_key_bytes=(keys / "proving.key").stat().st_size,
             verifying_key_bytes=(keys / "verifying.key").stat().st_size)
    proofs = row.repeated("prove", [*command, "prove", "--keys", keys, "--srs", srs, "--input",
                                    data / f"{model}_input.npy", "-o", proof], repeat)
    said = json.loads(proofs[0].stdout)
    output = [number * report["output_step"] for number in said["output"]]
    row.note(proof_bytes=said["proofBytes"], seconds=said["seconds"],
             **compared(output, load(data / f"{model}_float.json")))
    verify(row, [*command, "verify", "--key", keys / "verifying.key", "--srs", srs, proof], repeat)


def verify(row, argv, repeat):
    """Verifies; the time is that of the verification alone, as the command says it."""
    runs = row.repeated("verify", argv, repeat)
    seconds = [json.loads(run.stdout)["seconds"]["verify"] for run in runs]
    row.note(verify_s=round(statistics.median(seconds), 4))


def note_plan(row, inspected, which):
    """Notes the sizes of the first plan, or of the first without limbs; returns its layout."""
    plans = inspected["plans"]["prover"]
    plan = plans[0] if which == "cheapest" else next(plan for plan in plans if plan["limb"] is None)
    names = {"k": "k", "rows": "rows", "table": "table", "lanes": "lanes", "fullCellsPerWeight": "cells_a_weight",
             "cellsPerActivation": "cells_an_activation"}
    row.note(weights=inspected["weightCount"], **{ours: plan[theirs] for theirs, ours in names.items()})
    return plan["layout"]
