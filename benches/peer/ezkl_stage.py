#!/usr/bin/env python3
"""One stage of ezkl, for `compare.py`: `ezkl_stage.py STAGE JSON`, where JSON holds the files and the settings."""

import json
import logging
import sys

import ezkl


def gen_settings(a):
    """Writes the settings of the circuit."""
    arguments = ezkl.PyRunArgs()
    for name, value in a["run_args"].items():
        setattr(arguments, name, value)
    ezkl.gen_settings(a["model"], a["settings"], py_run_args=arguments)


def calibrate(a):
    """Fits the settings to data. Trying one scale gives what trying all gives here, in a twelfth of the time."""
    ezkl.calibrate_settings(a["calibration"], a["model"], a["settings"], "resources", **a["calibrate"])


def compile(a):
    """Writes the circuit."""
    ezkl.compile_circuit(a["model"], a["circuit"], a["settings"])


def setup(a):
    """Writes the keys."""
    ezkl.setup(a["circuit"], a["vk"], a["pk"], srs_path=a["srs"])


def gen_witness(a):
    """Runs the model. A commitment to the weights is made here, and needs the verifying key and the SRS."""
    commitment = {"vk_path": a["vk"], "srs_path": a["srs"]} if a["run_args"]["param_visibility"] == "polycommit" else {}
    ezkl.gen_witness(a["input"], a["circuit"], a["witness"], **commitment)


def prove(a):
    """Writes the proof."""
    ezkl.prove(a["witness"], a["circuit"], a["pk"], proof_path=a["proof"], srs_path=a["srs"])


def verify(a):
    """Fails unless the proof holds."""
    if not ezkl.verify(a["proof"], a["settings"], a["vk"], srs_path=a["srs"]):
        raise SystemExit("the proof does not hold")


STAGES = {stage.__name__: stage for stage in (gen_settings, calibrate, compile, setup, gen_witness, prove, verify)}


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)  # its own timers are log lines
    STAGES[sys.argv[1]](json.loads(sys.argv[2]))
