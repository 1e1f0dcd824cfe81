"""Grey images as named arrays in [0, 1]: scikit-learn's digits, MNIST, Fashion-MNIST, or a file of your own.

The digits need no network. MNIST and Fashion-MNIST are recognised by their contents, so that it does not
matter where a copy comes from: a folder of yours, Keras's cache, or Keras's own download address.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae_tutorial._archives import fetch, naming, read_idx, read_npz
from vae_tutorial._checks import count, described, numbers, pixels

Arrays: TypeAlias = dict[str, NDArray[Any]]

KEYS = ("x_train", "y_train", "x_test", "y_test")
HOST = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"  # Keras's own address

# A writer of the digits copied the same 130 of them to a form, and the file keeps their order: its labels show
# where a form begins (a test finds these places again). A cut between two forms leaves a hand on one side, where a
# random split would put it on both: all of them but one at most, since the source counts 13 writers and there are
# 14 forms. Ten forms are for training, four for testing.
FORMS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
CUT = FORMS[10]


class DatasetUnavailable(OSError):  # noqa: N818 - it is a state of the world, not a mistake
    """The data set is not here, nor to be downloaded; the message says what was tried and what to do."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test images with their labels; ``print(data)`` shows sizes and class shares.

    >>> data.x_train.shape, data.y_train.shape, data.image_shape        # (n, h, w, 1), (n,), (h, w, 1)
    ((1287, 8, 8, 1), (1287,), (8, 8, 1))

    Images are float32 in [0, 1]; labels are whole numbers that index ``class_names``.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    name: str
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and one channel: what networks are built for."""
        _, height, width, channels = self.x_train.shape
        return height, width, channels

    @property
    def class_shares(self) -> NDArray[np.float64]:
        """Share of each class in the training and in the test images: (2, classes), each row sums to 1."""
        counts = [np.bincount(y, minlength=len(self.class_names)) for y in (self.y_train, self.y_test)]
        return np.stack([c / c.sum() for c in counts])

    def __repr__(self) -> str:
        height, width, _ = self.image_shape
        return (
            f"<{self.name}: {len(self.x_train):,} training and {len(self.x_test):,} test images, "
            f"{height}×{width} pixels, {len(self.class_names)} classes>"
        )

    def __str__(self) -> str:
        rows = zip(self.class_names, *(100 * self.class_shares), strict=True)
        width = max(map(len, (*self.class_names, "class")))
        lines = [f"{name:{width}}  {train:6.1f} %  {test:4.1f} %" for name, train, test in rows]
        return "\n".join([repr(self)[1:-1], f"{'class':{width}}  training    test", *lines])


@dataclass(frozen=True)
class Public:
    """A data set that the world shares: its files, and how its arrays are recognised."""

    title: str
    folder: str  # below Keras's home
    files: tuple[str, ...]  # in that folder and at HOST: one .npz, or gzipped IDX files in the order of KEYS
    sizes: tuple[int, int]  # training and test images, each of 28×28 bytes
    sha256: str  # of the four arrays' bytes in the order of KEYS; its first 16 digits
    class_names: tuple[str, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...] | None]:
        train, test = self.sizes
        return dict(zip(KEYS, [(train, 28, 28), (train,), (test, 28, 28), (test,)], strict=True))


DIGITS = tuple("0123456789")
PUBLIC = {
    "mnist": Public("MNIST", "datasets", ("mnist.npz",), (60_000, 10_000), "06b0d1f124c4e5fa", DIGITS),
    "fashion_mnist": Public(
        "Fashion-MNIST",
        "datasets/fashion-mnist",
        (
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ),
        (60_000, 10_000),
        "ca3ab2a37f845e1b",
        ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"),
    ),
}


def load(name: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set by its name, or from a file of your own.

    >>> load("digits").x_train.shape           # (n, h, w, 1), float32 in [0, 1]
    (1287, 8, 8, 1)

    ``name`` is one of

    - ``"digits"``: 1797 images of 8×8 pixels, which come with scikit-learn (Alpaydin & Kaynak, 1998);
    - ``"mnist"``, ``"fashion_mnist"``: 70,000 images of 28×28 (LeCun, Bottou, Bengio & Haffner, 1998; Xiao,
      Rasul & Vollgraf, 2017), from ``NAME.npz`` in the folder ``VAE_TUTORIAL_DATA``, else from Keras's cache,
      else downloaded into that cache;
    - ``"auto"``: MNIST where it is to be had, else the digits; a printed line says which and why;
    - the path of an ``.npz`` with ``x_train, y_train, x_test, y_test``: images (n, h, w) or (n, h, w, 1), as
      bytes up to 255 or as floats or booleans in [0, 1], and labels (n,), whole numbers from 0.

    Without a name the environment variable ``VAE_TUTORIAL_DATASET`` decides, else ``"auto"``.

    Raises:
        DatasetUnavailable: what was asked for is not to be had. It is never replaced by another data set.
        ValueError: an unknown name, or a file of your own that does not hold what it should.
    """
    if name is None:
        name = os.environ.get("VAE_TUTORIAL_DATASET") or "auto"
    if isinstance(name, os.PathLike) or (isinstance(name, str) and name.endswith(".npz")):
        try:
            return _own(Path(name).expanduser())
        except RuntimeError as error:  # of ~somebody whom the system does not know
            raise ValueError(f"name: {error} {name!r}") from None
    if name == "digits":
        return _digits()
    if name == "auto":
        return _auto()
    if isinstance(name, str) and name in PUBLIC:
        data, _, failures = _public(name)
        if data:
            return data
        raise DatasetUnavailable(
            f"{PUBLIC[name].title} is not to be had here ({'; '.join(failures)}). Save it as {name}.npz, "
            f"with the arrays {', '.join(KEYS)}, and set VAE_TUTORIAL_DATA to its folder; or load('digits'), "
            "which needs no network."
        )
    known = ", ".join(("digits", *PUBLIC, "auto"))
    raise ValueError(f"name: expected one of {known}, or the path of an .npz file, got {name!r}.")


