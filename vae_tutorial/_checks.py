"""The checks that public functions share: one clear error, before any work starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

FAR = 1e6  # of a pixel, code, β or extent: squares over σ², summed over an image, and slopes must fit into float32


def described(x: Any) -> str:
    """Shape and dtype of an array, for an error message."""
    return f"(shape {tuple(x.shape)}, dtype {x.dtype})"


def numbers(name: str, x: Any, what: str) -> NDArray[Any]:
    """``x`` as an array of real numbers or booleans, of any shape and of its own dtype."""
    if np.ma.is_masked(x):
        raise ValueError(f"{name}: expected {what} that are all there, got masked ones {described(x)}.")
    try:  # a tensor comes from a device, and out of a gradient
        x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    except ValueError:
        raise TypeError(f"{name}: expected {what} as numbers, got rows of different sizes.") from None
    except (TypeError, RuntimeError) as error:  # sparse tensors; lists of tensors that carry gradients
        raise TypeError(f"{name}: expected {what} as numbers, got a {type(x).__name__}: {error}") from error
    if x.dtype.name == "bfloat16":  # which is no number to NumPy
        x = x.astype(np.float32)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected {what} as numbers, got dtype {x.dtype}.")
    return x


def array(name: str, x: Any, shape: Sequence[int | None], what: str, far: float = float("inf")) -> NDArray[np.float32]:
    """``x`` as a finite float32 array of shape ``(n, *shape)``, none of them 0; ``None`` stands for any size.

    ``far`` is the largest size that a model can compute with.
    """
    x = numbers(name, x, what)
    if x.ndim != 1 + len(shape) or any(w not in (None, s) for w, s in zip(shape, x.shape[1:], strict=True)):
        wanted = ", ".join(["n", *("any" if w is None else str(w) for w in shape)])
        raise ValueError(f"{name}: expected {what} of shape ({wanted}), got {described(x)}.")
    if len(x) == 0:
        raise ValueError(f"{name}: expected at least one row of {what}, got none {described(x)}.")
    if x.size == 0:
        raise ValueError(f"{name}: expected {what} with something in them, got {described(x)}.")
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite: refused below
        single = x.astype(np.float32, copy=False)
    low, high = float(single.min()), float(single.max())  # no temporary of x's size
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"{name}: {what} must be finite, got {np.sum(~np.isfinite(single))} NaN or infinite values {described(x)}."
        )
    if max(-low, high) > far:
        raise ValueError(
            f"{name}: {what} must lie in [{-far:g}, {far:g}], got values from {low:g} to {high:g} {described(x)}."
        )
    return single


def codes(name: str, z: Any, shape: Sequence[int | None], what: str = "codes") -> NDArray[np.float32]:
    """``z`` as a float32 array of shape ``(n, *shape)``, within ``FAR``."""
    return array(name, z, shape, what, FAR)


def pixels(name: str, x: Any, shape: Sequence[int | None], bounded: bool = True) -> NDArray[np.float32]:
    """Images as a float32 array (n, *shape), in [0, 1] where ``bounded``."""
    given = numbers(name, x, "images")
    x = array(name, given, shape, "images", far=float("inf") if bounded else FAR)
    low, high = float(x.min()), float(x.max())
    if bounded and (low < 0 or high > 1):
        worst = f"values up to {high}" if high > 1 else f"values down to {low}"
        hint = " Divide by 255, or load with datasets.load()." if 1 < high <= 255 and low >= 0 else ""
        raise ValueError(f"{name}: pixels must lie in [0, 1], got {worst} {described(given)}.{hint}")
    return x


def count(name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int, at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}.")
    return int(value)


def number(name: str, value: Any, least: float = 0.0, most: float = float("inf")) -> float:
    """``value`` as a finite float from ``least`` to ``most``."""
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else float("nan")
    except OverflowError:  # an int of hundreds of digits
        found = float("inf")
    if not least <= found < float("inf"):
        raise ValueError(f"{name}: expected a finite number of at least {least:g}, got {value!r}.")
    if found > most:
        raise ValueError(f"{name}: expected a number of at most {most:g}, got {value!r}.")
    return found
