"""Published figures, theirs beside ours: what others' VAEs reached on MNIST, repeated with this package.

    export VAE_TUTORIAL_DATA=folder
    KERAS_BACKEND=jax python benchmarks/published.py flax altosaar pythae bits-back        # dense networks
    KERAS_BACKEND=tensorflow python benchmarks/published.py keras-io cvae                  # convolutions
    KERAS_BACKEND=jax python benchmarks/published.py iwae-1 --minutes 60                   # an hour of it
    python benchmarks/published.py lossless left-out adbench                               # nothing is trained
    python benchmarks/published.py                                                         # how far the rows are

On a processor convolutions are several times faster on TensorFlow than on JAX, and dense networks faster on JAX. A
finished row goes to ``results/published.json``, which the book shows; it is not measured twice without ``--again``.

Training that was stopped goes on from its file in ``checkpoints``, with the images, draws and noise that it would have
had without a stop. Until its last epoch the page calls a row partial. Those of ``iwae`` take hours or days, so that
their file may be committed; it has 5 MB, so finish one row before you start the next. Recipes are in ``recipes.py``.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from recipes import RECIPES, Array, Images, Recipe, grey
from record import circumstances, write

from vae_tutorial import VAE

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "published.json"
CHECKPOINTS = FOLDER / "checkpoints"
SAVED_EVERY = 600.0  # seconds
SO_FAR = 200  # draws for log p(x), at most, of a row that is not finished
PER = {"nats": 1.0, "bits per pixel": 784 * math.log(2)}  # nats an image

Row = dict[str, Any]


# -- training ------------------------------------------------------------------------------------------------------


class Redrawn(keras.utils.PyDataset):
    """Batches of grey images in their own order, drawn as black and white anew in each epoch: (b, 28, 28, 1)

    The draw is a function of the model's seed and the number of its steps, which is kept with its weights.
    """

    def __init__(self, grey: Array, batch_size: int, vae: VAE) -> None:
        super().__init__()
        self.levels, self.batch_size, self.vae = np.round(255 * grey).astype(np.uint8), batch_size, vae
        self.on_epoch_begin()

    def on_epoch_begin(self) -> None:
        thresholds = np.random.default_rng([self.vae.seed, int(self.vae.step)])
        self.white = thresholds.integers(255, size=self.levels.shape, dtype=np.uint8) < self.levels  # P = level / 255

    def __len__(self) -> int:
        return math.ceil(len(self.levels) / self.batch_size)

    def __getitem__(self, i: int) -> tuple[Array]:
        return (self.white[i * self.batch_size : (i + 1) * self.batch_size].astype(np.float32),)


class Sitting(keras.callbacks.Callback):
    """Writes weights and the optimizer's state now and then and at the end, which comes when the time is up.

    Before them, the seconds of training so far, the last epoch's metrics, and the commits of all sittings: weights that
    are at the end have these.
    """

    def __init__(self, file: Path, minutes: float, commit: str) -> None:
        super().__init__()
        self.file, self.log = file, log_of(file)
        if minutes and commit not in self.log["commits"]:
            self.log["commits"] = [*self.log["commits"], commit]
        self.start = self.saved = time.monotonic()
        self.end = self.start + 60 * minutes

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.log = {**self.log, "metrics": {name: float(value) for name, value in (logs or {}).items()}}
        now = time.monotonic()
        if now > self.end:
            self.model.stop_training = True
        elif now > self.saved + SAVED_EVERY:
            self.save()
            self.saved = now

    def on_train_end(self, logs: Any = None) -> None:
        self.save()

    def save(self) -> None:
        before = self.log["seconds"]
        now = None if before is None else before + time.monotonic() - self.start
        write(log_file(self.file), {**self.log, "seconds": now})
        self.model.save_weights(self.file)


def log_of(file: Path) -> Row:
    """What stands beside a file of weights: ``seconds`` of training, None if not known, ``metrics`` and ``commits``."""
    if log_file(file).exists():
        log: Row = json.loads(log_file(file).read_text("utf8"))
        return log
    return {"seconds": None if file.exists() else 0.0, "metrics": {}, "commits": []}


def train(recipe: Recipe, images: Images, vae: VAE, file: Path, minutes: float, commit: str) -> int:
    """Train, from the file on if there is one; the number of epochs so far."""
    vae.compile(recipe.optimizer())
    vae.optimizer.build(vae.trainable_variables)
    best = best_of(file)
    if not file.exists():  # what a training has left that was stopped before its first file
        best.unlink(missing_ok=True)
        log_file(file).unlink(missing_ok=True)
    callbacks: list[keras.callbacks.Callback] = [Sitting(file, minutes, commit)]
    if recipe.rates:
        callbacks.append(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate_at(recipe, epoch, rate)))
    if recipe.best:
        reached = None
        if best.exists():
            vae.load_weights(best)
            reached = vae.evaluate(images.valid, batch_size=recipe.batch_size, verbose=0, return_dict=True)["elbo"]
        saving = {"save_best_only": True, "save_weights_only": True, "initial_value_threshold": reached}
        callbacks.append(keras.callbacks.ModelCheckpoint(best, "val_elbo", mode="max", **saving))
    if file.exists():
        vae.load_weights(file)
    feed: Row = {"x": images.train, "batch_size": recipe.batch_size}
    if recipe.redrawn:
        feed = {"x": Redrawn(images.train, recipe.batch_size, vae), "shuffle": False}
    steps = math.ceil(len(images.train) / recipe.batch_size)
    epoch = int(vae.step) // steps
    vae.fit(
        **feed,
        epochs=recipe.epochs if minutes else epoch,
        initial_epoch=epoch,
        validation_data=images.valid if recipe.best else None,
        callbacks=callbacks,
        verbose=2,
    )
    epoch = int(vae.step) // steps
    if recipe.best:
        vae.load_weights(best)
    return epoch


def rate_at(recipe: Recipe, epoch: int, rate: float) -> float:
    passed = [r for start, r in recipe.rates.items() if epoch >= start]
    return min(passed, default=rate)


def checkpoint(name: str) -> Path:
    return CHECKPOINTS / f"{name}.weights.h5"


def best_of(file: Path) -> Path:
    return file.with_name(f"best.{file.name}")


def log_file(file: Path) -> Path:
    return file.with_name(file.name.replace(".weights.h5", ".json"))


def measure(name: str, minutes: float, again: bool) -> Row:
    """Train a row, to its end or for some minutes, and find its figures."""
    begun = circumstances()  # of the code that trains; where there is no commit to name, fail now and not after hours
    recipe, file = RECIPES[name], checkpoint(name)
    images, vae = recipe.images(), recipe.model()
    if again:
        forget(name)  # not before all is at hand for a new training
    epoch = train(recipe, images, vae, file, minutes, begun["commit"])
    log, finished = log_of(file), epoch == recipe.epochs
    draws = recipe.draws if finished else min(recipe.draws, SO_FAR)
    ours = {"−ELBO": mean_and_error(-vae.elbo(images.test, k=16).value / PER[recipe.unit])}
    if draws:
        ours["−log p(x)"] = mean_and_error(-vae.log_likelihood(images.test, k=draws).value / PER[recipe.unit])
    for what in recipe.theirs:
        if what.startswith("training "):
            ours[what] = [log["metrics"][what.removeprefix("training ")], 0.0]
    return {
        "title": recipe.title,
        "source": recipe.source,
        "theirs": recipe.theirs,
        "ours": ours,
        "differs": recipe.differs,
        "unit": recipe.unit,
        "checked": recipe.checked,
        "seeds": [vae.seed],
        **({"draws": draws} if draws else {}),
        **({} if finished else {"partial": f"epoch {epoch} of {recipe.epochs}, {draws} draws"}),
        **({"seconds": round(log["seconds"])} if log["seconds"] is not None else {}),
        **begun,
        "commit": ", ".join(log["commits"]),  # those that trained
    }


def mean_and_error(values: Array) -> list[float]:
    """Mean, and its standard error: over images, or over seeds."""
    return [float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)]


# -- rows for which nothing is trained here ------------------------------------------------------------------------


def lossless() -> Row:
    """Bits per pixel of the test images as one file, eight pixels a byte; drawn and packed as in the source's code."""
    begun, start = circumstances(), time.monotonic()
    levels = np.round(255.0 * grey().test[..., 0].astype(np.float64)) / 255.0
    packed = np.packbits(np.random.RandomState(0).random_sample(levels.shape) < levels).tobytes()
    sizes = {"gzip": len(gzip.compress(packed)), "bz2": len(bz2.compress(packed))}
    return {
        "title": "Lossless coding of binarised MNIST",
        "source": "Townsend, Bird & Barber (2019); images from github.com/bits-back/bits-back",
        "theirs": {"gzip": "0.328", "bz2": "0.250"},
        "ours": {name: [8 * size / levels.size, 0.0] for name, size in sizes.items()},
        "differs": "nothing that we know of: drawn and packed by the seed and the code of theirs",
        "unit": "bits per pixel",
        "checked": False,
        "seeds": [0],
        "seconds": round(time.monotonic() - start),
        **begun,
    }


