"""An instrument for scores of strangeness: one threshold, and all that follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from vae_tutorial import plots
from vae_tutorial._checks import described, numbers
from vae_tutorial.explorer._checks import between, doubles
from vae_tutorial.explorer._stage import Instrument, slider

MOST_SCORES = 4000


class ThresholdExplorer(Instrument):
    """Histograms of scores, a threshold to move, the confusion matrix, and the point on ROC and precision–recall curve.

    >>> ThresholdExplorer(scores, is_anomaly)      # (n,), larger is stranger; (n,) of 0 and 1

    A score at or above the threshold, in double precision, raises the alarm. ``unit`` names the scores' axis. Of more
    than 4000 scores an evenly spaced part of each class is used, and the axis says so. Raises ValueError for labels of
    another length or other than 0 and 1, scores that are not finite or all equal, and for a class without a member.
    """

    script = "threshold.js"

    def __init__(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        threshold: float | None = None,
        unit: str = "nats",
        title: str = "Where to draw the line",
    ) -> None:
        s = doubles("scores", scores)
        y = numbers("labels", labels, "labels")
        if y.shape != s.shape or not np.isin(y, (0, 1)).all():
            raise ValueError(f"labels: expected {len(s)} values 0 (normal) or 1 (anomalous), got {described(y)}.")
        self.normal, self.anomalous = (_thinned(np.sort(s[y == label]), len(s)) for label in (0, 1))
        if not len(self.normal) or not len(self.anomalous):
            raise ValueError(f"labels: expected both 0 and 1, got only {y[0]:g}.")
        low, high = float(s.min()), float(s.max())
        if not high - low > 1e-12 * max(abs(low), abs(high), 1e-18):  # else a slider cannot part them
            raise ValueError(f"scores: expected different values, got {low:.12g} throughout.")
        if threshold is None:
            threshold = float(np.quantile(self.normal, 0.95))
        threshold = between("threshold", threshold, low, high)
        used = len(self.normal) + len(self.anomalous)
        if used < len(s):
            unit = f"{unit}; {used:,} of {len(s):,} scores"
        step = 10.0 ** np.floor(np.log10((high - low) / 200))
        low, high = min(low, np.floor(low / step) * step), max(high, np.ceil(high / step) * step)
        digits = max(0, -int(np.log10(step)))
        data: dict[str, Any] = {"normal": self.normal.tolist(), "anomalous": self.anomalous.tolist(), "unit": unit}
        data["threshold"] = threshold  # of which the view of the slider makes the next step
        super().__init__(title, [slider("threshold", threshold, low, high, step, digits)], data)

    def draw(self, figure: Figure) -> None:
        at, low, high = (getattr(self.sliders[0], name) for name in ("value", "min", "max"))
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for scores, name in ((self.normal, "normal"), (self.anomalous, "anomalous")):
            left.hist(scores, np.linspace(low, high, 41), density=True, alpha=0.5, label=name)
        left.axvline(at, color=plots.INK, label="threshold")
        left.set(xlabel=self.stage.data["unit"], yticks=[])
        left.legend()
        every = np.append(np.unique(np.concatenate([self.normal, self.anomalous])), np.inf)
        found, alarms = (_share_at_least(s, every) for s in (self.anomalous, self.normal))
        right.plot(alarms, found)
        right.plot(
            _share_at_least(self.normal, at), _share_at_least(self.anomalous, at), "o", mfc="none", ms=11, mew=2.5
        )
        right.set(xlabel="false alarms", ylabel="found", aspect="equal", title="ROC")

    def alt(self) -> str:
        at = self.sliders[0].value
        found, alarms = (float(_share_at_least(s, at)) for s in (self.anomalous, self.normal))
        return (
            f"{self.stage.title}: histograms of the scores of {len(self.normal)} normal and {len(self.anomalous)} "
            f"anomalous data, and the ROC curve. A threshold of {at:.4g} finds {100 * found:.0f} % of the anomalies, "
            f"with {100 * alarms:.1f} % false alarms. On the live page the threshold can be moved."
        )


def _thinned(ordered: NDArray[np.float64], among: int) -> NDArray[np.float64]:
    """Evenly spaced ranks, so that every quantile stays where it was, of four digits."""
    most = int(np.ceil(len(ordered) * min(1.0, MOST_SCORES / among)))
    ranks = np.linspace(0, len(ordered) - 1, most).round().astype(int)
    return ordered[ranks] if most < len(ordered) else ordered


def _share_at_least(ordered: NDArray[np.float64], value: ArrayLike) -> NDArray[np.float64]:
    return 1 - np.searchsorted(ordered, value, side="left") / len(ordered)
