"""One task on one back end, in a process of its own: ``KERAS_BACKEND=jax python worker.py TASK FOLDER``.

The tests of this folder start it on each back end and compare what it writes. Files that one process writes and another
reads are named by back end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vae_tutorial import VAE, BetaSchedule, bounds, networks
from vae_tutorial.models import _log_joint_parts, posterior

BACKENDS = ("tensorflow", "jax", "torch")
EPOCHS, BATCH = 2, 48


def images() -> np.ndarray:
    """130 grey images of 8 × 8 pixels, so that the last batch is a small one; the same in every process."""
    rng = np.random.default_rng(0)
    waves = np.sin(rng.uniform(0.2, 1.5, (130, 1, 1)) * np.arange(8)[:, None] + rng.uniform(0, 6, (130, 1, 1)))
    return np.clip(0.5 + 0.5 * waves * np.ones(8), 0, 1)[..., None].astype(np.float32)


def model(**settings: Any) -> VAE:
    encoder = networks.mlp_encoder((8, 8, 1), 3, hidden=(16,))
    decoder = networks.mlp_decoder(3, (8, 8, 1), hidden=(16,), likelihood="gaussian")
    vae = VAE(encoder, decoder, "gaussian", **settings)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


def fit(vae: VAE, epochs: int) -> list[float]:
    x = images()
    return vae.fit(x, epochs=epochs, batch_size=BATCH, validation_data=x[:50], verbose=0).history["elbo"]


def numbers(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def same_weights(folder: Path) -> None:
    """Bounds, and the gradient of −ELBO, at weights and noise that do not depend on the back end."""
    rng = np.random.default_rng(1)
    vae, x = model(), images()
    vae.encoder.set_weights([0.3 * rng.standard_normal(w.shape) for w in vae.encoder.get_weights()])
    vae.decoder.set_weights([0.3 * rng.standard_normal(w.shape) for w in vae.decoder.get_weights()])
    eps = keras.ops.convert_to_tensor(rng.standard_normal((4, len(x), 3)), dtype="float32")

    def loss() -> Any:
        log_likelihood, log_ratio = _log_joint_parts(vae.decoder, vae.likelihood, x, posterior(vae.encoder, x), eps)
        return -keras.ops.mean(bounds.elbo(log_likelihood + log_ratio))

    results = {f"gradient{i}": g for i, g in enumerate(gradients(loss, vae))}
    results["loss"] = numbers(loss())
    results["log_weights"] = vae.log_weights(x, k=5, seed=3)
    results["log_likelihood"] = vae.log_likelihood(x, k=40, seed=3).value
    results["samples"] = vae.sample(9, seed=4)
    results["reconstruction"] = vae.reconstruct(x)
    np.savez(folder / f"{keras.backend.backend()}.npz", **results)


def gradients(loss: Callable[[], Any], vae: VAE) -> list[np.ndarray]:
    """Of ``loss()`` with respect to the trainable weights, by the means of the active back end."""
    weights = vae.trainable_variables
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return [g.numpy() for g in tape.gradient(value, [w.value for w in weights])]
    if keras.backend.backend() == "torch":
        loss().backward()
        return [w.value.grad.numpy() for w in weights]
    import jax

    def at(values: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
            return loss()

    return [np.asarray(g) for g in jax.grad(at)([w.value for w in weights])]


def save(folder: Path) -> None:
    """Train, and save for the other back ends to go on with."""
    vae = model(beta=0.5, samples=2)
    fit(vae, EPOCHS)
    vae.save(folder / f"{keras.backend.backend()}.keras")
    np.save(folder / f"{keras.backend.backend()}.npy", vae.log_weights(images(), k=3))


def load_and_fit(folder: Path) -> None:
    """Load what each back end saved: the same scores, the same settings, and it goes on training."""
    x = images()
    for saved in BACKENDS:
        vae = keras.models.load_model(folder / f"{saved}.keras")
        # two back ends round differently, 1e-6 of numbers up to a few hundred nats
        np.testing.assert_allclose(vae.log_weights(x, k=3), np.load(folder / f"{saved}.npy"), rtol=1e-4, atol=2e-3)
        assert float(numbers(vae.beta)) == 0.5
        assert vae.samples == 2
        assert int(numbers(vae.step)) == int(numbers(vae.optimizer.iterations)) == EPOCHS * -(-len(x) // BATCH)
        before = vae.evaluate(x, batch_size=BATCH, verbose=0, return_dict=True)["elbo"]
        fit(vae, 6)
        after = vae.evaluate(x, batch_size=BATCH, verbose=0, return_dict=True)["elbo"]
        assert after > before, f"{saved}: {before} -> {after}"


def first_half(folder: Path) -> None:
    vae = model()
    vae.fit(images(), epochs=2, batch_size=BATCH, callbacks=[BetaSchedule.linear(4)], verbose=0)
    vae.save(folder / "half.keras")


def second_half(folder: Path) -> None:
    """Go on in a process that knows nothing but the file, and compare with a training that never stopped."""
    schedule = {"batch_size": BATCH, "callbacks": [BetaSchedule.linear(4)], "verbose": 0}
    resumed = keras.models.load_model(folder / "half.keras")
    resumed.fit(images(), initial_epoch=2, epochs=4, **schedule)
    whole = model()
    whole.fit(images(), epochs=4, **schedule)
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def parallel(folder: Path) -> None:
    """JAX only: training on two devices gives the losses of one."""
    import jax

    assert len(jax.devices()) == 2, jax.devices()
    x = images()[:96]
    losses = []
    for distribution in (None, keras.distribution.DataParallel()):
        keras.distribution.set_distribution(distribution)
        losses.append(model().fit(x, epochs=3, batch_size=BATCH, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)  # sums in another order


if __name__ == "__main__":
    task, where = sys.argv[1:]
    assert os.environ["KERAS_BACKEND"] == keras.backend.backend()
    {f.__name__: f for f in (same_weights, save, load_and_fit, first_half, second_half, parallel)}[task](Path(where))
