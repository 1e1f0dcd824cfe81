"""Encoders and decoders to start from: plain ``keras.Model`` objects, to be replaced by your own whenever you like.

An encoder maps images to a code (n, d), or to the mean and log-variance of a Gaussian over codes, two outputs (n, d).
A decoder maps codes to the parameters of a likelihood, (n, h, w, c × parameters per pixel), without a last activation.
Every weight is drawn from ``seed``: the same seed builds the same network, on one back end, whatever was drawn before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

import keras
from keras import layers, ops

from vae_tutorial import likelihoods
from vae_tutorial._checks import count as checked_count
from vae_tutorial.bounds import Tensor
from vae_tutorial.likelihoods import Likelihood

ImageShape = tuple[int, int, int]
LAST = "channels_last"  # whatever Keras's own setting is: images here are (h, w, c)
SAME = {"padding": "same", "data_format": LAST}


@keras.saving.register_keras_serializable("vae_tutorial")
class SharedLogVariance(layers.Layer):
    """Append to each pixel's mean the log-variance that all pixels share: (n, h, w, c) -> (n, h, w, 2c)"""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.log_var = self.add_weight(shape=(), initializer="zeros", name="log_var")
        self.built = True

    def call(self, mean: Tensor) -> Tensor:
        return ops.concatenate([mean, ops.full_like(mean, 1.0) * self.log_var], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], 2 * input_shape[-1])  # type: ignore[operator]


def mlp_encoder(
    image_shape: ImageShape,
    latent_dim: int,
    hidden: Sequence[int] = (400,),
    activation: str = "relu",
    variational: bool = True,
    seed: int = 0,
) -> keras.Model:
    """Fully connected encoder.

    >>> mlp_encoder((28, 28, 1), 20)      # (n, 28, 28, 1) -> mean (n, 20), log-variance (n, 20)
    >>> mlp_encoder((28, 28, 1), 20, variational=False)      # (n, 28, 28, 1) -> (n, 20)

    Raises ValueError for an image shape that is not (h, w, c), or sizes below 1.
    """
    image_shape, latent_dim, hidden = _checked(image_shape, latent_dim, hidden)
    init = _initializers(seed)
    x = inputs = keras.Input(image_shape, name="image")
    h = layers.Flatten(LAST)(x)
    for units in hidden:
        h = layers.Dense(units, activation=activation, kernel_initializer=next(init))(h)
    return keras.Model(inputs, _code(h, latent_dim, variational, init), name="encoder")


def mlp_decoder(
    latent_dim: int,
    image_shape: ImageShape,
    hidden: Sequence[int] = (400,),
    activation: str = "relu",
    likelihood: str | Likelihood = "bernoulli",
    seed: int = 0,
) -> keras.Model:
    """Fully connected decoder.

    >>> mlp_decoder(20, (28, 28, 1))      # (n, 20) -> logits (n, 28, 28, 1)
    >>> mlp_decoder(20, (28, 28, 1), likelihood="gaussian")      # (n, 20) -> mean and log-variance (n, 28, 28, 2)

    Raises ValueError for an image shape that is not (h, w, c), sizes below 1, or an unknown likelihood.
    """
    image_shape, latent_dim, hidden = _checked(image_shape, latent_dim, hidden)
    init = _initializers(seed)
    h = inputs = keras.Input((latent_dim,), name="code")
    for units in hidden:
        h = layers.Dense(units, activation=activation, kernel_initializer=next(init))(h)
    h = layers.Dense(math.prod(image_shape), kernel_initializer=next(init))(h)
    return keras.Model(inputs, _parameters(layers.Reshape(image_shape)(h), likelihood), name="decoder")


