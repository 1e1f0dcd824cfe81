"""How fast the package trains, beside the fastest loop that we can write by hand on the same back end.

    python benchmarks/training_speed.py                          # the back ends that are installed, nine repetitions
    python benchmarks/training_speed.py --backends jax --networks conv --repetitions 15

Two VAEs with a Bernoulli likelihood, batches of 128: ``mlp``, 784-400-20, over 60,000 images, and ``conv``, the
package's convolutional pair, over 1280 (MNIST where it is to be had, else random pixels: the work is the same). In
one process a back end, the two contestants take turns, an epoch each; the ratio of each turn is free of what else the
machine does over minutes. Printed are the median seconds per epoch and the median ratio, with an interval that covers
the true median with at least 95 %, from order statistics alone; and the peak memory of a process that runs one
contestant only. Beside them, where they are to be had: pythae's trainer (PyTorch), and the loop of the article that
this book began with, which takes one image a step (TensorFlow; timed over a few hundred images and scaled to an
epoch). Results go to ``results/training_speed.json``, which the book shows.
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
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, BATCH = {"mlp": 60_000, "conv": 1280}, 128
RESULTS = Path(__file__).parent / "results" / "training_speed.json"
BACKENDS = ("jax", "tensorflow", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(filter(installed, BACKENDS)))
    parser.add_argument("--networks", nargs="+", choices=IMAGES, default=list(IMAGES))
    parser.add_argument("--repetitions", type=int, default=9, help="at least 7")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)  # a process of ours: network, contestants
    options = parser.parse_args()
    if options.repetitions < 7 and not options.measure:
        parser.error("--repetitions: at least 7, or the interval would say nothing")
    if options.measure:
        network, contestants = options.measure
        print(json.dumps(measure(options.backends[0], network, contestants.split(), options.repetitions)))
        return
    print(f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}")
    print(f"seconds per epoch, medians of {options.repetitions}; batch {BATCH}\n")
    print(f"{'network, back end':32}{'by hand':>9}{'package':>9}   ratio (95 %)         peak MB, by hand and package")
    for network in options.networks:
        for backend in options.backends:
            report(network, backend, options.repetitions)


def report(network: str, backend: str, repetitions: int) -> None:
    """Measure, print, and put on record."""
    from record import write

    others = {"torch": ["compiled"], "tensorflow": ["article"] * (network == "mlp")}.get(backend, [])
    if (network, backend) == ("mlp", "torch") and installed("pythae"):
        others.append("pythae")
    found = run_child(backend, network, ["hand", "package", *others], repetitions)
    found["peak_mb"] = {who: run_child(backend, network, [who], 1)["peak_mb"] for who in ("hand", "package")}
    hand, package = np.array(found["seconds"]["hand"]), np.array(found["seconds"]["package"])
    found["ratio"] = [round(value, 3) for value in median_interval(package / hand)]
    low, middle, high = found["ratio"]
    label = f"{network}, {backend} {version(backend)}"
    memory = " ".join(str(mb) for mb in found["peak_mb"].values())
    print(
        f"{label:32}{np.median(hand):9.2f}{np.median(package):9.2f}   {middle:.2f} ({low:.2f} to {high:.2f})   {memory}"
    )
    for name in others:
        middle = np.median(found["seconds"][name])
        print(f"  {name:30}{middle:18.2f}   {middle / np.median(package):.1f} × the package")
    results = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    results[f"{network}/{backend}"] = found
    write(RESULTS, {f"{n}/{b}": results[f"{n}/{b}"] for n in IMAGES for b in BACKENDS if f"{n}/{b}" in results})


def run_child(backend: str, network: str, contestants: list[str], repetitions: int) -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--measure", network, " ".join(contestants)]
    command += ["--backends", backend, "--repetitions", str(repetitions)]
    child = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def measure(backend: str, network: str, contestants: list[str], repetitions: int) -> dict[str, Any]:
    """Seconds per epoch of each contestant on one back end, taking turns; the first turn compiles and is left out."""
    import hand_written
    from record import circumstances, peak_megabytes

    begun, x = circumstances(), images()[: IMAGES[network]]
    prepare: dict[str, Callable[[], Callable[[], float]]] = {
        "hand": lambda: partial(timed, getattr(hand_written, backend)(x.reshape(-1, 784), BATCH, network)),
        "package": lambda: package_epoch(x, network),
        "compiled": lambda: package_epoch(x, network, jit_compile=True),
        "pythae": lambda: pythae_epoch(x),
    }
    turns = {name: prepare[name]() for name in contestants if name != "article"}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repetitions + 1):
        for name in list(turns)[:: -1 if turn % 2 else 1]:  # each goes first in every other turn
            value = turns[name]()
            if turn:
                seconds[name].append(round(value, 4))
        print(network, backend, {n: s[-1] for n, s in seconds.items() if s}, file=sys.stderr, flush=True)
    peak = peak_megabytes()
    if "article" in contestants:
        seconds["article"] = [round(article_epoch(x))]
    parts = {"step_ms": torch_step(x[:BATCH], network)} if backend == "torch" and len(contestants) > 1 else {}
    return {"seconds": seconds, "peak_mb": round(peak), "images": len(x), **parts, **begun}


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def build(network: str) -> Any:
    from vae_tutorial import VAE, networks

    encoder, decoder = (getattr(networks, f"{network}_{part}") for part in ("encoder", "decoder"))
    return VAE(encoder((28, 28, 1), 20), decoder(20, (28, 28, 1)))


def package_epoch(x: np.ndarray, network: str, **settings: Any) -> Callable[[], float]:
    """An epoch of ``VAE.fit`` after ``compile(**settings)``, without what fit does once before the first epoch."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds = time.perf_counter() - self.start

    vae = build(network)
    vae.compile(**settings)
    clock = Clock()

    def run() -> float:
        vae.fit(x, batch_size=BATCH, verbose=0, callbacks=[clock])
        return clock.seconds

    return run


def torch_step(x: np.ndarray, network: str, steps: int = 200) -> dict[str, float]:
    """Where the package's step goes on PyTorch, which compiles nothing: median milliseconds of its three parts."""
    import keras

    vae = build(network)
    vae.compile()
    vae.fit(x, batch_size=BATCH, verbose=0)  # makes the optimizer's moments
    images, weights = keras.ops.convert_to_tensor(x), vae.trainable_weights
    moments = []
    for _ in range(steps):
        vae.zero_grad()
        clock = [time.perf_counter()]
        loss = vae.compute_loss(x=images, y_pred=vae(images, training=True), training=True)
        clock.append(time.perf_counter())
        loss.backward()
        clock.append(time.perf_counter())
        vae.optimizer.apply([w.value.grad for w in weights], weights)
        clock.append(time.perf_counter())
        moments.append(np.diff(clock))
    forward, backward, adam = 1e3 * np.median(moments, axis=0)
    return {"forward": round(forward, 2), "backward": round(backward, 2), "adam": round(adam, 2)}


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
        return np.random.default_rng(0).random((60_000, 28, 28, 1), dtype=np.float32)


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
    main()
