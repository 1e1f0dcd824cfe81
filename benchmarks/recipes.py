"""What others did: images, networks and settings of the rows of ``published.py``, and the figures that they reached.

A recipe follows its source where the source tells, and says where it does not. MNIST and ``binarized_mnist.npz`` are
looked for in the folder ``VAE_TUTORIAL_DATA``. The latter is Larochelle's static binarisation: arrays ``train``
(50,000), ``valid`` and ``test`` (10,000 each) of rows of 784 bits, packed by ``numpy.packbits``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from keras.optimizers import Adam, RMSprop

from vae_tutorial import VAE, datasets, networks

SHAPE = (28, 28, 1)
HELD_BACK = 400  # of MNIST's training images, in the IWAE's code

Array = np.ndarray[Any, Any]


class Images(NamedTuple):
    train: Array
    test: Array
    valid: Array | None = None


@dataclass(frozen=True)
class Recipe:
    """A VAE with a Bernoulli likelihood: a source's settings and its figures."""

    title: str
    source: str  # where the figures stand
    theirs: dict[str, str]  # digit for digit; "training …" is a mean over the last epoch, the others of test images
    differs: str
    images: Callable[[], Images]
    model: Callable[[], VAE]
    optimizer: Callable[[], keras.optimizers.Optimizer]
    batch_size: int
    epochs: int
    draws: int = 0  # for log p(x), where that is asked for
    rates: dict[int, float] = field(default_factory=dict)  # learning rate from this epoch on, where it falls
    best: bool = False  # keep the weights of the best validation epoch, not the last
    redrawn: bool = False  # black and white are drawn anew from the grey training images in each epoch
    unit: str = "nats"
    checked: bool = True  # we found theirs where the source says


# -- images --------------------------------------------------------------------------------------------------------


def larochelle() -> Images:
    """Every pixel drawn once as black or white, by Larochelle."""
    with np.load(Path(os.environ.get("VAE_TUTORIAL_DATA", ".")) / "binarized_mnist.npz", allow_pickle=False) as file:
        bits = {part: np.unpackbits(file[part], axis=1) for part in ("train", "test", "valid")}
    return Images(**{part: x.reshape(-1, *SHAPE).astype(np.float32) for part, x in bits.items()})


def grey() -> Images:
    data = datasets.load("mnist")
    return Images(data.x_train, data.x_test)


def thresholded() -> Images:
    """White where the grey level is above one half."""
    x, test = (np.float32(part > 0.5) for part in grey()[:2])
    return Images(x, test)


def drawn_once(held_back: int = 0) -> Images:
    """Test images drawn once; those to train on stay grey, to be drawn in each epoch. The last may be held back."""
    x, test, _ = grey()
    return Images(x[: len(x) - held_back], datasets.binarize(test, seed=0))


# -- models --------------------------------------------------------------------------------------------------------


def dense(hidden: tuple[int, ...], latent_dim: int) -> VAE:
    encoder = networks.mlp_encoder(SHAPE, latent_dim, hidden, seed=0)
    return VAE(encoder, networks.mlp_decoder(latent_dim, SHAPE, hidden[::-1], seed=1))


def softplus() -> VAE:
    """Altosaar's network: the encoder's second answer is made a standard deviation by a softplus."""
    encoder = networks.mlp_encoder(SHAPE, 128, (256, 256), seed=0)
    mean, raw = encoder.output
    log_var = 2.0 * keras.ops.log(keras.ops.softplus(raw) + 1e-12)  # where the softplus is 0 in float32
    return VAE(keras.Model(encoder.input, [mean, log_var]), networks.mlp_decoder(128, SHAPE, (256, 256), seed=1))


