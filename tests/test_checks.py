"""Bad input: one clear error each, that names the argument, what came, and what was expected."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from vae_tutorial import VAE, Autoencoder, _checks, likelihoods, networks

SHAPE = (8, 8, 1)
X = np.zeros((4, *SHAPE), np.float32)


@pytest.fixture(scope="module")
def grey() -> VAE:
    """A VAE on unbounded pixels."""
    decoder = networks.mlp_decoder(2, SHAPE, (4,), likelihood="gaussian")
    return VAE(networks.mlp_encoder(SHAPE, 2, (4,)), decoder, "gaussian")


def with_nan() -> Any:
    x = X.copy()
    x[1, 2, 3] = np.nan
    return x


IMAGES: dict[str, tuple[Any, type[Exception], str]] = {
    "rank": (
        X[..., 0],
        ValueError,
        r"x: expected images of shape \(n, 8, 8, 1\), got \(shape \(4, 8, 8\), dtype float32\)",
    ),
    "one image": (X[0], ValueError, r"x: expected images of shape \(n, 8, 8, 1\), got \(shape \(8, 8, 1\)"),
    "size": (
        np.zeros((4, 28, 28, 1)),
        ValueError,
        r"x: expected images of shape \(n, 8, 8, 1\), got \(shape \(4, 28, 28, 1\)",
    ),
    "channels": (np.zeros((4, 8, 8, 3)), ValueError, r"x: expected images of shape .* got \(shape \(4, 8, 8, 3\)"),
    "text": (np.full((4, *SHAPE), "a"), TypeError, r"x: expected images as numbers, got dtype <U1"),
    "complex": (X * 1j, TypeError, r"x: expected images as numbers, got dtype complex64"),
    "objects": ([[1], None], TypeError, r"x: expected images as numbers, got "),
    "ragged": ([[1], [1, 2]], TypeError, r"x: expected images as numbers, got "),
    "bytes": (
        np.full((4, *SHAPE), 255, np.uint8),
        ValueError,
        r"x: pixels must lie in \[0, 1\], got values up to 255.0 \(shape \(4, 8, 8, 1\), dtype uint8\). Divide by 255, "
        r"or load with datasets.load\(\)",
    ),
    "above": (X + 300, ValueError, r"x: pixels must lie in \[0, 1\], got values up to 300.0 .*float32\)\.$"),
    "below": (X - 0.5, ValueError, r"x: pixels must lie in \[0, 1\], got values down to -0.5"),
    "nan": (
        with_nan(),
        ValueError,
        r"x: images must be finite, got .*NaN or infinite.*\(shape \(4, 8, 8, 1\), dtype float32\)",
    ),
    "infinite": (X + np.inf, ValueError, r"x: images must be finite"),
    "none": (X[:0], ValueError, r"x: expected at least one row of images, got none \(shape \(0, 8, 8, 1\)"),
}


@pytest.mark.parametrize(("x", "error", "message"), IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(
    "verb", ["fit", "evaluate", "predict", "encode", "reconstruct", "log_weights", "elbo", "log_likelihood"]
)
def test_images(vae: Any, verb: str, x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(vae, verb)(x)


def test_validation_images_are_checked_too(vae: Any) -> None:
    for data in (X + 2, (X + 2,), (X + 2, None)):
        with pytest.raises(ValueError, match=r"validation_data: pixels must lie in \[0, 1\], got values up to 2.0"):
            vae.fit(X, validation_data=data)


def test_unbounded_pixels_may_be_any_number_that_float32_holds(grey: Any) -> None:
    assert np.isfinite(grey.log_weights(X - 7.5)).all()
    assert np.isfinite(grey.log_weights(np.full((1, *SHAPE), 200, np.uint8))).all()
    with pytest.raises(ValueError, match="x: images must be finite"):
        grey.log_weights(np.full((1, *SHAPE), 1e300))


def encoder(**settings: Any) -> Any:
    return networks.mlp_encoder(SHAPE, **{"latent_dim": 2, "hidden": (4,), **settings})


def decoder(**settings: Any) -> Any:
    return networks.mlp_decoder(**{"latent_dim": 2, "image_shape": SHAPE, "hidden": (4,), **settings})


def flat_encoder() -> Any:
    inputs = keras.Input((64,))
    return keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)])


def uneven_encoder() -> Any:
    inputs = keras.Input(SHAPE)
    h = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, [keras.layers.Dense(2)(h), keras.layers.Dense(3)(h)])


CALLS: dict[str, tuple[Any, str]] = {
    # parts that don't fit together
    "plain encoder": (
        lambda: VAE(encoder(variational=False), decoder()),
        r"encoder: expected two outputs \(n, d\), mean and log-variance, got 1 of shape \(None, 2\)",
    ),
    "variational encoder": (
        lambda: Autoencoder(encoder(), decoder()),
        r"encoder: expected one output \(n, d\), the code, got 2",
    ),
    "outputs of two sizes": (
        lambda: VAE(uneven_encoder(), decoder()),
        r"encoder: expected two outputs .*\(None, 2\), \(None, 3\)",
    ),
    "vectors": (
        lambda: VAE(flat_encoder(), decoder()),
        r"encoder: expected images .* \(n, h, w, c\), got \(None, 64\)",
    ),
    "code size": (
        lambda: VAE(encoder(), decoder(latent_dim=3)),
        r"decoder: expected input of shape \(None, 2\), as the encoder's output, got \(None, 3\)",
    ),
    "image size": (
        lambda: VAE(encoder(), decoder(image_shape=(4, 4, 1))),
        r"decoder: expected output of shape \(None, 8, 8, 1\).*bernoulli.*got \(None, 4, 4, 1\)",
    ),
    "parameters": (
        lambda: VAE(encoder(), decoder(), "gaussian"),
        r"decoder: expected output of shape \(None, 8, 8, 2\), 2 parameter\(s\) of the gaussian",
    ),
    "no model": (lambda: VAE("mlp", decoder()), r"encoder: expected a keras.Model, got str"),
    "unbuilt": (
        lambda: VAE(keras.Sequential([keras.layers.Flatten()], name="late"), decoder()),
        r"encoder: expected a functional or sequential model that is built; 'late' has no shape",
    ),
    # settings of a model
    "likelihood": (
        lambda: VAE(encoder(), decoder(), "binomial"),
        r"likelihood: expected one of 'bernoulli', 'continuous_bernoulli', 'gaussian' or a Likelihood, got 'binomial'",
    ),
    "likelihood as a list": (
        lambda: likelihoods.get(["bernoulli"]),
        r"likelihood: expected one of .* got \['bernoulli'\]",
    ),
    "beta": (lambda: VAE(encoder(), decoder(), beta=-1), r"beta: expected a finite number of at least 0, got -1"),
    "beta NaN": (
        lambda: VAE(encoder(), decoder(), beta=float("nan")),
        r"beta: expected a finite number of at least 0, got nan",
    ),
    "beta infinite": (lambda: VAE(encoder(), decoder(), beta=float("inf")), r"beta: expected a finite number"),
    "beta text": (
        lambda: VAE(encoder(), decoder(), beta="1"),
        r"beta: expected a finite number of at least 0, got '1'",
    ),
    "free bits": (lambda: VAE(encoder(), decoder(), free_bits=-0.1), r"free_bits: expected a finite number"),
    "samples": (lambda: VAE(encoder(), decoder(), samples=0), r"samples: expected a whole number of at least 1, got 0"),
    "objective": (
        lambda: VAE(encoder(), decoder(), objective="vae"),
        r"objective: expected 'elbo' or 'iwae', got 'vae'",
    ),
    "seed": (lambda: VAE(encoder(), decoder(), seed=-1), r"seed: expected a whole number of at least 0, got -1"),
    "seed None": (
        lambda: Autoencoder(encoder(variational=False), decoder(), seed=None),
        r"seed: expected a whole number",
    ),
    "seed True": (
        lambda: VAE(encoder(), decoder(), seed=True),
        r"seed: expected a whole number of at least 0, got True",
    ),
    "sigma": (
        lambda: likelihoods.Gaussian(sigma=1e-4),
        r"sigma: expected a finite number of at least 0.001, got 0.0001",
    ),
    # networks
    "image_shape rank": (
        lambda: networks.mlp_encoder((28, 28), 2),
        r"image_shape: expected \(height, width, channels\), got \(28, 28\)",
    ),
    "image_shape number": (
        lambda: networks.conv_encoder(28, 2),
        r"image_shape: expected \(height, width, channels\), got 28",
    ),  # type: ignore[arg-type]
    "image_shape zero": (
        lambda: networks.mlp_decoder(2, (28, 0, 1)),
        r"image_shape: expected a whole number of at least 1, got 0",
    ),
    "latent_dim": (lambda: encoder(latent_dim=0), r"latent_dim: expected a whole number of at least 1, got 0"),
    "latent_dim half": (lambda: decoder(latent_dim=2.5), r"latent_dim: expected a whole number of at least 1, got 2.5"),
    "hidden": (lambda: encoder(hidden=(4, 0)), r"hidden.*: expected a whole number of at least 1, got 0"),
    "hidden number": (lambda: encoder(hidden=400), r"hidden.*: expected .*got 400"),
    "network likelihood": (lambda: decoder(likelihood="poisson"), r"likelihood: expected one of .* got 'poisson'"),
    "network seed": (lambda: encoder(seed=1.5), r"seed: expected a whole number of at least 0, got 1.5"),
}


@pytest.mark.parametrize(("make", "message"), CALLS.values(), ids=CALLS)
def test_settings(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


METHODS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "k": ("log_weights", (X,), {"k": 0}, r"k: expected a whole number of at least 1, got 0"),
    "k of elbo": ("elbo", (X,), {"k": -3}, r"k: expected a whole number of at least 1, got -3"),
    "k of log p": ("log_likelihood", (X,), {"k": 2.0}, r"k: expected a whole number of at least 1, got 2.0"),
    "score seed": ("elbo", (X,), {"seed": -1}, r"seed: expected a whole number of at least 0, got -1"),
    "n": ("sample", (0,), {}, r"n: expected a whole number of at least 1, got 0"),
    "sample seed": ("sample", (3,), {"seed": 0.5}, r"seed: expected a whole number of at least 0, got 0.5"),
    "codes": (
        "decode",
        (np.zeros((3, 5)),),
        {},
        r"z: expected codes of shape \(n, 2\), got \(shape \(3, 5\), dtype float64\)",
    ),
    "one code": ("decode", (np.zeros(2),), {}, r"z: expected codes of shape \(n, 2\), got \(shape \(2,\)"),
    "code NaN": ("decode", (np.full((1, 2), np.nan),), {}, r"z: codes must be finite"),
    "no codes": ("decode", (np.zeros((0, 2)),), {}, r"z: expected at least one row of codes"),
    "batch_size": ("fit", (X,), {"batch_size": 0}, r"batch_size: expected a whole number of at least 1, got 0"),
    "weights": (
        "fit",
        (X,),
        {"sample_weight": np.ones(3)},
        r"sample_weight: expected weights for each of 4 images, got 3",
    ),
    "weights rank": (
        "fit",
        (X,),
        {"sample_weight": np.ones((4, 2))},
        r"sample_weight: expected weights of shape \(n\)",
    ),
    "weights NaN": ("fit", (X,), {"sample_weight": np.full(4, np.nan)}, r"sample_weight: weights must be finite"),
    "split": (
        "fit",
        (X,),
        {"validation_split": 1.0},
        r"validation_split: 1.0 of 4 images leaves one of the two parts empty",
    ),
    "vanishing split": ("fit", (X,), {"validation_split": 1e-17}, r"validation_split: 1e-17 of 4 images leaves"),
    "tiny split": ("fit", (X[:1],), {"validation_split": 0.1}, r"validation_split: 0.1 of 1 images leaves"),
    "negative split": ("fit", (X,), {"validation_split": -0.1}, r"validation_split: expected a finite number"),
}


@pytest.mark.parametrize(("verb", "args", "settings", "message"), METHODS.values(), ids=METHODS)
def test_methods(vae: Any, verb: str, args: Any, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(vae, verb)(*args, **settings)


def test_what_is_accepted() -> None:
    """Numbers of any kind, as float32; float32 itself is not copied."""
    for x in (X, X.astype(np.float16), X.astype(np.float64), X.astype(bool), X.astype(np.uint8), X.tolist()):
        assert _checks.pixels("x", x, SHAPE).dtype == np.float32
    assert _checks.pixels("x", X, SHAPE) is X
    assert _checks.array("x", X, (None, 8, 1), "images") is X
    assert (_checks.count("k", np.int64(3)), _checks.number("beta", np.float32(0.5))) == (3, 0.5)
    assert isinstance(_checks.count("k", np.int64(3)), int)
