"""The book's figures: arrays in, a matplotlib Axes or Figure out. ``use_style()`` first, for its look.

Every figure has one width, so that type has one size on the page and is legible on a phone. No meaning hangs
on colour alone: series also differ by marker and line, classes by marker and name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import patheffects, ticker
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import ArrayLike, NDArray

from vae_tutorial._checks import FAR, array, count, described, number, numbers

PAPER, INK, GREY, FAINT = "#fcfcfa", "#22262b", "#a9aba7", "#d9dad6"
WIDTH = 5.6  # inches, of every figure: on a phone (390 pixels) type is then 9 to 11 pixels high
TYPE = {"text": 10.5, "title": 12.0}  # points

# Ten colours that stand out from the paper (contrast of 3 or more) and from each other, also to red-, green-
# and blue-blind eyes; tests/test_plots.py measures both. Series take the first of them, classes all ten.
PALETTE = (
    "#0072b2", "#d55e00", "#1b7f4d", "#78005a", "#5a2d00", "#002d96", "#b4002d", "#c369f0", "#c37887", "#96964b",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")
AREAS = (1.0, 0.8, 1.1, 0.7, 1.1, 1.2, 1.1, 1.1, 1.7, 1.1)  # with which the markers look equally large
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 2, 2)))
GREYS = LinearSegmentedColormap.from_list("paper to ink", ["#ffffff", "#8d9299", "#14181d"])
SIGNED = LinearSegmentedColormap.from_list("signed", ["#7a3a00", "#e8853a", "#ffffff", "#4a9bd0", "#003f72"])

STYLE: Any = {  # matplotlib's settings for the book's look
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
    "axes.prop_cycle": cycler(color=PALETTE),
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
}


def use_style() -> None:
    """Give matplotlib the book's look, until it is told otherwise.

    >>> plots.use_style()
    """
    plt.style.use(STYLE)


def image_grid(
    images: ArrayLike,
    columns: int | None = None,
    titles: Sequence[str] = (),
    title: str = "",
    signed: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Images in rows; a dark pixel is a 1.

    >>> image_grid(data.x_test[:20], columns=10)          # (n, h, w) or (n, h, w, 1) in [0, 1] -> Axes

    ``titles`` name each image. Values outside [0, 1] are drawn as 0 or 1. Weights and components are
    ``signed``: zero is white, and the two colours reach to plus and minus the largest value.
    """
    x = _images("images", images)
    columns = min(len(x), 10) if columns is None else count("columns", columns)
    if len(titles) not in (0, len(x)):
        raise ValueError(f"titles: expected {len(x)}, one for each image, got {len(titles)}.")
    starts = range(0, len(x), columns)
    ax = _tiles([x[i : i + columns] for i in starts], [titles[i : i + columns] for i in starts], signed, ax)
    ax.set_title(title)
    return ax


def reconstructions(rows: Mapping[str, ArrayLike], columns: int = 8, ax: Axes | None = None) -> Axes:
    """Rows of images under their names, to compare column by column.

    >>> reconstructions({"original": x, "PCA": a, "autoencoder": b})       # each (n, h, w, 1) -> Axes

    The first ``columns`` of each row are shown.
    """
    columns = count("columns", columns)
    _mapping("rows", rows)
    if not rows:
        raise ValueError("rows: expected at least one name with its images, got none.")
    return _tiles([_images(name, x)[:columns] for name, x in rows.items()], [[name] for name in rows], False, ax)


def manifold(images: ArrayLike, z: ArrayLike, ax: Axes | None = None) -> Axes:
    """The images of a grid of latent points as a map, with the points' coordinates along its sides.

    >>> z = latent.grid(15); manifold(vae.decode(z), z)           # (side², h, w, 1), (side², 2) -> Axes
    """
    x, z = _images("images", images), array("z", z, (2,), "latent points")
    side = int(np.sqrt(len(z)))
    if side**2 != len(z) or len(x) != len(z) or side < 2 or z[0, 1] <= z[-1, 1]:
        raise ValueError(f"images, z: expected a grid from latent.grid, got {described(x)}, {described(z)}.")
    h, w = x.shape[1:]
    gap = _gap(w)
    tiles = np.pad(x, ((0, 0), (0, gap), (0, gap)), constant_values=np.nan)  # NaN is not drawn: paper shows
    picture = tiles.reshape(side, side, h + gap, w + gap).swapaxes(1, 2).reshape(side * (h + gap), -1)
    ax = _axes(ax, WIDTH * 0.98)
    ax.imshow(picture, cmap=GREYS, vmin=0, vmax=1, extent=(0, side, 0, side), aspect=(h + gap) / (w + gap))
    at = np.unique(np.linspace(0, side - 1, 5).round().astype(int))
    ax.set_xticks(at + 0.5, [_signed_number(v) for v in z[:side, 0][at]])
    ax.set_yticks(at + 0.5, [_signed_number(v) for v in z[::-side, 1][at]])
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


