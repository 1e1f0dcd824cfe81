"""The KL and the bounds, against closed forms, Monte Carlo, and a model whose log p(x) is known."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

from vae_tutorial import bounds


def floats(low: float, high: float, *shape: int) -> st.SearchStrategy[Any]:
    return arrays(np.float32, shape, elements=st.floats(low, high, width=32))


def numbers(tensor: Any) -> Any:
    return ops.convert_to_numpy(tensor)


# --- densities and the KL -----------------------------------------------------------------------------------------


def test_log_density_is_that_of_a_diagonal_gaussian() -> None:
    rng = np.random.default_rng(0)
    z, mean, log_var = rng.standard_normal((3, 5, 4)).astype(np.float32)
    exact = stats.norm.logpdf(z, mean, np.exp(0.5 * log_var)).sum(axis=-1)
    assert_allclose(numbers(bounds.gaussian_log_prob(z, mean, log_var)), exact, rtol=1e-5)  # float32


def test_whole_numbers_truncate_nothing() -> None:
    exact = stats.norm.logpdf([0, 1], 0.5, math.exp(0.15)).sum()
    assert_allclose(numbers(bounds.gaussian_log_prob([[0, 1]], 0.5, 0.3)), [exact], rtol=1e-6)
    assert_allclose(numbers(bounds.rate_per_dimension([[1]], [[0]])), [[0.5]], rtol=1e-6)
    assert_allclose(numbers(bounds.elbo([[0], [1]])), [0.5], rtol=1e-6)


def test_log_density_of_the_prior_is_the_default() -> None:
    z = np.float32([[0.0, 0.0], [3.0, -4.0]])
    assert_allclose(
        numbers(bounds.gaussian_log_prob(z)), [-math.log(2 * math.pi), -math.log(2 * math.pi) - 12.5], rtol=1e-6
    )


def test_density_integrates_to_one() -> None:
    z = np.linspace(-12.0, 14.0, 4001, dtype=np.float32)
    density = np.exp(numbers(bounds.gaussian_log_prob(z[:, None], np.float32([1.0]), np.float32([math.log(0.4)]))))
    assert_allclose(integrate.simpson(density, x=z), 1.0, atol=1e-5)  # float32 nodes and values


@given(floats(-3, 3, 2), floats(-3, 2, 2))
def test_kl_is_what_monte_carlo_says(mean: Any, log_var: Any) -> None:
    """KL = E_q[log q − log p], with 4000 draws, within 4.5 standard errors (40 examples: 1 in 4000 by chance)."""
    eps = np.random.default_rng(0).standard_normal((4000, 2), np.float32)
    z = mean + np.exp(0.5 * log_var) * eps
    log_ratio = numbers(bounds.gaussian_log_prob(z, mean, log_var) - bounds.gaussian_log_prob(z)).astype(float)
    error = 4.5 * log_ratio.std() / math.sqrt(len(z)) + 1e-4
    assert abs(log_ratio.mean() - float(numbers(bounds.gaussian_kl(mean[None], log_var[None]))[0])) < error


def test_kl_closed_form() -> None:
    """Worked by hand: ½ (μ² + σ² − 1 − log σ²), with μ = 2, σ² = 4."""
    kl = bounds.gaussian_kl(np.float32([[2.0]]), np.float32([[math.log(4.0)]]))
    assert_allclose(numbers(kl), [0.5 * (4 + 4 - 1 - math.log(4))], rtol=1e-6)


@given(floats(-5, 5, 3, 4), floats(-8, 5, 3, 4))
def test_kl_is_not_negative_and_adds_up_over_dimensions(mean: Any, log_var: Any) -> None:
    parts = numbers(bounds.rate_per_dimension(mean, log_var))
    assert parts.shape == (3, 4)
    assert (parts >= -1e-6).all()  # the rounding of 1 + x − 1 − x in float32
    assert_allclose(numbers(bounds.gaussian_kl(mean, log_var)), parts.sum(axis=1), rtol=1e-5, atol=1e-6)
    stacked = numbers(bounds.gaussian_kl(np.stack([mean, -mean]), np.stack([log_var, log_var])))
    assert_allclose(stacked, np.stack([parts.sum(axis=1)] * 2), rtol=1e-5, atol=1e-6)  # the code is the last axis
    twice = bounds.gaussian_kl(np.tile(mean, 2), np.tile(log_var, 2))
    assert_allclose(numbers(twice), 2 * parts.sum(axis=1), rtol=1e-5, atol=1e-6)


def test_kl_of_the_prior_to_itself_is_zero() -> None:
    assert_allclose(
        numbers(bounds.gaussian_kl(np.zeros((3, 5), np.float32), np.zeros((3, 5), np.float32))), np.zeros(3)
    )


def test_kl_of_extreme_log_variances_is_finite() -> None:
    kl = numbers(bounds.gaussian_kl(np.zeros((2, 1), np.float32), np.float32([[-1000.0], [30.0]])))
    assert_allclose(kl, [499.5, 0.5 * (math.exp(30) - 31)], rtol=1e-6)


def test_kl_gradients(gradient: Any) -> None:
    """∂KL/∂μ = μ and ∂KL/∂log σ² = ½ (σ² − 1)."""
    mean, log_var = np.random.default_rng(1).standard_normal((2, 4, 3)).astype(np.float32)
    assert_allclose(gradient(lambda m: bounds.gaussian_kl(m, log_var), mean), mean, rtol=1e-5)
    slope = gradient(lambda v: bounds.gaussian_kl(mean, v), log_var)
    assert_allclose(slope, 0.5 * (np.exp(log_var) - 1.0), rtol=1e-4, atol=1e-6)


# --- bounds from log-weights --------------------------------------------------------------------------------------


@given(floats(-50, 50, 6, 3))
def test_log_mean_exp_is_scipys(log_w: Any) -> None:
    for axis in (0, 1):
        exact = special.logsumexp(log_w.astype(float), axis=axis) - math.log(log_w.shape[axis])
        assert_allclose(numbers(bounds.log_mean_exp(log_w, axis=axis)), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_log_mean_exp_moves_with_its_argument(shift: float) -> None:
    """f(a + c) = f(a) + c, where e^a alone would be 0 or infinite."""
    a = np.random.default_rng(2).standard_normal((7, 4)).astype(np.float32)
    moved = numbers(bounds.log_mean_exp(a + np.float32(shift)))
    assert_allclose(moved, numbers(bounds.log_mean_exp(a)) + shift, atol=2e-3)  # the spacing of float32 at 1e4 is 1e-3


def test_log_mean_exp_of_one_weight_that_vanishes() -> None:
    assert_allclose(numbers(bounds.log_mean_exp(np.float32([[-np.inf], [0.0]]))), [-math.log(2)], rtol=1e-6)


@pytest.mark.parametrize("bound", [bounds.log_mean_exp, bounds.elbo, bounds.iwae])
def test_a_weight_that_is_no_number_shows_in_its_image_alone(bound: Any) -> None:
    """A NaN is not taken for a weight of 0: which is how a bound would be wrong and look right."""
    log_w = np.random.default_rng(3).standard_normal((5, 3)).astype(np.float32)
    log_w[2, 1] = np.nan
    assert list(np.isnan(numbers(bound(log_w)))) == [False, True, False]


@pytest.mark.parametrize("which", [0, 1])
def test_a_code_that_is_no_number_has_no_density_and_no_rate(which: int) -> None:
    """Nor does a clip of the log-variance make a number of it."""
    both = np.zeros((2, 3, 4), np.float32)
    both[which, 1, 2] = np.nan
    for value in (bounds.gaussian_kl(*both), bounds.gaussian_log_prob(np.ones((3, 4), np.float32), *both)):
        assert list(np.isnan(numbers(value))) == [False, True, False]


@given(floats(-20, 20, 8, 3))
def test_bounds_are_ordered(log_w: Any) -> None:
    """mean ≤ log-mean-exp (Jensen) ≤ max, and both are the same for one draw."""
    lower, upper = numbers(bounds.elbo(log_w)), numbers(bounds.iwae(log_w))
    assert lower.shape == upper.shape == (3,)
    assert_allclose(lower, log_w.astype(float).mean(axis=0), rtol=1e-5, atol=1e-5)
    assert (lower <= upper + 1e-5).all()
    assert (upper <= log_w.max(axis=0) + 1e-5).all()
    assert_allclose(numbers(bounds.iwae(log_w[:1])), log_w[0], atol=1e-5)
    assert_allclose(numbers(bounds.elbo(log_w[:1])), log_w[0], atol=1e-5)


def test_gradients_of_the_bounds_are_normalised_weights(gradient: Any) -> None:
    """The IWAE's gradient weighs each draw by softmax(log w), the ELBO's by 1/k: the best draw leads, not the worst."""
    log_w = np.random.default_rng(3).standard_normal((5, 2)).astype(np.float32) * 3
    assert_allclose(gradient(bounds.iwae, log_w), special.softmax(log_w, axis=0), rtol=1e-4, atol=1e-6)
    assert_allclose(gradient(bounds.elbo, log_w), np.full((5, 2), 0.2), rtol=1e-6)


def test_exact_posterior_gives_log_p_in_double_precision(ppca: Any) -> None:
    """Every single log-weight is log p(x): computed by the package in float64, to 1e-6 nats."""
    jax_is_active = keras.backend.backend() == "jax"
    with _double_precision() if jax_is_active else contextlib.nullcontext():
        x = ppca.centred + ppca.mean
        mean = ppca.centred @ ppca.posterior_map
        log_var = np.broadcast_to(np.log(ppca.posterior_variance), mean.shape)
        z = mean + np.exp(0.5 * log_var) * np.random.default_rng(4).standard_normal((5, *mean.shape))
        noise_log_var = np.full(len(ppca.mean), 2 * math.log(ppca.sigma))
        log_joint = bounds.gaussian_log_prob(z) + bounds.gaussian_log_prob(
            x, z @ ppca.weights.T + ppca.mean, noise_log_var
        )
        log_w = log_joint - bounds.gaussian_log_prob(z, mean, log_var)
        each, lower, upper = (numbers(t) for t in (log_w, bounds.elbo(log_w), bounds.iwae(log_w)))
    assert each.dtype == np.float64
    assert_allclose(each, np.broadcast_to(ppca.log_p, each.shape), rtol=0, atol=1e-6)
    assert each.std(axis=0).max() < 1e-9
    assert_allclose(lower, ppca.log_p, rtol=1e-6)  # Keras averages in float32 on JAX, whatever it is given
    assert_allclose(upper, ppca.log_p, rtol=0, atol=1e-6)


@contextlib.contextmanager
def _double_precision() -> Iterator[None]:
    import jax

    jax.config.update("jax_enable_x64", True)  # jax.enable_x64 came after the lowest version that is supported
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


def test_log_p_of_the_training_set_in_closed_form(ppca: Any) -> None:
    """−N/2 (D ln 2π + Σ ln λ_i + (D − d) ln σ² + D) — Tipping & Bishop (1999), equation 8: the fixture is right too."""
    n, size, d = len(ppca.x), len(ppca.mean), ppca.latent_dim
    logs = np.log(ppca.eigenvalues[:d]).sum() + (size - d) * 2 * math.log(ppca.sigma)
    assert_allclose(ppca.log_p.sum(), -0.5 * n * (size * math.log(2 * math.pi) + logs + size), rtol=1e-12)
