"""The effect matrix: what the book says of VAEs, measured on each data set, with each likelihood, over seeds.

KERAS_BACKEND=jax VAE_TUTORIAL_DATA=folder python benchmarks/effects.py digits mnist     # measures what is missing
python benchmarks/effects.py                                                             # prints the table

A row is a claim, put as a number that is positive where the claim holds: a chapter should not make a claim in an
edition where its interval includes zero. Results go to effects.json beside this file, one entry a data set, likelihood
and seed, so that an interrupted run continues where it stopped. On MNIST a key takes about three minutes.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from record import write
from scipy import linalg, stats
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from vae_tutorial import VAE, Autoencoder, bounds, datasets, latent, networks
from vae_tutorial.datasets import Dataset

RESULTS = Path(__file__).with_suffix(".json")
LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian")
SEEDS = range(5)
DIMENSIONS = 16
HIDDEN = (256,)
MANY = 2000  # images drawn or compared

Array = np.ndarray[Any, Any]


class Judge:
    """A small classifier of the data: its confidence, and its features for a Fréchet distance."""

    def __init__(self, data: Dataset) -> None:
        keras.utils.set_random_seed(0)
        inputs = keras.Input(data.image_shape)
        features = keras.layers.Dense(64, activation="relu")(
            keras.layers.Dense(256, activation="relu")(keras.layers.Flatten()(inputs))
        )
        outputs = keras.layers.Dense(len(data.class_names), activation="softmax")(features)
        self.classifier, self.features = keras.Model(inputs, outputs), keras.Model(inputs, features)
        self.classifier.compile("adam", "sparse_categorical_crossentropy")
        self.classifier.fit(data.x_train, data.y_train, epochs=epochs(data, 3), batch_size=128, verbose=0)

    def confidence(self, x: Array) -> float:
        return float(self.classifier.predict(x, verbose=0).max(axis=1).mean())

    def distance(self, x: Array, y: Array) -> float:
        """Fréchet distance of two sets of images in the classifier's features (no Inception, no FID)."""
        (mean_x, cov_x), (mean_y, cov_y) = (
            (f.mean(axis=0), np.cov(f.T)) for f in (self.features.predict(images, verbose=0) for images in (x, y))
        )
        mixed = np.sqrt(np.clip(linalg.eigvals(cov_x @ cov_y).real, 0, None)).sum()  # the trace of their root
        return float(np.sum((mean_x - mean_y) ** 2) + np.trace(cov_x) + np.trace(cov_y) - 2 * mixed)


def epochs(data: Dataset, on_mnist: int) -> int:
    """About as many training steps on small data as on MNIST."""
    return on_mnist * max(1, round(60_000 / len(data.x_train)))


@dataclass
class Setting:
    """One data set, likelihood and seed: every model that the claims need, trained when first asked for."""

    data: Dataset
    likelihood: str
    seed: int
    judge: Judge

    def _train(self, model: Autoencoder) -> Autoencoder:
        if self.likelihood == "gaussian":
            # Adam moves log σ² by its learning rate a step: from σ = 1 it would hardly arrive
            model.decoder.get_layer("log_variance").set_weights([np.log(0.05)])
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit(self.x_train, epochs=epochs(self.data, 8), batch_size=128, verbose=0)
        return model

    def _vae(self, dimensions: int, beta: float) -> VAE:
        shape = self.data.image_shape
        encoder = networks.mlp_encoder(shape, dimensions, HIDDEN, seed=self.seed)
        decoder = networks.mlp_decoder(dimensions, shape, HIDDEN, likelihood=self.likelihood, seed=self.seed)
        return self._train(VAE(encoder, decoder, self.likelihood, beta, seed=self.seed))

    @cached_property
    def x_train(self) -> Array:
        """The Bernoulli's outcomes are black or white; the other two take the grey pixels as they are."""
        x = self.data.x_train
        return datasets.binarize(x, seed=self.seed) if self.likelihood == "bernoulli" else x

    @cached_property
    def x_test(self) -> Array:
        x = self.data.x_test
        return datasets.binarize(x, seed=100 + self.seed) if self.likelihood == "bernoulli" else x

    @cached_property
    def plain(self) -> Autoencoder:
        shape = self.data.image_shape
        encoder = networks.mlp_encoder(shape, DIMENSIONS, HIDDEN, variational=False, seed=self.seed)
        decoder = networks.mlp_decoder(DIMENSIONS, shape, HIDDEN, likelihood=self.likelihood, seed=self.seed)
        return self._train(Autoencoder(encoder, decoder, self.likelihood, seed=self.seed))

    @cached_property
    def vae(self) -> VAE:
        return self._vae(DIMENSIONS, beta=1.0)

    @cached_property
    def vae_flat(self) -> VAE:
        return self._vae(2, beta=1.0)

    @cached_property
    def vae_strong(self) -> VAE:
        return self._vae(DIMENSIONS, beta=10.0)

    @cached_property
    def vae_weak(self) -> VAE:
        return self._vae(DIMENSIONS, beta=0.1)

    def test(self, model: Autoencoder) -> dict[str, float]:
        return model.evaluate(self.x_test, verbose=0, return_dict=True)

    def train_test_gap(self, model: Autoencoder) -> float:
        """Nats of distortion by which test images are worse than training images."""
        return self.test(model)["distortion"] - model.evaluate(self.x_train, verbose=0, return_dict=True)["distortion"]


