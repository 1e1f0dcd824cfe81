"""One compiled VAE for all detectors of the same make: they take turns in it, and keep their weights as NumPy arrays.

Compiling takes seconds, training on a small table less. So a grid search, a bootstrap or a second seed need not compile
again; and what is only arrays can be pickled, copied, and moved from one back end to another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from vae_tutorial import bounds, networks
from vae_tutorial._randomness import Batches, noise_tiles, shifted_normals
from vae_tutorial.bounds import Tensor
from vae_tutorial.likelihoods import BY_NAME, Gaussian
from vae_tutorial.models import VAE, posterior

Rows = NDArray[np.float32]
Float = NDArray[np.float64]

STEPS = 32  # about so many between two looks at a small table's validation rows: a look costs as much as a few steps
LOCK = threading.Lock()  # the threads of a parallel search take turns too


class Make(NamedTuple):
    """All that is compiled into a training step."""

    features: int
    latent_dim: int
    hidden: tuple[int, ...]
    likelihood: str
    batch_size: int
    learning_rate: float

    def build(self, seed: int) -> VAE:
        """A new VAE; to it a row of the table is an image of height one."""
        shape, likelihood = (1, self.features, 1), BY_NAME[self.likelihood]()
        seeds = [int(word) for word in np.random.SeedSequence(seed).generate_state(3)]
        with _in_single_precision():
            encoder = networks.mlp_encoder(shape, self.latent_dim, self.hidden, seed=seeds[0])
            decoder = networks.mlp_decoder(self.latent_dim, shape, self.hidden[::-1], seed=seeds[1])
            if isinstance(likelihood, Gaussian):
                decoder = keras.Model(decoder.input, FeatureLogVariance(name="log_variance")(decoder.output))
            return VAE(encoder, decoder, likelihood, seed=seeds[2])


@keras.saving.register_keras_serializable("vae_tutorial")
class FeatureLogVariance(keras.layers.Layer):
    """Append to each feature's mean a log-variance that all rows share: (n, 1, p, 1) -> (n, 1, p, 2)

    One for each feature: with a common one, noisy features would speak as loud as those that the code explains.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.log_var = self.add_weight(shape=input_shape[1:], initializer="zeros", name="log_var")
        self.built = True

    def call(self, mean: Tensor) -> Tensor:
        return ops.concatenate([mean, ops.ones_like(mean) * self.log_var], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], 2)


class Trained(NamedTuple):
    weights: list[Rows]
    validation_elbo: Float
    """Mean ELBO of the validation rows at each look, in nats: (looks,)"""
    passes: int
    """Passes over the training rows that were made."""


class Parts(NamedTuple):
    """What the scores of n rows are made of."""

    error: Float
    """Squared error of the reconstruction from the mean code, per feature: (n, p)"""
    distortion: Float
    """−log p(x|z), mean over the draws of z, per feature, in nats: (n, p)"""
    rate: Float
    """KL divergence of q(z|x) from the prior, per latent dimension, in nats: (n, d)"""


