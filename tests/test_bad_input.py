"""Bad input to every public function: one clear error that names the argument, before any work.

A table of mistakes that people make, and hypothesis for those that nobody thinks of. What a *good* message says of each
kind of image, network and file is tested with the modules; here no public verb may be forgotten.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis.extra.numpy as arrays
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vae_tutorial
from vae_tutorial import (
    VAE,
    Autoencoder,
    BetaSchedule,
    anomaly,
    conformal,
    datasets,
    explorer,
    latent,
    likelihoods,
    models,
    networks,
    plots,
    schedules,
)

VAEDetector = anomaly.VAEDetector
SHAPE = (8, 8, 1)
NAN, INF = float("nan"), float("inf")
X = np.random.default_rng(0).random((12, *SHAPE), dtype=np.float32)
Z = np.random.default_rng(1).standard_normal((12, 2))
ROWS = np.random.default_rng(2).standard_normal((12, 3))
LABELS = np.arange(12) % 3
IMAGE = X[0]


def encoder(**settings: Any) -> Any:
    return networks.mlp_encoder(SHAPE, **({"latent_dim": 2, "hidden": (4,)} | settings))


def decoder(**settings: Any) -> Any:
    return networks.mlp_decoder(**({"latent_dim": 2, "image_shape": SHAPE, "hidden": (4,)} | settings))


def two_channels() -> VAE:
    shape = (*SHAPE[:2], 2)
    return VAE(networks.mlp_encoder(shape, 2, (4,)), networks.mlp_decoder(2, shape, (4,)))


def at(x: Any, value: float) -> Any:
    """A copy with one bad value."""
    x = np.array(x, float)
    x.flat[len(x.flat) // 2] = value
    return x


def by_name(encoder: Any) -> Any:
    return keras.Model(encoder.input, dict(zip(("log_var", "mean"), encoder.output, strict=True)))


@pytest.fixture(scope="module")
def model() -> VAE:
    vae = VAE(encoder(), decoder())
    vae.compile()
    return vae


@pytest.fixture(scope="module", params=["bernoulli", "gaussian"])
def pupil(request: pytest.FixtureRequest) -> VAE:
    """A model that a test may train."""
    vae = VAE(encoder(), decoder(likelihood=request.param), request.param)
    vae.compile()
    return vae


@pytest.fixture(scope="module")
def of_real_pixels() -> VAE:
    vae = VAE(encoder(), decoder(likelihood="gaussian"), "gaussian")
    vae.compile()
    return vae


@pytest.fixture(scope="module")
def detector() -> Any:
    return VAEDetector(epochs=1, hidden=(4,), latent_dim=2, random_state=0).fit(ROWS)


def new(**settings: Any) -> Callable[[], Any]:
    """Fit a detector with these settings."""
    return lambda: VAEDetector(**({"epochs": 1, "hidden": (4,), "random_state": 0} | settings)).fit(ROWS)


# The function, the mistake; a call; what the error must name.
CALLS: dict[tuple[str, str], tuple[Callable[[], Any], str]] = {
    ("datasets.load", "an unknown name"): (lambda: datasets.load("minst"), "name: .*'minst'"),
    ("datasets.load", "no such file"): (lambda: datasets.load("nowhere/x.npz"), "name: there is no file"),
    ("datasets.load", "a number"): (lambda: datasets.load(3), "name: .*3"),
    ("datasets.load", "a list"): (lambda: datasets.load(["digits"]), "name: "),
    ("datasets.load", "nobody's folder"): (lambda: datasets.load("~nosuchuser/x.npz"), "name: "),
    ("datasets.binarize", "masked"): (lambda: datasets.binarize(np.ma.masked_less(X, 0.5), 0), "x: .*masked"),
    ("datasets.binarize", "NaN"): (lambda: datasets.binarize(at(X, NAN), 0), "x: .*finite"),
    ("datasets.binarize", "bytes"): (lambda: datasets.binarize(X * 255, 0), r"x: pixels must lie in \[0, 1\]"),
    ("datasets.binarize", "nothing"): (lambda: datasets.binarize([], 0), "x: .*none"),
    ("datasets.binarize", "text"): (lambda: datasets.binarize([["a"]], 0), "x: .*numbers"),
    ("datasets.binarize", "one number"): (lambda: datasets.binarize(0.5, 0), "x: "),
    ("datasets.binarize", "a seed below 0"): (lambda: datasets.binarize(X, -1), "seed: .*-1"),
    ("datasets.binarize", "a fraction as seed"): (lambda: datasets.binarize(X, 0.5), "seed: .*0.5"),
    ("latent.grid", "one point a side"): (lambda: latent.grid(1), "side: .*1"),
    ("latent.grid", "an int beyond float64"): (lambda: latent.grid(3, extent=10**400), "extent: "),
    ("latent.grid", "a fraction"): (lambda: latent.grid(2.5), "side: .*2.5"),
    ("latent.grid", "an extent of 0"): (lambda: latent.grid(3, extent=0), "extent: .*0"),
    ("latent.grid", "an extent beyond float32"): (lambda: latent.grid(3, extent=1e300), r"extent: .*1e\+06"),
    ("latent.grid", "an infinite extent"): (lambda: latent.grid(3, extent=INF), "extent: .*inf"),
    ("latent.lerp", "different sizes"): (lambda: latent.lerp([0, 1], [0, 1, 2]), "b: .*like a"),
    ("latent.lerp", "NaN"): (lambda: latent.lerp([0, NAN], [0, 1]), "a: .*finite"),
    ("latent.lerp", "a matrix"): (lambda: latent.lerp(Z, Z), r"a: .*shape \(n\)"),
    ("latent.lerp", "one step"): (lambda: latent.lerp([0], [1], steps=1), "steps: .*1"),
    ("latent.slerp", "no direction"): (lambda: latent.slerp([0, 0], [1, 0]), "a: the zero vector"),
    ("latent.slerp", "opposite ends"): (lambda: latent.slerp([1, 0], [-1, 0]), "a, b: .*opposite"),
    ("latent.slerp", "far out"): (lambda: latent.slerp([0, 2e6], [1, 0]), r"a: .*\[-1e\+06, 1e\+06\]"),
    ("latent.slerp", "beyond float32"): (lambda: latent.slerp([1e39, 0], [0, 1]), "a: .*finite"),
    ("latent.traversal", "no such dimension"): (lambda: latent.traversal([0, 0], 2), "dimension: expected 0 to 1"),
    ("latent.traversal", "counted from behind"): (lambda: latent.traversal([0, 0], -1), "dimension: .*-1"),
    ("latent.traversal", "no values"): (lambda: latent.traversal([0, 0], 0, []), "values: .*none"),
    ("latent.arithmetic", "different sizes"): (lambda: latent.arithmetic([0], [0], [0, 1]), "c: .*like a"),
    ("latent.attribute", "numbers for booleans"): (lambda: latent.attribute(Z, LABELS), "has: .*booleans"),
    ("latent.attribute", "too few"): (lambda: latent.attribute(Z, np.ones(3, bool)), "has: expected 12"),
    ("latent.attribute", "all have it"): (lambda: latent.attribute(Z, np.ones(12, bool)), "has: .*12 of 12"),
    ("latent.active_units", "one image"): (lambda: latent.active_units(Z[:1]), "means: .*at least 2"),
    ("latent.active_units", "a negative threshold"): (lambda: latent.active_units(Z, -1), "threshold: .*-1"),
    ("latent.embed", "an unknown method"): (lambda: latent.embed(Z, "umap"), "method: .*'umap'"),
    ("latent.embed", "equal codes"): (lambda: latent.embed(np.ones((12, 3)), "tsne", perplexity=5), "z: .*differ"),
    ("latent.embed", "a seed below 0"): (lambda: latent.embed(Z, seed=-1), "seed: .*-1"),
    ("latent.embed", "one dimension"): (lambda: latent.embed(Z[:, :1]), "z: .*two dimensions"),
    ("latent.embed", "a wide perplexity"): (lambda: latent.embed(Z, "tsne", perplexity=12), "perplexity: .*12"),
    ("latent.embed", "a perplexity of 0"): (lambda: latent.embed(Z, "tsne", perplexity=0), "perplexity: .*got 0"),
    ("latent.knn_purity", "labels of others"): (lambda: latent.knn_purity(Z, LABELS[:5]), "y: expected 12"),
    ("latent.knn_purity", "missing labels"): (lambda: latent.knn_purity(Z, [NAN] * 12, k=3), "y: .*missing"),
    ("latent.knn_purity", "no labels"): (lambda: latent.knn_purity(Z, [None] * 12, k=3), "y: .*missing"),
    ("latent.knn_purity", "dates"): (lambda: latent.knn_purity(Z, np.full(12, "NaT", "M8[ns]"), k=3), "y: .*missing"),
    ("latent.knn_purity", "masked labels"): (lambda: latent.knn_purity(Z, np.ma.masked_less(LABELS, 1), k=3), "y: "),
    ("latent.knn_purity", "too many neighbours"): (lambda: latent.knn_purity(Z, LABELS, k=12), "k: .*12"),
    ("conformal.p_values", "no calibration"): (lambda: conformal.p_values([], [0.0]), "calibration: "),
    ("conformal.p_values", "ragged"): (lambda: conformal.p_values([[1], [1, 2]], [0.0]), "calibration: .*sizes"),
    ("conformal.p_values", "masked"): (lambda: conformal.p_values([0.0], np.ma.masked_less([0, 1], 1)), "scores: "),
    ("conformal.p_values", "NaN"): (lambda: conformal.p_values([0.0], [NAN]), "scores: .*finite"),
    ("conformal.conformal_threshold", "too few"): (
        lambda: conformal.conformal_threshold([1.0] * 5),
        "calibration: .*19",
    ),
    ("conformal.conformal_threshold", "alpha 0"): (lambda: conformal.conformal_threshold([1.0], 0), "alpha: .*0"),
    ("conformal.conformal_threshold", "per cent"): (lambda: conformal.conformal_threshold([1.0], 5), "alpha: .*5"),
    ("conformal.conformal_threshold", "an alpha without a reciprocal"): (
        lambda: conformal.conformal_threshold([1.0], 2e-313),
        "calibration: alpha=2e-313 needs .*inf",
    ),
    ("likelihoods.get", "an unknown name"): (lambda: likelihoods.get("normal"), "likelihood: .*'normal'"),
    ("likelihoods.get", "nothing"): (lambda: likelihoods.get(None), "likelihood: .*None"),
    ("likelihoods.Gaussian", "a sigma of 0"): (lambda: likelihoods.Gaussian(sigma=0), "sigma: .*0"),
    ("likelihoods.Gaussian", "a sigma beyond float32"): (lambda: likelihoods.Gaussian(sigma=1e300), r"sigma: .*1e\+06"),
    ("likelihoods.Gaussian", "NaN"): (lambda: likelihoods.Gaussian(sigma=NAN), "sigma: .*nan"),
    ("networks.mlp_encoder", "no channels"): (lambda: networks.mlp_encoder((8, 8), 2), r"image_shape: .*\(8, 8\)"),
    ("networks.mlp_encoder", "no dimension"): (lambda: encoder(latent_dim=0), "latent_dim: .*0"),
    ("networks.mlp_encoder", "one width"): (lambda: encoder(hidden=64), "hidden.*64"),
    ("networks.mlp_encoder", "an unknown bend"): (lambda: encoder(activation="relux"), "activation.*relux"),
    ("networks.mlp_encoder", "a negative seed"): (lambda: encoder(seed=-1), "seed: .*-1"),
    ("networks.mlp_decoder", "a fraction"): (lambda: decoder(latent_dim=2.5), "latent_dim: .*2.5"),
    ("networks.mlp_decoder", "an unknown likelihood"): (lambda: decoder(likelihood="mse"), "likelihood: .*'mse'"),
    ("networks.conv_encoder", "an empty side"): (lambda: networks.conv_encoder((0, 8, 1), 2), "image_shape: .*0"),
    ("networks.conv_decoder", "no stage"): (lambda: networks.conv_decoder(2, SHAPE, filters=()), "filters: "),
    ("networks.conv_decoder", "an odd side"): (lambda: networks.conv_decoder(2, (9, 8, 1)), r"image_shape: .*9"),
    ("Autoencoder", "two outputs"): (lambda: Autoencoder(encoder(), decoder()), "encoder: "),
    ("Autoencoder", "not a model"): (lambda: Autoencoder(np.mean, decoder()), "encoder: "),
    ("VAE", "one output"): (lambda: VAE(encoder(variational=False), decoder()), "encoder: "),
    ("VAE", "outputs by name"): (lambda: VAE(by_name(encoder()), decoder()), "encoder: .*dict of log_var, mean"),
    ("VAE", "a loss"): (lambda: VAE(encoder(), decoder()).compile("adam", "mse"), "positional"),
    ("VAE", "unequal codes"): (lambda: VAE(encoder(latent_dim=3), decoder()), "decoder: "),
    ("VAE", "unequal images"): (lambda: VAE(encoder(), decoder(image_shape=(4, 4, 1))), "decoder: "),
    ("VAE", "a decoder without its variance"): (lambda: VAE(encoder(), decoder(), "gaussian"), "decoder: "),
    ("VAE", "a negative beta"): (lambda: VAE(encoder(), decoder(), beta=-1), "beta: .*-1"),
    ("VAE", "a beta beyond float32"): (lambda: VAE(encoder(), decoder(), beta=1e300), r"beta: .*1e\+06, got 1e\+300"),
    ("VAE", "free bits beyond float32"): (lambda: VAE(encoder(), decoder(), free_bits=1e300), r"free_bits: .*1e\+06"),
    ("VAE", "beta as text"): (lambda: VAE(encoder(), decoder(), beta="1"), "beta: .*'1'"),
    ("VAE", "no sample"): (lambda: VAE(encoder(), decoder(), samples=0), "samples: .*0"),
    ("VAE", "an unknown objective"): (lambda: VAE(encoder(), decoder(), objective="mse"), "objective: .*'mse'"),
    ("VAE", "iwae with beta"): (lambda: VAE(encoder(), decoder(), objective="iwae", beta=2), "beta"),
    ("VAE", "negative free bits"): (lambda: VAE(encoder(), decoder(), free_bits=-1), "free_bits: .*-1"),
    ("BetaSchedule", "a number"): (lambda: BetaSchedule(0.5), "beta: .*0.5"),
    ("BetaSchedule", "a negative constant"): (lambda: BetaSchedule.constant(-1), "beta: .*-1"),
    ("BetaSchedule", "an end beyond float32"): (lambda: BetaSchedule.linear(9, final=1e300), r"final: .*1e\+06"),
    ("BetaSchedule", "no epoch"): (lambda: BetaSchedule.linear(0), "epochs: .*0"),
    ("BetaSchedule", "a ramp beyond its period"): (lambda: BetaSchedule.cyclical(4, ramp=2), "ramp: .*2"),
    ("VAEDetector", "an unknown score"): (new(criterion="mse"), "criterion: .*'mse'"),
    ("VAEDetector", "a list for a likelihood"): (new(likelihood=[]), r"likelihood: .*\[\]"),
    ("VAEDetector", "an unknown likelihood"): (new(likelihood="poisson"), "likelihood: .*'poisson'"),
    ("VAEDetector", "contamination over a half"): (new(contamination=0.7), "contamination: .*0.7"),
    ("VAEDetector", "no epoch"): (new(epochs=0), "epochs: .*0"),
    ("VAEDetector", "a negative rate"): (new(learning_rate=-1.0), "learning_rate: .*-1"),
    ("VAEDetector", "nothing left to fit"): (new(validation_fraction=1.0), "validation_fraction: .*1"),
    ("VAEDetector", "no draw"): (new(draws=0), "draws: .*0"),
    ("VAEDetector", "pixels to be standardised"): (new(likelihood="bernoulli"), "standardize: "),
    ("VAEDetector", "grey beyond 1"): (new(likelihood="bernoulli", standardize=False), r"X: .*\[0, 1\], got -2.4"),
    ("plots.image_grid", "one image"): (lambda: plots.image_grid(IMAGE[..., 0]), "images: "),
    ("plots.image_grid", "titles of others"): (lambda: plots.image_grid(X, titles=["a"]), "titles: expected 12"),
    ("plots.image_grid", "no column"): (lambda: plots.image_grid(X, columns=0), "columns: .*0"),
    ("plots.reconstructions", "nothing"): (lambda: plots.reconstructions({}), "rows: "),
    ("plots.reconstructions", "a list"): (lambda: plots.reconstructions([X, X]), "rows: .*list"),
    ("plots.manifold", "no grid"): (lambda: plots.manifold(X, Z), "images, z: "),
    ("plots.latent_scatter", "three dimensions"): (lambda: plots.latent_scatter(ROWS), "z: "),
    ("plots.latent_scatter", "fractions as labels"): (lambda: plots.latent_scatter(Z, LABELS / 2), "y: "),
    ("plots.latent_scatter", "no point"): (lambda: plots.latent_scatter(Z, most=0), "most: .*0"),
    ("plots.spectrum", "NaN"): (lambda: plots.spectrum([1.0, NAN]), "values: .*finite"),
    ("plots.spectrum", "a threshold as text"): (lambda: plots.spectrum([1, 2], threshold="a"), "threshold: .*'a'"),
    ("plots.curves", "a list"): (lambda: plots.curves([1, 2], [1, 2]), "series: .*list"),
    ("plots.histograms", "a list"): (lambda: plots.histograms([1.0, 2.0]), "samples: .*list"),
    ("plots.curves", "unequal lengths"): (lambda: plots.curves([1, 2], {"PCA": [1.0]}), "PCA: expected 2"),
    ("plots.curves", "no series"): (lambda: plots.curves([1, 2], {}), "series: "),
    ("plots.training_curves", "an empty record"): (lambda: plots.training_curves({}), "history: "),
    ("plots.rate_distortion", "unequal lengths"): (lambda: plots.rate_distortion([1], [1, 2], [1]), "rates, distort"),
    ("plots.histograms", "nothing"): (lambda: plots.histograms({}), "samples: "),
    ("plots.histograms", "infinite"): (lambda: plots.histograms({"test": [INF]}), "test: .*finite"),
    ("explorer.LatentExplorer", "no model"): (lambda: explorer.LatentExplorer("vae.keras"), "model: .*str"),
    ("explorer.Interpolation", "no model"): (lambda: explorer.Interpolation(decoder(), IMAGE, IMAGE), "model: "),
    ("explorer.LatentExplorer", "large labels"): (
        lambda: explorer.LatentExplorer(decoder(), Z, LABELS + 1_700_000_000),
        "labels: .*1700000000",
    ),
    ("explorer.LatentExplorer", "the largest byte"): (
        lambda: explorer.LatentExplorer(decoder(), Z, np.full(12, 255, np.uint8)),
        "labels: .*255",
    ),
    ("explorer.ThresholdExplorer", "hardly different"): (
        lambda: explorer.ThresholdExplorer([0.1 + 0.2, 0.3], [0, 1]),
        "scores: .*different",
    ),
    ("explorer.ThresholdExplorer", "text"): (
        lambda: explorer.ThresholdExplorer([1.0, 2.0], [0, 1], threshold="a"),
        "threshold: .*'a'",
    ),
    ("explorer.KLExplorer", "text"): (lambda: explorer.KLExplorer(mu="1"), "mu: .*−3 to 3, got '1'"),
    ("explorer.ELBOExplorer", "text"): (lambda: explorer.ELBOExplorer(x="1"), "x: .*−1.5 to 1.5, got '1'"),
    ("explorer.KLExplorer", "beyond the slider"): (lambda: explorer.KLExplorer(mu=9), "mu: .*9"),
    ("explorer.ELBOExplorer", "no noise"): (lambda: explorer.ELBOExplorer(noise=0), "noise: .*0"),
    ("explorer.ThresholdExplorer", "one class"): (lambda: explorer.ThresholdExplorer([1.0, 2], [0, 0]), "labels: "),
    ("explorer.BetaExplorer", "one model"): (lambda: explorer.BetaExplorer([], X), "models: "),
    ("explorer.BetaExplorer", "two channels"): (lambda: explorer.BetaExplorer([two_channels()], X), "models: .*got 2"),
}

# Verbs of a model and of a fitted detector; a call of either; what the error must name.
VERBS: dict[tuple[str, str], tuple[Callable[[Any], Any], str]] = {
    ("VAE.fit", "no images"): (lambda m: m.fit(X[:0]), "x: .*none"),
    ("VAE.fit", "a batch of 0"): (lambda m: m.fit(X, batch_size=0, verbose=0), "batch_size: .*0"),
    ("VAE.fit", "nothing"): (lambda m: m.fit(None), "x: .*NoneType"),
    ("VAE.fit", "a tuple"): (lambda m: m.fit((X,)), "x: .*tuple"),
    ("VAE.fit", "an empty tuple"): (lambda m: m.fit(X, validation_data=(), verbose=0), "validation_data: .*NoneType"),
    ("VAE.fit", "validation every 0"): (lambda m: m.fit(X, validation_data=X, validation_freq=0), "validation_freq: "),
    ("VAE.fit", "huge weights"): (lambda m: m.fit(X, sample_weight=np.full(12, 1e30)), "sample_weight: .*1e.06"),
    ("VAE.predict", "a tuple with NaN"): (lambda m: m.predict((at(X, NAN),)), "x: .*tuple"),
    ("VAE.evaluate", "half a step"): (lambda m: m.evaluate(X, steps=2.5), "steps: .*2.5"),
    ("VAE.evaluate", "a batch of 0"): (lambda m: m.evaluate(X, batch_size=0), "batch_size: .*0"),
    ("VAE.fit", "epochs below 0"): (lambda m: m.fit(X, epochs=-1, verbose=0), "epochs: .*-1"),
    ("VAE.fit", "half an epoch"): (lambda m: m.fit(X, epochs=0.5, verbose=0), "epochs: .*0.5"),
    ("VAE.fit", "weights of others"): (lambda m: m.fit(X, sample_weight=np.ones(3)), "sample_weight: .*12"),
    ("VAE.fit", "a split of all"): (lambda m: m.fit(X, validation_split=1.0), "validation_split"),
    ("VAE.evaluate", "infinite"): (lambda m: m.evaluate(at(X, INF)), "x: .*finite"),
    ("VAE.predict", "another size"): (lambda m: m.predict(X[:, :4]), r"x: .*\(n, 8, 8, 1\)"),
    ("VAE.encode", "bytes"): (lambda m: m.encode(X * 255), r"x: pixels must lie in \[0, 1\]"),
    ("VAE.decode", "another dimension"): (lambda m: m.decode(ROWS), r"z: .*\(n, 2\)"),
    ("VAE.decode", "NaN"): (lambda m: m.decode(at(Z, NAN)), "z: .*finite"),
    ("VAE.decode", "far out"): (lambda m: m.decode(at(Z, -2e6)), r"z: .*\[-1e\+06, 1e\+06\], got values from -2e\+06"),
    ("VAE.reconstruct", "one image"): (lambda m: m.reconstruct(IMAGE), r"x: .*\(n, 8, 8, 1\)"),
    ("VAE.sample", "none"): (lambda m: m.sample(0), "n: .*0"),
    ("VAE.sample", "a negative seed"): (lambda m: m.sample(1, seed=-1), "seed: .*-1"),
    ("VAE.log_weights", "no draw"): (lambda m: m.log_weights(X, k=0), "k: .*0"),
    ("VAE.elbo", "half a draw"): (lambda m: m.elbo(X, k=0.5), "k: .*0.5"),
    ("VAE.elbo", "a seed as text"): (lambda m: m.elbo(X, seed="0"), "seed: .*'0'"),
    ("VAE.log_likelihood", "no draw"): (lambda m: m.log_likelihood(X, k=0), "k: .*0"),
    ("VAE.save", "no such folder"): (lambda m: m.save("nowhere/vae.keras"), "filepath: there is no folder"),
    ("VAE.save", "another ending"): (lambda m: m.save("vae.pickle"), "filepath extension"),
    ("VAE.export", "no such format"): (lambda m: m.export("vae", format="pickle"), "format=pickle"),
    ("VAE.save_weights", "no such folder"): (lambda m: m.save_weights("nowhere/a.weights.h5"), "filepath: there is no"),
    ("VAE.save_weights", "another ending"): (lambda m: m.save_weights("vae.h5"), "weights.h5"),
    ("VAE.restart", "other layers"): (lambda m: m.restart(VAE(encoder(hidden=(5,)), decoder())), "fresh: "),
}
FITTED: dict[tuple[str, str], tuple[Callable[[Any], Any], str]] = {
    ("VAEDetector.fit", "one row"): (lambda d: VAEDetector().fit(ROWS[:1]), "1 sample|X: "),
    ("VAEDetector.fit", "text"): (lambda d: VAEDetector().fit([["a"], ["b"]]), "convert|numeric|X: "),
    ("VAEDetector.fit", "beyond float64"): (lambda d: VAEDetector().fit(at(ROWS * 1e307, 1.7e308)), "X: too large"),
    ("VAEDetector.score_samples", "NaN"): (lambda d: d.score_samples(at(ROWS, NAN)), "NaN"),
    ("VAEDetector.decision_function", "infinite"): (lambda d: d.decision_function(at(ROWS, INF)), "infinity"),
    ("VAEDetector.predict", "other columns"): (lambda d: d.predict(ROWS[:, :2]), "2 features.*3 features"),
    ("VAEDetector.explain", "one row, flat"): (lambda d: d.explain(ROWS[0]), "1D array|X: "),
    ("VAEDetector.fit", "dates"): (lambda d: VAEDetector().fit(np.full((9, 2), "NaT", "M8[s]")), "X: .*dates"),
    ("VAEDetector.fit", "a table with dates"): (
        lambda d: VAEDetector().fit(pd.DataFrame({"a": range(3), "b": pd.to_datetime(["2020-01-01"] * 3)})),
        "X: .*dates",
    ),
    ("VAEDetector.fit", "masked"): (lambda d: VAEDetector().fit(np.ma.masked_less(ROWS, 0)), "X: .*masked"),
    ("VAEDetector.fit", "an int beyond float64"): (lambda d: VAEDetector().fit([[10**400, 1], [1, 2]]), "X: "),
    ("VAEDetector.calibrate", "per cent"): (lambda d: d.calibrate(ROWS, alpha=5), "alpha: .*5"),
    ("VAEDetector.score_samples", "no images"): (lambda d: d.score_samples(np.empty((0, 0, 0, 0))), "0 sample"),
    ("VAEDetector.score_samples", "a sum of inf and −inf"): (
        lambda d: d.score_samples([[INF, -1.7e308, -1.7e308]] * 9),
        "infinity",
    ),
    ("VAEDetector.calibrate", "too few"): (lambda d: d.calibrate(ROWS), "19"),
    ("VAEDetector.p_values", "before calibration"): (lambda d: d.p_values(ROWS), "calibrate"),
    ("VAEDetector.images", "other columns"): (lambda d: d.images(ROWS[:, :1]), "1 features|X: "),
}
ERRORS = (ValueError, TypeError, OSError)


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=[": ".join(key) for key in CALLS])
def test_calls(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ERRORS, match=message):
        call()


@pytest.mark.parametrize(("call", "message"), VERBS.values(), ids=[": ".join(key) for key in VERBS])
def test_verbs_of_a_model(model: VAE, call: Callable[[Any], Any], message: str) -> None:
    before = [np.array(w) for w in model.get_weights()]
    with pytest.raises(ERRORS, match=message):
        call(model)
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)  # refused before work starts


@pytest.mark.parametrize(("call", "message"), FITTED.values(), ids=[": ".join(key) for key in FITTED])
def test_verbs_of_a_fitted_detector(detector: Any, call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ERRORS, match=message):
        call(detector)


def public(module: ModuleType) -> set[str]:
    """The module's own public functions that take an argument."""
    name = module.__name__.rpartition(".")[2]
    own = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    return {f"{name}.{n}" for n, f in own.items() if n[0] != "_" and inspect.signature(f).parameters}


