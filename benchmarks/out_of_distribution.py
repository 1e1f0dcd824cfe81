"""Where the likelihood calls foreign images usual: AUROC of a VAE's scores, over data, likelihoods, widths and seeds.

    VAE_TUTORIAL_DATA=folder KERAS_BACKEND=jax python benchmarks/out_of_distribution.py      # measures what is missing

Three pairs of normals and anomalies: the digits and MNIST with the ones left out of the training, and Fashion-MNIST
trained with MNIST as the anomaly. And MNIST with each of its other digits left out, for one likelihood. An AUROC below
one half means that anomalies look more usual than normals. Beside the scores of a VAE stand numbers that know nothing
of it: the image's ink, the least that the likelihood can charge for its grey levels, and its length when compressed.
Where one of them has the AUROC of the score, it explains the score. Results go to results/out_of_distribution.json, an
entry a model, so that an interrupted run continues.
"""

from __future__ import annotations

import json
import math
import platform
import time
import zlib
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from record import commit, hardware, write
from sklearn.metrics import roc_auc_score

from vae_tutorial import VAE, bounds, datasets, likelihoods, networks

RESULTS = Path(__file__).parent / "results/out_of_distribution.json"
PAIRS = ("fashion_mnist, mnist", "mnist, ones", "digits, ones")
LEFT_OUT = [f"mnist, {digit}" for digit in range(10) if digit != 1]
LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian")
WIDTHS = (32, 2)  # numbers in the code
SEEDS = range(3)
STEPS, BATCH, RATE = 4000, 128, 1e-3
SHOWN, DRAWS = 2000, 16  # test images of each kind, at most; draws of z for each

Array = NDArray[Any]


class Pair(NamedTuple):
    train: Array
    normals: Array
    anomalies: Array


def load(pair: str) -> Pair:
    """Normals to train on, and test images of both kinds."""
    name, foreign = pair.split(", ")
    data = datasets.load(name)
    if foreign == "ones" or foreign.isdigit():
        digit = 1 if foreign == "ones" else int(foreign)
        train, strange = data.x_train[data.y_train != digit], data.y_test == digit
        normals, anomalies = data.x_test[~strange], data.x_test[strange]
    else:
        train, normals, anomalies = data.x_train, data.x_test, datasets.load(foreign).x_test
    return Pair(train, some(normals), some(anomalies))


def some(x: Array) -> Array:
    return x[np.random.default_rng(0).permutation(len(x))[:SHOWN]]


def build(shape: tuple[int, int, int], likelihood: str, width: int, seed: int) -> VAE:
    encoder = networks.mlp_encoder(shape, width, (256,), seed=seed)
    decoder = networks.mlp_decoder(width, shape, (256,), likelihood=likelihood, seed=seed)
    if likelihood == "gaussian":
        # Adam moves log σ² by its learning rate a step: from σ = 1 it would arrive late
        decoder.get_layer("log_variance").set_weights([np.log(0.05)])
    return VAE(encoder, decoder, likelihood, seed=seed)


