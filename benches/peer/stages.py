"""Runs one stage in a process of its own and says what it took.

CPU-seconds and peak memory come from `wait4`, so they are the kernel's figures for exactly that process: start, imports
and reading of keys included, for both systems alike. Linux carries the peak memory of a parent over to the child it
starts, so nothing that imports this module may grow big: no numpy here, nor in `compare.py`.
"""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 2**20
# Other work shares the machine; below this much free memory a big stage is ended rather than swapped or killed for it.
SPARE_BYTES = 1536 * MIB


@dataclass
class Limits:
    """What a stage may take before it is ended."""

    seconds: float
    bytes: int


@dataclass
class Usage:
    """What a stage took, and whether it came to its end: `status` is "ok", "failed", "timeout" or "memory"."""

    status: str
    cpu_s: float
    wall_s: float
    rss_mb: float
    stdout: str
    stderr: str


def run(argv, log, limits):
    """Runs `argv` to its end or to a limit; its output is kept in `log`.out and `log`.err."""
    out, err = Path(f"{log}.out"), Path(f"{log}.err")
    start = time.monotonic()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    broken, code, usage = wait(child, start, limits)
    status = broken or ("ok" if code == 0 else "failed")
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss * 1024 / MIB
    return Usage(status, cpu, time.monotonic() - start, peak, read(out), read(err))


def wait(child, start, limits):
    """Waits for `child`, ends it at a limit; returns the limit or None, the exit code and the resources used."""
    broken = None
    while True:
        pid, state, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(state)
            return broken, child.returncode, usage
        if broken is None:
            broken = limit_broken(child.pid, time.monotonic() - start, limits)
            if broken:
                os.kill(child.pid, signal.SIGKILL)
        time.sleep(POLL_S)


def limit_broken(pid, seconds, limits):
    """The limit that a running process has passed, if any."""
    resident = resident_bytes(pid)
    if seconds > limits.seconds:
        return "timeout"
    if resident > limits.bytes or (resident > SPARE_BYTES and free_bytes() < SPARE_BYTES):
        return "memory"
    return None


def resident_bytes(pid):
    """Resident memory now; 0 if the process has just gone or the system has no /proc."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def free_bytes():
    """Memory that could still be given out."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 1 << 62
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def read(path):
    """Output of a stage; whatever is not text is replaced."""
    return path.read_text(errors="replace")