def verbs(*classes: type) -> set[str]:
    return {
        f"{classes[-1].__name__}.{n}"
        for c in classes
        for n, f in vars(c).items()
        if inspect.isfunction(f) and n[0] != "_"
    }


# What users don't call with data of their own: hooks that Keras calls, and a helper of other modules.
HOOKS = {"call", "terms", "compute_loss", "compile", "get_compile_config", "compile_from_config", "get_config", "vae"}
INNER = {"conformal.fraction", "models.posterior"}


def test_no_public_function_is_forgotten() -> None:
    """``bounds`` and the methods of likelihoods are left out: they are arithmetic on tensors, inside of graphs.

    A NaN that they get is a NaN in what they give, as their own tests say.
    """
    functions = set().union(
        *map(public, (datasets, latent, conformal, likelihoods, networks, plots, schedules, models))
    )
    functions |= (
        verbs(Autoencoder, VAE) | verbs(VAEDetector) | {f"explorer.{n}" for n in explorer.__all__ if n != "Instrument"}
    )
    functions |= {"VAE", "Autoencoder", "BetaSchedule", "VAEDetector"} & set(vae_tutorial.__all__)
    functions = {f for f in functions - INNER if f.rpartition(".")[2] not in HOOKS}
    assert functions - {function for function, _ in CALLS | VERBS | FITTED} == set()
    assert len(CALLS | VERBS | FITTED) >= 60