def train(
    make: Make,
    x: Rows,
    validation: Rows | None,
    epochs: int,
    patience: int,
    draws: int,
    seed: int,
    verbose: bool = False,
) -> Trained:
    """At most ``epochs`` passes over the rows ``x``, stopped early by the ELBO of the validation rows, if any."""
    steps = steps_a_pass(len(x), make.batch_size)
    usual = max(1, epochs // max(1, epochs * steps // STEPS))  # passes from look to look, until a rest is left
    with LOCK, _given_up_when_broken_off():
        compiled = _compiled(make)
        vae = compiled.vae
        vae.restart(make.build(seed))
        looks = Looks(None if validation is None else lambda: compiled.elbo(validation, draws, seed), patience, verbose)
        for passes, times in (usual, epochs // usual), (epochs % usual, 1):  # in one fit all epochs have one length
            if passes and not looks.over:
                looks.passes = passes
                batches = WholeBatches(x, make.batch_size, passes, lambda: [vae.seed, int(vae.step)])
                vae.fit(batches, epochs=times, verbose=0, shuffle=False, callbacks=[looks])
        return Trained(looks.best or vae.get_weights(), np.array(looks.values), looks.done)


def parts(make: Make, weights: list[Rows], x: Rows, draws: int, seed: int) -> Parts:
    """The parts of each row's scores: rows (n, p) -> three arrays."""
    with LOCK:
        compiled = _compiled(make)
        compiled.vae.set_weights(weights)
        return compiled.parts(x, draws, seed)


def log_likelihood(make: Make, weights: list[Rows], x: Rows, draws: int, seed: int) -> Float:
    """The importance-weighted bound of each row, in nats: rows (n, p) -> (n,)"""
    with LOCK:
        vae = _compiled(make).vae
        vae.set_weights(weights)
        return vae.log_likelihood(as_images(x), draws, seed).value


def as_images(x: Rows) -> Rows:
    """Rows of a table as images of height one: (n, p) -> (n, 1, p, 1)"""
    return x[:, None, :, None]


def steps_a_pass(rows: int, batch_size: int) -> int:
    """Batches that hold each row at least once."""
    return -(-rows // batch_size)


class WholeBatches(Batches):
    """Several passes over the rows as one epoch of Keras, all batches of one size: no other size is compiled.

    The last batch of a pass takes what it lacks from the pass's beginning. A table smaller than a batch fills it
    several times over: the same gradient, with several draws of the noise.
    """

    def __init__(self, x: Rows, batch_size: int, passes: int, epoch_seed: Callable[[], list[int]]) -> None:
        self.passes, self.whole = passes, batch_size * steps_a_pass(len(x), batch_size)
        self.seed = epoch_seed
        super().__init__([as_images(x)], batch_size)

    def on_epoch_begin(self) -> None:
        rng, rows = np.random.default_rng(self.seed()), len(self.arrays[0])
        self.order = np.concatenate([np.resize(rng.permutation(rows), self.whole) for _ in range(self.passes)])


class Looks(keras.callbacks.Callback):
    """After each epoch of Keras, report; keep the weights where ``measure()`` was best, and stop when it stays below.

    Unlike Keras's ``EarlyStopping`` it goes on counting from one ``fit`` to the next.
    """

    def __init__(self, measure: Callable[[], float] | None, patience: int, verbose: bool) -> None:
        super().__init__()
        self.measure, self.patience, self.report = measure, patience, verbose
        self.passes = 1  # in an epoch
        self.done = 0  # passes so far
        self.values: list[float] = []
        self.best: list[Rows] = []
        self.waited, self.over = 0, False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.done += self.passes
        line = f"pass {self.done}: ELBO {(logs or {})['elbo']:.2f}"
        if self.measure is not None:
            value = self.measure()
            self.waited += 1
            if value > max(self.values, default=-np.inf):
                self.best, self.waited = self.model.get_weights(), 0
            self.values.append(value)
            self.over = self.model.stop_training = self.waited >= self.patience
            line += f", of the validation rows {value:.2f}"
        if self.report:
            print(line, flush=True)


class PartsModel(keras.Model):
    """``Parts`` of a tile of rows as a model of its own, so that Keras compiles them on every back end."""

    def __init__(self, vae: VAE) -> None:
        super().__init__(name="parts", dtype="float32")  # noise stays in full precision under a mixed policy
        self.encoder, self.decoder, self.likelihood = vae.encoder, vae.decoder, vae.likelihood

    def call(self, inputs: list[Tensor]) -> Parts:
        x, shifts, uniforms = inputs
        q = posterior(self.encoder, x)
        z = q.mean + ops.exp(0.5 * q.log_var) * shifted_normals(uniforms, shifts)
        k, n, d = ops.shape(z)
        params = self.decoder(ops.reshape(z, (-1, d)))
        terms = self.likelihood.log_prob_per_pixel(x, ops.reshape(params, (k, n, *params.shape[1:])))
        error = ops.square(x - self.likelihood.mean(self.decoder(q.mean)))
        return Parts(error[:, 0, :, 0], -ops.mean(terms, axis=0)[:, 0, :, 0], bounds.rate_per_dimension(*q))


class Compiled:
    """A VAE and the model of its parts, which share their weights and are compiled at first use."""

    def __init__(self, make: Make) -> None:
        self.vae = make.build(seed=0)
        self.vae.compile(keras.optimizers.Adam(make.learning_rate))
        self.model = PartsModel(self.vae)

    def parts(self, x: Rows, draws: int, seed: int) -> Parts:
        """In tiles of a fixed number of rows, the last one padded: so a row's parts don't depend on its neighbours."""
        features, d = x.shape[1], self.vae.latent_dim
        result = Parts(*(np.zeros((len(x), size)) for size in (features, features, d)))
        for rows, of_draws, inputs in noise_tiles(as_images(x), draws, d, seed):
            share = (of_draws.stop - of_draws.start) / draws
            for whole, part in zip(result, self.model.predict_on_batch(inputs), strict=True):
                whole[rows] += share * part[: rows.stop - rows.start].astype(np.float64)
        return result

    def elbo(self, x: Rows, draws: int, seed: int) -> float:
        """Mean over rows."""
        of_rows = self.parts(x, draws, seed)
        return -float(np.mean(of_rows.distortion.sum(axis=1) + of_rows.rate.sum(axis=1)))


@lru_cache(maxsize=32)
def _compiled(make: Make) -> Compiled:
    return Compiled(make)


def _alone_after_a_fork() -> None:
    """A thread that held the lock is not in the child, and has left the model in the midst of a step."""
    global LOCK
    if LOCK.locked():
        LOCK = threading.Lock()
        _compiled.cache_clear()


if hasattr(os, "register_at_fork"):  # on Windows nothing forks
    os.register_at_fork(after_in_child=_alone_after_a_fork)


@contextmanager
def _given_up_when_broken_off() -> Iterator[None]:
    """After Ctrl-C in training JAX has given a model's buffers away, and the model is of no more use to anybody."""
    try:
        yield
    except BaseException:
        _compiled.cache_clear()
        raise


@contextmanager
def _in_single_precision() -> Iterator[None]:
    """A score must not depend on the precision that was set when another detector was fitted.

    Keras keeps the setting for each thread, so that no other thread sees the change.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
