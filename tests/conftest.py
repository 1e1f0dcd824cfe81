"""Shared fixtures: a model whose truth is known exactly, a small real one, and gradients on the active back end.

Keras is imported inside the fixtures, so that tests which need no back end do not pay for one.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its rounding depends on the machine
for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(threads, "1")  # the arrays are small: threads would wait for each other
os.environ.setdefault("MPLBACKEND", "agg")  # no window, whatever a desktop has
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips one of its checks of an estimator
# Every model of the tests compiles its own training step on JAX, though most are alike: compile each kind once.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

Array = NDArray[Any]

# The same examples in every run: a failure is a fault of the code, never of the day. `make soak` searches for others.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, max_examples=40, print_blob=False
)
hypothesis.settings.register_profile(
    "searching", derandomize=False, deadline=None, database=None, max_examples=100, print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@dataclass(frozen=True)
class LinearGaussian:
    """Probabilistic PCA, fitted in closed form: z ~ N(0, I), x|z ~ N(W z + mean, σ² I), all in float64.

    With Tipping & Bishop's maximum-likelihood solution (R = I) the exact posterior is a *diagonal* Gaussian whose mean
    is linear in x: what a linear encoder can express. So here, and nowhere else, a VAE can be exactly right.
    """

    x: Array
    """Training images (n, h, w, 1), float32."""
    mean: Array
    weights: Array
    """W (D, d)"""
    sigma: float
    eigenvalues: Array
    """Of the covariance with 1/N, all D of them, falling."""

    @classmethod
    def fitted(cls, x: Array, d: int) -> LinearGaussian:
        flat = x.reshape(len(x), -1).astype(np.float64)
        mean = flat.mean(axis=0)
        values, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
        values, vectors = values[::-1], vectors[:, ::-1]
        variance = values[d:].mean()
        return cls(x, mean, vectors[:, :d] * np.sqrt(values[:d] - variance), math.sqrt(variance), values)

    @property
    def latent_dim(self) -> int:
        return self.weights.shape[1]

    @property
    def centred(self) -> Array:
        return self.x.reshape(len(self.x), -1).astype(np.float64) - self.mean

    @property
    def log_p(self) -> Array:
        """log p(x) of each image, in nats: (n,)"""
        size = len(self.mean)
        covariance = self.weights @ self.weights.T + self.sigma**2 * np.eye(size)
        mahalanobis = np.sum(self.centred * np.linalg.solve(covariance, self.centred.T).T, axis=1)
        return -0.5 * (size * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1] + mahalanobis)

    @property
    def posterior_map(self) -> Array:
        """The matrix from centred images to posterior means: (D, d)"""
        return self.weights / self.eigenvalues[: self.latent_dim]

    @property
    def posterior_variance(self) -> Array:
        """The same for every image: (d,)"""
        return self.sigma**2 / self.eigenvalues[: self.latent_dim]

    def vae(self, shift: float = 0.0, spread: float = 1.0, **settings: Any) -> Any:
        """A VAE with this p(x, z) and the exact posterior, its mean moved by ``shift``, its variance × ``spread``."""
        from vae_tutorial import VAE, likelihoods, networks

        shape, d, likelihood = self.x.shape[1:], self.latent_dim, likelihoods.Gaussian(sigma=self.sigma)
        encoder = networks.mlp_encoder(shape, d, hidden=())
        decoder = networks.mlp_decoder(d, shape, hidden=(), likelihood=likelihood)
        encoder.get_layer("mean").set_weights([self.posterior_map, shift - self.mean @ self.posterior_map])
        log_var = np.log(self.posterior_variance * spread)
        encoder.get_layer("log_var").set_weights([np.zeros_like(self.posterior_map), log_var])
        decoder.set_weights([self.weights.T, self.mean])
        return VAE(encoder, decoder, likelihood, **settings)

    def gap(self, shift: float, spread: float) -> float:
        """KL(q ‖ exact posterior) of such a q, in nats: what the ELBO lacks to log p(x)."""
        return 0.5 * float(np.sum(spread - 1.0 - math.log(spread) + shift**2 / self.posterior_variance))


@pytest.fixture(scope="session")
def ppca() -> LinearGaussian:
    """Three latent dimensions under sixteen pixels, 300 images."""
    rng = np.random.default_rng(7)
    latent = rng.standard_normal((300, 3)) * [1.0, 0.7, 0.5]
    flat = latent @ rng.standard_normal((3, 16)) * 0.5 + 0.3 * rng.standard_normal((300, 16)) + 0.5
    return LinearGaussian.fitted(flat.reshape(300, 4, 4, 1).astype(np.float32), d=3)


@pytest.fixture(scope="session")
def digits() -> Array:
    """Grey 8 × 8 digits in [0, 1]: (300, 8, 8, 1)"""
    from sklearn.datasets import load_digits

    return (load_digits().images[:300, :, :, None] / 16.0).astype(np.float32)


@pytest.fixture(scope="session")
def binary_digits(digits: Array) -> Array:
    """The same, black and white."""
    return (digits > 0.5).astype(np.float32)


@pytest.fixture(scope="session")
def small_vae() -> Callable[..., Any]:
    """Builds a small VAE for 8 × 8 images, not compiled."""
    from vae_tutorial import VAE, networks

    def build(likelihood: Any = "bernoulli", latent_dim: int = 2, shape: Any = (8, 8, 1), **settings: Any) -> Any:
        encoder = networks.mlp_encoder(shape, latent_dim, hidden=(16,), seed=1)
        decoder = networks.mlp_decoder(latent_dim, shape, hidden=(16,), likelihood=likelihood, seed=2)
        return VAE(encoder, decoder, likelihood, **settings)

    return build


@pytest.fixture(scope="session")
def vae(small_vae: Callable[..., Any]) -> Any:
    """A small compiled VAE with its first weights, for tests that leave it as it is."""
    model = small_vae()
    model.compile()
    return model


@pytest.fixture(scope="session")
def gradient() -> Callable[[Callable[[Any], Any], Any], Array]:
    """``gradient(f, x)``: derivative of ``sum(f(x))`` with respect to an array, on the active back end."""
    import keras
    from keras import ops

    def of(f: Callable[[Any], Any], x: Any) -> Array:
        x = np.asarray(x, np.float32)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            at = tf.constant(x)
            with tf.GradientTape() as tape:
                tape.watch(at)
                total = ops.sum(f(at))
            return tape.gradient(total, at).numpy()
        if keras.backend.backend() == "jax":
            import jax

            return np.asarray(jax.grad(lambda at: ops.sum(f(at)))(x))
        import torch

        at = torch.tensor(x, requires_grad=True)
        ops.sum(f(at)).backward()
        return at.grad.numpy()

    return of


@pytest.fixture(scope="session")
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """``with full_disk(): …``: no file can grow beyond 1000 bytes."""
    if os.name != "posix":
        pytest.skip("a limit on the size of files stands for a full disk")
    import resource

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB of its own, in memory, which only root may mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size=256k,uid={os.getuid()}" if os.name == "posix" else ""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    for sudo in ([], ["sudo", "-n"]):  # as on GitHub
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*sudo, *command], check=True, capture_output=True)
            break
    else:
        pytest.skip("no right to mount a small disk; a limit on the size of files is tested all the same")
    yield folder
    subprocess.run([*sudo, "umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def read_only_folder() -> Callable[[], AbstractContextManager[Path]]:
    """``with read_only_folder() as folder: …``: nobody may write there, nor root, who gives up that right for a while.

    It does not lie in pytest's folders, which only their owner may enter.
    """
    if os.name != "posix":
        pytest.skip("the rights of files are those of POSIX")

    @contextmanager
    def without_rights() -> Iterator[Path]:
        user = os.geteuid()
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o555)
            if user == 0:
                os.seteuid(65534)  # nobody
            try:
                yield Path(folder)
            finally:
                os.seteuid(user)

    return without_rights