def left_out() -> Row:
    """MNIST without one of its digits, from ``out_of_distribution.py``."""
    found = json.loads((FOLDER / "results" / "out_of_distribution.json").read_text("utf8"))

    def models(digit: int, width: int) -> list[Row]:
        return [found[f"mnist, {digit if digit != 1 else 'ones'}, bernoulli, {width}, {seed}"] for seed in range(3)]

    theirs = dict(enumerate(["0.81", "0.09", "0.92", "0.87", "0.78", "0.86", "0.87", "0.51", "0.89", "0.58"]))
    runs = {f"{digit}, 32 latents": models(digit, 32) for digit in theirs} | {"1, 2 latents": models(1, 2)}
    return {
        "title": "Tonnaer's thesis, MNIST, a digit left out",
        "source": "L. Tonnaer's thesis, table 3.3 on page 41",
        "theirs": {f"{digit}, 32 latents": auroc for digit, auroc in theirs.items()} | {"1, 2 latents": "0.73"},
        "ours": {what: mean_and_error(np.array([m["auroc"]["−ELBO"] for m in of])) for what, of in runs.items()},
        "differs": "theirs are convolutions with batch normalisation, 50 epochs, and the training set's images of the "
        "digit are the anomalies; ours are dense, 4000 steps, with the test set's",
        "unit": "AUROC",
        "checked": True,
        "seeds": [0, 1, 2],
        "seconds": round(sum(model["seconds"] for of in runs.values() for model in of)),
        "measured": "; ".join(sorted({model["measured"] for of in runs.values() for model in of})),
    }