# ------------------------------------------------------------------------------------------------------- anything

NUMBERS = st.one_of(
    st.floats(width=64), st.floats(0, 1), st.sampled_from([0.0, -0.0, 1.0, NAN, INF, -INF, 3e38, -3e38, 1e300, 1e-45])
)
DTYPES = st.sampled_from(
    [np.bool_, np.uint8, np.int8, np.int64, np.float16, np.float32, np.float64, np.complex64, "U2", "O"]
)
ANY = DTYPES.flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9))
)


def like(*shape: int) -> st.SearchStrategy[Any]:
    """Anything at all, or the right shape with any numbers in it."""
    return st.one_of(ANY, arrays.arrays(np.float64, shape, elements=NUMBERS))


def up_to_far(*shape: int) -> st.SearchStrategy[Any]:
    """What a model of real pixels just takes."""
    return arrays.arrays(np.float64, shape, elements=st.floats(-1e6, 1e6))


def finite_or_refused(call: Callable[[], Any], *names: str) -> None:
    refusal, result = None, ()
    try:
        result = call()
    except (ValueError, TypeError) as error:
        refusal = str(error)
    assert refusal is None or refusal.startswith(names)
    assert all(np.all(np.isfinite(part)) for part in (result if isinstance(result, tuple) else (result,)))