def conv_encoder(
    image_shape: ImageShape,
    latent_dim: int,
    filters: Sequence[int] = (32, 64),
    variational: bool = True,
    seed: int = 0,
) -> keras.Model:
    """Convolutional encoder: each 3 × 3 layer halves height and width.

    >>> conv_encoder((28, 28, 1), 20)      # (n, 28, 28, 1) -> mean (n, 20), log-variance (n, 20)

    Raises ValueError for an image shape that is not (h, w, c), or sizes below 1.
    """
    image_shape, latent_dim, filters = _checked(image_shape, latent_dim, filters)
    init = _initializers(seed)
    h = inputs = keras.Input(image_shape, name="image")
    for n in filters:
        h = layers.Conv2D(n, 3, strides=2, activation="relu", kernel_initializer=next(init), **SAME)(h)
    h = layers.Flatten(LAST)(h)
    return keras.Model(inputs, _code(h, latent_dim, variational, init), name="encoder")


def conv_decoder(
    latent_dim: int,
    image_shape: ImageShape,
    filters: Sequence[int] = (64, 32),
    likelihood: str | Likelihood = "bernoulli",
    seed: int = 0,
) -> keras.Model:
    """Convolutional decoder: each stage doubles height and width, then convolves 3 × 3.

    >>> conv_decoder(20, (28, 28, 1))      # (n, 20) -> logits (n, 28, 28, 1)

    Upsampling before a convolution leaves no checkerboard; strided transposed convolutions do (Odena et al., 2016).
    Raises ValueError for an image whose sides don't halve ``len(filters)`` times, sizes below 1, an unknown likelihood.
    """
    image_shape, latent_dim, filters = _checked(image_shape, latent_dim, filters)
    if not filters:
        raise ValueError("filters: expected at least one stage, got none.")
    height, width, channels = image_shape
    scale = 2 ** len(filters)
    if height % scale or width % scale:
        raise ValueError(
            f"image_shape: {len(filters)} stages of doubling need sides divisible by {scale}, got {image_shape}. "
            "Pad the images, or give fewer filters."
        )
    init = _initializers(seed)
    inputs = keras.Input((latent_dim,), name="code")
    small = (height // scale, width // scale, filters[0])
    h = layers.Dense(math.prod(small), activation="relu", kernel_initializer=next(init))(inputs)
    h = layers.Reshape(small)(h)
    for n in filters:
        h = layers.UpSampling2D(2, data_format=LAST)(h)
        h = layers.Conv2D(n, 3, activation="relu", kernel_initializer=next(init), **SAME)(h)
    h = layers.Conv2D(channels, 3, kernel_initializer=next(init), **SAME)(h)
    return keras.Model(inputs, _parameters(h, likelihood), name="decoder")


def _code(h: Tensor, latent_dim: int, variational: bool, init: Iterator[keras.Initializer]) -> Tensor:
    names = ("mean", "log_var") if variational else ("code",)
    heads = [layers.Dense(latent_dim, kernel_initializer=next(init), name=name)(h) for name in names]
    return heads if variational else heads[0]


def _parameters(image: Tensor, likelihood: str | Likelihood) -> Tensor:
    """The decoder's image-shaped output, extended to the parameters that the likelihood wants."""
    likelihood = likelihoods.get(likelihood)
    return image if likelihood.channels == 1 else SharedLogVariance(name="log_variance")(image)


def _initializers(seed: int) -> Iterator[keras.Initializer]:
    """One Glorot initializer a layer, each with its own seed: equal seeds would give equal layers equal weights."""
    seed = checked_count("seed", seed, least=0)
    return (keras.initializers.GlorotUniform(seed=(1000 * seed + i) % (2**31 - 1)) for i in count())


def _checked(
    image_shape: ImageShape, latent_dim: int, widths: Sequence[int]
) -> tuple[ImageShape, int, tuple[int, ...]]:
    """The three, as Python's own numbers: Keras refuses NumPy's."""
    if not isinstance(image_shape, Sequence) or len(image_shape) != 3:
        raise ValueError(f"image_shape: expected (height, width, channels), got {image_shape}.")
    height, width, channels = (checked_count("image_shape", size) for size in image_shape)
    latent_dim = checked_count("latent_dim", latent_dim)
    if not isinstance(widths, Sequence):
        raise ValueError(f"hidden layers or filters: expected a sequence of sizes, one a layer, got {widths!r}.")
    return (height, width, channels), latent_dim, tuple(checked_count("hidden layers or filters", n) for n in widths)
