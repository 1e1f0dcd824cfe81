"""Variational autoencoders on Keras 3: the package that the book imports, and that you can.

>>> from vae_tutorial import VAE, datasets, networks
>>> data = datasets.load()
>>> encoder, decoder = networks.mlp_encoder(data.image_shape, 2), networks.mlp_decoder(2, data.image_shape)
>>> vae = VAE(encoder, decoder, "continuous_bernoulli")
>>> vae.compile(); vae.fit(data.x_train, epochs=20, batch_size=128)
"""

from __future__ import annotations

import importlib
from typing import Any

from vae_tutorial._backend import ensure_backend

ensure_backend()  # before anything imports Keras

from vae_tutorial import bounds, conformal, datasets, latent, likelihoods, models, networks  # noqa: E402
from vae_tutorial.models import VAE, Autoencoder  # noqa: E402
from vae_tutorial.schedules import BetaSchedule  # noqa: E402

__version__ = "0.1.0"
__all__ = [
    "VAE",
    "Autoencoder",
    "BetaSchedule",
    "VAEDetector",
    "anomaly",
    "bounds",
    "conformal",
    "datasets",
    "explorer",
    "latent",
    "likelihoods",
    "models",
    "networks",
    "plots",
]


def __getattr__(name: str) -> Any:
    # at first use: widgets, matplotlib and scikit-learn take longer to import than everything else here
    if name in ("anomaly", "explorer", "plots"):
        return importlib.import_module(f"vae_tutorial.{name}")
    if name == "VAEDetector":
        return importlib.import_module("vae_tutorial.anomaly").VAEDetector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