def test_validation_may_come_after_named_epochs(pupil: VAE) -> None:
    history = pupil.fit(X, epochs=3, validation_data=X, validation_freq=[1, 3], verbose=0).history
    assert len(history["val_loss"]) == 2


def test_numbers_of_numpys_kind_are_numbers() -> None:
    """Which every grid of settings holds; Keras refuses them, and a byte of 100 passes and 4 rows overflows."""
    shape = tuple(np.array(SHAPE, np.uint8))
    networks.mlp_encoder(shape, np.int64(2), (np.int64(4),))
    networks.conv_decoder(np.uint8(2), shape, (np.uint8(4),))
    settings = {"epochs": 100, "batch_size": 4, "latent_dim": 2, "draws": 3, "patience": 2}
    plain, of_numpy = (
        VAEDetector(**{k: kind(v) for k, v in settings.items()}, hidden=(kind(4),), random_state=0).fit(ROWS)
        for kind in (int, np.uint8)
    )
    assert plain.n_iter_ == of_numpy.n_iter_
    np.testing.assert_array_equal(plain.score_samples(ROWS), of_numpy.score_samples(ROWS))


@given(x=like(3, *SHAPE))
def test_a_model_takes_images_or_refuses_them(model: VAE, x: Any) -> None:
    finite_or_refused(lambda: model.encode(x), "x: ")
    finite_or_refused(lambda: model.elbo(x, k=2), "x: ")


