"""How time and memory grow with the work: images, pixels, latent numbers, batch, draws, data on disk; and the limit.

    KERAS_BACKEND=jax python benchmarks/scale.py                 # what has no result yet
    KERAS_BACKEND=jax python benchmarks/scale.py batch --again

The model is the 784-400-20 VAE of `training_speed.py`, batches of 128, images of noise: the work does not depend on
what they show. Every point is measured in a process of its own, whose peak memory is the operating system's figure
for that process. All turns are kept (epochs; of the draws, log p(x) of 128 images), but for a first one that compiles.
``likelihood`` sets log p(x) with 5000 draws beside the same estimate by hand (JAX), in turns; ``limit`` sets the
arithmetic of a training step beside the fastest matrix product that the same back end and machine reach; ``devices``
shares one training among virtual devices, and among processes (JAX). Results go to ``results/scale.json``, which the
book shows.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "scale.json"
AXES: dict[str, tuple[int, ...]] = {
    "images": (1_000, 10_000, 100_000, 1_000_000),
    "pixels": (64, 256, 1024, 4096, 16_384),
    "latent": (2, 8, 32, 128, 512),
    "batch": (16, 64, 256, 1024, 4096),
    "draws": (32, 128, 512, 2048, 8192),  # whole tiles, so that one shape is compiled
    "disk": (10_000, 100_000, 1_000_000),
}
IMAGES, SIDE, HIDDEN, LATENT, BATCH, SCORED = 20_000, 28, 400, 20, 128, 128
TURNS, FEW = 7, 3  # the latter for a million images

Array = np.ndarray[Any, Any]


def noise(n: int, side: int = SIDE) -> Array:
    return np.random.default_rng(0).random((n, side, side, 1), dtype=np.float32)


def new_vae(side: int = SIDE, latent_dim: int = LATENT) -> Any:
    from vae_tutorial import VAE, networks

    shape = (side, side, 1)
    encoder = networks.mlp_encoder(shape, latent_dim, (HIDDEN,), seed=0)
    vae = VAE(encoder, networks.mlp_decoder(latent_dim, shape, (HIDDEN,), seed=1), seed=0)
    vae.compile()
    return vae


def epoch_seconds(vae: Any, x: Any, batch_size: int | None, epochs: int = TURNS) -> list[float]:
    """Of each epoch after the first, which compiles."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds.append(time.perf_counter() - self.start)

    seconds: list[float] = []
    vae.fit(x, batch_size=batch_size, epochs=1 + epochs, verbose=0, callbacks=[Clock()])
    return seconds[1:]


def on_disk(n: int) -> list[float]:
    """Images of one byte a pixel in a file; each batch is read when its turn comes, and forgotten."""
    import keras

    class FromDisk(keras.utils.PyDataset):
        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path, self.batches = path, n // BATCH

        def __len__(self) -> int:
            return self.batches

        def __getitem__(self, i: int) -> tuple[Array]:
            # mapped anew each time: the pages of an old mapping would count as this process's memory
            images = np.load(self.path, mmap_mode="r")[i * BATCH : (i + 1) * BATCH]
            return (images / np.float32(255),)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        with path.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (n, SIDE, SIDE, 1)}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, n, 10_000):
                file.write(np.random.default_rng(start).bytes(10_000 * SIDE**2))
        return epoch_seconds(new_vae(), FromDisk(path), None, FEW if n >= 1_000_000 else TURNS)


def scored(draws: int) -> list[float]:
    vae, x, seconds = new_vae(), noise(SCORED), []
    vae.log_likelihood(x, k=min(draws, 64))  # compiles
    for _ in range(TURNS):
        start = time.perf_counter()
        vae.log_likelihood(x, k=draws)
        seconds.append(time.perf_counter() - start)
    return seconds


MEASURES: dict[str, Callable[[int], list[float]]] = {
    "images": lambda n: epoch_seconds(new_vae(), noise(n), BATCH, FEW if n >= 1_000_000 else TURNS),
    "pixels": lambda n: epoch_seconds(new_vae(side=round(n**0.5)), noise(IMAGES, round(n**0.5)), BATCH),
    "latent": lambda n: epoch_seconds(new_vae(latent_dim=n), noise(IMAGES), BATCH),
    "batch": lambda n: epoch_seconds(new_vae(), noise(IMAGES), n),
    "draws": scored,
    "disk": on_disk,
}


