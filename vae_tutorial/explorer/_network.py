"""A decoder as the page can run it: its layers in JSON, its weights in half precision.

What is known here is known in ``static/network.js``, layer by layer and activation by activation.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from vae_tutorial import likelihoods
from vae_tutorial.likelihoods import Likelihood
from vae_tutorial.networks import SharedLogVariance

ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "sigmoid", "tanh", "softplus", "silu", "gelu")
LARGEST = float(np.finfo(np.float16).max)

Layer = dict[str, Any]


def described(decoder: keras.Model) -> tuple[list[Layer], bytes]:
    """Layers and float16 weights of a decoder that is a chain, from the code to the likelihood's parameters.

    >>> described(networks.mlp_decoder(2, (28, 28, 1)))       # -> [{"kind": "dense", …}, …], bytes

    Raises ValueError, with the layer's name, for a layer that the page cannot run and for weights that half precision
    cannot hold.
    """
    specs: list[Layer] = []
    arrays: list[np.ndarray] = []
    x = None
    for layer in decoder.layers:
        if isinstance(layer, layers.InputLayer):
            x = layer.output
            continue
        if x is not None and layer.input is not x:
            raise ValueError(f"decoder: the page runs a chain of layers, but {_named(layer)} takes another input.")
        x = layer.output
        spec, weights = _layer(layer)
        if spec:
            specs.append(spec)
        for array in weights:
            _check_finite(layer, array)
            arrays.append(array.astype("<f2").ravel())
    return specs, np.concatenate(arrays).tobytes() if arrays else b""


def mean_name(likelihood: str | Likelihood | None) -> str:
    """How the page turns parameters into a mean image; ``None`` takes a decoder's output as the image."""
    if likelihood is None:
        return "gaussian"  # whose mean is its first channels, as they are
    likelihood = likelihoods.get(likelihood)
    if type(likelihood) is not likelihoods.BY_NAME.get(likelihood.name):  # a subclass may have another mean
        raise ValueError(
            f"likelihood: the page knows the means of {', '.join(likelihoods.BY_NAME)}, got {likelihood!r}."
        )
    return likelihood.name


def _layer(layer: layers.Layer) -> tuple[Layer | None, list[np.ndarray]]:
    """What the page needs to know of one layer, and its weights; ``None`` for one that changes no mean image."""
    if isinstance(layer, (layers.Dropout, SharedLogVariance)):
        return None, []
    shape = [int(n) for n in layer.input.shape[1:]]
    spec: Layer = {"input": shape, "output": [int(n) for n in layer.output.shape[1:]]}
    if type(layer) in (layers.Reshape, layers.Flatten):
        return None, []  # rows of numbers stay as they are
    if type(layer) in (layers.Activation, layers.ReLU, layers.LeakyReLU):
        return spec | {"kind": "activation"} | _activation(layer), []
    if type(layer) is layers.UpSampling2D:
        _require(layer, layer.interpolation == "nearest", "interpolation 'nearest'")
        return spec | {"kind": "upsample", "size": list(layer.size)}, []
    if type(layer) is layers.Dense:
        _require(layer, len(shape) == 1, "a flat input")
        return spec | {"kind": "dense"} | _activation(layer) | _bias(layer), _weights(layer)
    if type(layer) in (layers.Conv2D, layers.Conv2DTranspose):
        return _convolution(layer, spec)
    raise ValueError(
        f"decoder: the page cannot run {_named(layer)}. It knows Dense, Conv2D, Conv2DTranspose, UpSampling2D, "
        "Reshape, Flatten, Dropout and activations."
    )


def _convolution(layer: layers.Layer, spec: Layer) -> tuple[Layer, list[np.ndarray]]:
    transposed = isinstance(layer, layers.Conv2DTranspose)
    _require(layer, layer.data_format == "channels_last", "channels_last")
    _require(layer, tuple(layer.dilation_rate) == (1, 1), "no dilation")
    _require(layer, transposed or layer.groups == 1, "one group")
    _require(layer, not transposed or layer.output_padding is None, "no output_padding")
    weights = _weights(layer)
    if transposed:  # (height, width, out, in): as a convolution has it
        weights[0] = weights[0].swapaxes(2, 3)
    spec |= {
        "kind": "transposed" if transposed else "convolution",
        "kernel": list(layer.kernel_size),
        "strides": list(layer.strides),
        "pad": [
            _pad_before(layer, transposed, *sizes)
            for sizes in zip(layer.kernel_size, layer.strides, spec["input"], spec["output"], strict=False)
        ],
    }
    return spec | _activation(layer) | _bias(layer), weights


def _pad_before(layer: layers.Layer, transposed: bool, kernel: int, stride: int, before: int, after: int) -> int:
    """Rows that "same" padding adds in front; a transposed convolution leaves as many out of its result."""
    if layer.padding == "valid":
        return 0
    small = before if transposed else after
    large = after if transposed else before
    return max((small - 1) * stride + kernel - large, 0) // 2


def _activation(layer: layers.Layer) -> Layer:
    if isinstance(layer, layers.ReLU):
        _require(layer, layer.max_value is None and not layer.negative_slope and not layer.threshold, "a plain ReLU")
        return {"activation": "relu"}
    if isinstance(layer, layers.LeakyReLU):
        return {"activation": "leaky_relu", "slope": float(layer.negative_slope)}
    name = getattr(layer.activation, "__name__", str(layer.activation))
    _require(layer, name in ACTIVATIONS, f"one of the activations {', '.join(ACTIVATIONS)}, not {name!r}")
    return {"activation": name, "slope": 0.2}  # Keras's slope of the function leaky_relu


def _bias(layer: layers.Layer) -> Layer:
    return {"bias": bool(layer.use_bias)}


def _weights(layer: layers.Layer) -> list[np.ndarray]:
    return [ops.convert_to_numpy(ops.cast(w, "float32")) for w in layer.weights]


def _check_finite(layer: layers.Layer, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"decoder: {_named(layer)} has weights that are NaN or infinite.")
    if np.abs(array).max() > LARGEST:
        raise ValueError(f"decoder: {_named(layer)} has a weight above {LARGEST:g}, which half precision cannot hold.")


def _require(layer: layers.Layer, holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"decoder: the page cannot run {_named(layer)}: it needs {what}.")


def _named(layer: layers.Layer) -> str:
    return f"the layer {layer.name!r} ({type(layer).__name__})"
