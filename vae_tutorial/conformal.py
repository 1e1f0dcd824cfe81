"""Thresholds with a guarantee, for any detector whose scores are higher for more normal rows.

Take normal rows that the detector was not fitted on, the *calibration* rows. If a fresh row is normal too, its place
among them is equally likely everywhere: whatever the detector is worth, the probability that at most k − 1 of n
calibration scores lie below or at its own is at most k/(n + 1). So its p-value (1 + that number)/(n + 1) is at most α
with probability at most α. The one assumption is that fresh normal rows and calibration rows come from one source, in
an order that says nothing (exchangeability). Vovk, Gammerman & Shafer (2005); Bates et al. (2023) for outliers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae_tutorial import _checks

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen


def p_values(calibration: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Conformal p-value of each score, small for a strange row: (n,), (m,) -> (m,)

    >>> p_values([1.0, 2.0, 3.0], [0.0, 2.5])
    array([0.25, 0.75])

    ``(1 + number of calibration scores ≤ the score)/(n + 1)``. For a fresh normal row P(p ≤ α) ≤ α, whatever α is; ties
    make it only smaller. Raises ValueError for an empty, nested or non-finite array.
    """
    calibration, scores = _scores("calibration", calibration), _scores("scores", scores)
    return (1 + np.searchsorted(np.sort(calibration), scores, side="right")) / (len(calibration) + 1)


@dataclass(frozen=True)
class ConformalThreshold:
    """A score below which a row is flagged, with P(false alarm) ≤ α; ``conformal_threshold`` makes it."""

    offset: float
    """Flag a row where its score is below this: the same rows that have a p-value of at most α."""
    alpha: float
    n: int
    """Number of calibration rows."""
    rank: int
    """k = ⌊α (n + 1)⌋: the offset is the k-th smallest calibration score."""

    @property
    def rate(self) -> rv_frozen:
        """Law of the false-alarm rate that *this* threshold has on fresh normal rows, a frozen scipy distribution.

        >>> conformal_threshold(scores, alpha=0.05).rate.interval(0.95)      # n = 999: 0.037 to 0.064

        The guarantee is an average over calibration sets. One set gives one rate, drawn from Beta(k, n + 1 − k) where
        scores have no ties (Vovk, 2012, proposition 2a); more calibration rows make it narrower.
        """
        from scipy import stats

        return stats.beta(self.rank, self.n + 1 - self.rank)


def conformal_threshold(calibration: ArrayLike, alpha: float = 0.05) -> ConformalThreshold:
    """The threshold that flags a fresh normal row with probability at most ``alpha``: scores (n,) -> threshold

    >>> conformal_threshold(detector.score_samples(X_heldout), alpha=0.05).offset

    Raises ValueError for an alpha outside (0, 1), and where n < 1/α − 1: then no p-value can be as small as α.
    """
    calibration = _scores("calibration", calibration)
    alpha, n = fraction("alpha", alpha, 1.0), len(calibration)
    # α = 0.29 of n + 1 = 100 is 28.999999999999996 in floating point: the 29th score is meant
    rank = min(math.floor(alpha * (n + 1) * (1 + 1e-12)), n)  # below n + 1 for an α next to 1, too
    if rank == 0:
        needed = np.ceil(1 / alpha - 1 - 1e-9)  # infinite for an α below 6e-309
        raise ValueError(
            f"calibration: alpha={alpha:g} needs at least 1/alpha − 1 = {needed:.15g} scores of "
            f"held-out normal rows, got {n}. Hold out more rows, or take a larger alpha."
        )
    return ConformalThreshold(float(np.partition(calibration, rank - 1)[rank - 1]), alpha, n, rank)


def fraction(name: str, value: Any, most: float) -> float:
    """``value`` as a float in (0, most), or (0, most] below 1."""
    number = _checks.number(name, value)
    if not 0.0 < number <= most or number == 1.0:
        raise ValueError(f"{name}: expected a number in (0, {most:g}{']' if most < 1 else ')'}, got {value!r}.")
    return number


def _scores(name: str, scores: ArrayLike) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, and is refused below
        array = _checks.numbers(name, scores, "scores").astype(np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected at least one finite score, as an array (n,), got shape {array.shape}.")
    return array
