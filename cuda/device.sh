#!/usr/bin/env bash
# Everything that needs a CUDA device: the kernels and the engine against their definitions on the device, the table of times, compute-sanitizer.
#
#   cuda/device.sh              builds, then runs, on one machine
#   cuda/device.sh pack FOLDER  builds only, anywhere: programs for a machine that has no Rust
#   cuda/device.sh run FOLDER   runs them, from the project's root there
#
# Needs a driver for CUDA 12.4 or later. The sanitizer is the machine's own or comes by pip; SANITIZER=0 leaves it out.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

# The executables of a build, each under the name of its target.
pack() {
    mkdir -p "$1"
    python3 cuda/compile.py --verify
    # Without emulators: what takes long, and what the sanitizer has no use for.
    { cargo test --release --no-run --message-format=json -p inferproof-cuda
      cargo test --release --no-run --message-format=json --lib
      cargo bench --no-run --message-format=json --features cuda --bench device
    } | python3 -c '
import json, shutil, sys
for message in map(json.loads, sys.stdin):
    kind = message.get("target", {}).get("kind", [""])[0]
    if message.get("executable") and kind in ("lib", "test", "bench"):
        shutil.copy(message["executable"], sys.argv[1] + "/" + kind + "-" + message["target"]["name"])
' "$1"
    strip "$1"/*
}

sanitizer() {
    if command -v compute-sanitizer; then return; fi
    local folder="${XDG_CACHE_HOME:-$HOME/.cache}/inferproof/venv-sanitizer"
    [ -x "$folder/bin/pip" ] || python3 -m venv --clear "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check nvidia-cuda-sanitizer-api-cu12==12.9.79 >&2
    find "$folder" -name compute-sanitizer -type f | head -1
}

run() {
    export INFERPROOF_CUDA_TESTS=1
    local failed=0 test tool found
    for test in "$1"/test-* "$1"/lib-inferproof_cuda; do step "$test" || failed=1; done
    step "$1/test-device" a_fault_is_final --ignored || failed=1
    step "$1/lib-inferproof" kernels_are_their_definition engines_make_the_same_proof engines_prove_two_activations_a_row a_device_may_be_too_small || failed=1
    step "$1/bench-device" --bench || failed=1
    if [ "${SANITIZER:-1}" != 0 ] && found="$(sanitizer)" && [ -n "$found" ]; then
        for tool in memcheck racecheck; do
            for test in probes columns lookups transform quotient msm; do
                # Some tests make calls fail on purpose.
                step "$found" --tool "$tool" --require-cuda-init no --report-api-errors no --target-processes application-only \
                    --error-exitcode 9 "$1/test-$test" || failed=1
            done
        done
    fi
    [ "$failed" = 0 ] || { echo "something failed, see above" >&2; exit 1; }
}

case "${1:-}" in
    pack) pack "$2" ;;
    run) run "$2" ;;
    "") folder="$(mktemp -d)"; trap 'rm -rf "$folder"' EXIT; pack "$folder"; run "$folder" ;;
    *) echo "usage: cuda/device.sh [pack FOLDER | run FOLDER]" >&2; exit 2 ;;
esac