def adbench() -> Row:
    """Four tables of ADBench, from ``anomaly.py``."""
    found = json.loads((FOLDER / "results" / "anomaly.json").read_text("utf8"))
    names = {"cardio": "6_cardio", "thyroid": "38_thyroid", "Pima": "29_Pima", "satellite": "30_satellite"}
    methods = {"VAE": "VAEDetector", "pyod's VAE, run here": "pyod VAE", "PCA": "PCA"}
    vae = {"cardio": "96.55", "thyroid": "98.55", "Pima": "73.18", "satellite": "74.14"}
    pca = {"cardio": "96.54", "thyroid": "98.55", "Pima": "72.28", "satellite": "66.63"}
    fitted = [table["methods"][method] for table in found["tables"].values() for method in methods.values()]
    return {
        "title": "ADBench's tables, half of the normals to train on",
        "source": "a quotation, whose source we could not find; the protocol is that of github.com/vicliv/DTE",
        "theirs": {
            f"{table}, {short}": (pca if short == "PCA" else vae)[table] for table in names for short in methods
        },
        "ours": {
            f"{table}, {short}": mean_and_error(np.array(found["tables"][key]["methods"][method]["auroc"]["seeds"]))
            for table, key in names.items()
            for short, method in methods.items()
        },
        "differs": "that protocol's VAE and PCA are pyod's; our VAE is VAEDetector, and our PCA measures "
        "the error that the components of 90 % of the variance leave; the time is the processor's, of fitting",
        "unit": "AUROC, %",
        "checked": False,
        "seeds": found["seeds"],
        "seconds": round(sum(sum(method["fit_seconds"]["seeds"]) for method in fitted)),
        **{fact: found[fact] for fact in ("date", "hardware", "versions", "commit")},
    }


OTHERS: dict[str, Callable[[], Row]] = {"lossless": lossless, "left-out": left_out, "adbench": adbench}


def main() -> None:
    names = (*RECIPES, *OTHERS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*names, []], help=f"of {', '.join(names)}")
    parser.add_argument("--again", action="store_true", help="from the start, also those that have a result")
    parser.add_argument("--minutes", type=float, default=math.inf, help="train no longer; 0: not at all")
    options = parser.parse_args()
    for name in options.rows:
        before = found().get(name)
        goes_on = before is None or "partial" in before or checkpoint(name).exists()  # the last: of --again
        if name in OTHERS:
            row = OTHERS[name]()
        elif options.again or goes_on:
            row = measure(name, options.minutes, options.again)
        else:
            continue
        results = {**found(), name: row}  # read again: another row may have been finished meanwhile
        write(RESULTS, {n: results[n] for n in names if n in results})
        if "partial" not in row:
            forget(name)
    for name, row in found().items():
        print(f"{name:10} {row.get('partial', 'finished')}: theirs {row['theirs']} ours {row['ours']}")


def forget(name: str) -> None:
    """Remove what training would go on from."""
    file = checkpoint(name)
    for part in (file, best_of(file), log_file(file)):
        part.unlink(missing_ok=True)


def found() -> dict[str, Row]:
    return json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}


if __name__ == "__main__":
    main()
