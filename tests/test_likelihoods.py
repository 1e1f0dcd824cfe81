"""The likelihoods are distributions: they sum or integrate to one, and their means and draws are their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from vae_tutorial import likelihoods
from vae_tutorial.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian, Likelihood

NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
# near λ = ½ (logit 0) the normaliser is a quotient of two small numbers; at ±½ its series takes over
LOGITS = np.float32([-40, -6, -0.51, -0.5, -0.49, -1e-2, -1e-4, 0, 1e-6, 1e-3, 0.3, 0.499, 0.5, 0.501, 2.2, 9, 40])


def numbers(tensor: Any) -> Any:
    return ops.convert_to_numpy(tensor)


def pixels(values: Any, *last: int) -> Any:
    """A column of values as images of one pixel: (n,) -> (n, 1, 1, 1)"""
    return np.asarray(values, np.float32).reshape(-1, 1, 1, *(last or (1,)))


def log_density(likelihood: Likelihood, x: Any, params: Any) -> Any:
    """log p of each value under each set of parameters, one-pixel images: (m,), (n, ...) -> (n, m)"""
    return numbers(likelihood.log_prob(pixels(x)[None], np.asarray(params, np.float32)[:, None, None, None, :]))


def unit_nodes() -> tuple[Any, Any]:
    return 0.5 * (NODES + 1.0), 0.5 * WEIGHTS


# --- probabilities ------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4))
def test_bernoulli_sums_to_one_over_all_images(logits: list[float]) -> None:
    """All 16 black-and-white images of 2 × 2 pixels: the joint probability, so a sum over pixels and no mean."""
    images = np.float32([[i >> b & 1 for b in range(4)] for i in range(16)]).reshape(16, 2, 2, 1)
    log_p = numbers(Bernoulli().log_prob(images, np.float32(logits).reshape(1, 2, 2, 1)))
    assert_allclose(np.exp(log_p.astype(float)).sum(), 1.0, rtol=2e-5)  # e^x of a float32 x near 100: 1e-5


@pytest.mark.parametrize("likelihood", [Bernoulli(), ContinuousBernoulli(), Gaussian(), Gaussian(sigma=0.1)])
@pytest.mark.parametrize("where", ["x", "params"])
def test_a_pixel_that_is_no_number_has_no_probability(likelihood: Likelihood, where: str) -> None:
    """Neither a series, nor a clip, nor a softplus makes a number of it."""
    arrays = {"x": np.full((3, 2, 2, 1), 0.5, np.float32), "params": np.zeros((3, 2, 2, likelihood.channels), "f4")}
    arrays[where][1, 0, 1, -1] = np.nan
    assert list(np.isnan(numbers(likelihood.log_prob(**arrays)))) == [False, True, False]


def test_continuous_bernoulli_integrates_to_one() -> None:
    x, weights = unit_nodes()
    density = np.exp(log_density(ContinuousBernoulli(), x, LOGITS[:, None]).astype(float))
    assert_allclose(density @ weights, np.ones(len(LOGITS)), rtol=1e-5)  # float32


@pytest.mark.parametrize("log_var", [-4.0, 0.0, 1.5])
def test_learned_gaussian_integrates_to_one(log_var: float) -> None:
    x = 0.3 + 12 * math.exp(0.5 * log_var) * NODES
    density = np.exp(log_density(Gaussian(), x, [[0.3, log_var]]).astype(float))
    assert_allclose(density @ WEIGHTS * 12 * math.exp(0.5 * log_var), [1.0], rtol=2e-5)  # σ's floor adds 1e-6 to e^-4


def test_fixed_gaussian_is_half_the_squared_error_plus_a_constant() -> None:
    x, mean = np.random.default_rng(0).random((2, 5, 3, 4, 2), np.float32)
    error = np.square(x - mean).sum(axis=(1, 2, 3))
    assert_allclose(
        numbers(Gaussian(sigma=1.0).log_prob(x, mean)), -0.5 * error - 12 * math.log(2 * math.pi), rtol=1e-5
    )
    exact = stats.norm.logpdf(x, mean, 0.25).sum(axis=(1, 2, 3))
    assert_allclose(numbers(Gaussian(sigma=0.25).log_prob(x, mean)), exact, rtol=1e-5)


def test_learned_gaussian_reads_means_then_log_variances() -> None:
    """Two channels, so that a split along another axis, or an interleaved one, gives other numbers."""
    rng = np.random.default_rng(1)
    x, mean = rng.random((2, 4, 3, 3, 2), np.float32)
    log_var = rng.uniform(-2, 1, (4, 3, 3, 2)).astype(np.float32)
    exact = stats.norm.logpdf(x, mean, np.exp(0.5 * log_var)).sum(axis=(1, 2, 3))
    params = np.concatenate([mean, log_var], axis=-1)
    assert_allclose(numbers(Gaussian().log_prob(x, params)), exact, rtol=1e-4)  # float32, and the floor of σ
    assert_allclose(numbers(Gaussian().mean(params)), mean)


def test_learned_sigma_has_a_floor() -> None:
    """A pixel that is always right would otherwise be worth any number of nats."""
    best = log_density(Gaussian(), [0.5], [[0.5, -1000.0], [0.5, 2 * math.log(0.1)]])[:, 0]
    floor = likelihoods.MIN_SIGMA
    assert_allclose(best[0], stats.norm.logpdf(0, 0, floor), rtol=1e-5)
    assert_allclose(best[1], stats.norm.logpdf(0, 0, math.hypot(0.1, floor)), rtol=1e-5)  # it hardly moves another σ


# --- means --------------------------------------------------------------------------------------------------------


def test_mean_of_the_bernoulli() -> None:
    assert_allclose(
        numbers(Bernoulli().mean(pixels([-2.0, 0.0, 5.0]))).ravel(), 1 / (1 + np.exp([2.0, 0.0, -5.0])), rtol=1e-6
    )


def test_mean_of_the_continuous_bernoulli_by_quadrature() -> None:
    x, weights = unit_nodes()
    density = np.exp(log_density(ContinuousBernoulli(), x, LOGITS[:, None]).astype(float))
    mean = numbers(ContinuousBernoulli().mean(pixels(LOGITS))).ravel()
    assert_allclose(mean, density @ (weights * x), rtol=1e-5)


def test_mean_of_the_continuous_bernoulli_to_the_last_digits() -> None:
    """Its series and its closed form meet at |l| = ½: near there a wrong term of either would show."""
    logits = np.array([-1.4, -0.6, -0.49, -0.2, 0.3, 0.45, 0.49, 0.51, 1.4], np.float32)
    exact = 0.5 + 0.5 / np.tanh(0.5 * logits.astype(np.float64)) - 1.0 / logits.astype(np.float64)
    mean = ops.convert_to_numpy(ContinuousBernoulli().mean(ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(mean, exact, rtol=0, atol=1.5e-7)  # float32 near ½ resolves 6e-8


def test_mean_of_the_continuous_bernoulli_is_not_its_parameter() -> None:
    """λ = 0.1: λ/(2λ − 1) + 1/(2 artanh(1 − 2λ)) = 0.3301, Loaiza-Ganem & Cunningham (2019), equation 8."""
    mean = float(numbers(ContinuousBernoulli().mean(pixels([math.log(0.1 / 0.9)]))).item())
    assert_allclose(mean, 0.1 / (0.2 - 1) + 1 / (2 * math.atanh(0.8)), rtol=1e-6)


@pytest.mark.parametrize("likelihood", [Bernoulli(), ContinuousBernoulli()], ids=["bernoulli", "continuous"])
def test_slope_in_the_logit_is_pixel_less_mean(likelihood: Likelihood, gradient: Any) -> None:
    """An exponential family with natural parameter l: d log p(x)/dl = x − E[x]. So value, gradient and mean agree."""
    x = np.linspace(0, 1, len(LOGITS), dtype=np.float32)
    slope = gradient(lambda logits: likelihood.log_prob(pixels(x), logits), pixels(LOGITS))
    assert_allclose(slope.ravel(), x - numbers(likelihood.mean(pixels(LOGITS))).ravel(), atol=2e-6)  # float32


# --- extremes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [110.0, 1e3, 1e5])
def test_extreme_logits_are_exact_and_have_gradients(size: float, gradient: Any) -> None:
    """log(1 + e^l) overflows at 89 in float32 when written so; here the numbers are those of the limit."""
    logits, x = pixels([-size, -size, size, size]), pixels([0, 1, 0, 1])
    right = {"bernoulli": 0.0, "continuous_bernoulli": math.log(size)}
    for likelihood in (Bernoulli(), ContinuousBernoulli()):
        log_p = numbers(likelihood.log_prob(x, logits))
        best = right[likelihood.name]
        # x·l itself is rounded to 6e-8 of its size in float32
        assert_allclose(log_p, [best, best - size, best - size, best], rtol=1e-6, atol=1e-5 + 1e-7 * size)
        slope = gradient(lambda at, likelihood=likelihood: likelihood.log_prob(x, at), logits)
        assert_allclose(slope.ravel(), [0, 1, -1, 0], atol=1 / size + 1e-6)  # the continuous one nears it as 1/l
        assert_allclose(numbers(likelihood.mean(logits)).ravel(), [0, 0, 1, 1], atol=1 / size + 1e-6)
        draws = numbers(likelihood.sample(logits, seed=0))
        assert np.isfinite(draws).all()
        assert_allclose(draws.ravel(), [0, 0, 1, 1], atol=20 / size)


def test_extreme_log_variances_have_gradients(gradient: Any) -> None:
    params = np.float32([[0.5, v] for v in (-1000, -30, 30, 1000)]).reshape(4, 1, 1, 2)
    x = pixels([0.5, 0.4, 0.4, 0.5])
    assert np.isfinite(numbers(Gaussian().log_prob(x, params))).all()
    assert np.isfinite(gradient(lambda at: Gaussian().log_prob(x, at), params)).all()


# --- sums, shapes, precision --------------------------------------------------------------------------------------

EVERY = [Bernoulli(), ContinuousBernoulli(), Gaussian(), Gaussian(sigma=0.5)]
each = pytest.mark.parametrize("likelihood", EVERY, ids=["bernoulli", "continuous", "gaussian", "fixed"])


@each
def test_nats_add_up_over_pixels_and_not_over_images(likelihood: Likelihood) -> None:
    """The same picture twice in one image doubles the nats; twice in the batch, it has the same number twice."""
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2, (3, 4, 5, 2)).astype(np.float32)
    params = rng.standard_normal((3, 4, 5, 2 * likelihood.channels), np.float32)
    once = numbers(likelihood.log_prob(x, params))
    assert once.shape == (3,)
    for axis in (1, 2):
        twice = likelihood.log_prob(np.concatenate([x, x], axis), np.concatenate([params, params], axis))
        assert_allclose(numbers(twice), 2 * once, rtol=1e-5)
    again = numbers(likelihood.log_prob(np.concatenate([x, x]), np.concatenate([params, params])))
    assert_allclose(again, np.tile(once, 2), rtol=1e-6)


@each
def test_leading_axes_broadcast(likelihood: Likelihood) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, (3, 4, 5, 1)).astype(np.float32)
    params = rng.standard_normal((6, 3, 4, 5, likelihood.channels), np.float32)
    log_p = numbers(likelihood.log_prob(x, params))
    assert log_p.shape == (6, 3)
    assert_allclose(log_p[4], numbers(likelihood.log_prob(x, params[4])), rtol=1e-6)


@each
def test_half_precision_parameters_are_summed_in_single(likelihood: Likelihood) -> None:
    """784 terms of about −5 in float16 end within 2 of −4000, and those below −65504 at −∞."""
    rng = np.random.default_rng(4)
    x = rng.integers(0, 2, (2, 28, 28, 1)).astype(np.float32)
    params = rng.uniform(-9, 9, (2, 28, 28, likelihood.channels)).astype(np.float16)
    half = likelihood.log_prob(x, ops.convert_to_tensor(params))
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    assert_allclose(numbers(half), numbers(likelihood.log_prob(x, params.astype(np.float32))), rtol=1e-6)


@pytest.fixture
def half_floatx() -> Iterator[None]:
    before = keras.config.floatx()
    keras.config.set_floatx("float16")
    yield
    keras.config.set_floatx(before)


@each
def test_single_precision_whatever_keras_takes_by_default(likelihood: Likelihood, half_floatx: None) -> None:
    x = np.ones((2, 3, 3, 1), np.float32)
    params = ops.zeros((2, 3, 3, likelihood.channels), dtype="float16")
    results = likelihood.log_prob(x, params), likelihood.mean(params), likelihood.sample(params, seed=0)
    assert [keras.backend.standardize_dtype(result.dtype) for result in results] == ["float32"] * 3


@each
def test_a_seed_draws_the_same_pixels_whatever_keras_takes_by_default(likelihood: Likelihood) -> None:
    params = np.linspace(-2, 2, 2000 * likelihood.channels, dtype=np.float32).reshape(-1, 1, 1, likelihood.channels)
    params = params.astype(np.float16)
    usual = numbers(likelihood.sample(params.astype(np.float32), seed=3))
    before = keras.config.floatx()
    keras.config.set_floatx("float16")
    try:
        assert_array_equal(numbers(likelihood.sample(ops.convert_to_tensor(params), seed=3)), usual)
    finally:
        keras.config.set_floatx(before)


# --- draws --------------------------------------------------------------------------------------------------------

DRAWS = 40_000


def draws(likelihood: Likelihood, *params: float, seed: int = 0) -> Any:
    tiled = np.tile(np.float32(params), (DRAWS, 1)).reshape(DRAWS, 1, 1, len(params))
    return numbers(likelihood.sample(tiled, seed=seed)).ravel()


@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.0])
def test_bernoulli_draws(logit: float) -> None:
    x = draws(Bernoulli(), logit)
    p = 1 / (1 + math.exp(-logit))
    assert set(np.unique(x)) == {0.0, 1.0}
    assert abs(x.mean() - p) < 4 * math.sqrt(p * (1 - p) / DRAWS)


@pytest.mark.parametrize("logit", [-30.0, -2.2, -1e-5, 0.4, 3.0])
def test_continuous_bernoulli_draws_follow_its_distribution_function(logit: float) -> None:
    x = draws(ContinuousBernoulli(), logit)
    test = stats.kstest(x, lambda v: np.expm1(logit * v) / np.expm1(logit))
    assert test.pvalue > 1e-3  # a fixed seed; a wrong formula gives 1e-20


@pytest.mark.parametrize(
    ("likelihood", "params"), [(Gaussian(), (0.3, -2.0)), (Gaussian(sigma=math.exp(-1.0)), (0.3,))]
)
def test_gaussian_draws(likelihood: Likelihood, params: tuple[float, ...]) -> None:
    assert stats.kstest(draws(likelihood, *params), stats.norm(0.3, math.exp(-1.0)).cdf).pvalue > 1e-3


@each
def test_draws_follow_from_the_seed(likelihood: Likelihood) -> None:
    params = [0.2] * likelihood.channels
    first = draws(likelihood, *params, seed=1)
    assert (first == draws(likelihood, *params, seed=1)).all()
    assert (first != draws(likelihood, *params, seed=2)).mean() > 0.3


# --- names and saving ---------------------------------------------------------------------------------------------


def test_get() -> None:
    kinds = [type(likelihoods.get(name)) for name in ("bernoulli", "continuous_bernoulli", "gaussian")]
    assert kinds == [Bernoulli, ContinuousBernoulli, Gaussian]
    mine = Gaussian(sigma=0.1)
    assert likelihoods.get(mine) is mine


@each
def test_saved_and_loaded(likelihood: Likelihood) -> None:
    config = keras.saving.serialize_keras_object(likelihood)
    loaded = keras.saving.deserialize_keras_object(config)
    assert type(loaded) is type(likelihood)
    assert loaded.get_config() == likelihood.get_config()
    assert loaded.channels == likelihood.channels


def test_gradients_of_huge_logits_are_finite(gradient: Any) -> None:
    """A branch that is not taken must not spoil the slope of the one that is: x − 1 for l → ∞, x for l → −∞."""
    logits = np.float32([1e8, -1e8, 1e12, -1e12])[:, None, None, None]
    x = np.full_like(logits, 0.25)
    slopes = gradient(lambda logit: ContinuousBernoulli().log_prob(x, logit), logits).ravel()
    assert_allclose(slopes, [-0.75, 0.25, -0.75, 0.25], rtol=1e-6)
    assert np.isfinite(gradient(ContinuousBernoulli().mean, logits)).all()


def test_a_likelihood_of_ones_own_has_a_name_and_tells_its_settings() -> None:
    class Plain(Likelihood):
        pass

    class Laplace(Likelihood):
        def __init__(self, scale: float) -> None:
            self.scale = scale

    assert (Plain.name, Plain().get_config()) == ("plain", {})
    with pytest.raises(NotImplementedError, match=r"Laplace: .*get_config"):
        Laplace(0.1).get_config()