def steps_along_lines(model: Autoencoder, codes: Array, lines: int = 100, steps: int = 33) -> float:
    """Largest step of the decoded image over the mean step, along lines between codes: 1 where it moves evenly."""
    ratios = []
    for a, b in zip(codes[:lines], codes[lines : 2 * lines], strict=True):
        images = model.decode(latent.lerp(a, b, steps))
        moved = np.sqrt(np.sum(np.diff(images, axis=0) ** 2, axis=(1, 2, 3)))
        ratios.append(moved.max() / moved.mean())
    return float(np.mean(ratios))


def laplacian(x: Array) -> float:
    """Mean squared second difference of neighbouring pixels: small where images are smooth."""
    return float(sum(np.mean(np.diff(x, n=2, axis=axis) ** 2) for axis in (1, 2)))


def prior(s: Setting, scale: float = 1.0) -> Array:
    z = np.random.default_rng(s.seed).standard_normal((MANY, DIMENSIONS)).astype(np.float32)
    return s.vae.decode(scale * z)


# --- the claims: positive where they hold ----------------------------------------------------------------------


def bend_beats_line(s: Setting) -> float:
    """ch. 1: share of PCA's test error that a non-linear autoencoder of the same width saves"""
    flat = s.x_train.reshape(len(s.x_train), -1)
    pca = PCA(DIMENSIONS, random_state=0).fit(flat)
    test = s.x_test.reshape(len(s.x_test), -1)
    line = np.mean(np.sum((test - pca.inverse_transform(pca.transform(test))) ** 2, axis=1))
    return float(1 - np.mean(np.sum((s.x_test - s.plain.reconstruct(s.x_test)) ** 2, axis=(1, 2, 3))) / line)


def prior_of_plain_is_garbage(s: Setting) -> float:
    """ch. 1: log of the Fréchet distance, normal codes through a plain autoencoder over samples of the VAE"""
    z = np.random.default_rng(s.seed).standard_normal((MANY, DIMENSIONS)).astype(np.float32)
    garbage = s.judge.distance(s.plain.decode(z), s.data.x_test)
    return math.log(garbage / s.judge.distance(prior(s), s.data.x_test))


def beta_lowers_rate(s: Setting) -> float:
    """ch. 2: nats of rate that β = 10 saves beside β = 1"""
    return s.test(s.vae)["rate"] - s.test(s.vae_strong)["rate"]


def beta_raises_distortion(s: Setting) -> float:
    """ch. 2: nats of distortion that β = 10 costs beside β = 1"""
    return s.test(s.vae_strong)["distortion"] - s.test(s.vae)["distortion"]


def beta_kills_units(s: Setting) -> float:
    """ch. 2: active latent dimensions that β = 10 loses beside β = 1, of 16"""
    alive, left = (latent.active_units(m.encode(s.x_test).mean).sum() for m in (s.vae, s.vae_strong))
    return float(alive) - float(left)


def beta_narrows_gap(s: Setting) -> float:
    """ch. 2: nats by which the gap of distortion between test and training is smaller with β = 10 than with 0.1"""
    return s.train_test_gap(s.vae_weak) - s.train_test_gap(s.vae_strong)


def beta_one_wins_elbo(s: Setting) -> float:
    """ch. 2: nats of test ELBO by which β = 1 is better than β = 0.1"""
    return s.test(s.vae)["elbo"] - s.test(s.vae_weak)["elbo"]


def vae_moves_evenly(s: Setting) -> float:
    """ch. 2: how much more jerkily images move along a line in the plain autoencoder's codes than in the VAE's"""
    means = s.vae.encode(s.x_test).mean
    return steps_along_lines(s.plain, s.plain.encode(s.x_test)) - steps_along_lines(s.vae, means)


def more_draws_tighten(s: Setting) -> float:
    """ch. 3: nats by which the importance-weighted bound with 50 draws exceeds the ELBO"""
    log_w = s.vae.log_weights(s.x_test[:500], k=50)
    tight, elbo = (np.asarray(keras.ops.convert_to_numpy(f(log_w))) for f in (bounds.iwae, bounds.elbo))
    return float(np.mean(tight - elbo))


def cooler_is_surer(s: Setting) -> float:
    """ch. 5: gain of the classifier's confidence in samples at temperature 0.7 beside 1"""
    return s.judge.confidence(prior(s, 0.7)) - s.judge.confidence(prior(s))