@given(x=like(3, *SHAPE) | up_to_far(3, *SHAPE))
def test_a_model_of_real_pixels_takes_images_or_refuses_them(of_real_pixels: VAE, x: Any) -> None:
    finite_or_refused(lambda: of_real_pixels.reconstruct(x), "x: ")
    finite_or_refused(lambda: of_real_pixels.elbo(x, k=2), "x: ")


@given(z=like(3, 2) | up_to_far(3, 2))
def test_a_decoder_takes_codes_or_refuses_them(model: VAE, z: Any) -> None:
    finite_or_refused(lambda: model.decode(z), "z: ")


@given(
    x=like(3, *SHAPE), seed=st.one_of(st.integers(), st.floats(), st.none(), st.lists(st.integers(-1, 9), max_size=3))
)
def test_binarize(x: Any, seed: Any) -> None:
    finite_or_refused(lambda: datasets.binarize(x, seed), "x: ", "seed: ")


@given(a=like(3), b=like(3), steps=st.one_of(st.integers(-2, 5), st.floats(), st.text(max_size=2)))
def test_paths(a: Any, b: Any, steps: Any) -> None:
    for path in (latent.lerp, latent.slerp):
        finite_or_refused(lambda path=path: path(a, b, steps), "a: ", "b: ", "a, b: ", "steps: ")