def train(vae: VAE, fresh: VAE, x: Array) -> None:
    vae.restart(fresh)
    x = np.tile(x, (max(1, 10_000 // len(x)), 1, 1, 1))  # longer epochs for small data
    vae.fit(x, epochs=math.ceil(STEPS * BATCH / len(x)), batch_size=BATCH, verbose=0)


def scores(vae: VAE, x: Array) -> dict[str, Array]:
    """What a VAE says of images, and what can be said without it; larger for the stranger."""
    distortion_and_rate = -vae.log_weights(x, DRAWS).astype(np.float64).mean(axis=0)
    rate = ops.convert_to_numpy(bounds.gaussian_kl(*vae.encode(x)))
    error = np.sum((x - vae.reconstruct(x)) ** 2, axis=(1, 2, 3))
    ink, least, compressed = np.sum(x**2, axis=(1, 2, 3)), floor(x, vae.likelihood), compressed_nats(x)
    return {
        "−ELBO": distortion_and_rate,
        "distortion": distortion_and_rate - rate,
        "rate": rate,
        "error": error,
        "−ELBO less floor": distortion_and_rate - least,
        "−ELBO less compressed": distortion_and_rate - compressed,
        "error over ink": error / ink,
        "ink": ink,
        "floor": least,
        "compressed": compressed,
    }


def floor(x: Array, likelihood: likelihoods.Likelihood) -> Array:
    """Least −log p(x|z) that any decoder can reach, in nats an image.

    For a Bernoulli the entropy of the grey levels. A Gaussian with one σ charges every image the same, here 0. The
    density of a continuous Bernoulli has no bound at black and white; we take it where its mean lies half a grey level
    of a byte away, 1/512, which is nearly where its logit is 512.
    """
    if isinstance(likelihood, likelihoods.Gaussian):
        return np.zeros(len(x))
    grey = np.arange(256)[:, None] / 255
    if isinstance(likelihood, likelihoods.Bernoulli):
        p = np.clip(grey[:, 0], 1e-12, 1 - 1e-12)
        best = p * np.log(p) + (1 - p) * np.log(1 - p)
    else:
        logits = np.linspace(-512, 512, 8192)  # an even number, so that 0 is not among them
        log_mass = np.maximum(logits, 0) + np.log(-np.expm1(-np.abs(logits)) / np.abs(logits))
        best = np.max(grey * logits - log_mass, axis=1)
    return -best[np.round(255 * x).astype(int)].sum(axis=(1, 2, 3))


def compressed_nats(x: Array) -> Array:
    """Length of each image when compressed, in nats: a byte is 8 log 2."""
    return np.array([8 * math.log(2) * len(zlib.compress(g.tobytes(), 9)) for g in np.round(255 * x).astype(np.uint8)])


def cases() -> Iterator[tuple[int, str, str]]:
    """Width of the code, pair, likelihood."""
    for width, pair, likelihood in product(WIDTHS, PAIRS, LIKELIHOODS):
        if not pair.startswith("fashion") or width == WIDTHS[0]:  # there the width is not the question
            yield width, pair, likelihood
    for pair in LEFT_OUT:
        yield WIDTHS[0], pair, LIKELIHOODS[0]


def measure(results: dict[str, Any]) -> Iterator[str]:
    """Fill in what is missing, one model at a time; what comes is its key."""
    begun = commit()
    for width, pair, likelihood in cases():
        missing = [seed for seed in SEEDS if f"{pair}, {likelihood}, {width}, {seed}" not in results]
        if not missing:
            continue
        data = load(pair)
        vae = build(data.train.shape[1:], likelihood, width, seed=0)
        vae.compile(keras.optimizers.Adam(RATE))
        for seed in missing:
            started = time.perf_counter()
            train(vae, build(data.train.shape[1:], likelihood, width, seed), data.train)
            normal, foreign = scores(vae, data.normals), scores(vae, data.anomalies)
            truth = np.repeat([0, 1], [len(data.normals), len(data.anomalies)])
            key = f"{pair}, {likelihood}, {width}, {seed}"
            results[key] = {
                "auroc": {n: round(roc_auc_score(truth, np.r_[normal[n], foreign[n]]), 4) for n in normal},
                "mean of normals": {n: round(float(s.mean()), 4) for n, s in normal.items()},
                "mean of anomalies": {n: round(float(s.mean()), 4) for n, s in foreign.items()},
                "seconds": round(time.perf_counter() - started, 1),
                "measured": f"{date.today()}, Keras {keras.__version__} on {keras.backend.backend()}, "
                f"NumPy {np.__version__}, Python {platform.python_version()}, {hardware()}, commit {begun}",
            }
            yield key


def main() -> None:
    results = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    for key in measure(results):
        write(RESULTS, results)
        print(key, results[key]["seconds"], "s;", results[key]["auroc"], flush=True)


if __name__ == "__main__":
    main()
