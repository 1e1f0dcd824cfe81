"""The Gaussian KL, and bounds on log p(x) from one tensor of log-weights.

A log-weight is ``log w = log p(x, z) − log q(z|x)`` for one image x and one draw z ~ q(z|x). Put k of them on the first
axis, and both bounds are a line each: their mean is the ELBO, their log-mean-exp the importance-weighted bound.
Everything is in nats, takes and returns tensors of the active back end, and computes in the dtype it is given.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of whichever back end is active, or a numpy array

LOG_2PI = math.log(2.0 * math.pi)


def _floating(x: Tensor) -> Tensor:
    """A tensor; of whole numbers, one of Keras's default precision."""
    x = ops.convert_to_tensor(x)
    return x if keras.backend.is_float_dtype(x.dtype) else ops.cast(x, keras.config.floatx())


def gaussian_log_prob(z: Tensor, mean: Tensor = 0.0, log_var: Tensor = 0.0) -> Tensor:
    """Log-density of a diagonal Gaussian, summed over the last axis, in nats.

    >>> gaussian_log_prob(ops.zeros((3, 2)))      # (..., d) -> (...,): 2 × −½ log 2π
    [-1.837877, -1.837877, -1.837877]

    ``mean`` and ``log_var`` broadcast against ``z``; the defaults are the standard normal, a VAE's prior.
    """
    z = _floating(z)
    mean, log_var = (ops.convert_to_tensor(t, dtype=z.dtype) for t in (mean, log_var))
    return -0.5 * ops.sum(LOG_2PI + log_var + ops.square(z - mean) * ops.exp(-log_var), axis=-1)


def rate_per_dimension(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL divergence of each latent dimension from the standard normal, in nats.

    >>> rate_per_dimension(ops.ones((3, 2)), ops.zeros((3, 2)))      # (n, d), (n, d) -> (n, d)
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """
    mean, log_var = _floating(mean), _floating(log_var)
    return 0.5 * (ops.square(mean) + ops.exp(log_var) - 1.0 - log_var)


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL divergence from a diagonal Gaussian to the standard normal, in nats.

    >>> gaussian_kl(ops.zeros((3, 2)), ops.zeros((3, 2)))      # (n, d), (n, d) -> (n,)
    [0.0, 0.0, 0.0]

    ``½ Σ_d (μ_d² + σ_d² − 1 − log σ_d²)`` — Kingma & Welling (2014), appendix B.
    """
    return ops.sum(rate_per_dimension(mean, log_var), axis=-1)


def log_mean_exp(log_w: Tensor, axis: int = 0) -> Tensor:
    """Logarithm of the mean of ``exp(log_w)`` along an axis, without overflow.

    >>> log_mean_exp(ops.array([[-1e4], [-1e4]]))      # (k, n) -> (n,)
    [-10000.0]
    """
    log_w = _floating(log_w)
    return ops.logsumexp(log_w, axis=axis) - math.log(log_w.shape[axis])


def elbo(log_w: Tensor) -> Tensor:
    """Evidence lower bound from log-weights: their mean over the sample axis, in nats.

    >>> elbo(log_w)      # (k, n) -> (n,)

    An unbiased estimate for every k — Kingma & Welling (2014), equation 2.
    """
    return ops.mean(_floating(log_w), axis=0)


def iwae(log_w: Tensor) -> Tensor:
    """Importance-weighted bound from log-weights: their log-mean-exp over the sample axis, in nats.

    >>> iwae(log_w)      # (k, n) -> (n,)

    Equal to the ELBO for k = 1, it grows with k towards log p(x) — Burda, Grosse & Salakhutdinov (2016), equation 8.
    """
    return log_mean_exp(log_w, axis=0)
