"""Randomness that can be stopped, resumed and repeated: the order of training images, the noise that scores them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from vae_tutorial.bounds import Tensor

ROWS = 96  # images scored at a time, of large ones fewer
BLOCK = 24  # Eigen multiplies so many rows at a time, with AVX-512 twice as many; what is left over rounds otherwise
ROW_PIXELS = 2**20  # pixels in so many images: 4 MB, and some hundred MB in the hidden layers of a convolution
TILE_PIXELS = 2**22  # decoded pixels held at a time while scoring
TILE_DRAWS = 32


class Batches(keras.utils.PyDataset):
    """Arrays in batches, in an order that is a function of a seed which the caller gives anew for each epoch.

    Keras shuffles arrays by the global generator of each back end. Then a training that is saved, loaded and continued
    sees another order than one that was never interrupted. Here the seed holds the number of steps that the model has
    been trained for, which is saved with its weights. Without ``epoch_seed`` the order is that of the arrays.
    """

    def __init__(
        self, arrays: Sequence[NDArray[Any]], batch_size: int, epoch_seed: Callable[[], list[int]] | None = None
    ) -> None:
        super().__init__()
        self.arrays, self.batch_size, self.epoch_seed = arrays, batch_size, epoch_seed
        self.order = np.arange(len(arrays[0]))
        self.on_epoch_begin()

    def on_epoch_begin(self) -> None:
        if self.epoch_seed:
            self.order = np.random.default_rng(self.epoch_seed()).permutation(len(self.order))

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, i: int) -> tuple[NDArray[Any], ...]:
        rows = self.order[i * self.batch_size : (i + 1) * self.batch_size]
        return tuple(a[rows] for a in self.arrays)


class LimitedBatches(Batches):
    """So many batches an epoch, whatever the number of images: each epoch goes on where the last one stopped.

    ``clock`` gives a seed and the number of steps so far. Every pass over all the images has its own order, and where
    in which pass an epoch begins follows from the steps alone.
    """

    def __init__(
        self,
        arrays: Sequence[NDArray[Any]],
        batch_size: int,
        clock: Callable[[], tuple[int, int]],
        steps: int,
        shuffle: bool = True,
    ) -> None:
        self.clock, self.steps, self.shuffle = clock, steps, shuffle
        super().__init__(arrays, batch_size)

    def on_epoch_begin(self) -> None:
        seed, step = self.clock()
        whole = super().__len__()
        self.first = step % whole
        self.begun = seed, step - self.first
        self.latest = -1, self.order  # the order of one pass, which is drawn when its first batch is asked for

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, i: int) -> tuple[NDArray[Any], ...]:
        p, i = divmod(self.first + i, super().__len__())
        rows = self._order(p)[i * self.batch_size : (i + 1) * self.batch_size]
        return tuple(a[rows] for a in self.arrays)

    def _order(self, p: int) -> NDArray[np.int64]:
        """Of the images in the epoch's p-th pass over them."""
        if not self.shuffle:
            return self.order
        drawn, order = self.latest
        if drawn != p:
            seed, step = self.begun
            order = np.random.default_rng([seed, step + p * super().__len__()]).permutation(len(self.order))
            self.latest = p, order
        return order


class Draw(keras.random.SeedGenerator):
    """One draw's seed for ``keras.random``: a place in a stream, two whole numbers known only when the step runs.

    Keras's own generator keeps its place in a variable, which is not saved with a model's weights. On TensorFlow it
    counts in 64 bits and XLA draws with 32: the conversion makes the 784-400-20 VAE's compiled step 1.4 times as long.
    """

    def __init__(self, stream: Tensor, place: Tensor) -> None:  # not Keras's: no variable is to be made in a step
        dtype = "uint32" if keras.backend.backend() == "jax" else "int32"
        self.pair = ops.stack([ops.cast(stream, dtype), ops.cast(place, dtype)])

    def next(self, ordered: bool = True) -> Tensor:
        """What ``keras.random`` asks for."""
        return self.pair


def common_uniforms(k: int, d: int, *seed: int) -> NDArray[np.float32]:
    """Uniform noise that all images share, the same on every back end: (k, d)"""
    return np.random.default_rng(seed).random((k, d), dtype=np.float32)


def row_shifts(x: NDArray[np.float32], d: int) -> NDArray[np.float32]:
    """A uniform number for each image and latent dimension, from the image's own bytes: (n, ...) -> (n, d)

    It depends on nothing else: not on the image's place, nor on the images around it.
    """
    digests = b"".join(hashlib.shake_128((row + 0.0).tobytes()).digest(4 * d) for row in x)  # −0 is 0
    return (np.frombuffer(digests, "<u4").reshape(len(x), d) * 2.0**-32).astype(np.float32)


def shifted_normals(uniforms: Tensor, shifts: Tensor) -> Tensor:
    """Standard normal noise of each image, from common uniforms and its own shifts: (k, d), (n, d) -> (k, n, d)

    A random shift modulo 1 (Cranley & Patterson, 1976) leaves a uniform number uniform, and makes the numbers of any
    two images independent. So a data set's scores average out as with fresh noise, and yet each image keeps its own.
    """
    u = uniforms[:, None, :] + shifts[None, :, :]
    u = u - ops.floor(u)
    edge = 2.0**-24  # keep clear of 0 and 1, where the normal's quantile is infinite
    return math.sqrt(2.0) * ops.erfinv(ops.clip(2.0 * u - 1.0, edge - 1.0, 1.0 - edge))


def rows_at_a_time(pixels: int) -> int:
    """Images in a batch: fixed by their size, so that an image's score does not depend on its neighbours."""
    rows = max(1, min(ROWS, ROW_PIXELS // pixels))
    return rows // BLOCK * BLOCK or rows


def noise_tiles(
    x: NDArray[np.float32], k: int, d: int, seed: int
) -> Iterator[tuple[slice, slice, list[NDArray[np.float32]]]]:
    """k draws for each image of ``x`` (n, ...), tile by tile: (rows, draws, [images, shifts, uniforms])

    All tiles hold ``rows_at_a_time`` images, the last one padded with black ones: what a scorer returns for those is to
    be left out. Shifts are (rows, d), uniforms (draws, d).
    """
    size = rows_at_a_time(x[0].size)
    width = min(k, TILE_DRAWS, max(1, TILE_PIXELS // (size * x[0].size)))
    for start in range(0, len(x), size):
        images = np.zeros((size, *x.shape[1:]), np.float32)
        rows = slice(start, min(start + size, len(x)))
        images[: rows.stop - start] = x[rows]
        shifts = row_shifts(images, d)
        for first in range(0, k, width):
            draws = slice(first, min(first + width, k))
            yield rows, draws, [images, shifts, common_uniforms(draws.stop - first, d, seed, first)]
