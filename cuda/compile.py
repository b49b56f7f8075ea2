#!/usr/bin/env python3
"""Compiles kernels/all.cu by NVRTC into kernels/compiled/, or checks what is there.

    compile.py              write inferproof_sm90.cubin, inferproof_compute75.ptx and MANIFEST.json
    compile.py --check      compile again, write nothing, and compare with the products on disk
    compile.py --usage      compile for other architectures too, and print registers and spills of every kernel
    compile.py --verify     compare sources and products with MANIFEST.json; needs no compiler

NVRTC comes from a pinned wheel, installed into a virtual environment of its own (--venv). No GPU and no CUDA toolkit is needed.
"""

import argparse
import ctypes
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import venv

WHEEL = "nvidia-cuda-nvrtc-cu12==12.2.140"
KERNELS = pathlib.Path(__file__).resolve().parent / "kernels"
COMPILED = KERNELS / "compiled"
MANIFEST = COMPILED / "MANIFEST.json"
TOP = "all.cu"
OPTIONS = ["--std=c++17", "--ptxas-options=-v"]
COMMENTS = re.compile(rb"[ \t]*// (begin inline asm|end inline asm|callseq).*")
# name -> (architecture, kind). Devices of compute capability 9 load the cubin, all others translate the PTX.
PRODUCTS = {
    "inferproof_sm90.cubin": ("sm_90", "cubin"),
    "inferproof_compute75.ptx": ("compute_75", "ptx"),
}
OTHERS = [("sm_80", "cubin"), ("sm_89", "cubin"), ("sm_75", "cubin")]


def default_venv():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "inferproof" / "venv-nvrtc"


def sources():
    """The files of the module, and nothing of the emulator: name -> bytes."""
    return {p.name: p.read_bytes() for p in sorted(KERNELS.iterdir()) if p.suffix in (".cu", ".cuh")}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Nvrtc:
    def __init__(self, folder):
        self.lib = ctypes.CDLL(str(self._install(folder)))
        self.lib.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"

    @staticmethod
    def _install(folder):
        pattern = "lib/python*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"
        if not list(folder.glob(pattern)):
            venv.create(folder, with_pip=True)
        # Also with a library there: pip is quick if the pinned version is installed and puts it right if not.
        subprocess.run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", WHEEL], check=True)
        return next(folder.glob(pattern))

    def _call(self, name, *arguments):
        code = getattr(self.lib, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name}: {self.lib.nvrtcGetErrorString(code).decode()}")

    def _fetch(self, program, what):
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def compile(self, files, architecture, kind):
        """Headers are passed by name and in memory, so that no path enters the product. Returns the product and the log."""
        headers = {name: text for name, text in files.items() if name != TOP}
        count = len(headers)
        texts = (ctypes.c_char_p * count)(*headers.values())
        names = (ctypes.c_char_p * count)(*(name.encode() for name in headers))
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), files[TOP], TOP.encode(), count, texts, names)
        try:
            options = [f"--gpu-architecture={architecture}", *OPTIONS]
            encoded = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
            code = self.lib.nvrtcCompileProgram(program, len(options), encoded)
            log = self._fetch(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
            if code != 0:
                raise SystemExit(f"{architecture}: NVRTC refuses the kernels\n{log}")
            product = self._fetch(program, "CUBIN" if kind == "cubin" else "PTX")
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))
        return (without_comments(product.rstrip(b"\0")) if kind == "ptx" else product), log


def print_usage(architecture, log):
    """A line for each function: ptxas names it, then says what it uses."""
    name = ""
    for line in log.splitlines():
        found = re.search(r"entry function '(\w+)'|Function properties for (\w+)", line)
        if found:
            name = found[1] or found[2]
        elif "stack frame" in line or "Used" in line:
            print(f"{architecture} {name}: {re.sub('ptxas *(info *:|[.])? *', '', line)}")
        else:
            print(f"{architecture} {line}")


def without_comments(ptx):
    """NVRTC puts two comments around each line of inline assembly, half of the file, and numbers calls through a process's life."""
    return b"".join(bare + b"\n" for bare in (COMMENTS.sub(b"", line) for line in ptx.splitlines()) if bare)


def compile_products(nvrtc, files):
    products = {}
    for name, (architecture, kind) in PRODUCTS.items():
        products[name], _ = nvrtc.compile(files, architecture, kind)
    return products


def manifest(nvrtc, files, products):
    return {
        "compiler": f"NVRTC {nvrtc.version}, {WHEEL}",
        "options": OPTIONS,
        "products": {
            name: {"architecture": PRODUCTS[name][0], "sha256": sha256(data)} for name, data in products.items()
        },
        "sources": {name: sha256(data) for name, data in files.items()},
    }


def write(nvrtc):
    files = sources()
    products = compile_products(nvrtc, files)
    COMPILED.mkdir(exist_ok=True)
    for name, data in products.items():
        (COMPILED / name).write_bytes(data)
    MANIFEST.write_text(json.dumps(manifest(nvrtc, files, products), indent=2) + "\n")


def usage(nvrtc):
    for architecture, kind in [*PRODUCTS.values(), *OTHERS]:
        product, log = nvrtc.compile(sources(), architecture, kind)
        print(f"{architecture}: {len(product)} bytes")
        print_usage(architecture, log)


def check(nvrtc):
    products = compile_products(nvrtc, sources())
    stale = [n for n, d in products.items() if not (COMPILED / n).exists() or (COMPILED / n).read_bytes() != d]
    return [f"{name} is not what the sources compile to" for name in stale]


def verify():
    if not MANIFEST.exists():
        return ["MANIFEST.json is missing"]
    stated = json.loads(MANIFEST.read_text())
    found = {name: sha256(data) for name, data in sources().items()}
    problems = [f"source {name}: not as compiled" for name in sorted(found.keys() | stated["sources"].keys())
                if found.get(name) != stated["sources"].get(name)]
    if stated["products"].keys() != PRODUCTS.keys():
        problems.append("the manifest names other products than this script makes")
    for name, entry in stated["products"].items():
        path = COMPILED / name
        if not path.exists() or sha256(path.read_bytes()) != entry["sha256"]:
            problems.append(f"product {name}: missing or changed")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true")
    mode.add_argument("--usage", action="store_true")
    mode.add_argument("--verify", action="store_true")
    parser.add_argument("--venv", type=pathlib.Path, default=default_venv())
    arguments = parser.parse_args()
    if arguments.verify:
        problems = verify()
    elif arguments.usage:
        problems = usage(Nvrtc(arguments.venv))
    elif arguments.check:
        problems = check(Nvrtc(arguments.venv))
    else:
        problems = write(Nvrtc(arguments.venv))
    for problem in problems or []:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit("run cuda/compile.py and commit what it writes")


if __name__ == "__main__":
    main()