def cooler_is_poorer(s: Setting) -> float:
    """ch. 5: loss of the spread of samples (mean variance of a pixel) at temperature 0.7, as a share"""
    return float(1 - prior(s, 0.7).var(axis=0).mean() / prior(s).var(axis=0).mean())


def fitted_density_helps(s: Setting) -> float:
    """ch. 5: log of the Fréchet distance, samples of the prior over samples of a mixture fitted on the codes"""
    mean, log_var = s.vae.encode(s.x_train[:10000])
    rng = np.random.default_rng(s.seed)
    codes = mean + np.exp(0.5 * log_var) * rng.standard_normal(mean.shape)
    fitted = GaussianMixture(10, random_state=s.seed).fit(codes).sample(MANY)[0].astype(np.float32)
    far, near = (s.judge.distance(x, s.data.x_test) for x in (prior(s), s.vae.decode(fitted)))
    return math.log(far / near)


def means_are_smooth(s: Setting) -> float:
    """ch. 5: log of the second differences of pixels, test images over mean images of the prior"""
    return math.log(laplacian(s.x_test) / laplacian(prior(s)))


def arcs_beat_lines(s: Setting) -> float:
    """ch. 5: the classifier's confidence half-way between two draws of the prior, on the arc less on the line"""
    z = np.random.default_rng(s.seed).standard_normal((400, DIMENSIONS)).astype(np.float32)
    pairs = list(zip(z[:200], z[200:], strict=True))
    arc, line = (np.stack([f(a, b, 3)[1] for a, b in pairs]) for f in (latent.slerp, latent.lerp))
    return s.judge.confidence(s.vae.decode(arc)) - s.judge.confidence(s.vae.decode(line))


def tsne_sorts_better(s: Setting) -> float:
    """ch. 6: purity among ten neighbours, t-SNE of the 16 numbers less a native plane, 1000 test images"""
    x, y = s.x_test[:1000], s.data.y_test[:1000]
    crowd = latent.knn_purity(latent.embed(s.vae.encode(x).mean, "tsne", seed=s.seed), y)
    return crowd - latent.knn_purity(s.vae_flat.encode(x).mean, y)


def plane_beats_pca(s: Setting) -> float:
    """ch. 6: purity among ten neighbours, a native plane less the two principal components of the pixels"""
    x, y = s.x_test[:1000], s.data.y_test[:1000]
    return latent.knn_purity(s.vae_flat.encode(x).mean, y) - latent.knn_purity(
        latent.embed(x.reshape(len(x), -1), "pca"), y
    )


CLAIMS: tuple[Callable[[Setting], float], ...] = (
    bend_beats_line, prior_of_plain_is_garbage, beta_lowers_rate, beta_raises_distortion, beta_kills_units,
    beta_narrows_gap, beta_one_wins_elbo, vae_moves_evenly, more_draws_tighten, cooler_is_surer, cooler_is_poorer,
    fitted_density_helps, means_are_smooth, arcs_beat_lines, tsne_sorts_better, plane_beats_pca,
)  # fmt: skip


# --- measuring and showing ---------------------------------------------------------------------------------------


def measure(names: list[str]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        data = datasets.load(name)
        judge = Judge(data)
        for seed in SEEDS:
            for likelihood in LIKELIHOODS:
                key = f"{name}/{likelihood}/{seed}"
                missing = [claim for claim in CLAIMS if claim.__name__ not in results.get(key, {})]
                if not missing:
                    continue
                start = time.perf_counter()
                setting = Setting(data, likelihood, seed, judge)
                results.setdefault(key, {}).update({claim.__name__: round(claim(setting), 5) for claim in missing})
                results[key]["measured"] = _circumstances()
                write(RESULTS, {key: dict(sorted(results[key].items())) for key in sorted(results)})
                print(f"{key}: {time.perf_counter() - start:.0f} s", flush=True)


def _circumstances() -> str:
    date = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{date}, Keras {keras.__version__} on {keras.backend.backend()}, {platform.machine()}, {os.cpu_count()} cores"
    )


def table() -> str:
    """Mean over seeds with its 95 % interval (Student), a row a claim, a column a data set and likelihood."""
    if not RESULTS.exists():
        return "Nothing is measured yet: name a data set."
    results = json.loads(RESULTS.read_text())
    columns = sorted({key.rsplit("/", 1)[0] for key in results})
    lines = [f"{'claim':28}" + "".join(f"{column:>30}" for column in columns)]
    for claim in CLAIMS:
        cells = []
        for column in columns:
            values = [v[claim.__name__] for key, v in results.items() if key.rsplit("/", 1)[0] == column]
            half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else math.nan
            cells.append(f"{np.mean(values):.3g} ± {half:.2g} ({sum(v > 0 for v in values)}/{len(values)})")
        lines.append(f"{claim.__name__:28}" + "".join(f"{cell:>30}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    measure(sys.argv[1:])
    print(table())
