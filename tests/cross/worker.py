"""What each process of the tests across back ends does: ``worker.py save DIR`` and ``worker.py load DIR``.

``save`` writes, for the back end of the process: scores, the loss and its gradients at given weights and noise, a model
trained for EPOCHS, and the weights after EPOCHS more. ``load`` reads the models of all back ends and trains them on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from vae_tutorial import VAE, networks

BACKEND = keras.backend.backend()
EPOCHS = 2
LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian")
OBJECTIVES: dict[str, dict[str, Any]] = {
    "elbo": {"beta": 2.0, "samples": 3},
    "free": {"free_bits": 0.2},
    "iwae": {"objective": "iwae", "samples": 3},
}
X = (load_digits().images[:70, :, :, None] / 16.0).astype(np.float32)


def build(likelihood: str, **settings: Any) -> VAE:
    """A VAE whose weights are the same on every back end: no back end draws them."""
    rng = np.random.default_rng(1)
    encoder = networks.mlp_encoder((8, 8, 1), 3, (16,), activation="tanh")
    decoder = networks.mlp_decoder(3, (8, 8, 1), (16,), activation="tanh", likelihood=likelihood)
    for network in (encoder, decoder):
        network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return VAE(encoder, decoder, likelihood, seed=5, **settings)


def loss_and_gradients(model: VAE) -> list[NDArray[Any]]:
    """The loss of a batch, with given noise, and its gradients: what a step of SGD at rate 1 takes from the weights."""
    drawn, original = np.random.default_rng(2).standard_normal((5, 100, 3)).astype(np.float32), keras.random.normal
    keras.random.normal = lambda shape, **_: keras.ops.convert_to_tensor(drawn[: shape[0], : len(X)])
    try:
        model.compile(keras.optimizers.SGD(1.0), steps_per_execution=1)
        before = [np.array(w) for w in model.encoder.get_weights() + model.decoder.get_weights()]
        loss = model.train_on_batch(X, return_dict=True)["loss"]
        after = model.encoder.get_weights() + model.decoder.get_weights()
    finally:
        keras.random.normal = original
    return [np.asarray(loss), *(a - b for a, b in zip(before, after, strict=True))]


def weights(model: VAE) -> dict[str, NDArray[Any]]:
    return {f"w{i}": np.asarray(w) for i, w in enumerate(model.get_weights())}


def optimizer(model: VAE) -> dict[str, NDArray[Any]]:
    """Steps, learning rate and moments."""
    return {f"o{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(model.optimizer.variables)}


def fit(model: VAE) -> list[float]:
    return model.fit(X, epochs=EPOCHS, batch_size=32, verbose=0).history["loss"]


def save(folder: Path) -> None:
    parity: dict[str, NDArray[Any]] = {}
    for likelihood in LIKELIHOODS:
        model = build(likelihood)
        estimate = model.log_likelihood(X, k=40, seed=3)
        parity |= {
            f"{likelihood}_log_weights": model.log_weights(X, k=4, seed=3),
            f"{likelihood}_log_p": np.stack([estimate.value, estimate.standard_error]),
            f"{likelihood}_reconstruction": model.reconstruct(X),
            f"{likelihood}_sample": model.sample(5, seed=3),
        }
        for name, settings in OBJECTIVES.items() if likelihood == "bernoulli" else [("elbo", {})]:
            for i, array in enumerate(loss_and_gradients(build(likelihood, **settings))):
                parity[f"{likelihood}_{name}_{'gradient' if i else 'loss'}{i}"] = array
    np.savez(folder / f"{BACKEND}_parity.npz", **parity)

    model = build("gaussian", beta=0.5)
    model.compile(keras.optimizers.Adam(0.01))
    fit(model)
    model.save(folder / f"{BACKEND}.keras")
    score = model.evaluate(X, return_dict=True, verbose=0)["rate"]  # the metric that no noise enters
    log_weights = model.log_weights(X, k=2)
    np.savez(folder / f"{BACKEND}_half.npz", log_weights=log_weights, rate=score, **weights(model), **optimizer(model))
    fit(model)
    np.savez(folder / f"{BACKEND}_whole.npz", **weights(model))


def load(folder: Path) -> None:
    for file in sorted(folder.glob("*.keras")):
        model = keras.models.load_model(file)
        given = weights(model)
        np.savez(folder / f"{file.stem}_given_to_{BACKEND}.npz", **given, **optimizer(model))
        score = model.evaluate(X, return_dict=True, verbose=0)["rate"]
        log_weights = model.log_weights(X, k=2)
        losses = fit(model)
        out = folder / f"{file.stem}_on_{BACKEND}.npz"
        moved = max(float(np.abs(a - given[name]).max()) for name, a in weights(model).items() if a.ndim > 1)
        np.savez(out, log_weights=log_weights, rate=score, losses=losses, moved=moved, **weights(model))


if __name__ == "__main__":
    {"save": save, "load": load}[sys.argv[1]](Path(sys.argv[2]))
