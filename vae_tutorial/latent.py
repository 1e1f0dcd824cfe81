"""Ways through a latent space: grids, paths, directions, and what its dimensions carry. Arrays in and out.

Codes lie within ±1e6, as ``decode`` takes them; ValueError otherwise.

>>> images = vae.decode(latent.grid(15))                                # a map of a 2-D latent space
>>> images = vae.decode(latent.slerp(z[0], z[1], steps=9))              # from one image to another
"""

from __future__ import annotations

import math
from numbers import Real
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae_tutorial._checks import FAR, array, codes, count, described, number, numbers

Codes = NDArray[np.float32]


def grid(side: int = 15, extent: float | None = None) -> Codes:
    """Points of a square grid in two dimensions, in reading order: the first row has the largest z₂.

    >>> grid(15).shape                # side -> (side², 2)
    (225, 2)

    The coordinates are quantiles of the standard normal, so that every point stands for the same share of the
    prior's mass (Kingma & Welling, 2014, figure 4). With ``extent`` they are equally spaced in [−extent,
    extent].

    Raises:
        ValueError: ``side`` < 2, or ``extent`` not positive.
    """
    side = count("side", side, least=2)
    points = np.empty((side, side, 2), np.float32)  # first: what there is no room for takes long, too
    if extent is None:
        values = np.array([NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)])
    elif (half := number("extent", extent, most=FAR)) > 0:
        values = np.linspace(-half, half, side)
    else:
        raise ValueError(f"extent: expected a positive number, got {extent!r}.")
    points[..., 0], points[..., 1] = values, values[::-1, None]
    return points.reshape(-1, 2)


def lerp(a: ArrayLike, b: ArrayLike, steps: int = 9) -> Codes:
    """Points on the straight line from ``a`` to ``b``, both ends included.

    >>> lerp(np.zeros(2), np.ones(2), steps=3)        # (d,), (d,) -> (steps, d)
    [[0. , 0. ], [0.5, 0.5], [1. , 1. ]]

    Between two draws from a standard normal in many dimensions the middle of the line is shorter than
    almost any draw: a decoder has seen little there. See :func:`slerp`.

    Raises:
        ValueError: different sizes, values that are not finite, or ``steps`` < 2.
    """
    a, b = _pair(a, b)
    t = np.linspace(0, 1, count("steps", steps, least=2), dtype=np.float32)[:, None]
    return (1 - t) * a + t * b


def slerp(a: ArrayLike, b: ArrayLike, steps: int = 9) -> Codes:
    """Points on the arc from ``a`` to ``b``, both ends included: the direction turns, the length goes evenly.

    >>> slerp([2.0, 0.0], [0.0, 4.0], steps=3)        # (d,), (d,) -> (steps, d)
    [[2.  , 0.  ], [2.12, 2.12], [0.  , 4.  ]]

    All steps turn by the same angle (Shoemake, 1985); the length is interpolated apart from the direction,
    so that between points of one length the path keeps to it (White, 2016).

    Raises:
        ValueError: as :func:`lerp`; also a zero vector, which has no direction, and opposite vectors,
            between which no arc is the shortest.
    """
    a, b = _pair(a, b)
    t = np.linspace(0, 1, count("steps", steps, least=2))[:, None]
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = [float(np.linalg.norm(v)) for v in (a, b)]
    for name, length in zip("ab", lengths, strict=True):
        if length == 0:
            raise ValueError(f"{name}: the zero vector has no direction to turn from. Use lerp.")
    u, v = a / lengths[0], b / lengths[1]
    angle = 2 * np.arctan2(np.linalg.norm(v - u), np.linalg.norm(v + u))  # exact near 0 and π, unlike arccos
    if np.pi - angle < 1e-4:
        raise ValueError("a, b: the vectors are opposite, so no arc between them is the shortest. Use lerp.")
    turned = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle) if angle else u
    path = ((1 - t) * lengths[0] + t * lengths[1]) * turned
    path[0], path[-1] = a, b  # without the last digit's rounding
    return path.astype(np.float32)


def traversal(z: ArrayLike, dimension: int, values: ArrayLike = (-3, -2, -1, 0, 1, 2, 3)) -> Codes:
    """Copies of one code, with one of its coordinates set to each of ``values``.

    >>> traversal(np.zeros(8), dimension=2).shape         # (d,), values (m,) -> (m, d)
    (7, 8)

    Raises:
        ValueError: ``z`` or ``values`` not finite vectors, or no such dimension.
    """
    z, values = codes("z", z, (), "a latent vector"), codes("values", values, (), "coordinates")
    if not 0 <= (dimension := count("dimension", dimension, least=0)) < len(z):
        raise ValueError(f"dimension: expected 0 to {len(z) - 1}, got {dimension}.")
    copies = np.tile(z, (len(values), 1))
    copies[:, dimension] = values
    return copies


