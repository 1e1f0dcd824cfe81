"""What every benchmark does with its results: say under which circumstances they came about, and keep them whole."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras


def circumstances() -> dict[str, Any]:
    backend = keras.backend.backend()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return {
        "date": str(date.today()),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {"Python": platform.python_version(), **{n: version(n) for n in ("keras", backend, "numpy")}},
        "commit": commit.stdout.strip(),
    }


def write(path: Path, results: dict[str, Any]) -> None:
    """The new results or the old ones, never half a file."""
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf8")
    scratch.replace(path)
