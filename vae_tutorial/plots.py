"""The book's figures: arrays in, a matplotlib Axes or Figure out. ``use_style()`` first, for its look.

Every figure has one width, so that type has one size on the page, and is legible on a phone. No meaning hangs on
colour alone: series also differ by marker and line, classes by marker and name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects, ticker
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import ArrayLike, NDArray

from vae_tutorial._checks import array, count, described

PAPER, INK, FAINT = "#fcfcfa", "#22262b", "#d9dad6"
WIDTH = 5.6  # inches, of every figure: at 390 pixels, a phone's width, the type below is 9 to 11 pixels high
TYPE = {"text": 10.5, "title": 12.0}  # points

# Ten colours that stand out from the paper (contrast of 3 or more) and from each other, also for red-, green- and
# blue-blind eyes (tests/test_plots.py measures both); the first are for series, all ten for classes.
PALETTE = (
    "#0072b2", "#d55e00", "#1b7f4d", "#78005a", "#5a2d00", "#002d96", "#b4002d", "#c369f0", "#c37887", "#96964b",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 2, 2)))
GREYS = LinearSegmentedColormap.from_list("paper to ink", ["#ffffff", "#8d9299", "#14181d"])
SIGNED = LinearSegmentedColormap.from_list("signed", ["#7a3a00", "#e8853a", "#ffffff", "#4a9bd0", "#003f72"])

_STYLE: dict[str, Any] = {
    "figure.figsize": (WIDTH, 3.4),
    "figure.dpi": 144,
    "figure.facecolor": PAPER,  # opaque: a dark page shows the figure as a card
    "savefig.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "font.size": TYPE["text"],
    "axes.labelsize": TYPE["text"],
    "xtick.labelsize": TYPE["text"],
    "ytick.labelsize": TYPE["text"],
    "legend.fontsize": TYPE["text"],
    "axes.titlesize": TYPE["title"],
    "figure.titlesize": TYPE["title"],
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.facecolor": PAPER,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.prop_cycle": plt.cycler(color=PALETTE),
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "image.cmap": "gray",
}


def use_style() -> None:
    """Give matplotlib the book's look, until it is told otherwise.

    >>> plots.use_style()
    """
    plt.rcParams.update(_STYLE)


# --------------------------------------------------------------------------------------------------- images


def image_grid(
    images: ArrayLike,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    title: str = "",
    signed: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Images in rows, as one picture.

    >>> image_grid(data.x_test[:20], columns=10)          # (n, h, w) or (n, h, w, 1) in [0, 1] -> Axes

    Dark is 1. Values outside [0, 1] show as 0 or 1; with ``signed`` zero is white, and the colours reach from minus to
    plus the largest value (for weights and components). ``titles`` names each image, or each column.
    """
    x = _images("images", images)
    columns = min(len(x), 10) if columns is None else count("columns", columns)
    rows = -(-len(x) // columns)
    if titles is not None and len(titles) not in (len(x), columns):
        raise ValueError(f"titles: expected {len(x)}, one for each image, got {len(titles)}.")
    ax = _axes(ax, WIDTH * x.shape[1] / x.shape[2] * rows / columns + 0.3 * bool(title or titles))
    _mosaic(ax, x, columns, signed)
    for i, text in enumerate(titles or ()):
        row, column = divmod(i, columns)
        ...
    ax.set_title(title)
    return ax
