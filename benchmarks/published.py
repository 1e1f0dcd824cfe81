"""Published figures, theirs beside ours: what others' VAEs reached on MNIST, repeated with this package.

    KERAS_BACKEND=jax VAE_TUTORIAL_DATA=folder python benchmarks/published.py              # what has no result yet
    KERAS_BACKEND=jax VAE_TUTORIAL_DATA=folder python benchmarks/published.py flax --again

A row is one small recipe: its settings, the figures that its source reports, and what differs. Training goes on from
its last backup (``.published`` beside this file) if it is interrupted; a finished row is written to
``results/published.json``, which the book shows. Needs ``binarized_mnist.npz``, Larochelle's static binarisation:
arrays ``train`` (50,000), ``valid`` and ``test`` (10,000 each) of rows of 784 bits, packed by ``numpy.packbits``.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vae_tutorial import VAE, networks

RESULTS = Path(__file__).parent / "results" / "published.json"
BACKUPS = Path(__file__).parent / ".published"
SHAPE = (28, 28, 1)

Array = np.ndarray[Any, Any]
Figures = dict[str, tuple[float, float]]  # what was measured -> value, standard error over test images


@dataclass(frozen=True)
class Recipe:
    """A dense VAE with a Bernoulli likelihood on static binarised MNIST: a source's settings and its figures."""

    title: str
    source: str  # where the figures stand
    theirs: dict[str, float]  # test images, nats, as in the source
    differs: str
    hidden: tuple[int, ...]
    latent_dim: int
    optimizer: Callable[[], keras.optimizers.Optimizer]
    batch_size: int
    epochs: int
    draws: int  # for log p(x)
    rates: dict[int, float] | None = None  # learning rate from this epoch on, where it falls
    best: bool = False  # keep the weights of the best validation epoch, not the last

    def build(self) -> VAE:
        encoder = networks.mlp_encoder(SHAPE, self.latent_dim, self.hidden, seed=0)
        vae = VAE(encoder, networks.mlp_decoder(self.latent_dim, SHAPE, self.hidden[::-1], seed=1), seed=0)
        vae.compile(self.optimizer())
        return vae


RECIPES = {
    "flax": Recipe(
        title="Flax's example, 784-500-20, 10 epochs",
        source="github.com/google/flax, examples/vae",
        theirs={"−ELBO": 104.0},
        differs="the source says 'about'; its log p(x) is not given",
        hidden=(500,),
        latent_dim=20,
        optimizer=lambda: keras.optimizers.Adam(1e-3),
        batch_size=128,
        epochs=10,
        draws=128,
    ),
    "altosaar": Recipe(
        title="Altosaar's tutorial, 784-256-256-128, 65,000 steps",
        source="github.com/jaanli/variational-autoencoder, README",
        theirs={"−ELBO": 103.31, "−log p(x)": 97.10},
        differs="whole epochs, 64,906 steps; why ours is lower is not known",
        hidden=(256, 256),
        latent_dim=128,
        optimizer=lambda: keras.optimizers.RMSprop(1e-3, rho=0.99, centered=True, epsilon=1e-8),
        batch_size=128,
        epochs=166,
        draws=128,
    ),
    "pythae": Recipe(
        title="pythae's reproduction, 784-400-40, 500 epochs",
        source="github.com/clementchadebec/benchmark_VAE, examples/scripts/reproducibility",
        theirs={"−log p(x)": 89.78},
        differs="batches of 100: theirs are not in the files that we found",
        hidden=(400,),
        latent_dim=40,
        optimizer=lambda: keras.optimizers.Adam(1e-4),
        batch_size=100,
        epochs=500,
        draws=200,
        rates={200: 1e-4 * 10**-0.2, 350: 1e-4 * 10**-0.4},
        best=True,
    ),
}


