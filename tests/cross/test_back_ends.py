"""What three back ends must agree on. Each task runs in a process of its own, since a process has one back end."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

BACKENDS = ("tensorflow", "jax", "torch")
WORKER = Path(__file__).with_name("worker.py")

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, BACKENDS)), reason="needs TensorFlow, JAX and PyTorch"
)


def run(task: str, backend: str, folder: Path, **environment: str) -> None:
    settings = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    command = [sys.executable, str(WORKER), task, str(folder)]
    done = subprocess.run(
        command, env={**os.environ, **settings, **environment}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{task} on {backend}:\n{done.stderr[-3000:]}"


def test_same_weights_and_noise_give_the_same_bounds_and_gradients(tmp_path: Path) -> None:
    for backend in BACKENDS:
        run("same_weights", backend, tmp_path)
    first, *others = (dict(np.load(tmp_path / f"{backend}.npz")) for backend in BACKENDS)
    assert np.abs(first["gradient0"]).max() > 0.01  # a gradient of zeros would agree too
    for other in others:
        assert other.keys() == first.keys()
        for key, value in first.items():
            # float32 rounds sums of 64 terms, which reach hundreds of nats, differently on each back end
            assert_allclose(other[key], value, rtol=1e-4, atol=1e-4 * np.abs(value).max(), err_msg=key)


def test_a_model_saved_on_one_back_end_trains_on_another(tmp_path: Path) -> None:
    """All nine pairs: save, load, score, fit."""
    for task in ("save", "load_and_fit"):
        for backend in BACKENDS:
            run(task, backend, tmp_path)


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_goes_on_in_a_new_process_as_if_it_had_never_stopped(backend: str, tmp_path: Path) -> None:
    """Four epochs, or two, save, load in a new process, two: the same weights to the last bit."""
    run("first_half", backend, tmp_path)
    run("second_half", backend, tmp_path)


def test_two_devices_give_the_losses_of_one(tmp_path: Path) -> None:
    run("parallel", "jax", tmp_path, XLA_FLAGS="--xla_force_host_platform_device_count=2")
