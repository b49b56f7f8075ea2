#!/usr/bin/env bash
# Everything that needs a CUDA device, in one go: the kernels and the engine against their definitions on the device, compute-sanitizer, the table of times.
# Needs what the tests of the project need, a CUDA driver, and for the sanitizer pip; SANITIZER=0 leaves it out.
set -euo pipefail
cd "$(dirname "$0")/.."
export INFERPROOF_CUDA_TESTS=1

step() { printf '\n== %s\n' "$*"; "$@"; }

step python3 cuda/compile.py --verify
step cargo test --release -p inferproof-cuda --features emulator
step cargo test --release --lib -- kernels_are_their_definition engines_make_the_same_proof a_device_may_be_too_small
if [ "${SANITIZER:-1}" != 0 ]; then
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/inferproof/venv-sanitizer"
    [ -d "$folder" ] || python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check nvidia-cuda-sanitizer-api
    sanitizer="$(find "$folder" -name compute-sanitizer -type f | head -1)"
    chmod +x "$sanitizer"
    # Only what runs on the device is looked at; the emulators beside it take no time of it.
    binary="$(cargo test --release -p inferproof-cuda --features emulator --no-run --message-format=json \
        | python3 -c 'import json,sys; print(*[m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")])')"
    for tool in memcheck racecheck; do
        for test in $binary; do
            # Some tests make calls fail on purpose.
            step "$sanitizer" --tool "$tool" --report-api-errors no --error-exitcode 9 "$test"
        done
    done
fi
step cargo bench --features cuda --bench device
