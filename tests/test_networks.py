"""Encoders and decoders: their shapes, and weights that follow from the seed and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from vae_tutorial.likelihoods import Gaussian
from vae_tutorial.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder

SHAPE = (4, 8, 3)  # no two sizes alike; and small networks, because JAX compiles what draws each weight

BUILDERS: dict[str, Any] = {
    "mlp_encoder": lambda seed: mlp_encoder(SHAPE, 5, (6,), seed=seed),
    "mlp_decoder": lambda seed: mlp_decoder(5, SHAPE, (6,), seed=seed),
    "conv_encoder": lambda seed: conv_encoder(SHAPE, 5, (6,), seed=seed),
    "conv_decoder": lambda seed: conv_decoder(5, SHAPE, (6,), seed=seed),
}


@pytest.mark.parametrize("encoder", [mlp_encoder, conv_encoder])
def test_encoders_have_a_mean_and_a_log_variance_or_a_code(encoder: Any) -> None:
    both = encoder(SHAPE, 5, (6,))
    assert both.input_shape == (None, *SHAPE)
    assert list(both.output_shape) == [(None, 5), (None, 5)]
    assert encoder(SHAPE, 5, (6,), variational=False).output_shape == (None, 5)


@pytest.mark.parametrize("builder", BUILDERS)
def test_images_have_their_channels_last_whatever_keras_is_set_to(builder: str) -> None:
    usual = BUILDERS[builder](0)
    try:
        keras.config.set_image_data_format("channels_first")
        other = BUILDERS[builder](0)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert other.output_shape == usual.output_shape
    x = np.random.default_rng(0).random((3, *usual.input_shape[1:]), np.float32)
    for a, b in zip(
        keras.tree.flatten(other.predict(x, verbose=0)), keras.tree.flatten(usual.predict(x, verbose=0)), strict=True
    ):
        assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("decoder", [mlp_decoder, conv_decoder])
@pytest.mark.parametrize(
    ("likelihood", "channels"),
    [("bernoulli", 3), ("continuous_bernoulli", 3), ("gaussian", 6), (Gaussian(), 6), (Gaussian(sigma=1.0), 3)],
)
def test_decoders_emit_what_the_likelihood_takes(decoder: Any, likelihood: Any, channels: int) -> None:
    model = decoder(5, SHAPE, (6,), likelihood=likelihood)
    assert model.input_shape == (None, 5)
    assert model.output_shape == (None, 4, 8, channels)


def test_sizes_of_the_layers_are_those_asked_for() -> None:
    def widths(model: Any, kind: Any) -> list[int]:
        return [int(layer.kernel.shape[-1]) for layer in model.layers if isinstance(layer, kind)]

    assert widths(mlp_encoder(SHAPE, 5, hidden=(7, 6)), keras.layers.Dense) == [7, 6, 5, 5]
    assert widths(mlp_decoder(5, SHAPE, hidden=(6, 7)), keras.layers.Dense) == [6, 7, 4 * 8 * 3]
    assert widths(mlp_encoder(SHAPE, 5, hidden=()), keras.layers.Dense) == [5, 5]  # linear: PCA's match
    assert widths(conv_encoder(SHAPE, 5, filters=(4, 6)), keras.layers.Conv2D) == [4, 6]
    assert widths(conv_decoder(5, SHAPE, filters=(6, 4)), keras.layers.Conv2D) == [6, 4, 3]


def test_outputs_have_no_activation_and_hidden_layers_do() -> None:
    """Logits and means may be any number; ReLU at the end would forbid negative ones."""
    for model in (build(0) for build in BUILDERS.values()):
        layers = [x for x in model.layers if isinstance(x, keras.layers.Dense | keras.layers.Conv2D)]
        last = len(layers) - (2 if model.name == "encoder" else 1)
        assert [x.activation.__name__ for x in layers] == ["relu"] * last + ["linear"] * (len(layers) - last)
    assert mlp_encoder(SHAPE, 5, (6,), activation="tanh").layers[2].activation.__name__ == "tanh"


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_weights_follow_from_the_seed(build: Any) -> None:
    keras.utils.set_random_seed(1)
    first = build(3).get_weights()
    keras.utils.set_random_seed(2)  # the global state has no say
    again, other = build(3).get_weights(), build(4).get_weights()
    for a, b, c in zip(first, again, other, strict=True):
        assert (a == b).all()
        if a.ndim > 1:
            assert (a != c).mean() > 0.99


def test_layers_of_one_shape_differ() -> None:
    """One seed for every layer would start the mean and the log-variance as the same function."""
    mean, log_var = map(mlp_encoder(SHAPE, 5, (6,)).get_layer, ("mean", "log_var"))
    assert (mean.get_weights()[0] != log_var.get_weights()[0]).mean() > 0.99


@pytest.mark.parametrize("seed", [2**31, 2**40])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    big, small = (mlp_encoder(SHAPE, 5, (6,), seed=s).get_weights()[0] for s in (seed, 0))
    assert (big != small).mean() > 0.99


def test_weights_start_at_glorots_scale() -> None:
    kernel = mlp_encoder((20, 20, 1), 2, hidden=(300,)).layers[2].get_weights()[0]
    assert_allclose(kernel.var(), 2 / (400 + 300), rtol=0.02)  # 120,000 draws: 0.3 % is one standard deviation
    assert abs(kernel.mean()) < 4 * kernel.std() / np.sqrt(kernel.size)


@pytest.mark.parametrize("decoder", [mlp_decoder, conv_decoder])
def test_gaussian_decoder_shares_one_log_variance(decoder: Any, tmp_path: Path) -> None:
    """All pixels share it, it is one trainable weight, it starts at σ = 1, and it is saved."""
    model = decoder(2, SHAPE, (6,), likelihood="gaussian")
    z = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    before = model.predict(z, verbose=0)
    assert (before[..., 3:] == 0).all()
    weight = model.get_layer("log_variance").log_var
    assert weight.shape == ()
    assert any(weight is w for w in model.trainable_weights)
    weight.assign(-1.5)
    model.save(tmp_path / "decoder.keras")
    after = keras.models.load_model(tmp_path / "decoder.keras").predict(z, verbose=0)
    assert (after[..., 3:] == -1.5).all()
    assert_allclose(after[..., :3], before[..., :3], rtol=1e-6)


def test_conv_decoder_upsamples_to_the_image() -> None:
    assert conv_decoder(2, (28, 28, 1), (4, 4)).output_shape == (None, 28, 28, 1)
    assert conv_encoder((7, 9, 1), 2, (4, 4)).input_shape == (None, 7, 9, 1)  # any size goes down
    with pytest.raises(
        ValueError, match=r"image_shape: 2 stages of doubling need sides divisible by 4, got \(7, 8, 1\)"
    ):
        conv_decoder(2, (7, 8, 1))
