"""One model, three back ends: the same numbers, and files that pass between them. Each has its own processes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

BACKENDS = ("jax", "tensorflow", "torch")
PAIRS = list(itertools.product(BACKENDS, BACKENDS))
ROOT = Path(__file__).parents[2]


def run(backend: str, *arguments: str, **environment: str) -> str:
    variables = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, *arguments], env=variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{backend}: {done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each back end computed, trained and saved."""
    folder = tmp_path_factory.mktemp("across")
    for backend in BACKENDS:
        run(backend, str(Path(__file__).with_name("worker.py")), "save", str(folder))
    return folder


@pytest.fixture(scope="module")
def loaded(saved: Path) -> Path:
    """And what each made of the models of all, in a new process."""
    for backend in BACKENDS:
        run(backend, str(Path(__file__).with_name("worker.py")), "load", str(saved))
    return saved


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_same_weights_and_noise_give_the_same_numbers(saved: Path, backend: str) -> None:
    """Scores, losses and gradients: about 70 of 64 pixels and 3 draws, so some 1e-6 relative in float32."""
    reference, other = np.load(saved / "jax_parity.npz"), np.load(saved / f"{backend}_parity.npz")
    assert set(reference) == set(other)
    for name in reference:
        size = np.abs(reference[name]).max()
        assert size > 0, name
        assert_allclose(other[name], reference[name], rtol=2e-5, atol=2e-5 * size, err_msg=name)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_model_saved_on_one_back_end_scores_and_trains_on_another(loaded: Path, source: str, target: str) -> None:
    before, given = np.load(loaded / f"{source}_half.npz"), np.load(loaded / f"{source}_given_to_{target}.npz")
    assert {"w0", "o0"} <= set(given) == set(before) - {"log_weights", "rate"}
    for name in given:  # weights, β, steps, streams of noise; learning rate, steps and moments of the optimizer
        assert_array_equal(given[name], before[name], err_msg=name)
    after = np.load(loaded / f"{source}_on_{target}.npz")
    assert_allclose(after["log_weights"], before["log_weights"], rtol=2e-5, atol=1e-3)  # 64 pixels over σ² < 1
    assert_allclose(after["rate"], before["rate"], rtol=1e-5)
    assert np.isfinite(after["losses"]).all()
    assert after["losses"][-1] < after["losses"][0]
    assert 1e-4 < after["moved"] < 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_goes_on_in_a_new_process_as_if_it_had_not_stopped(loaded: Path, backend: str) -> None:
    """2n epochs = n epochs, save, load elsewhere, n epochs: weights, optimizer, β, noise, the order of images."""
    whole, parts = np.load(loaded / f"{backend}_whole.npz"), np.load(loaded / f"{backend}_on_{backend}.npz")
    for name in whole:
        assert_array_equal(parts[name], whole[name], err_msg=name)  # no sum is in another order: not a bit differs


PARALLEL = """
import json, sys
import jax, keras, numpy as np
from vae_tutorial import VAE, networks

devices = int(sys.argv[1])
assert len(jax.devices()) == 2
if devices > 1:
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=keras.distribution.list_devices()))
x = np.random.default_rng(0).random((64, 8, 8, 1), np.float32)
vae = VAE(networks.mlp_encoder((8, 8, 1), 2, (16,)), networks.mlp_decoder(2, (8, 8, 1), (16,)))
vae.compile()
log = vae.fit(x, epochs=3, batch_size=32, validation_data=x, verbose=0).history
log["rows"] = vae.log_weights(x[:3], k=3).ravel().tolist()
log["mean"] = vae.encode(x[:4]).mean.ravel().tolist()
print(json.dumps(log))
"""


def test_data_parallel_training_on_jax_is_that_of_one_device() -> None:
    """Two virtual devices share each batch: the same losses, scores and codes, to the rounding of sums in float32."""
    import json

    one, two = (
        json.loads(run("jax", "-c", PARALLEL, n, XLA_FLAGS="--xla_force_host_platform_device_count=2")) for n in "12"
    )
    for name in one:
        assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-5, err_msg=name)
