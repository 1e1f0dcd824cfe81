"""An instrument for a sweep over β: what each model pays, and what it has learned for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from vae_tutorial._checks import number
from vae_tutorial.explorer._checks import classes, extent_of, glyphs
from vae_tutorial.explorer._stage import Instrument
from vae_tutorial.explorer.latent import PAPER_AND_INK, mosaic
from vae_tutorial.models import VAE

MOST_POINTS = 400
DRAWS = 5  # a side


class BetaExplorer(Instrument):
    """The rate–distortion curve of models trained with different β; of each its map of codes and its draws.

    >>> BetaExplorer({0.1: weak, 1.0: vae, 10.0: strong}, data.x_test, data.y_test)     # (n, h, w, c), (n,)

    Rate and distortion are means over ``x``, in nats an image (Alemi et al., 2018). The map shows the first two
    dimensions of at most 400 codes; all models draw from the same ``seed``. Raises ValueError for fewer than two
    models, models for other images, or labels of another length.
    """

    script = "beta.js"

    def __init__(
        self,
        models: Mapping[float, VAE],
        x: ArrayLike,
        labels: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        if len(models) < 2:
            raise ValueError(f"models: expected at least two, by their β, got {len(models)}.")
        self.betas = sorted(number("models: β", beta) for beta in models)
        ordered = [models[beta] for beta in self.betas]
        if any(model.latent_dim < 2 for model in ordered):
            raise ValueError("models: expected at least two latent dimensions for a map, got one.")
        x = np.asarray(x)
        measured = [model.evaluate(x, verbose=0, return_dict=True) for model in ordered]
        self.rates, self.distortions = ([float(m[key]) for m in measured] for key in ("rate", "distortion"))
        y, names = classes(labels, class_names, len(x))
        shown = np.sort(np.random.default_rng(0).permutation(len(x))[:MOST_POINTS])
        codes = [np.asarray(model.encode(x[shown]).mean)[:, :2] for model in ordered]
        draws = [np.asarray(model.sample(DRAWS**2, seed=seed)) for model in ordered]
        self.pictures = [mosaic(d, DRAWS) for d in draws]
        samples = np.stack([np.rint(255 * np.nan_to_num(p).clip(0, 1)).astype(np.uint8) for p in self.pictures])
        chosen = ipywidgets.SelectionSlider(
            options=[(f"{beta:g}", beta) for beta in self.betas],
            value=min(self.betas, key=lambda beta: abs(beta - 1)),
            description="β",
            layout=ipywidgets.Layout(width="100%", max_width="40rem"),
            style={"description_width": "3.2em"},
        )
        data = {
            "betas": self.betas,
            "rates": self.rates,
            "distortions": self.distortions,
            "codes": [np.round(c.astype(float), 2).tolist() for c in codes],
            "classes": y[shown].tolist(),
            "glyphs": glyphs(names) or ["·"],
            "samples": samples.tobytes(),
            "shape": samples.shape[1:3],
            "extent": extent_of(np.concatenate(codes)),
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