def binarize(x: ArrayLike, seed: int | Sequence[int]) -> NDArray[np.float32]:
    """Draw every pixel as 0 or 1, where its grey value is the probability of a 1.

    >>> binarize(x, seed=[0, epoch])     # (n, h, w, 1) in [0, 1] -> (n, h, w, 1), float32, only 0 and 1

    A Bernoulli likelihood is the probability of such a draw, not of a grey value. With a new seed for every
    epoch (dynamic binarisation) a model never sees the same draw twice, and cannot learn it by heart:
    Salakhutdinov & Murray (2008); Burda, Grosse & Salakhutdinov (2016).

    Raises:
        ValueError, TypeError: ``x`` is empty, not finite, or not in [0, 1]; a seed that is no whole number from 0 on.
    """
    for part in np.atleast_1d(np.asarray(seed, dtype=object)):
        count("seed", part, least=0)
    grey = pixels("x", x, numbers("x", x, "images").shape[1:])
    ones = np.random.default_rng(seed).random(grey.shape, dtype=np.float32) < grey
    return ones.astype(np.float32)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits  # takes a second to import, and only the digits need it

    counts, labels = load_digits(return_X_y=True)  # dark points, 0 to 16, in each square of 4×4
    x = (counts / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    y = labels.astype(np.int64)
    return Dataset(x[:CUT], y[:CUT], x[CUT:], y[CUT:], "digits", DIGITS)


def _auto() -> Dataset:
    data, place, failures = _public("mnist")
    what = f"MNIST from {place}" if data else "scikit-learn's digits, since MNIST is not to be had here"
    why = f" ({'; '.join(failures)})" if failures else ""
    print(f"vae_tutorial: {what}{why}.")
    return data or _digits()


def _public(name: str) -> tuple[Dataset | None, str, list[str]]:
    """MNIST or Fashion-MNIST, if it is to be had; the place where it was found; what failed before."""
    public, failures = PUBLIC[name], []
    cache = [_keras_home() / public.folder / file for file in public.files]
    places: dict[str, Callable[[], Arrays]] = {
        "Keras's cache": lambda: _read(public, cache),
        "Keras's download": lambda: _download(public, cache),
    }
    if folder := os.environ.get("VAE_TUTORIAL_DATA"):
        own = Path(folder).expanduser() / f"{name}.npz"
        places = {"VAE_TUTORIAL_DATA": lambda: _read(public, [own]), **places}
    for place, read in places.items():
        try:
            arrays = read()
        except (OSError, ValueError, http.client.HTTPException) as problem:
            failures.append(f"{place}: {str(problem).rstrip('.') or type(problem).__name__}")
            continue
        x_train, x_test = (_images(key, arrays[key]) for key in ("x_train", "x_test"))
        y_train, y_test = (arrays[key].astype(np.int64) for key in ("y_train", "y_test"))
        return Dataset(x_train, y_train, x_test, y_test, name, public.class_names), place, failures
    return None, "", failures


def _read(public: Public, paths: list[Path]) -> Arrays:
    """A public data set's arrays from its .npz or its IDX files, if they are the genuine ones."""
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}")
    if len(paths) == 1:
        arrays = read_npz(paths[0], public.shapes)
    else:
        files = zip(public.shapes.items(), paths, strict=True)
        arrays = {key: read_idx(path, shape) for (key, shape), path in files if shape}
    digest = hashlib.sha256(b"".join(arrays[key].tobytes() for key in KEYS)).hexdigest()
    if not digest.startswith(public.sha256):
        raise ValueError(f"{paths[0]}: these are not the images and labels of {public.title}")
    return arrays


