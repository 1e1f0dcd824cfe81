"""An instrument for a sweep over β: what each model pays, and what it has learned for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import ipywidgets
import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from vae_tutorial._checks import array
from vae_tutorial.explorer._checks import classes, extent_of, glyphs
from vae_tutorial.explorer._stage import WIDE, Instrument
from vae_tutorial.explorer.latent import PAPER_AND_INK, mosaic
from vae_tutorial.models import VAE

MOST_POINTS = 400
DRAWS = 5  # a side


class BetaExplorer(Instrument):
    """The rate–distortion curve of models trained with different β; of each its map of codes and its draws.

    >>> BetaExplorer([weak, vae, strong], data.x_test, data.y_test)     # (n, h, w, c), (n,)

    Rate and distortion are means over ``x``, in nats an image (Alemi et al., 2018). The map shows the first two
    dimensions of at most 400 codes; all models draw with the same ``seed``. Each model says its own β; it is measured
    as it comes, so that one model, trained anew each time, may come from a generator. Raises ValueError for fewer than
    two values of β, models for other images, of two channels or with one latent dimension, or labels of another length.
    """

    script = "beta.js"

    def __init__(
        self,
        models: Iterable[VAE],
        x: ArrayLike,
        labels: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        x = array("x", x, (None, None, None), "images")
        y, names = classes(labels, class_names, len(x))
        shown = np.sort(np.random.default_rng(0).permutation(len(x))[:MOST_POINTS])
        found = sorted((_measured(model, x, shown, seed) for model in models), key=lambda one: one.beta)
        self.betas = [one.beta for one in found]
        if len(set(self.betas)) < 2:
            raise ValueError(f"models: expected at least two values of β, got {self.betas}.")
        self.rates, self.distortions = [one.rate for one in found], [one.distortion for one in found]
        self.pictures = [mosaic(one.draws, DRAWS) for one in found]
        samples = np.stack([np.rint(255 * np.nan_to_num(p).clip(0, 1)).astype(np.uint8) for p in self.pictures])
        chosen = ipywidgets.SelectionSlider(
            options=[(f"{beta:g}", beta) for beta in self.betas],
            value=min(self.betas, key=lambda beta: abs(beta - 1)),
            description="β",
            layout=WIDE,
            style={"description_width": "3.2em"},
        )
        data = {
            "betas": self.betas,
            "rates": self.rates,
            "distortions": self.distortions,
            "codes": [np.round(one.codes.astype(float), 2).tolist() for one in found],
            "classes": y[shown].tolist(),
            "glyphs": glyphs(names) or ["·"],
            "samples": samples.tobytes(),
            "shape": samples.shape[1:3],
            "extent": extent_of(np.concatenate([one.codes for one in found])),
        }
        super().__init__("What β does", [chosen], data)

    def draw(self, figure: Figure) -> None:
        now = self.betas.index(self.sliders[0].value)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        left.plot(self.rates, self.distortions, "-s")
        for beta, rate, distortion in zip(self.betas, self.rates, self.distortions, strict=True):
            left.annotate(f"β = {beta:g}", (rate, distortion), (5, 5), textcoords="offset points")
        left.set(xlabel="rate, nats", ylabel="distortion, nats")
        right.imshow(self.pictures[now], **PAPER_AND_INK)
        right.set(title=f"draws at β = {self.betas[now]:g}")
        right.set_axis_off()

    def alt(self) -> str:
        first, last = (f"{b:g}" for b in (self.betas[0], self.betas[-1]))
        return (
            f"What β does: distortion against rate for {len(self.betas)} models. From β = {first} to β = {last} the "
            f"rate goes from {self.rates[0]:.1f} to {self.rates[-1]:.1f} nats, the distortion from "
            f"{self.distortions[0]:.1f} to {self.distortions[-1]:.1f}. On the live page a slider chooses β and shows "
            "its codes and draws."
        )


class Measured(NamedTuple):
    """What is kept of one model."""

    beta: float
    rate: float
    distortion: float
    codes: NDArray[np.float32]
    draws: NDArray[np.float32]


def _measured(model: VAE, x: NDArray[np.float32], shown: NDArray[np.intp], seed: int) -> Measured:
    if not isinstance(model, VAE):
        raise TypeError(f"models: expected VAEs, got {type(model).__name__}.")
    if model.latent_dim < 2:
        raise ValueError("models: expected at least two latent dimensions for a map, got one.")
    if model.image_shape[2] not in (1, 3):
        raise ValueError(f"models: expected 1 (grey) or 3 (colour) channels, got {model.image_shape[2]}.")
    nats = model.evaluate(x, verbose=0, return_dict=True)
    codes = np.asarray(model.encode(x[shown]).mean)[:, :2]
    draws = np.asarray(model.sample(DRAWS**2, seed=seed))
    beta = float(f"{float(keras.ops.convert_to_numpy(model.beta)):.6g}")  # 0.1, which float32 has as 0.10000000149
    return Measured(beta, nats["rate"], nats["distortion"], codes, draws)