def gated() -> VAE:
    """Layers that are multiplied by a sigmoid of their input, with He's first weights (Tomczak & Welling, 2018)."""
    seeds = itertools.count()

    def linear(h: Any, units: int, activation: str | None = None) -> Any:
        weights = keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal", seed=next(seeds))
        return layers.Dense(units, activation, kernel_initializer=weights)(h)

    def two_layers(h: Any) -> Any:
        for _ in range(2):
            h = linear(h, 300) * linear(h, 300, "sigmoid")
        return h

    image, code = keras.Input(SHAPE), keras.Input((40,))
    h = two_layers(layers.Flatten()(image))
    encoder = keras.Model(image, [linear(h, 40), keras.ops.clip(linear(h, 40), -6.0, 2.0)])
    return VAE(encoder, keras.Model(code, layers.Reshape(SHAPE)(linear(two_layers(code), 784))))


def convolutional(padding: str, hidden: tuple[int, ...], width: int) -> VAE:
    """The examples of Keras and TensorFlow: strided convolutions to two numbers, transposed ones back to an image."""
    keras.utils.set_random_seed(0)
    h = image = keras.Input(SHAPE)
    for filters in (32, 64):
        h = layers.Conv2D(filters, 3, 2, padding, activation="relu")(h)
    h = layers.Flatten()(h)
    for units in hidden:
        h = layers.Dense(units, activation="relu")(h)
    encoder = keras.Model(image, [layers.Dense(2)(h), layers.Dense(2)(h)])
    h = code = keras.Input((2,))
    h = layers.Reshape((7, 7, width))(layers.Dense(7 * 7 * width, activation="relu")(h))
    for filters in (64, 32):
        h = layers.Conv2DTranspose(filters, 3, 2, "same", activation="relu")(h)
    return VAE(encoder, keras.Model(code, layers.Conv2DTranspose(1, 3, 1, "same")(h)))


def importance_weighted(k: int) -> VAE:
    """The IWAE of one stochastic layer. Its encoder answers with log σ; its pixels begin at the training means."""
    encoder = networks.mlp_encoder(SHAPE, 50, (200, 200), "tanh", seed=0)
    mean, log_sigma = encoder.output
    decoder = networks.mlp_decoder(50, SHAPE, (200, 200), "tanh", seed=1)
    white = np.clip(grey().train[:-HELD_BACK].mean(axis=0).ravel(), 0.001, 0.999)
    decoder.layers[-2].bias.assign(np.log(white / (1.0 - white)))
    return VAE(keras.Model(encoder.input, [mean, 2.0 * log_sigma]), decoder, samples=k, objective="iwae")


# -- sources -------------------------------------------------------------------------------------------------------


