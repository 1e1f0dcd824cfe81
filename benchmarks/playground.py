"""The playground's engine beside Keras: the same model, data and budget, in Chromium and on the active back end.

    KERAS_BACKEND=jax python benchmarks/playground.py               # five seeds each, ninety-five epochs
    KERAS_BACKEND=jax python benchmarks/playground.py --seeds 3 --epochs 20

Both train the 64-64-2 VAE on the black and white digits with batches of 64 and Adam at 0.003, and are scored on the
same held-out images. Printed are each seed's −ELBO in nats per image, its mean and standard deviation, the difference
with its standard error, and training steps per second: the engine's without its pictures, Keras's in `fit`, compiled
beforehand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book/_ext"))

from vaebook import playground

BATCH, LEARNING_RATE = 64, 3e-3
TRAIN = """([seed, steps, learningRate]) => {
    const engine = vaeEngine();
    const settings = { objective: "vae", latent: 2, beta: 1, learningRate, seed };
    const training = new engine.Training(vaeDigits, settings);
    const start = performance.now();
    while (training.steps < steps) training.step();
    const seconds = (performance.now() - start) / 1000;
    const { rate, distortion } = training.measure("test");
    return [rate + distortion, steps / seconds];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="at least 3")
    parser.add_argument("--epochs", type=int, default=95)
    options = parser.parse_args()
    if options.seeds < 3 or options.epochs < 1:
        parser.error("--seeds: at least 3, and --epochs: at least 1")
    seeds = range(1, options.seeds + 1)

    from vae_tutorial import datasets

    data = datasets.load("digits")
    x_train, x_test = (playground.black_and_white(x).astype(np.float32) for x in (data.x_train, data.x_test))
    steps = options.epochs * -(-len(x_train) // BATCH)
    found = {"in the page": in_chromium(seeds, steps), "Keras": in_keras(seeds, options.epochs, x_train, x_test)}
    print(f"{steps} steps of {BATCH} images, Adam {LEARNING_RATE}; held-out −ELBO in nats per image\n")
    for name, results in found.items():
        bound, speed = results.T
        each = " ".join(f"{value:.2f}" for value in bound)
        print(f"{name:12}{bound.mean():7.2f} ± {bound.std(ddof=1):.2f}   ({each})   {np.median(speed):5.0f} steps/s")
    page, keras = (results[:, 0] for results in found.values())
    spread = np.sqrt((page.var(ddof=1) + keras.var(ddof=1)) / len(seeds))
    print(f"\ndifference {page.mean() - keras.mean():+.2f}, standard error {spread:.2f}")


def in_chromium(seeds: range, steps: int) -> NDArray[np.float64]:
    """−ELBO and steps per second of each seed."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        sys.exit("no Chromium: install it, or name it in the variable CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.add_script_tag(content=playground.digits_script())
        page.add_script_tag(path=playground.PARTS / "engine.js")
        results = [page.evaluate(TRAIN, [seed, steps, LEARNING_RATE]) for seed in seeds]
        browser.close()
    return np.array(results)


def in_keras(
    seeds: range, epochs: int, x_train: NDArray[np.float32], x_test: NDArray[np.float32]
) -> NDArray[np.float64]:
    """−ELBO and steps per second of each seed."""
    import keras

    from vae_tutorial import VAE, networks

    shape, results = x_train.shape[1:], []
    for seed in seeds:
        encoder = networks.mlp_encoder(shape, 2, hidden=(64,), seed=seed)
        decoder = networks.mlp_decoder(2, shape, hidden=(64,), seed=seed + 100)
        vae = VAE(encoder, decoder, seed=seed)
        vae.compile(keras.optimizers.Adam(LEARNING_RATE))
        vae.fit(x_train, epochs=1, batch_size=BATCH, verbose=0)  # compiles
        start = time.perf_counter()
        vae.fit(x_train, epochs=epochs - 1, batch_size=BATCH, verbose=0)
        seconds = time.perf_counter() - start
        speed = (epochs - 1) * -(-len(x_train) // BATCH) / seconds
        elbo = vae.elbo(x_test, k=1, seed=seed).value.mean()
        results.append([-elbo, speed])
    return np.array(results)


if __name__ == "__main__":
    main()