def train(name: str, recipe: Recipe, train_x: Array, valid_x: Array) -> VAE:
    vae, folder = recipe.build(), BACKUPS / name
    folder.mkdir(parents=True, exist_ok=True)
    best = folder / "best.weights.h5"
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True, delete_checkpoint=False)
    ]
    if recipe.rates:
        callbacks.append(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate_at(recipe, epoch, rate)))
    if recipe.best:
        callbacks.append(
            keras.callbacks.ModelCheckpoint(best, "val_elbo", mode="max", save_best_only=True, save_weights_only=True)
        )
    vae.fit(
        train_x,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        validation_data=valid_x if recipe.best else None,
        callbacks=callbacks,
        verbose=2,
    )
    if recipe.best:
        vae.load_weights(best)
    return vae


def rate_at(recipe: Recipe, epoch: int, rate: float) -> float:
    passed = [r for start, r in (recipe.rates or {}).items() if epoch >= start]
    return min(passed, default=rate)


def measure(name: str, recipe: Recipe, data: dict[str, Array]) -> dict[str, Any]:
    start = time.perf_counter()
    vae = train(name, recipe, data["train"], data["valid"])
    seconds = time.perf_counter() - start
    bound, evidence = vae.elbo(data["test"], k=16), vae.log_likelihood(data["test"], k=recipe.draws)
    figures = {"−ELBO": -bound.value, "−log p(x)": -evidence.value}
    found = {what: [float(nats.mean()), float(nats.std(ddof=1) / len(nats) ** 0.5)] for what, nats in figures.items()}
    return {
        "title": recipe.title,
        "source": recipe.source,
        "theirs": recipe.theirs,
        "ours": found,
        "differs": recipe.differs,
        "unit": "nats",
        "seeds": 1,
        "draws": recipe.draws,
        "seconds": round(seconds),
        **circumstances(),
    }


def lossless(data: dict[str, Array]) -> dict[str, Any]:
    """Bits per pixel of the binarised test images, packed eight pixels a byte, as one file."""
    packed = np.packbits(data["test"].astype(bool).reshape(len(data["test"]), -1)).tobytes()
    sizes = {"gzip": len(gzip.compress(packed, 9)), "bz2": len(bz2.compress(packed, 9))}
    pixels = data["test"].size
    return {
        "title": "Lossless coding of binarised MNIST",
        "source": "Townsend, Bird & Barber (2019)",
        "theirs": {"gzip": 0.328, "bz2": 0.250},
        "ours": {name: [8 * size / pixels, 0.0] for name, size in sizes.items()},
        "differs": "their images were binarised at random by themselves, and their files may be laid out otherwise",
        "unit": "bits per pixel",
        **circumstances(),
    }


def circumstances() -> dict[str, Any]:
    backend = keras.backend.backend()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return {
        "date": str(date.today()),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {"Python": platform.python_version(), **{n: version(n) for n in ("keras", backend, "numpy")}},
        "commit": commit.stdout.strip(),
    }


def load() -> dict[str, Array]:
    path = Path(os.environ.get("VAE_TUTORIAL_DATA", ".")) / "binarized_mnist.npz"
    with np.load(path, allow_pickle=False) as file:
        return {
            part: np.unpackbits(file[part], axis=1).reshape(-1, *SHAPE).astype(np.float32)
            for part in ("train", "valid", "test")
        }


def main() -> None:
    names = (*RECIPES, "lossless")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*names, []], help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--again", action="store_true", help="also those that have a result")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    data = load()
    for name in options.rows or names:
        if options.again or name not in results:
            results[name] = lossless(data) if name == "lossless" else measure(name, RECIPES[name], data)
            scratch, in_order = RESULTS.with_suffix(".part"), {n: results[n] for n in names if n in results}
            scratch.write_text(json.dumps(in_order, indent=1, ensure_ascii=False) + "\n", "utf8")
            scratch.replace(RESULTS)
        print(name, "theirs", results[name]["theirs"], "ours", results[name]["ours"])


if __name__ == "__main__":
    main()
