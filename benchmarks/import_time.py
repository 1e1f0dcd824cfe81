"""What ``import vae_tutorial`` adds to ``import keras``, in milliseconds: the median of several fresh processes.

KERAS_BACKEND=jax python benchmarks/import_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

CODE = """
import time
import keras
start = time.perf_counter()
import vae_tutorial
print(1000 * (time.perf_counter() - start))
"""


def main(processes: int = 9) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", CODE]
    settings = {"env": environment, "check": True, "capture_output": True, "text": True}
    runs = [subprocess.run(command, **settings) for _ in range(processes)]
    times = sorted(float(run.stdout) for run in runs)
    print(f"{statistics.median(times):.0f} ms ({times[0]:.0f} to {times[-1]:.0f}, {processes} processes)")


if __name__ == "__main__":
    main()
