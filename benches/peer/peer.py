"""ezkl 23.0.5, stage by stage, each stage in a Python process of its own.

Settings are the best that we know for each model, each found by trying: 13 bits after the point with one rebase
everywhere, which calibration picks anyway. A small model needs a small range check table, or the table alone forces
2^15 rows. Input and output are public, as in ours.
"""

import json
import re
import statistics
import sys
from pathlib import Path

from measure import compared, load

HERE = Path(__file__).resolve().parent
RUN_ARGS = {"mlp_digits": {"decomp_base": 1024, "decomp_legs": 3}, "mlp_mnist": {}, "lenet5": {}}
CALIBRATE = {"scales": [13], "scale_rebase_multiplier": [1]}


def measure(row, data, srs_of, weights, repeat):
    """Runs the pipeline; `srs_of(k)` gives the SRS, whose making counts for neither system."""
    model, files = row.values["model"], paths(row.work, data, row.values["model"])
    files["run_args"] = {"param_visibility": weights, **RUN_ARGS[model]}
    files["calibrate"] = CALIBRATE
    for stage in ("gen_settings", "calibrate", "compile"):
        row.stage(stage, argv(stage, files))
    note_settings(row, load(files["settings"]))
    files["srs"] = str(srs_of(row.values["k"]))
    row.stage("setup", argv("setup", files))
    row.note(proving_key_bytes=Path(files["pk"]).stat().st_size,
             verifying_key_bytes=Path(files["vk"]).stat().st_size)
    row.stage("gen_witness", argv("gen_witness", files))
    output = load(files["witness"])["pretty_elements"]["rescaled_outputs"][0]
    row.note(**compared([float(value) for value in output], load(data / f"{model}_float.json")))
    row.repeated("prove", argv("prove", files), repeat)
    row.note(proof_bytes=len(load(files["proof"])["proof"]))
    runs = row.repeated("verify", argv("verify", files), repeat)
    row.note(verify_s=statistics.median(own_timer(run.stdout + run.stderr) for run in runs))


def paths(work, data, model):
    """The files of a run, under the names that the stages use."""
    names = {"settings": "settings.json", "circuit": "model.compiled", "vk": "vk.key", "pk": "pk.key",
             "witness": "witness.json", "proof": "proof.json"}
    files = {name: str(work / file) for name, file in names.items()}
    files.update({name: str(data / f"{model}_{name}.json") for name in ("input", "calibration")})
    files["model"] = str(data / f"{model}.onnx")
    return files


def argv(stage, files):
    """The command of a stage."""
    return [sys.executable, str(HERE / "ezkl_stage.py"), stage, json.dumps(files)]


def note_settings(row, chosen):
    """The size that calibration chose."""
    row.note(k=chosen["run_args"]["logrows"], rows=chosen["num_rows"], input_scale=chosen["run_args"]["input_scale"],
             columns=chosen["run_args"]["num_inner_cols"])


def own_timer(log):
    """ezkl's own time for the verification, without reading the SRS. It prints "0.5" for five milliseconds."""
    found = re.search(r"verify took (\d+)\.(\d+)", log)
    return int(found[1]) + int(found[2]) / 1000 if found else float("nan")