# -------------------------------------------------------------------------------------------- latent points


def _medoid(points: NDArray[Any]) -> NDArray[Any]:
    """The point with the least sum of distances to the others: (n, 2) -> (2,)."""
    points = points.astype(np.float64)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    return points[distances.sum(axis=1).argmin()]


def latent_scatter(
    z: ArrayLike,
    y: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    prior: bool = False,
    most: int = 3000,
    ax: Axes | None = None,
) -> Axes:
    """Points of a plane, each class with its own colour, marker and name.

    >>> latent_scatter(z, data.y_test, data.class_names)             # (n, 2), (n,) -> Axes

    A name stands on a point of its class, the one nearest to all the others, so that it lies on one of the
    islands where a class has several. ``prior`` draws the circles at 1, 2 and 3 standard deviations of the
    standard normal. Of more than ``most`` points a random part is shown, always the same one.
    """
    z = array("z", z, (2,), "points")
    labels = np.zeros(len(z), int) if y is None else numbers("y", y, "labels")
    if labels.shape != z.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"y: expected {len(z)} whole numbers as labels, got {described(labels)}.")
    classes = [int(c) for c in np.unique(labels)]
    names = [str(c) for c in range(len(PALETTE))] if class_names is None else class_names
    if classes[0] < 0 or classes[-1] >= min(len(names), len(PALETTE)):
        least = min(len(names), len(PALETTE)) - 1
        raise ValueError(f"y: expected labels from 0 to {least}, got {classes[0]} to {classes[-1]}.")
    order = np.random.default_rng(0).permutation(len(z))
    shown = order[: count("most", most)]
    size = float(np.clip(12_000 / len(shown), 9, 28))
    ax = _axes(ax, WIDTH * (0.98 if y is None else 1.1))
    if prior:
        for radius in (1, 2, 3):
            ax.add_patch(Circle((0, 0), radius, fill=False, ec=INK, lw=1, ls=LINES[1], zorder=3, alpha=0.7))
    for part in np.array_split(shown, 8):  # in turn, so that no class hides the others
        for c in classes:
            x1, x2 = z[part[labels[part] == c]].T
            look: dict[str, Any] = {"color": PALETTE[c], "marker": MARKERS[c], "s": size * AREAS[c]}
            ax.scatter(x1, x2, linewidth=0.3, edgecolor=PAPER, alpha=0.8, **look)
    if y is not None:
        halo = [patheffects.withStroke(linewidth=3.5, foreground=PAPER)]
        bold: dict[str, Any] = {"size": TYPE["title"], "weight": "bold", "ha": "center", "va": "center"}
        for c in classes:
            x1, x2 = _medoid(z[order[labels[order] == c]][:400])  # of a random part: its cost is quadratic
            ax.text(x1, x2, names[c], color=PALETTE[c], path_effects=halo, **bold)
            ax.plot([], [], MARKERS[c], color=PALETTE[c], label=names[c])
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=5, handletextpad=0, columnspacing=1.2)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    ax.set_aspect("equal", "datalim")
    return ax


