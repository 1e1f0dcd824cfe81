"""What a decoder's output means: the distribution p(x|z) of the pixels.

A decoder emits *parameters*; a likelihood turns them into a log-probability, a mean image or draws. Log-probabilities
are sums over pixels, in nats, always computed in float32: half precision cannot add up 784 terms.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
from keras import ops

from vae_tutorial._checks import FAR, number
from vae_tutorial.bounds import LOG_2PI, Tensor

MIN_SIGMA = 1e-3  # a pixel that never changes would otherwise have an unbounded density


class Likelihood:
    """A distribution over images, independent pixel by pixel, given a decoder's output."""

    name: ClassVar[str]
    channels = 1
    """Parameters per pixel: the size of a decoder's last axis, as a multiple of the image's."""
    bounded = True
    """Whether pixels must lie in [0, 1]."""

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-probability of images, in nats: (n, h, w, c) and the decoder's output -> (n,)

        Leading axes broadcast, so that k draws of the latent code, (k, n, h, w, c), give (k, n).
        """
        # flat before anything else: on a processor XLA takes ten times as long for terms and sums over (h, w, c)
        x, *parts = (_flat(t) for t in (ops.cast(x, "float32"), *self._parts(params)))
        return ops.sum(self._log_prob(x, *parts), axis=-1)

    def log_prob_per_pixel(self, x: Tensor, params: Tensor) -> Tensor:
        """The terms that ``log_prob`` sums, one a pixel and channel: (n, h, w, c), or (k, n, h, w, c) for k draws."""
        return self._log_prob(ops.cast(x, "float32"), *self._parts(params))

    def mean(self, params: Tensor) -> Tensor:
        """Expected image: the decoder's output -> (n, h, w, c)"""
        raise NotImplementedError

    def sample(self, params: Tensor, seed: int | keras.random.SeedGenerator) -> Tensor:
        """Images drawn pixel by pixel: the decoder's output -> (n, h, w, c)"""
        raise NotImplementedError

    def _parts(self, params: Tensor) -> tuple[Tensor, ...]:
        """The decoder's output as the parameters of each pixel, in float32, that broadcast to the images."""
        return (ops.cast(params, "float32"),)

    def _log_prob(self, x: Tensor, *parts: Tensor) -> Tensor:
        """Terms of pixels in any shape."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "name"):
            cls.name = cls.__name__.lower()

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes, for saving; one of your own that takes anything must say it."""
        if type(self).__init__ is not object.__init__:
            raise NotImplementedError(f"{type(self).__name__}: give it a get_config that returns its settings.")
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Likelihood:
        return cls(**config)


def _flat(pixels: Tensor) -> Tensor:
    """(..., h, w, c) -> (..., h · w · c)"""
    return ops.reshape(pixels, (*ops.shape(pixels)[:-3], -1))


def _softplus(x: Tensor) -> Tensor:
    """log(1 + eˣ) without overflow."""
    if keras.backend.backend() != "jax":
        return ops.softplus(x)
    size = ops.abs(x)  # JAX's own is a logaddexp, which takes it twice as long forward and back
    return 0.5 * (x + size) + ops.log1p(ops.exp(-size))


@keras.saving.register_keras_serializable("vae_tutorial")
class Bernoulli(Likelihood):
    """Black or white pixels; the parameters are logits.

    >>> Bernoulli().log_prob(x, logits)      # (n, h, w, c), (n, h, w, c) -> (n,)

    Grey pixels are no Bernoulli outcomes: binarise them (``datasets.binarize``), or take ``ContinuousBernoulli``.
    For binary x the log-probability is ``x·l − softplus(l)``, which never overflows.
    """

    name = "bernoulli"

    def _log_prob(self, x: Tensor, *parts: Tensor) -> Tensor:
        (logits,) = parts
        return x * logits - _softplus(logits)

    def mean(self, params: Tensor) -> Tensor:
        return ops.sigmoid(ops.cast(params, "float32"))

    def sample(self, params: Tensor, seed: int | keras.random.SeedGenerator) -> Tensor:
        probability = self.mean(params)
        return ops.cast(
            keras.random.uniform(ops.shape(probability), dtype="float32", seed=seed) < probability, "float32"
        )