@given(z=like(6, 3), y=like(6), k=st.integers(-1, 8))
def test_codes(z: Any, y: Any, k: int) -> None:
    finite_or_refused(lambda: latent.active_units(z), "means: ")
    finite_or_refused(lambda: latent.embed(z), "z: ")
    finite_or_refused(lambda: latent.knn_purity(z, y, k), "z: ", "y: ", "k: ")


@given(calibration=like(30), scores=like(4), alpha=NUMBERS)
def test_conformal(calibration: Any, scores: Any, alpha: float) -> None:
    finite_or_refused(lambda: conformal.p_values(calibration, scores), "calibration: ", "scores: ")
    finite_or_refused(lambda: conformal.conformal_threshold(calibration, alpha).offset, "calibration: ", "alpha: ")


@cache
def other() -> VAE:
    """Of another β."""
    vae = VAE(encoder(), decoder(), beta=2.0)
    vae.compile()
    return vae


def nothing(_: Any) -> tuple[()]:
    """For what has no numbers to look at, such as a plot."""
    return ()


IMAGES = (3, *SHAPE)
TAKES: dict[str, tuple[tuple[int, ...], Callable[[VAE, Any], Any], tuple[str, ...]]] = {
    "VAE.predict": (IMAGES, lambda m, x: m.predict(x, verbose=0), ("x: ",)),
    "VAE.evaluate": (IMAGES, lambda m, x: m.evaluate(x, verbose=0), ("x: ",)),
    "VAE.reconstruct": (IMAGES, lambda m, x: m.reconstruct(x), ("x: ",)),
    "VAE.log_weights": (IMAGES, lambda m, x: m.log_weights(x, k=2), ("x: ",)),
    "VAE.log_likelihood": (IMAGES, lambda m, x: m.log_likelihood(x, k=2), ("x: ",)),
    "latent.traversal": ((3,), lambda _, z: latent.traversal(z, 0), ("z: ",)),
    "latent.traversal, values": ((4,), lambda _, v: latent.traversal([0, 0], 0, v), ("values: ",)),
    "latent.arithmetic": ((3,), lambda _, z: latent.arithmetic(z, z, z), ("a: ",)),
    "latent.attribute": ((4, 3), lambda _, z: latent.attribute(z, np.arange(4) < 2), ("z: ", "has: ")),
    "plots.image_grid": (IMAGES, lambda _, x: nothing(plots.image_grid(x)), ("images: ",)),
    "plots.reconstructions": (IMAGES, lambda _, x: nothing(plots.reconstructions({"x": x})), ("x: ",)),
    "plots.latent_scatter": ((6, 2), lambda _, z: nothing(plots.latent_scatter(z)), ("z: ",)),
    "plots.spectrum": ((5,), lambda _, v: nothing(plots.spectrum(v)), ("values: ",)),
    "plots.curves": ((5,), lambda _, v: nothing(plots.curves(np.arange(5), {"v": v})), ("v: ",)),
    "plots.histograms": ((5,), lambda _, v: nothing(plots.histograms({"v": v})), ("v: ",)),
    "plots.rate_distortion": (
        (3,),
        lambda _, v: nothing(plots.rate_distortion(v, v, v)),
        ("rates", "distort", "betas"),
    ),
    "explorer.LatentExplorer": (IMAGES, lambda m, x: nothing(explorer.LatentExplorer(m, x)), ("x: ",)),
    "explorer.LatentExplorer, origin": (
        (2,),
        lambda m, z: nothing(explorer.LatentExplorer(m, origin=z)),
        ("origin: ",),
    ),
    "explorer.Interpolation": (SHAPE, lambda m, x: nothing(explorer.Interpolation(m, x, 1 - X[0])), ("a: ",)),
    "explorer.BetaExplorer": (IMAGES, lambda m, x: nothing(explorer.BetaExplorer([m, other()], x)), ("x: ",)),
    "explorer.ThresholdExplorer": (
        (6,),
        lambda _, v: nothing(explorer.ThresholdExplorer(v, np.arange(6) % 2)),
        ("scores: ", "labels: "),
    ),
}