def burda(k: int, theirs: str) -> Recipe:
    return Recipe(
        title=f"IWAE paper, 784-200-200-50, k = {k}" + (", a VAE" if k == 1 else ""),
        source="Burda, Grosse & Salakhutdinov (2016), table 1, as github.com/nbip/IWAE quotes it; "
        "settings from github.com/yburda/iwae",
        theirs={"−log p(x)": theirs},
        differs="as their code has it, Adam with β₁ = 0.99, where the paper says 0.9; "
        "its second moments begin at 0, theirs at 1; their draw of the test images is not known",
        images=partial(drawn_once, HELD_BACK),
        model=partial(importance_weighted, k),
        # their ε of 1e-4 stands beside gradients that are sums over the 20 images of a batch, ours are means
        optimizer=partial(Adam, beta_1=0.99, epsilon=1e-4 / 20),
        batch_size=20,
        epochs=sum(3**i for i in range(8)),
        draws=5000,
        rates={(3**i - 1) // 2: 1e-4 * round(10 ** (1 - i / 7), 1) for i in range(8)},
        redrawn=True,
        checked=False,
    )


PYTHAE = Recipe(
    title="pythae's reproduction, 784-400-40, 500 epochs",
    source="github.com/clementchadebec/benchmark_VAE, examples/scripts/reproducibility, README and vae.py",
    theirs={"−log p(x)": "89.78"},
    differs="first weights are PyTorch's there; which network their figure came from is not said",
    images=larochelle,
    model=partial(dense, (400,), 40),
    optimizer=partial(Adam, 1e-4),
    batch_size=100,
    epochs=500,
    draws=200,
    rates={200: 1e-4 * 10**-0.2, 350: 1e-4 * 10**-0.4},
    best=True,
)

RECIPES = {
    "flax": Recipe(
        title="Flax's example, 784-500-20, 10 epochs",
        source="github.com/google/flax, examples/vae",
        theirs={"−ELBO": "104"},
        differs="the source says 'about'; its log p(x) is not given",
        images=larochelle,
        model=partial(dense, (500,), 20),
        optimizer=partial(Adam, 1e-3),
        batch_size=128,
        epochs=10,
        draws=128,
    ),
    "altosaar": Recipe(
        title="Altosaar's tutorial, 784-256-256-128, 65,000 steps",
        source="github.com/jaanli/variational-autoencoder, README; settings from "
        "train_variational_autoencoder_pytorch.py there, as of commit 526d716",
        theirs={"−ELBO": "103.31", "−log p(x)": "97.10"},
        differs="as in their script, the weights are those of the best validation ELBO; "
        "ours looks for it after each of 166 epochs, 64,906 steps, theirs after some thousands of steps each, "
        "and stops where it has not risen for long; their first weights are PyTorch's",
        images=larochelle,
        model=softplus,
        optimizer=partial(RMSprop, 1e-3, rho=0.99, centered=True, epsilon=1e-8),
        batch_size=128,
        epochs=166,
        draws=128,
        best=True,
    ),
    "pythae": PYTHAE,
    "pythae-gated": replace(
        PYTHAE,
        title="pythae's earlier script, gated, 784-300-300-40, 500 epochs",
        source="github.com/clementchadebec/benchmark_VAE, examples/scripts/jz_array_nll.py, as of commit f356625",
        theirs={},
        differs="the script halves the learning rate where the validation loss stops falling, here it falls as in the "
        "row above; the script scores the first ten test images only",
        model=gated,
    ),
    "keras-io": Recipe(
        title="Keras's example, convolutions, 2 latents, 30 epochs",
        source="github.com/keras-team/keras-io, examples/generative, vae.py and md/vae.md",
        theirs={"training distortion": "140.1473", "training rate": "6.7960"},
        differs="theirs trains on all 70,000 images and has no test; ours on 60,000, with a seventh fewer steps; "
        "grey pixels under a Bernoulli: a loss, and no probability of an image",
        images=grey,
        model=partial(convolutional, "same", (16,), 64),
        optimizer=Adam,
        batch_size=128,
        epochs=30,
    ),
    "cvae": Recipe(
        title="TensorFlow's tutorial, convolutions, 2 latents, 10 epochs",
        source="github.com/tensorflow/docs, tutorials/generative/cvae.ipynb",
        theirs={},
        differs="the notebook is kept without its outputs; "
        "pixels are black or white by a threshold, so that no other row compares",
        images=thresholded,
        model=partial(convolutional, "valid", (), 32),
        optimizer=partial(Adam, 1e-4),
        batch_size=32,
        epochs=10,
        draws=128,
    ),
    **{f"iwae-{k}": burda(k, theirs) for k, theirs in ((1, "86.76"), (5, "85.54"), (50, "84.78"))},
    "bits-back": Recipe(
        title="Bits back with ANS, 784-100-40, 20 epochs",
        source="Townsend, Bird & Barber (2019); settings from github.com/bits-back/bits-back",
        theirs={"−ELBO": "0.19"},
        differs="theirs is the length of a code, which a coder that gives its bits back brings close to −ELBO; "
        "there images are shuffled, and the encoder answers with log σ",
        images=drawn_once,
        model=partial(dense, (100,), 40),
        optimizer=partial(Adam, 1e-3),
        batch_size=100,
        epochs=20,
        redrawn=True,
        unit="bits per pixel",
        checked=False,
    ),
}