def spectrum(values: ArrayLike, threshold: float | None = None, log: bool = False, ax: Axes | None = None) -> Axes:
    """Bars from the largest value down, such as the variance of each component or latent dimension.

    >>> spectrum(posterior.mean.var(0), threshold=0.01, log=True)             # (d,) -> Axes

    Bars above ``threshold`` are full, the others hollow.
    """
    v = np.sort(array("values", values, (), "numbers"))[::-1]
    if threshold is not None:
        threshold = number("threshold", threshold)
    ax = _axes(ax, 2.8)
    full = v > (-np.inf if threshold is None else threshold)
    at = np.arange(1, len(v) + 1)
    ax.bar(at, v, 0.8, color=[PALETTE[0] if f else PAPER for f in full], ec=PALETTE[0], lw=1)
    if threshold is not None:
        ax.axhline(threshold, color=PALETTE[1], ls=LINES[1], lw=1.4)
        behind = {"fc": PAPER, "ec": "none", "pad": 1.0}  # bars may reach beyond the line
        ax.text(len(v) + 0.5, threshold, f"{threshold:g}", color=PALETTE[1], ha="right", va="bottom", bbox=behind)
    if log and v[0] > 0:
        ax.set_yscale("log")
        ax.set_ylim(bottom=min(v[v > 0].min(), threshold or np.inf) / 3)  # the line is seen, too
    ax.set(xlabel="dimension, by rank", ylabel="variance", xlim=(0.3, len(v) + 0.7))
    ax.xaxis.set_major_locator(ticker.MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
    ax.grid(False, axis="x")
    return ax


# ----------------------------------------------------------------------------------------------- quantities


def curves(
    x: ArrayLike,
    series: Mapping[str, ArrayLike],
    xlabel: str = "",
    ylabel: str = "",
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Named series over one axis; those of several runs as their mean, in the band from least to greatest.

    >>> curves([1, 2, 4, 8], {"PCA": errors, "autoencoder": runs})        # (m,); (m,) or (runs, m) -> Axes

    With ``log`` the axis is logarithmic, and marked at ``x`` itself. Where a value is NaN, a line has a gap.
    """
    x = array("x", x, (), "numbers")
    _mapping("series", series)
    if not series:
        raise ValueError("series: expected at least one name with its values, got none.")
    runs = {name: np.atleast_2d(numbers(name, values, "values").astype(float)) for name, values in series.items()}
    for name, y in runs.items():
        if y.shape[1:] != x.shape or not len(y):
            raise ValueError(f"{name}: expected {len(x)} values, one for each x, got {described(y)}.")
    ax = _axes(ax, 3.4)
    for i, (name, y) in enumerate(runs.items()):
        if len(y) > 1:
            ax.fill_between(x, y.min(0), y.max(0), color=PALETTE[i % len(PALETTE)], alpha=0.18, lw=0)
        _line(ax, x, y.mean(0), i, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        ax.set_xscale("log")
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.set_xticks([], minor=True)
    if len(series) > 1:
        ax.legend()
    return ax


def training_curves(history: Any) -> Figure:
    """ELBO, rate and distortion over the epochs, in nats per image, as far as they were recorded.

    >>> training_curves(vae.fit(x, epochs=20, validation_data=(x_test,)))       # History or its dict -> Figure

    Validation is measured at the end of an epoch, training while it lasts: its points stand at the middle.
    Raises ValueError where a ``validation_freq`` leaves open at which epochs it was measured.
    """
    record: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    panels = [name for name in ("elbo", "rate", "distortion") if name in record] or ["loss"]
    if panels[0] not in record:
        raise ValueError(f"history: expected elbo, rate, distortion or loss, got {', '.join(record) or None}.")
    layout = [[panels[0]] * (len(panels) - 1 or 1), panels[1:]] if len(panels) > 2 else [panels]
    figure, axes = plt.subplot_mosaic(cast(Any, layout), figsize=(WIDTH, 2.8 * len(layout)), layout="constrained")
    _keep_width(figure)
    for name, ax in axes.items():
        for i, (key, label) in enumerate({name: "training", f"val_{name}": "validation"}.items()):
            if key in record:
                epochs = _epochs(len(record[key]), len(record[name]))
                _line(ax, epochs - 0.5 * (i == 0), np.asarray(record[key]), i, label=label)
        ax.set_title({"elbo": "ELBO"}.get(name, name))
        ax.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    for name, *_ in layout:
        axes[name].set_ylabel("nats per image" if name != "loss" else "")
    for name in layout[-1]:
        axes[name].set_xlabel("epoch")
    if f"val_{panels[0]}" in record:
        axes[panels[0]].legend()
    return figure


def _epochs(values: int, epochs: int) -> NDArray[Any]:
    """At which of so many epochs so many values were measured: all of them, every second, every third, ..."""
    every = [n for n in range(1, epochs + 1) if epochs // n == values]
    if len(every) != 1:
        raise ValueError(
            f"history: {values} validation values of {epochs} epochs don't tell at which; take another validation_freq."
        )
    return np.arange(1, values + 1) * every[0]


def rate_distortion(rates: ArrayLike, distortions: ArrayLike, betas: ArrayLike, ax: Axes | None = None) -> Axes:
    """What a model pays in rate against what it loses in distortion, one point for each β.

    >>> rate_distortion(rates, distortions, betas)            # three times (m,), in nats per image -> Axes

    The ELBO is −(rate + distortion): it is equal along each thin diagonal. Alemi et al. (2018), figure 1.
    """
    r, d = array("rates", rates, (), "numbers"), array("distortions", distortions, (), "numbers")
    b = array("betas", betas, (), "numbers")
    if not len(r) == len(d) == len(b):
        raise ValueError(f"rates, distortions, betas: expected one length, got {len(r)}, {len(d)}, {len(b)}.")
    ax = _axes(ax, 3.8)
    order = np.argsort(r)
    _line(ax, r[order], d[order], 0)
    ax.margins(0.12)
    corners = np.add(ax.get_xlim(), ax.get_ylim())
    ax.autoscale(False)
    named: list[NDArray[Any]] = []
    for i in np.argsort(abs(b - 1)):  # β = 1, the ELBO itself, first
        point = ax.transData.transform((r[i], d[i])) / ax.figure.dpi
        if all((abs(point - other) > (0.75, 0.2)).any() for other in named):  # inches, so that names keep apart
            ax.annotate(f"β = {b[i]:g}", (r[i], d[i]), (6, 5), textcoords="offset points")
            named.append(point)
    for total in ticker.MaxNLocator(8).tick_values(*corners):
        line = ax.axline((0, total), slope=-1, color=GREY, lw=0.8, zorder=0)
    line.set_label("equal ELBO")
    ax.legend()
    ax.grid(False)
    ax.set(xlabel="rate (nats per image)", ylabel="distortion (nats per image)")
    return ax


def histograms(samples: Mapping[str, ArrayLike], xlabel: str = "", bins: int = 40, ax: Axes | None = None) -> Axes:
    """Distributions over common bins: the first is filled, the others are outlines.

    >>> histograms({"training": scores, "test": others})           # each (n,), any n -> Axes
    """
    _mapping("samples", samples)
    values = {name: array(name, v, (), "numbers") for name, v in samples.items()}
    if not values:
        raise ValueError("samples: expected at least one name with its values, got none.")
    together = np.concatenate(list(values.values())).astype(float)  # float32 has no room for the edges of large values
    low, high = together.min(), together.max()
    spare = 0.0 if low < high else max(0.5, 1e-6 * abs(low))
    edges = np.linspace(low - spare, high + spare, count("bins", bins) + 1)
    ax = _axes(ax, 3.0)
    for i, (name, v) in enumerate(values.items()):
        look: dict[str, Any] = {"histtype": "step", "lw": 1.8, "ls": LINES[(i - 1) % len(LINES)]}
        if i == 0:
            look = {"histtype": "stepfilled", "alpha": 0.35}
        ax.hist(v, list(edges), density=True, color=PALETTE[i % len(PALETTE)], label=name, **look)
    ax.set(xlabel=xlabel, ylabel="density")
    ax.grid(False, axis="x")
    if len(values) > 1:
        ax.legend()
    return ax


# -------------------------------------------------------------------------------------------------- helpers


def _axes(ax: Axes | None, height: float) -> Axes:
    if ax is None:
        figure, ax = plt.subplots(figsize=(WIDTH, height), layout="constrained")
        _keep_width(figure)
    return ax


def _keep_width(figure: Figure) -> None:
    """Notebooks crop figures to what is drawn: an unseen frame keeps the width, and so the size of type."""
    figure.add_artist(Rectangle((0, 0), 1, 1, transform=figure.transFigure, fill=False, lw=0))


def _images(name: str, images: ArrayLike) -> NDArray[np.float32]:
    x = numbers(name, images, "images")
    return array(name, x[..., 0] if x.ndim == 4 and x.shape[-1] == 1 else x, (None, None), "images", FAR)


def _mapping(name: str, given: Any) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"{name}: expected a mapping, such as a dict, from names, got {type(given).__name__}.")


def _gap(width: int) -> int:
    return max(1, round(width / 14))


def _tiles(rows: Sequence[NDArray[np.float32]], heads: Sequence[Sequence[str]], signed: bool, ax: Axes | None) -> Axes:
    """Rows of images (n, h, w), each below its heads: one for the row, or one for every image."""
    h, w = rows[0].shape[1:]
    if any(x.shape[1:] != (h, w) for x in rows):
        raise ValueError(f"rows: expected images of one size, got {', '.join(str(x.shape[1:]) for x in rows)}.")
    gap = _gap(w)
    step = w + gap
    width = max(map(len, rows)) * step - gap
    room = WIDTH if ax is None else ax.get_window_extent().width / ax.figure.dpi
    inch = max(width / room, w / 1.4)  # in pixels of the images: no image is larger than 1.4 inches
    lines = [0.26 * inch if any(names) else 0 for names in heads]
    height = sum(lines) + len(rows) * (h + gap) - gap
    ax = _axes(ax, height / inch + 0.1)
    most = max(float(np.abs(x).max()) for x in rows) if signed else 1.0
    top = 0.0
    for x, names, line in zip(rows, heads, lines, strict=True):
        top += line
        strip = np.full((h, width), np.nan, np.float32)  # NaN is not drawn: between the images paper shows
        for i, image in enumerate(x):
            strip[:, i * step : i * step + w] = image
        colours = SIGNED if signed else GREYS
        ax.imshow(strip, colours, vmin=-most * signed, vmax=most, extent=(0, width, top + h, top))
        for i, name in enumerate(names):
            ax.text(i * step, top - 0.05 * inch, name, ha="left", va="bottom")
        top += h + gap
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    return ax


def _line(ax: Axes, x: NDArray[Any], y: NDArray[Any], i: int, label: str = "") -> None:
    every = max(1, len(x) // 12)
    i, ls = i % len(PALETTE), LINES[i % len(LINES)]
    look: dict[str, Any] = {"color": PALETTE[i], "ls": ls, "marker": MARKERS[i]}
    ax.plot(x, y, markevery=every, label=label or None, **look)


def _signed_number(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
