"""A conformal threshold keeps its promise, shown by simulation, whatever the scores are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from vae_tutorial.conformal import conformal_threshold, p_values


def test_p_values_count_calibration_scores_at_or_below() -> None:
    assert_allclose(p_values([3.0, 1.0, 2.0, 2.0], [0.5, 1.0, 2.0, 2.5, 9.0]), [0.2, 0.4, 0.8, 0.8, 1.0])


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.29, 0.5])
@pytest.mark.parametrize("n", [19, 20, 99, 100])
def test_threshold_flags_the_rows_whose_p_value_is_at_most_alpha(n: int, alpha: float) -> None:
    """Two ways to say one thing, ties included; 0.29 × 100 is less than 29 in floating point."""
    rng = np.random.default_rng(n)
    calibration, fresh = rng.integers(0, 30, n) / 4, rng.integers(-2, 32, 500) / 4
    flagged = fresh < conformal_threshold(calibration, alpha).offset
    assert 0 < flagged.sum() < len(fresh)
    assert_array_equal(flagged, p_values(calibration, fresh) <= alpha + 1e-12)


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (99, 0.1), (150, 0.1), (50, 0.02)])
def test_false_alarms_of_many_calibrations_follow_the_beta_law(n: int, alpha: float) -> None:
    """Each calibration set has a rate of its own; their mean keeps α, their law is Beta(k, n + 1 − k)."""
    draws = np.random.default_rng(0).standard_t(df=2, size=(4000, n))  # heavy tails: no matter
    thresholds = [conformal_threshold(row, alpha) for row in draws]
    rates = stats.t(df=2).cdf([threshold.offset for threshold in thresholds])
    standard_error = rates.std() / np.sqrt(len(rates))
    assert rates.mean() <= alpha + 4 * standard_error
    assert_allclose(rates.mean(), int(alpha * (n + 1) + 1e-9) / (n + 1), atol=4 * standard_error)
    assert stats.kstest(rates, thresholds[0].rate.cdf).pvalue > 1e-3
    wrong = stats.beta(thresholds[0].rank + 1, n - thresholds[0].rank)
    assert stats.kstest(rates, wrong.cdf).pvalue < 1e-3  # the test would see one rank too many


def test_p_values_of_fresh_normals_are_not_too_small() -> None:
    """P(p ≤ α) ≤ α for every α at once, with ties too."""
    rng = np.random.default_rng(1)
    scores = np.round(rng.standard_normal((20_000, 25)), 1)
    p = np.array([p_values(row[1:], row[:1])[0] for row in scores])
    for alpha in (0.04, 0.1, 0.2, 0.5, 0.9):
        assert np.mean(p <= alpha + 1e-12) <= alpha + 4 * np.sqrt(alpha * (1 - alpha) / len(p))


def test_fewest_rows_that_can_promise_alpha() -> None:
    """n = 1/α − 1 is enough, and then the smallest score is the threshold."""
    scores = np.arange(19.0)
    assert conformal_threshold(scores, 0.05).offset == 0.0
    with pytest.raises(ValueError, match=r"calibration: alpha=0.05 needs at least .* = 19 scores .* got 18"):
        conformal_threshold(scores[:18], 0.05)


def test_largest_alpha_flags_below_the_largest_score() -> None:
    """Rounding to the rank that is meant must not go beyond the last of the scores."""
    threshold = conformal_threshold([1.0, 2.0, 3.0], np.nextafter(1, 0))
    assert (threshold.rank, threshold.offset) == (3, 3.0)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 1.5, float("nan"), "0.1", True])
def test_alpha_out_of_range_is_refused(alpha: Any) -> None:
    with pytest.raises(ValueError, match="alpha"):
        conformal_threshold(np.arange(100.0), alpha)


@pytest.mark.parametrize("scores", [[], [[1.0]], [1.0, np.nan], [np.inf]])
def test_scores_that_are_none_are_refused(scores: Any) -> None:
    with pytest.raises(ValueError, match="calibration"):
        conformal_threshold(scores, 0.5)
    with pytest.raises(ValueError, match="scores"):
        p_values([1.0, 2.0], scores)
