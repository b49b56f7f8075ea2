#!/usr/bin/env python3
"""Writes the models that `compare.py` measures, with the inputs of both systems, from the fixtures and fixed seeds.

    python benches/peer/models.py --out DIR [NAME ...]

Each NAME gets `NAME.onnx`, `NAME_input.npy` and `NAME_samples.npz` for inferproof, `NAME_input.json` and
`NAME_calibration.json` for ezkl, and `NAME_float.json`, the output of the float model on that input, against which both
are checked. Both systems read the same ONNX file and the same numbers.
"""

import os
import sys

# Set before numpy loads its linear algebra: the number of threads decides the order of additions.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
sys.dont_write_bytecode = True

import argparse  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
sys.path.insert(0, str(FIXTURES))

from generator.digits import load_split, upscale  # noqa: E402
from generator.graph import GraphBuilder, serialise  # noqa: E402

SEED = 784
SAMPLES = 200
# ezkl runs its calibration on each of these once for every candidate scale; more of them changed no setting.
CALIBRATION = 4


def from_fixture(fixture):
    """A model that the fixtures have already, trained where they train it."""
    def write(out, name):
        for suffix in (".onnx", "_input.npy", "_samples.npz"):
            shutil.copyfile(FIXTURES / f"{fixture}{suffix}", out / f"{name}{suffix}")
    return write


def mlp_mnist(out, name):
    """784-128-64-10 on digits resized to 28x28. The weights are drawn: cost does not depend on what they know."""
    graph = GraphBuilder(name, [1, 784])
    rng = np.random.default_rng(SEED)
    x = graph.relu(dense(graph, rng, "input", "fc1", 784, 128, 2.0), "relu1")
    x = graph.relu(dense(graph, rng, x, "fc2", 128, 64, 2.0), "relu2")
    model = graph.finish(dense(graph, rng, x, "fc3", 64, 10, 1.0))
    (out / f"{name}.onnx").write_bytes(serialise(model))
    split = load_split()
    np.save(out / f"{name}_input.npy", flat_images(split.test_x[:1]))
    np.savez(out / f"{name}_samples.npz", x=flat_images(split.train_x[:SAMPLES]))


def dense(graph, rng, x, name, inputs, outputs, gain):
    """A Gemm with He-normal weights, so that activations keep their size from layer to layer."""
    weight = rng.normal(0, np.sqrt(gain / inputs), (outputs, inputs))
    return graph.dense(x, name, weight, rng.normal(0, 0.05, outputs))


def flat_images(rows):
    """Rows of 64 pixels as rows of 784."""
    return upscale(rows, 28).reshape(-1, 784).astype(np.float32)


MODELS = {
    "mlp_digits": from_fixture("digits_mlp"),
    "mlp_mnist": mlp_mnist,
    "lenet5": from_fixture("digits_cnn"),
    "resnet8": from_fixture("resnet8"),
}


def write_peer_data(out, name):
    """The same input and calibration samples as ezkl reads them: flat lists, samples one after the other."""
    one = np.load(out / f"{name}_input.npy")
    samples = np.load(out / f"{name}_samples.npz")["x"][:CALIBRATION]
    for suffix, values in (("input", one), ("calibration", samples)):
        data = {"input_data": [values.astype(np.float64).ravel().tolist()]}
        (out / f"{name}_{suffix}.json").write_text(json.dumps(data))


def write_float_output(out, name):
    """What the float model says, for the check that neither system proves nonsense."""
    session = onnxruntime.InferenceSession(str(out / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    x = np.load(out / f"{name}_input.npy").astype(np.float32)
    y = session.run(None, {session.get_inputs()[0].name: x})[0]
    (out / f"{name}_float.json").write_text(json.dumps(y.astype(np.float64).ravel().tolist()))


def main():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(MODELS)} (default: all)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or MODELS:
        if name not in MODELS:
            parser.error(f"no model is called {name}")
        MODELS[name](arguments.out, name)
        write_peer_data(arguments.out, name)
        write_float_output(arguments.out, name)


if __name__ == "__main__":
    main()