@pytest.mark.parametrize(("shape", "call", "names"), TAKES.values(), ids=TAKES)
def test_what_takes_numbers_takes_them_or_refuses_them(
    model: VAE, shape: tuple[int, ...], call: Callable[[VAE, Any], Any], names: tuple[str, ...]
) -> None:
    @given(x=like(*shape))
    def property_of(x: Any) -> None:
        try:
            finite_or_refused(lambda: call(model, x), *names)
        finally:
            plt.close("all")

    property_of()


@given(x=like(*IMAGES) | up_to_far(*IMAGES))
def test_training_takes_images_or_leaves_the_weights_alone(pupil: VAE, x: Any) -> None:
    before, refusal = pupil.get_weights(), ""
    try:
        pupil.fit(x, verbose=0)
    except (ValueError, TypeError) as error:
        refusal = str(error)
        for old, now in zip(before, pupil.get_weights(), strict=True):
            np.testing.assert_array_equal(old, now)
    assert refusal.startswith("x: ") or not refusal
    assert all(np.all(np.isfinite(w)) for w in pupil.get_weights())


OF_SCIKIT_LEARN = (
    "Complex data not supported", "Expected 2D array, got", "Found array with", "Input X contains",
    "X has ", "could not convert string to float", "float() argument must be", "setting an array element with a seq",
)  # fmt: skip


