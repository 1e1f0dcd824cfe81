"""What every benchmark does with its results: say under which circumstances they came about, and keep them whole."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def circumstances() -> dict[str, Any]:
    """Those of a measurement that begins now: during a long one, another commit may come."""
    import keras

    backend = keras.backend.backend()
    return {
        "date": str(date.today()),
        "hardware": hardware(),
        "versions": {"Python": platform.python_version(), **{n: version(n) for n in ("keras", backend, "numpy")}},
        "commit": commit(),
    }


def hardware() -> str:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores ({processor()}), {gigabytes:.0f} GB"


def processor() -> str:
    """The processor's name where the system tells, as Linux does; else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def peak_megabytes() -> float:
    """Of this process so far, as the operating system has it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def commit() -> str:
    """The commit that is checked out, with a ``+`` where package or benchmarks are no longer as it has them."""
    import vae_tutorial

    package = Path(str(vae_tutorial.__file__)).parents[1]
    if package != ROOT:
        raise RuntimeError(f"vae_tutorial comes from {package}, and {ROOT} has the commit: set PYTHONPATH={ROOT}.")
    changed = git("status", "--porcelain", "--", "vae_tutorial", "benchmarks/*.py")
    return git("rev-parse", "--short", "HEAD") + "+" * bool(changed)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def write(path: Path, results: dict[str, Any]) -> None:
    """The new results or the old ones, never half a file."""
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf8")
    scratch.replace(path)
