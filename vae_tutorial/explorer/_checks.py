"""What the instruments ask of points, scores and classes."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae_tutorial import plots
from vae_tutorial._checks import FAR, array, described, number, numbers


def classes(labels: ArrayLike | None, class_names: Sequence[str] | None, n: int) -> tuple[NDArray[np.int64], list[str]]:
    """A whole number for each point, and the name of each class."""
    if labels is None:
        return np.zeros(n, np.int64), []
    y = numbers("labels", labels, "labels")
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(f"labels: expected {n} whole numbers, one for each row of x, got {described(y)}.")
    least, most = (int(y.min()), int(y.max())) if n else (0, 0)
    names = [str(i) for i in range(min(most + 1, len(plots.PALETTE)))] if class_names is None else map(str, class_names)
    names = list(names)
    last = min(len(names), len(plots.PALETTE)) - 1
    if least < 0 or most > last:
        raise ValueError(f"labels: expected classes from 0 to {last}, got {least} to {most}.")
    return y.astype(np.int64), names


def glyphs(names: Sequence[str]) -> list[str]:
    """One sign a class, so that colour is not needed: its name if that is one, else a letter."""
    return list(names) if all(len(name) == 1 for name in names) else list(ascii_uppercase[: len(names)])


def extent_of(plane: NDArray[np.float32]) -> float:
    """Half the side of a square that holds nearly all points, and three standard deviations of the prior."""
    return max(3.0, float(np.ceil(2 * float(np.quantile(np.abs(plane), 0.995))) / 2)) if len(plane) else 3.0


def doubles(name: str, x: Any) -> NDArray[np.float64]:
    """Finite numbers (n,) in double precision: in single, a score may miss the threshold that it has set."""
    array(name, x, (), name)
    return np.asarray(keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else x).astype(np.float64)


def between(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
        ends = " to ".join(f"{end:.12g}".replace("-", "−") for end in (low, high))
        raise ValueError(f"{name}: expected a number from {ends}, got {value!r}.")
    return float(value)


def positive(name: str, value: Any) -> float:
    if number(name, value, most=FAR) <= 0:
        raise ValueError(f"{name}: expected a positive number, got {value!r}.")
    return float(value)