@given(rows=like(4, 3))
def test_a_detector_takes_rows_or_refuses_them(detector: Any, rows: Any) -> None:
    """scikit-learn's own words, which estimators share, and which seldom begin with the argument's name."""
    finite_or_refused(lambda: detector.score_samples(rows), *OF_SCIKIT_LEARN)


@settings(max_examples=10)  # each trains a detector
@given(rows=like(4, 3))
def test_a_detector_learns_from_rows_or_refuses_them(rows: Any) -> None:
    small = VAEDetector(epochs=1, hidden=(4,), latent_dim=2, random_state=0)
    finite_or_refused(lambda: small.fit(rows).offset_, "X: ", *OF_SCIKIT_LEARN)


# ------------------------------------------------------------------------------------------------ code in files


def what_may_run_a_file(source: str) -> list[str]:
    """Statements of a module by which what a file holds could be run as code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names if alias.name.partition(".")[0] in RUN_WHAT_THEY_READ]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in RUN_WHAT_THEY_READ:
                found.append(module)
            case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" | "__import__" as name)):
                found.append(name)
            case ast.Attribute(attr="load" | "read_pickle" | "enable_unsafe_deserialization" as name):
                found.append(name)  # np.load and torch.load may unpickle
            case ast.keyword(arg="allow_pickle" | "safe_mode" as name):
                found.append(name)
    return found


RUN_WHAT_THEY_READ = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


@pytest.mark.parametrize(
    "statement",
    [
        "import pickle", "import os, joblib.numpy_pickle", "from pickle import loads", "x = np.load(file)",
        "read_array(file, allow_pickle=True)", "pandas.read_pickle(file)", "torch.load(file)", "eval(text)",
        "keras.models.load_model(file, safe_mode=False)", "keras.config.enable_unsafe_deserialization()",
    ],
)  # fmt: skip
def test_what_may_run_a_file_is_found(statement: str) -> None:
    assert len(what_may_run_a_file(f"def f(file):\n    {statement}")) == 1


def test_nothing_in_the_package_runs_what_a_file_holds() -> None:
    """Neither pickles nor text: arrays are read with ``_archives``, models by Keras in its safe mode."""
    modules = sorted(Path(vae_tutorial.__file__).parent.rglob("*.py"))
    assert len(modules) > 15
    found = {module.name: what_may_run_a_file(module.read_text("utf8")) for module in modules}
    assert {name: statements for name, statements in found.items() if statements} == {}


def test_an_unreadable_file_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"x\.npz"):
        datasets.load(tmp_path / "x.npz")
