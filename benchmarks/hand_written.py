"""Two VAEs as the fastest training loops that we can write on each back end: the yardstick of speed.

``mlp`` is 784-400-20; ``conv`` is what ``networks.conv_encoder`` and ``conv_decoder`` make for 28 × 28 pixels.
``jax``, ``tensorflow`` and ``torch`` take images (n, 784) in [0, 1], a batch size and one of the two names, and return
``epoch()``, which trains one epoch over reshuffled batches, waits until it is done, and returns the mean loss in nats.
Weights start from Glorot's uniform, the optimizer is Adam at 1e-3, as in the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES: dict[str, dict[str, tuple[int, ...]]] = {  # of kernels, in the order of the package's layers
    "mlp": {"h": (784, 400), "mean": (400, 20), "log_var": (400, 20), "g": (20, 400), "x": (400, 784)},
    "conv": {
        "h1": (3, 3, 1, 32), "h2": (3, 3, 32, 64), "mean": (3136, 20), "log_var": (3136, 20),
        "g": (20, 3136), "g1": (3, 3, 64, 64), "g2": (3, 3, 64, 32), "x": (3, 3, 32, 1),
    },
}  # fmt: skip

Epoch = Callable[[], float]
Layer = Callable[..., Any]  # (input, name of its weights[, stride]) -> output


def initial_weights(network: str, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in SIZES[network].items():
        taps = math.prod(shape[:-2])
        limit = math.sqrt(6.0 / (taps * (shape[-2] + shape[-1])))
        weights[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
        weights[name + "_bias"] = np.zeros(shape[-1], np.float32)
    return weights


def features(network: str, x: Any, dense: Layer, conv: Layer, relu: Layer) -> Any:
    """The encoder up to its two heads: (n, 784) -> (n, m)"""
    if network == "mlp":
        return relu(dense(x, "h"))
    return relu(conv(relu(conv(x, "h1", 2)), "h2", 2))


def decoded(network: str, z: Any, dense: Layer, conv: Layer, double: Layer, relu: Layer) -> Any:
    """The decoder: (n, 20) -> (n, 784)"""
    h = relu(dense(z, "g"))
    if network == "mlp":
        return dense(h, "x")
    h = relu(conv(double(h), "g1", 1))
    return conv(relu(conv(double(h), "g2", 1)), "x", 1)


def jax(x: np.ndarray, batch: int, network: str = "mlp") -> Epoch:
    """One compiled ``lax.scan`` an epoch, the data on the device, weights and moments in donated buffers.

    Convolutions take a compiled step at a time: inside a loop, XLA runs them on a processor very slowly.
    """
    from functools import partial

    import jax
    import jax.numpy as jnp

    images = jnp.asarray(x)
    full = len(x) // batch * batch

    def softplus(x: Any) -> Any:
        size = jnp.abs(x)  # jax.nn's own takes twice as long
        return 0.5 * (x + size) + jnp.log1p(jnp.exp(-size))

    def loss(w: Any, x: Any, key: Any) -> Any:
        def dense(x: Any, name: str) -> Any:
            return x @ w[name] + w[name + "_bias"]

        def conv(x: Any, name: str, stride: int) -> Any:
            layout = ("NHWC", "HWIO", "NHWC")
            h = jax.lax.conv_general_dilated(square(x), w[name], (stride, stride), "SAME", dimension_numbers=layout)
            h = h + w[name + "_bias"]
            return h.reshape(len(x), -1) if name in ("h2", "x") else h

        def square(x: Any) -> Any:
            return x.reshape(-1, 28, 28, 1) if x.ndim == 2 else x

        def double(x: Any) -> Any:
            n, h, w, c = (len(x), 7, 7, 64) if x.ndim == 2 else x.shape
            return jnp.broadcast_to(x.reshape(n, h, 1, w, 1, c), (n, h, 2, w, 2, c)).reshape(n, 2 * h, 2 * w, c)

        relu = jax.nn.relu
        h = features(network, x, dense, conv, relu)
        mean, log_var = dense(h, "mean"), dense(h, "log_var")
        z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)
        logits = decoded(network, z, dense, conv, double, relu)
        distortion = jnp.sum(softplus(logits) - x * logits, -1)
        return jnp.mean(distortion + 0.5 * jnp.sum(mean**2 + jnp.exp(log_var) - 1 - log_var, -1))

    def step(state: Any, rows: Any) -> Any:
        w, m, v, t, key = state
        key, noise = jax.random.split(key)
        value, grad = jax.value_and_grad(loss)(w, images[rows], noise)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grad)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grad)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), w, m, v)
        return (w, m, v, t, key), value

    @partial(jax.jit, donate_argnums=0)
    def epoch(state: Any) -> Any:
        *rest, key = state
        key, order = jax.random.split(key)
        rows = jax.random.permutation(order, len(x))
        state, losses = jax.lax.scan(step, (*rest, key), rows[:full].reshape(-1, batch))
        if full < len(x):
            state, last = step(state, rows[full:])
            return state, (jnp.sum(losses) * batch + last * (len(x) - full)) / len(x)
        return state, jnp.mean(losses)

    one_step = jax.jit(step, donate_argnums=0)

    rng = np.random.default_rng(0)

    def stepwise(state: Any) -> Any:
        rows = rng.permutation(len(x))
        losses = []
        for start in range(0, len(x), batch):
            state, value = one_step(state, rows[start : start + batch])
            losses.append(value)
        return state, jnp.mean(jnp.stack(losses))

    w = jax.tree.map(jnp.asarray, initial_weights(network))
    state = (w, jax.tree.map(jnp.zeros_like, w), jax.tree.map(jnp.zeros_like, w), jnp.float32(0), jax.random.key(0))
    whole = epoch if network == "mlp" else stepwise

    def run() -> float:
        nonlocal state
        state, mean = whole(state)
        return float(mean)

    return run


def tensorflow(x: np.ndarray, batch: int, network: str = "mlp") -> Epoch:
    """One compiled step, the data in memory, shuffled and gathered without ``tf.data``; an epoch is a ``tf.function``.

    XLA compiles the dense step; TensorFlow's own convolutions are faster than XLA's on a processor. A pipeline of
    ``tf.data`` that shuffles, gathers and prefetches takes its share of two cores: 0.2 to 0.4 s more an epoch.
    """
    import tensorflow as tf

    w = {name: tf.Variable(value) for name, value in initial_weights(network).items()}
    m, v = ({name: tf.Variable(tf.zeros_like(value)) for name, value in w.items()} for _ in range(2))
    t = tf.Variable(0.0)
    images = tf.constant(x)

    def dense(x: Any, name: str) -> Any:
        return x @ w[name] + w[name + "_bias"]

    def conv(x: Any, name: str, stride: int) -> Any:
        x = tf.reshape(x, (-1, 28, 28, 1)) if len(x.shape) == 2 else x
        h = tf.nn.conv2d(x, w[name], stride, "SAME") + w[name + "_bias"]
        return tf.reshape(h, (-1, math.prod(h.shape[1:]))) if name in ("h2", "x") else h

    def double(x: Any) -> Any:
        side, width = (7, 64) if len(x.shape) == 2 else x.shape[2:]
        pixels = tf.reshape(x, (-1, side, side, width))
        return tf.image.resize(pixels, (2 * side, 2 * side), "nearest")  # with a tile a step takes nearly twice as long

    relu = tf.nn.relu

    @tf.function(jit_compile=network == "mlp", reduce_retracing=True)
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            h = features(network, x, dense, conv, relu)
            mean, log_var = dense(h, "mean"), dense(h, "log_var")
            seed = tf.stack([tf.constant(0), tf.cast(t, tf.int32)])
            z = mean + tf.exp(0.5 * log_var) * tf.random.stateless_normal(tf.shape(mean), seed)
            logits = decoded(network, z, dense, conv, double, relu)
            distortion = tf.reduce_sum(tf.nn.softplus(logits) - x * logits, -1)
            rate = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_var) - 1 - log_var, -1)
            loss = tf.reduce_mean(distortion + rate)
        t.assign_add(1.0)
        size = 1e-3 * tf.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        for name, g in tape.gradient(loss, w).items():
            m[name].assign(0.9 * m[name] + 0.1 * g)
            v[name].assign(0.999 * v[name] + 0.001 * g * g)
            w[name].assign_sub(size * m[name] / (tf.sqrt(v[name]) + 1e-7))
        return loss * tf.cast(tf.shape(x)[0], tf.float32)

    @tf.function
    def epoch() -> Any:
        total = tf.constant(0.0)
        rows = tf.random.shuffle(tf.range(len(images)))
        for start in tf.range(0, len(images), batch):
            total += step(tf.gather(images, rows[start : start + batch]))
        return total / len(images)

    return lambda: float(epoch())


def torch(x: np.ndarray, batch: int, network: str = "mlp") -> Epoch:
    """Eager PyTorch with fused Adam; batches are gathered from a tensor, without a DataLoader."""
    import torch

    torch.manual_seed(0)
    w = {name: torch.from_numpy(value) for name, value in initial_weights(network).items()}
    last = {"memory_format": torch.channels_last}  # the faster layout of convolutions on a processor
    w = {name: v.permute(3, 2, 0, 1).contiguous(**last) if v.ndim == 4 else v for name, v in w.items()}
    for value in w.values():
        value.requires_grad_()
    optimizer = torch.optim.Adam(w.values(), lr=1e-3, eps=1e-7, fused=True)
    images = torch.from_numpy(x)
    relu, softplus = torch.relu, torch.nn.functional.softplus

    def dense(x: Any, name: str) -> Any:
        return torch.addmm(w[name + "_bias"], x, w[name])

    def conv(x: Any, name: str, stride: int) -> Any:
        x = (x.view(-1, 1, 28, 28) if x.ndim == 2 else x).contiguous(**last)
        h = torch.nn.functional.conv2d(x, w[name], w[name + "_bias"], stride, padding=1)
        return h.flatten(1) if name in ("h2", "x") else h

    def double(x: Any) -> Any:
        x = (x.view(-1, 64, 7, 7) if x.ndim == 2 else x).contiguous(**last)
        return torch.nn.functional.interpolate(x, scale_factor=2)

    def epoch() -> float:
        total = 0.0
        for rows in torch.randperm(len(images)).split(batch):
            x = images[rows]
            h = features(network, x, dense, conv, relu)
            mean, log_var = dense(h, "mean"), dense(h, "log_var")
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            logits = decoded(network, z, dense, conv, double, relu)
            distortion = (softplus(logits) - x * logits).sum()
            loss = (distortion + 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()) / len(x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
        return float(total) / len(images)

    return epoch


def jax_log_likelihood(weights: dict[str, tuple[Any, Any]], x: np.ndarray) -> Callable[[int], np.ndarray]:
    """log p(x) by importance sampling: ``estimate(draws)`` -> (n,) nats; one compiled loop over tiles of draws."""
    from functools import partial

    import jax
    import jax.numpy as jnp
    from jax.scipy.special import logsumexp

    tile = 32
    images = jnp.asarray(x)
    w = {name: (jnp.asarray(kernel), jnp.asarray(bias)) for name, (kernel, bias) in weights.items()}

    def layer(name: str, x: Any) -> Any:
        return x @ w[name][0] + w[name][1]

    def some(x: Any, key: Any, tiles: int) -> Any:
        h = jax.nn.relu(layer("h", x))
        mean, log_var = layer("mean", h), layer("log_var", h)

        def step(so_far: Any, key: Any) -> Any:
            eps = jax.random.normal(key, (tile, *mean.shape))
            z = mean + jnp.exp(0.5 * log_var) * eps
            logits = layer("x", jax.nn.relu(layer("g", z)))
            size = jnp.abs(logits)
            log_w = jnp.sum(x * logits - 0.5 * (logits + size) - jnp.log1p(jnp.exp(-size)), -1)
            log_w += 0.5 * jnp.sum(eps**2 - z**2 + log_var, -1)
            return jnp.logaddexp(so_far, logsumexp(log_w, 0)), None

        return jax.lax.scan(step, jnp.full(len(x), -jnp.inf), jax.random.split(key, tiles))[0]

    @partial(jax.jit, static_argnums=0)
    def estimate(tiles: int) -> Any:
        parts = images.reshape(-1, 128, images.shape[1])
        keys = jax.random.split(jax.random.key(0), len(parts))
        sums = jax.lax.map(lambda part: some(*part, tiles), (parts, keys))
        return sums.reshape(-1) - jnp.log(tiles * tile)

    return lambda draws: np.asarray(estimate(math.ceil(draws / tile)))
