"""How fast the package trains, beside the fastest loop that we can write by hand on the same back end.

    python benchmarks/training_speed.py                          # the back ends that are installed, nine repetitions
    python benchmarks/training_speed.py --backends jax --repetitions 15

The model is the 784-400-20 VAE with a Bernoulli likelihood, batches of 128 out of 60,000 images (MNIST where it is to
be had, else random pixels: the work is the same). In one process a back end, the two take turns, an epoch each; the
ratio of each turn is free of what else the machine does over minutes. Printed are the median seconds per epoch and
the median ratio, with an interval that covers the true median with at least 95 %, from order statistics alone.
Beside them, where they are to be had: pythae's trainer (PyTorch), and the loop of the article that this book began
with, which takes one image a step (TensorFlow; timed over a few hundred images and scaled to an epoch).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, BATCH = 60_000, 128
BACKENDS = ("jax", "tensorflow", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(filter(installed, BACKENDS)))
    parser.add_argument("--repetitions", type=int, default=9, help="at least 7")
    parser.add_argument("--measure", choices=BACKENDS, help=argparse.SUPPRESS)  # the child process
    options = parser.parse_args()
    if options.repetitions < 7:
        parser.error("--repetitions: at least 7, or the interval would say nothing")
    if options.measure:
        print(json.dumps(measure(options.measure, options.repetitions)))
        return
    print(f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}")
    print(f"784-400-20, batch {BATCH}, {IMAGES:,} images; seconds per epoch, medians of {options.repetitions}\n")
    print(f"{'back end':26}{'by hand':>9}{'package':>9}   ratio (95 %)")
    for backend in options.backends:
        report(backend, run_child(backend, options.repetitions))


def run_child(backend: str, repetitions: int) -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--measure", backend, "--repetitions", str(repetitions)]
    child = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(child.stdout.splitlines()[-1])


def report(backend: str, seconds: dict[str, Any]) -> None:
    hand, package = np.array(seconds["hand"]), np.array(seconds["package"])
    low, middle, high = median_interval(package / hand)
    label = f"{backend} {version(backend)}, Keras {version('keras')}"
    print(f"{label:26}{np.median(hand):9.2f}{np.median(package):9.2f}   {middle:.2f} ({low:.2f} to {high:.2f})")
    for name, values in seconds["others"].items():
        print(f"  {name:24}{np.median(values):18.2f}   {np.median(values) / np.median(package):.1f} × the package")


def measure(backend: str, repetitions: int) -> dict[str, Any]:
    """Seconds per epoch of each contestant on one back end, taking turns; the first turn compiles and is left out."""
    import hand_written

    x = images()
    hand = getattr(hand_written, backend)(x.reshape(-1, 784), BATCH)
    turns: dict[str, Callable[[], float]] = {"hand": lambda: timed(hand), "package": package_epoch(x)}
    if backend == "torch" and installed("pythae"):
        turns["pythae"] = pythae_epoch(x)
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(repetitions + 1):
        for name, run in turns.items():
            value = run()
            if turn:
                seconds[name].append(value)
        print(backend, {n: f"{s[-1]:.2f}" for n, s in seconds.items() if s}, file=sys.stderr, flush=True)
    others = {f"pythae {version('pythae')}": seconds["pythae"]} if "pythae" in turns else {}
    if backend == "tensorflow":
        others["the article's loop"] = [article_epoch(x)]
    return {"hand": seconds["hand"], "package": seconds["package"], "others": others}


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def package_epoch(x: np.ndarray) -> Callable[[], float]:
    """An epoch of ``VAE.fit`` with the defaults of ``compile()``, without what fit does once before the first epoch."""
    import keras

    from vae_tutorial import VAE, networks

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds = time.perf_counter() - self.start

    vae = VAE(networks.mlp_encoder((28, 28, 1), 20), networks.mlp_decoder(20, (28, 28, 1)))
    vae.compile()
    clock = Clock()

    def run() -> float:
        vae.fit(x, batch_size=BATCH, verbose=0, callbacks=[clock])
        return clock.seconds

    return run


def pythae_epoch(x: np.ndarray) -> Callable[[], float]:
    """An epoch of pythae's trainer with the same network, batch and optimizer."""
    import logging
    import tempfile

    import torch
    from pythae.data.datasets import DatasetOutput
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from torch import nn

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.mean, self.log_var = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.hidden(x.reshape(-1, 784)))
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.pixels = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, z: Any) -> Any:
            image = torch.sigmoid(self.pixels(torch.relu(self.hidden(z))))
            return ModelOutput(reconstruction=image.reshape(-1, 1, 28, 28))

    class Rows(torch.utils.data.Dataset):
        def __init__(self, images: Any) -> None:
            self.images = images

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, i: int) -> Any:
            return DatasetOutput(data=self.images[i])

    logging.disable(logging.CRITICAL)
    settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    model = VAE(settings, Encoder(), Decoder())
    training = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(), num_epochs=1, per_device_train_batch_size=BATCH, learning_rate=1e-3, no_cuda=True
    )
    trainer = BaseTrainer(model, Rows(torch.from_numpy(x.reshape(-1, 1, 28, 28))), training_config=training)
    trainer.prepare_training()
    return lambda: timed(lambda: trainer.train_step(epoch=1))


def article_epoch(x: np.ndarray, steps: int = 300) -> float:
    """The article's eager loop, one image a step, a 784-512-128 autoencoder: time for ``steps``, scaled to an epoch."""
    import keras
    import tensorflow as tf

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((784,)), layers.Dense(512, "relu"), layers.Dense(128, "relu"), layers.Dense(512, "relu"),
        layers.Dense(784, "sigmoid"),
    ])  # fmt: skip
    optimizer, loss = keras.optimizers.Adam(), keras.losses.BinaryCrossentropy()
    rows = tf.constant(x.reshape(-1, 784))

    def step(i: int) -> None:
        image = rows[i : i + 1]
        with tf.GradientTape() as tape:
            value = loss(image, model(image))
        optimizer.apply_gradients(
            zip(tape.gradient(value, model.trainable_weights), model.trainable_weights, strict=True)
        )

    step(0)
    return timed(lambda: [step(i) for i in range(1, steps + 1)]) / steps * len(x)


def images() -> np.ndarray:
    """60,000 images of 28 × 28 pixels (n, 28, 28, 1): MNIST's, or noise where it is not to be had."""
    from vae_tutorial import datasets

    try:
        return datasets.load("mnist").x_train
    except datasets.DatasetUnavailable:
        return np.random.default_rng(0).random((IMAGES, 28, 28, 1), dtype=np.float32)


def median_interval(values: np.ndarray, coverage: float = 0.95) -> tuple[float, float, float]:
    """The median between order statistics that cover the true one with at least ``coverage``: (low, median, high)"""
    values, n = np.sort(values), len(values)
    tail, rank = 0.5**n, 0  # P(fewer than rank + 1 values below the median)
    while 2 * (tail + math.comb(n, rank + 1) * 0.5**n) <= 1 - coverage:
        rank += 1
        tail += math.comb(n, rank) * 0.5**n
    return float(values[rank]), float(np.median(values)), float(values[n - 1 - rank])


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