@keras.saving.register_keras_serializable("vae_tutorial")
class ContinuousBernoulli(Likelihood):
    """Grey pixels in [0, 1]: the Bernoulli's formula, made a density by its normalising constant.

    >>> ContinuousBernoulli().log_prob(x, logits)      # (n, h, w, c), (n, h, w, c) -> (n,)

    The density is ``C(l) exp(x·l) σ(−l)`` with logit l; its mean is not σ(l): a logit of −2.2 (λ = 0.1) has mean 0.33.
    Loaiza-Ganem & Cunningham (2019), The continuous Bernoulli, equations 3–8.
    """

    name = "continuous_bernoulli"

    def _log_prob(self, x: Tensor, *parts: Tensor) -> Tensor:
        (logits,) = parts
        return x * logits - _log_exponential_mean(logits)

    def mean(self, params: Tensor) -> Tensor:
        # ½ + ½ coth(l/2) − 1/l, an odd function about ½; by its series near l = 0, where both terms blow up
        logits = ops.cast(params, "float32")
        small = ops.abs(logits) < 0.5
        safe = ops.where(small, 1.0, logits)
        near = ops.where(small, logits, 0.0)  # or the powers of a huge logit would be infinite, times a gradient of 0
        series = near / 12.0 - near**3 / 720.0 + near**5 / 30240.0
        return 0.5 + ops.where(small, series, 0.5 / ops.tanh(0.5 * safe) - 1.0 / safe)

    def sample(self, params: Tensor, seed: int | keras.random.SeedGenerator) -> Tensor:
        # inverse of the distribution function (e^{lx} − 1)/(e^l − 1), for −|l| so that nothing overflows
        logits = ops.cast(params, "float32")
        u = keras.random.uniform(ops.shape(logits), dtype="float32", seed=seed)
        size = ops.maximum(ops.abs(logits), 1e-3)  # below, uniform to within 1e-3
        x = -ops.log1p(u * ops.expm1(-size)) / size
        return ops.clip(ops.where(logits > 0, 1.0 - x, x), 0.0, 1.0)


def _log_exponential_mean(logits: Tensor) -> Tensor:
    """``log ∫₀¹ exp(l·x) dx = log((e^l − 1)/l)``, for any l: the log-normaliser of the continuous Bernoulli."""
    size = ops.abs(logits)
    small = size < 0.5
    safe = ops.where(small, 1.0, size)
    far = ops.log(-ops.expm1(-safe)) - ops.log(safe)  # log((1 − e^{−|l|})/|l|)
    near = ops.where(small, logits, 0.0)  # or the powers of a huge logit would be infinite, times a gradient of 0
    series = near**2 / 24.0 - near**4 / 2880.0 + near**6 / 181440.0
    return ops.where(small, 0.5 * logits + series, ops.maximum(logits, 0.0) + far)


@keras.saving.register_keras_serializable("vae_tutorial")
class Gaussian(Likelihood):
    """Real-valued pixels; the parameters are a mean and, unless ``sigma`` is given, a log-variance.

    Models refuse pixels beyond ±1e6, whose squares over σ² float32 may not hold.

    >>> Gaussian().log_prob(x, params)               # (n, h, w, c), (n, h, w, 2c) -> (n,)
    >>> Gaussian(sigma=1.0).log_prob(x, mean)        # (n, h, w, c), (n, h, w, c) -> (n,): −½ ‖x − mean‖² + constant

    With ``sigma=None`` the decoder's last axis holds the means, then the log-variances; σ is floored at 1e-3, because
    the density of a pixel that never changes has no upper bound. Raises ValueError for a sigma below that floor.
    """

    name = "gaussian"
    bounded = False

    def __init__(self, sigma: float | None = None) -> None:
        self.sigma = None if sigma is None else number("sigma", sigma, least=MIN_SIGMA, most=FAR)
        self.channels = 1 if sigma else 2

    def split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance: the decoder's output -> two tensors that broadcast to (n, h, w, c)"""
        mean, *log_var = self._parts(params)
        return mean, self._floored(*log_var)

    def _parts(self, params: Tensor) -> tuple[Tensor, ...]:
        params = ops.cast(params, "float32")
        return (params,) if self.sigma is not None else tuple(ops.split(params, 2, axis=-1))

    def _floored(self, *log_var: Tensor) -> Tensor:
        """The log-variance, of σ at least ``MIN_SIGMA``; or, where the decoder has none, of the given σ."""
        if self.sigma is not None:
            return ops.full((1,), 2.0 * math.log(self.sigma), dtype="float32")
        floor = 2.0 * math.log(MIN_SIGMA)
        return floor + _softplus(log_var[0] - floor)  # smooth: a hard floor would have no gradient below it

    def _log_prob(self, x: Tensor, *parts: Tensor) -> Tensor:
        mean, log_var = parts[0], self._floored(*parts[1:])
        return -0.5 * (LOG_2PI + log_var + ops.square(x - mean) * ops.exp(-log_var))

    def mean(self, params: Tensor) -> Tensor:
        return self.split(params)[0]

    def sample(self, params: Tensor, seed: int | keras.random.SeedGenerator) -> Tensor:
        mean, log_var = self.split(params)
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), dtype="float32", seed=seed)

    def get_config(self) -> dict[str, Any]:
        return {"sigma": self.sigma}


BY_NAME: dict[str, type[Likelihood]] = {c.name: c for c in (Bernoulli, ContinuousBernoulli, Gaussian)}


def get(identifier: str | Likelihood) -> Likelihood:
    """A likelihood by its name, or itself.

    >>> get("gaussian")      # or "bernoulli", "continuous_bernoulli", or any Likelihood

    Raises ValueError for an unknown name.
    """
    if isinstance(identifier, Likelihood):
        return identifier
    if not isinstance(identifier, str) or identifier not in BY_NAME:
        raise ValueError(
            f"likelihood: expected one of {', '.join(map(repr, BY_NAME))} or a Likelihood, got {identifier!r}."
        )
    return BY_NAME[identifier]()
