"""One measurement: a model, a system and a setting, stage by stage, until all is done or a stage fails."""

import json
import statistics
from pathlib import Path

import stages

# Stages that are repeated stop early once they have taken this much; the median of fewer is as good for long ones.
ENOUGH_CPU_S = 60


class StageFailed(Exception):
    """A stage did not come to its end; the row says which and why."""


class Row:
    """The figures of one measurement, as they come in."""

    def __init__(self, model, system, setting, work, limits):
        self.values = {"model": model, "system": system, "setting": setting, "status": "ok"}
        self.work = work
        self.limits = limits
        work.mkdir(parents=True, exist_ok=True)

    def stage(self, name, argv):
        """Runs a stage, notes its CPU-seconds and its peak memory, returns its usage."""
        usage = stages.run(argv, self.work / name, self.limits)
        self.values[f"{name}_cpu_s"] = round(usage.cpu_s, 3)
        self.values[f"{name}_wall_s"] = round(usage.wall_s, 3)
        self.values[f"{name}_rss_mb"] = round(usage.rss_mb, 1)
        if usage.status != "ok":
            last = (usage.stderr.strip().splitlines() or ["no message"])[-1]
            self.values["error"] = last[:300]
            raise StageFailed(f"{name}: {usage.status}")
        return usage

    def repeated(self, name, argv, count):
        """Runs a stage up to `count` times; notes the median of the CPU-seconds and the largest peak."""
        runs = []
        while len(runs) < count and sum(run.cpu_s for run in runs) < ENOUGH_CPU_S:
            runs.append(self.stage(name, argv))
        self.values[f"{name}_cpu_s"] = round(statistics.median(run.cpu_s for run in runs), 3)
        self.values[f"{name}_wall_s"] = round(statistics.median(run.wall_s for run in runs), 3)
        self.values[f"{name}_rss_mb"] = round(max(run.rss_mb for run in runs), 1)
        self.values[f"{name}_cpu_all_s"] = [round(run.cpu_s, 3) for run in runs]
        return runs

    def note(self, **values):
        """Adds figures that are not of a stage."""
        self.values.update(values)


def measured(row, measure, *arguments):
    """The figures of `measure`, also where it breaks off."""
    try:
        measure(row, *arguments)
    except StageFailed as failure:
        row.values["status"] = str(failure)
    return row.values


def compared(output, float_output):
    """Whether the largest logit is where the float model has it, and the largest error of a logit."""
    error = max(abs(ours - right) for ours, right in zip(output, float_output, strict=True))
    same = output.index(max(output)) == float_output.index(max(float_output))
    return {"same_class": same, "output_error": error}


def load(path):
    """A JSON file."""
    return json.loads(Path(path).read_text())
