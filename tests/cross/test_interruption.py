"""Work that is killed at random moments loses nothing but time. ``make kills`` kills twenty times, CI a few."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

BACKENDS = ("jax", "tensorflow", "torch")
ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "2"))
STEPS_AN_EPOCH = 79  # 5000 images, 64 at a time
Process = subprocess.Popen[str]
Start = Callable[..., Process]

pytestmark = pytest.mark.timeout(900 + 90 * KILLS)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(backend, "save", folder)``; what still runs at the end is killed."""
    variables = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    # what JAX has compiled it does not write at one stroke: a half written file would trouble every later test
    variables["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / "jax")
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as running:

        def begin(backend: str, *arguments: str) -> Process:
            command = [sys.executable, str(Path(__file__).with_name("interrupted.py")), *arguments]
            environment = {**os.environ, **variables, "KERAS_BACKEND": backend}
            process = running.enter_context(subprocess.Popen(command, env=environment, **pipes))
            running.callback(process.kill)
            return process

        yield begin


def kill_after(process: Process, lines: int, seconds: float) -> None:
    """SIGKILL, so many seconds after the process has said so many lines."""
    with process:
        for _ in range(lines):
            if not process.stdout.readline():  # type: ignore[union-attr]
                pytest.fail(process.stderr.read()[-3000:])  # type: ignore[union-attr]
        time.sleep(seconds)
        process.kill()


def of_one_moment(backup: Path) -> bool:
    """Whether weights and number of the epoch fit together, which Keras writes to two files.

    A kill between the two makes Keras repeat an epoch, or fail to read the number: nothing that a model could mend.
    """
    weights, metadata = backup / "latest.weights.h5", backup / "training_metadata.json"
    if not weights.exists():
        return True  # killed before the first
    try:
        epoch = json.loads(metadata.read_text("utf8"))["epoch"]
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    with h5py.File(weights) as file:
        return int(file["vars/0"][()]) == epoch * STEPS_AN_EPOCH


def finish(process: Process) -> list[str]:
    output, problems = process.communicate(timeout=300)
    assert process.returncode == 0, problems[-3000:]
    return output.splitlines()


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_that_is_killed_and_resumed_ends_as_if_it_had_not_been(
    start: Start, backend: str, tmp_path: Path
) -> None:
    """Order and noise of training are functions of the seed and of the steps so far, which the backup holds."""
    epochs, chance = 3 + 6 * KILLS, random.Random(backend)  # a kill lets up to some five epochs pass
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    assert len(finish(start(backend, "train", str(whole), str(epochs)))) == 1 + epochs
    kept = shutil.copytree(broken, tmp_path / "kept")
    for _ in range(KILLS):  # while it compiles, or in one of the next two epochs, or while it writes its backup
        for _ in range(5):
            process = start(backend, "train", str(broken), str(epochs))
            kill_after(process, chance.choice((1, 2, 2, 3)), chance.uniform(0, 0.4))
            if of_one_moment(broken / "backup"):
                break
            shutil.rmtree(broken)
            shutil.copytree(kept, broken)
        else:
            pytest.fail("five kills between two files of a backup, which takes no time to speak of")
        shutil.rmtree(kept)
        shutil.copytree(broken, kept)
    left = finish(start(backend, "train", str(broken), str(epochs)))
    assert len(left) < 1 + epochs  # it did go on from a backup
    with np.load(whole / "weights.npz") as expected, np.load(broken / "weights.npz") as got:
        for name in expected.files:
            assert_array_equal(got[name], expected[name])


@pytest.mark.parametrize("backend", BACKENDS if KILLS > 2 else ["torch"])  # which starts fastest
def test_a_save_that_is_killed_leaves_a_whole_file(start: Start, backend: str, tmp_path: Path) -> None:
    chance = random.Random(backend)
    for _ in range(KILLS):
        kill_after(start(backend, "save", str(tmp_path)), 2, chance.uniform(0, 0.2))
        finish(start(backend, "check", str(tmp_path)))
