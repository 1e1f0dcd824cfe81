"""The same VAE, 784-400-20, as the fastest training loop that we can write on each back end: the yardstick of speed.

Each function takes images (n, 784) in [0, 1] and returns ``epoch()``, which trains one epoch over reshuffled batches,
waits until it is done, and returns the mean loss in nats. Weights start from Glorot's uniform, the optimizer is Adam at
1e-3, as in the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = {"h": (784, 400), "mean": (400, 20), "log_var": (400, 20), "g": (20, 400), "x": (400, 784)}

Epoch = Callable[[], float]


def initial_weights(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    weights = {}
    for name, (n, m) in SIZES.items():
        limit = math.sqrt(6.0 / (n + m))
        weights[name] = rng.uniform(-limit, limit, (n, m)).astype(np.float32)
        weights[name + "_bias"] = np.zeros(m, np.float32)
    return weights


def jax(x: np.ndarray, batch: int) -> Epoch:
    """One compiled ``lax.scan`` an epoch, the data on the device, weights and moments in donated buffers."""
    from functools import partial

    import jax
    import jax.numpy as jnp

    images = jnp.asarray(x)
    full = len(x) // batch * batch

    def loss(w: Any, x: Any, key: Any) -> Any:
        h = jax.nn.relu(x @ w["h"] + w["h_bias"])
        mean, log_var = h @ w["mean"] + w["mean_bias"], h @ w["log_var"] + w["log_var_bias"]
        z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)
        logits = jax.nn.relu(z @ w["g"] + w["g_bias"]) @ w["x"] + w["x_bias"]
        distortion = jnp.sum(jax.nn.softplus(logits) - x * logits, -1)
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

    w = jax.tree.map(jnp.asarray, initial_weights())
    state = (w, jax.tree.map(jnp.zeros_like, w), jax.tree.map(jnp.zeros_like, w), jnp.float32(0), jax.random.key(0))

    def run() -> float:
        nonlocal state
        state, mean = epoch(state)
        return float(mean)

    return run


def tensorflow(x: np.ndarray, batch: int) -> Epoch:
    """One XLA-compiled step over a shuffled, prefetched ``tf.data`` pipeline; the epoch is one ``tf.function``."""
    import tensorflow as tf

    w = {name: tf.Variable(value) for name, value in initial_weights().items()}
    m, v = ({name: tf.Variable(tf.zeros_like(value)) for name, value in w.items()} for _ in range(2))
    t = tf.Variable(0.0)
    images = tf.constant(x)
    # rows are gathered inside the pipeline, in parallel with the training step
    rows = tf.data.Dataset.range(len(x)).shuffle(len(x)).batch(batch)
    data = rows.map(lambda r: tf.gather(images, r), num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    @tf.function(jit_compile=True, reduce_retracing=True)
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            h = tf.nn.relu(x @ w["h"] + w["h_bias"])
            mean, log_var = h @ w["mean"] + w["mean_bias"], h @ w["log_var"] + w["log_var_bias"]
            seed = tf.stack([tf.constant(0), tf.cast(t, tf.int32)])
            z = mean + tf.exp(0.5 * log_var) * tf.random.stateless_normal(tf.shape(mean), seed)
            logits = tf.nn.relu(z @ w["g"] + w["g_bias"]) @ w["x"] + w["x_bias"]
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
        for x in data:
            total += step(x)
        return total / len(images)

    return lambda: float(epoch())


def torch(x: np.ndarray, batch: int) -> Epoch:
    """Eager PyTorch with fused Adam; batches are gathered from a tensor, without a DataLoader."""
    import torch

    torch.manual_seed(0)
    w = {name: torch.from_numpy(value).requires_grad_() for name, value in initial_weights().items()}
    optimizer = torch.optim.Adam(w.values(), lr=1e-3, eps=1e-7, fused=True)
    images = torch.from_numpy(x)
    linear, relu, softplus = torch.addmm, torch.relu, torch.nn.functional.softplus

    def epoch() -> float:
        total = 0.0
        for rows in torch.randperm(len(images)).split(batch):
            x = images[rows]
            h = relu(linear(w["h_bias"], x, w["h"]))
            mean, log_var = linear(w["mean_bias"], h, w["mean"]), linear(w["log_var_bias"], h, w["log_var"])
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            logits = linear(w["x_bias"], relu(linear(w["g_bias"], z, w["g"])), w["x"])
            distortion = (softplus(logits) - x * logits).sum()
            loss = (distortion + 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()) / len(x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
        return float(total) / len(images)

    return epoch