def arithmetic(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Codes:
    """``a − b + c``, each one code or the mean of several: what ``a`` has and ``b`` lacks, given to ``c``.

    >>> arithmetic(z[bold].mean(0), z[thin].mean(0), z[7]).shape         # three times (d,) -> (d,)
    (8,)

    Mikolov, Yih & Zweig (2013) for words; Radford, Metz & Chintala (2016) for images. A mean over several
    codes is far steadier than one of them: see :func:`attribute`.

    Raises:
        ValueError: different sizes, or values that are not finite.
    """
    a, b = _pair(a, b)
    _, c = _pair(a, c, names=("a", "c"))
    return a - b + c


def attribute(z: ArrayLike, has: ArrayLike) -> Codes:
    """The direction of an attribute: the mean of the codes that have it, less the mean of those that do not.

    >>> attribute(z, has=y == 7).shape            # (n, d), (n,) booleans -> (d,)
    (8,)

    Raises:
        ValueError: ``has`` does not fit ``z``, or holds for all codes or for none.
    """
    z, has = _codes(z), numbers("has", has, "booleans")
    if has.shape != z.shape[:1] or has.dtype != bool:
        raise ValueError(f"has: expected {len(z)} booleans, got {described(has)}.")
    if has.all() or not has.any():
        raise ValueError(f"has: expected codes with the attribute and codes without, got {has.sum()} of {len(z)}.")
    direction = z[has].mean(axis=0, dtype=float) - z[~has].mean(axis=0, dtype=float)
    return direction.astype(np.float32)


def active_units(means: ArrayLike, threshold: float = 0.01) -> NDArray[np.bool_]:
    """Which latent dimensions tell images apart: their posterior mean varies over the data.

    >>> active_units(posterior.mean).sum()            # (n, d) -> (d,) booleans
    5

    A dimension is active if the variance of its posterior means over images exceeds ``threshold``: Burda,
    Grosse & Salakhutdinov (2016), section 5.2. An encoder that ignores its input has none.

    Raises:
        ValueError: fewer than two images, values that are not finite, or a negative threshold.
    """
    means = _codes(means, "means", least=2)
    return np.var(means, axis=0, dtype=np.float64) > number("threshold", threshold)


def embed(z: ArrayLike, method: Literal["pca", "tsne"] = "pca", seed: int = 0, perplexity: float = 30.0) -> Codes:
    """Codes of any dimension as points in the plane, by scikit-learn.

    >>> embed(z, "tsne", seed=0).shape                # (n, d) -> (n, 2)
    (510, 2)

    ``"pca"`` is linear and quick, and keeps large distances. ``"tsne"`` keeps neighbours; its clusters'
    sizes and distances mean little. It takes about 10 ms a point on two cores (10,000 points in a minute
    and a half), so embed a few thousand. Only t-SNE uses ``seed``, which changes little, as it starts from the
    principal components, and ``perplexity``, about the number of neighbours that it looks at.

    Pearson (1901); van der Maaten & Hinton (2008).

    Raises:
        ValueError: an unknown method, fewer than two dimensions, fewer than three points, or for t-SNE no
            more points than ``perplexity``.
    """
    z, seed = _codes(z, least=3), count("seed", seed, least=0)
    if z.shape[1] < 2:
        raise ValueError(f"z: expected codes of at least two dimensions, got {described(z)}. Draw a histogram.")
    if method == "pca":
        from sklearn.decomposition import PCA

        with np.errstate(invalid="ignore"):  # codes that are all one have no shares of variance, nor need we any
            points = PCA(2, svd_solver="full").fit_transform(z.astype(np.float64))
    elif method == "tsne":
        from sklearn.manifold import TSNE

        if not 0 < number("perplexity", perplexity) < len(z):
            raise ValueError(f"perplexity: expected between 0 and the number of points, {len(z)}, got {perplexity}.")
        if (spread := float(np.ptp(z, axis=0).max())) < 1e-9:  # of distances that round to 0 it can't make any sense
            raise ValueError(f"z: expected codes that differ, got a spread of {spread:g} {described(z)}.")
        points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed % 2**32).fit_transform(z)
    else:
        raise ValueError(f"method: expected 'pca' or 'tsne', got {method!r}.")
    return array("z", points, (2,), "embedded codes")


def knn_purity(z: ArrayLike, y: ArrayLike, k: int = 10) -> float:
    """Share of a code's ``k`` nearest neighbours that have its class, on average: 1 where classes lie apart.

    >>> knn_purity(z, y)                 # (n, d), (n,) -> a number in [0, 1]
    0.93

    Classes that mix at random give the sum of their squared shares: 0.1 for ten of equal size.

    Raises:
        ValueError: ``y`` does not fit ``z``, or ``k`` is not less than the number of codes.
    """
    from sklearn.neighbors import NearestNeighbors

    z = _codes(z, least=2)
    missing = np.ma.is_masked(y)
    try:
        y = np.asarray(y)  # names of classes, too
    except ValueError:
        raise TypeError(f"y: expected {len(z)} labels, got rows of different sizes.") from None
    if y.shape != z.shape[:1]:
        raise ValueError(f"y: expected {len(z)} labels, got {described(y)}.")
    if missing or y.dtype.kind in "mM" or not all(_is_label(label) for label in y.tolist()):
        raise ValueError(f"y: expected numbers or names as labels, none of them missing, got {described(y)}.")
    if count("k", k) >= len(z):
        raise ValueError(f"k: expected less than the number of codes, {len(z)}, got {k}.")
    neighbours = NearestNeighbors(n_neighbors=k).fit(z).kneighbors(return_distance=False)  # without the code itself
    return float(np.mean(y[neighbours] == y[:, None]))


def _is_label(label: Any) -> bool:
    return isinstance(label, str | bytes) or (isinstance(label, Real) and not math.isnan(label))


def _codes(z: Any, name: str = "z", least: int = 1) -> Codes:
    z = codes(name, z, (None,))
    if len(z) < least:
        raise ValueError(f"{name}: expected at least {least} codes, got {described(z)}.")
    return z


def _pair(a: Any, b: Any, names: tuple[str, str] = ("a", "b")) -> tuple[Codes, Codes]:
    a, b = (codes(name, v, (), "a latent vector") for name, v in zip(names, (a, b), strict=True))
    if a.shape != b.shape:
        raise ValueError(f"{names[1]}: expected {len(a)} numbers, like {names[0]}, got {len(b)}.")
    return a, b