def _download(public: Public, cache: list[Path]) -> Arrays:
    """Download a public data set, and move it into the cache when it is complete and genuine."""
    folder = cache[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
        paths = [Path(scratch) / path.name for path in cache]
        for path in paths:
            fetch(HOST + path.name, path)
        arrays = _read(public, paths)
        for path, final in zip(paths, cache, strict=True):
            os.replace(path, final)
    return arrays


def _keras_home() -> Path:
    """The folder that Keras would choose, found without importing Keras."""
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    return Path(os.environ.get("KERAS_HOME") or home / ".keras").expanduser()


def _own(path: Path) -> Dataset:
    if not path.is_file():
        raise DatasetUnavailable(f"name: there is no file {path}. Give an .npz with {', '.join(KEYS)}.")
    arrays = read_npz(path, dict.fromkeys(KEYS))
    with naming(path):
        x_train, x_test = (_images(key, arrays[key]) for key in ("x_train", "x_test"))
        if x_train.shape[1:] != x_test.shape[1:]:
            size, other = x_train.shape[1:3], x_test.shape[1:3]
            raise ValueError(f"x_test: expected images of {size} pixels, like x_train's, got {other}.")
        y_train = _labels("y_train", arrays["y_train"], len(x_train))
        y_test = _labels("y_test", arrays["y_test"], len(x_test))
    classes = 1 + int(max(y_train.max(), y_test.max()))
    return Dataset(x_train, y_train, x_test, y_test, path.stem, tuple(map(str, range(classes))))


def _images(key: str, x: NDArray[Any]) -> NDArray[np.float32]:
    """Images of any accepted kind as float32 (n, h, w, 1) in [0, 1]."""
    if x.ndim not in (3, 4) or x.shape[3:] not in ((), (1,)):
        raise ValueError(f"{key}: expected images of shape (n, h, w) or (n, h, w, 1), got {described(x)}.")
    if x.dtype == np.uint8:
        if x.size and x.max() == 1:
            raise ValueError(f"{key}: bytes are grey values up to 255, got only 0 and 1. Save them as booleans.")
        x = np.divide(x, 255, dtype=np.float32)
    return pixels(key, x.reshape(*x.shape[:3], 1), (*x.shape[1:3], 1))


def _labels(key: str, y: NDArray[Any], n: int) -> NDArray[np.int64]:
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(f"{key}: expected {n} whole numbers as labels, got {described(y)}.")
    if y.min() < 0 or y.max() > 999:
        raise ValueError(f"{key}: expected labels from 0 to 999 at most, got {y.min()} to {y.max()}.")
    return y.astype(np.int64)