def likelihood(turns: int = 7, images: int = 384, draws: int = 5000) -> dict[str, Any]:
    """log p(x) of so many images: seconds of the package and by hand, in turns, and how far the two values differ.

    The package takes 96 images at a time, the loop by hand 128: of this number neither has a part left over to fill up.
    """
    import hand_written
    import keras

    vae, x = new_vae(), noise(images)
    trained = [keras.ops.convert_to_numpy(w) for w in vae.trainable_weights]  # kernel, bias, kernel, bias, ...
    weights = dict(zip(hand_written.SIZES["mlp"], zip(trained[::2], trained[1::2], strict=True), strict=True))
    hand = hand_written.jax_log_likelihood(weights, x.reshape(images, -1))
    contestants = {"package": lambda: vae.log_likelihood(x, k=draws).value, "hand": lambda: hand(draws)}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(turns + 1):
        values = {}
        for name in in_turn(list(contestants), turn):
            start = time.perf_counter()
            values[name] = contestants[name]()
            if turn:
                seconds[name].append(round(time.perf_counter() - start, 3))
    apart = values["package"] - values["hand"]
    error = float(apart.std(ddof=1) / images**0.5)  # of both estimates: their draws are not the same
    return {"images": images, "draws": draws, "seconds": seconds, "nats_apart": [float(apart.mean()), error]}


def in_turn(names: list[str], turn: int) -> list[str]:
    """Each goes first in every other turn."""
    return names[:: -1 if turn % 2 else 1]


def limit() -> dict[str, Any]:
    """Thousand million floating-point operations a second, of a training epoch and a large matrix product at best."""
    import keras

    a = keras.ops.convert_to_tensor(noise(1, 2048)[0, :, :, 0])
    rates = []
    for _ in range(7):
        start = time.perf_counter()
        keras.ops.convert_to_numpy(keras.ops.matmul(a, a))
        rates.append(2 * 2048**3 / (time.perf_counter() - start))
    vae = new_vae()
    kernels = [w.size for w in vae.get_weights() if w.ndim == 2]
    # a multiplication and an addition each: forward, gradient of the weights, gradient of the inputs save the images
    step = 2 * BATCH * (3 * sum(kernels) - kernels[0])
    seconds = min(epoch_seconds(vae, noise(IMAGES), BATCH))
    return {"product": max(rates) / 1e9, "training": step * (IMAGES / BATCH) / seconds / 1e9}


def devices() -> list[dict[str, Any]]:
    """The same small training on one device, on four virtual ones, and in two processes: losses, and how far apart."""
    script = Path(__file__).parents[1] / "tests" / "cross" / "distributed.py"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ways = {
        "one device": [("devices", "1")],
        "four devices": [("devices", "4")],
        "two processes": [("process", "0", port), ("process", "1", port)],
    }
    found: list[dict[str, Any]] = []
    for way, processes in ways.items():
        children = [
            subprocess.Popen([sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True)
            for arguments in processes
        ]
        try:
            outputs = [child.communicate(timeout=300)[0] for child in children]
        finally:
            for child in children:
                child.kill()  # where one failed, the other waits for it
        if any(child.returncode for child in children):
            raise RuntimeError(f"{way}: the training failed; its message stands above.")
        losses = [np.array(json.loads(output.splitlines()[-1])["loss"]) for output in outputs]
        alone = losses[0] if not found else np.array(found[0]["losses"])
        apart = max(float(np.max(np.abs(loss / alone - 1))) for loss in losses)
        found.append({"way": way, "losses": losses[0].tolist(), "apart": apart})
    return found


def in_a_process(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", *arguments]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def measured(name: str) -> Any:
    if name == "devices":
        return devices()  # in processes of its own
    return [in_a_process(name, str(v)) for v in AXES[name]] if name in AXES else in_a_process(name)


def child(what: str, value: str = "") -> dict[str, Any]:
    from record import peak_megabytes

    if what in AXES:
        seconds = MEASURES[what](int(value))
        return {"value": int(value), "seconds": [round(s, 4) for s in seconds], "peak_mb": round(peak_megabytes())}
    return {"likelihood": likelihood, "limit": limit}[what]()


def main() -> None:
    from record import circumstances, write

    names = (*AXES, "likelihood", "limit", "devices")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*names, []], help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)  # a process of ours
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(child(*options.measure)))
        return
    results = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    for name in options.what or names:
        if options.again or name not in results:
            begun = circumstances()
            results[name] = {"found": measured(name), **begun}
            write(RESULTS, {n: results[n] for n in names if n in results})
        print(name, json.dumps(results[name]["found"]), flush=True)


if __name__ == "__main__":
    main()
