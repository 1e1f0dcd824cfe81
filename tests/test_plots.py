"""The figures draw the numbers they are given, in one style that stays legible: small, grey and colour-blind."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.testing import assert_allclose, assert_array_equal

from vae_tutorial import latent, plots

EPOCHS = np.arange(1, 21)
HISTORY = {
    f"{part}{name}": list(values + shift)
    for part, shift in (("", 0.0), ("val_", 1.0))
    for name, values in (("elbo", -100 - 50 / EPOCHS), ("rate", 25 - 10 / EPOCHS), ("distortion", 75 + 60 / EPOCHS))
}


def _random(*shape: int) -> Any:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


# every figure of the module, drawn from something
FIGURES = {
    "image_grid": lambda: plots.image_grid(_random(13, 8, 8, 1), columns=5, title="Images"),
    "titled image_grid": lambda: plots.image_grid(_random(6, 8, 8), columns=3, titles=list("abcdef")),
    "reconstructions": lambda: plots.reconstructions({"original": _random(9, 28, 28, 1), "PCA": _random(8, 28, 28, 1)}),
    "manifold": lambda: plots.manifold(_random(225, 8, 8, 1), latent.grid(15)),
    "latent_scatter": lambda: plots.latent_scatter(9 * _random(500, 2), np.arange(500) % 10, prior=True),
    "spectrum": lambda: plots.spectrum(_random(20), threshold=0.3, log=True),
    "curves": lambda: plots.curves([1, 2, 4], {c: _random(3, 3) for c in "abcd"}, "dimensions", "error", log=True),
    "training_curves": lambda: plots.training_curves(HISTORY),
    "rate_distortion": lambda: plots.rate_distortion([25, 20, 10, 2], [75, 78, 90, 140], [0.5, 1, 4, 20]),
    "histograms": lambda: plots.histograms({c: _random(200) for c in "abc"}, "score"),
}


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with mpl.rc_context(), plt.style.context("default"):
        mpl.use("agg")
        plots.use_style()
        yield
    plt.close("all")


@pytest.fixture(params=FIGURES)
def figure(request: pytest.FixtureRequest) -> Figure:
    drawn = FIGURES[request.param]()
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.canvas.draw()
    return figure


def _shown(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


# ----------------------------------------------------------------------------------------------------- style


def test_importing_leaves_matplotlib_alone() -> None:
    """Only use_style() changes settings. In a new process: here the fixture has called it."""
    code = """
import matplotlib
before = dict(matplotlib.rcParams)
import vae_tutorial.plots
changed = lambda: {name for name, value in matplotlib.rcParams.items() if value != before[name]}
assert not changed(), changed()
vae_tutorial.plots.use_style()
assert "figure.facecolor" in changed()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_figure_has_at_most_three_sizes_of_type(figure: Figure) -> None:
    sizes = {round(t.get_fontsize(), 1) for t in _shown(figure)}
    assert len(sizes) <= 3
    assert sizes <= {10.5, 12.0}


def test_type_is_legible_on_a_phone(figure: Figure) -> None:
    """Shown 358 pixels wide (a phone's 390 less margins), no letters are lower than 9 pixels."""
    assert figure.get_figwidth() == plots.WIDTH
    pixels_per_point = 358 / plots.WIDTH / 72
    assert min(t.get_fontsize() for t in _shown(figure)) * pixels_per_point > 9


def test_nothing_is_cut_off(figure: Figure) -> None:
    drawn = figure.get_tightbbox()  # in inches
    assert drawn.x0 > -0.01
    assert drawn.y0 > -0.01
    assert drawn.x1 < figure.get_figwidth() + 0.01
    assert drawn.y1 < figure.get_figheight() + 0.01


def test_every_figure_has_one_width_and_an_opaque_ground(figure: Figure) -> None:
    """Notebooks save with a tight box. The width stays; and a dark page must not shine through."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=50, bbox_inches="tight", pad_inches=0)
    image = plt.imread(io.BytesIO(buffer.getvalue()))
    assert image.shape[1] == pytest.approx(50 * plots.WIDTH, abs=1)
    assert image[..., 3].min() == 1.0
    assert_allclose(image[0, 0, :3], to_rgb(plots.PAPER), atol=0.01)


def _linear(colour: Any) -> Any:
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours: WCAG 2.2."""
    light, dark = sorted((float(_linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (a, b)), reverse=True)
    return light / dark


def test_contrast() -> None:
    """WCAG asks for 3 between graphics and their ground, and for 7 (AAA) between text and its."""
    assert min(_contrast(colour, plots.PAPER) for colour in plots.PALETTE) >= 3
    assert _contrast(plots.INK, plots.PAPER) >= 7


# Machado, Oliveira & Fernandes (2009), severity 1: what linear RGB becomes without one kind of cone
SIGHT = {
    "all cones": np.eye(3),
    "no L": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no M": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no S": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _lab(colour: str, sight: Any) -> Any:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = xyz @ np.clip(np.asarray(sight) @ _linear(colour), 0, 1) / xyz.sum(axis=1)
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_differ_to_every_eye(sight: str) -> None:
    """Distances in CIELAB, where 2.3 is just noticeable: five times that, and fifteen with all cones."""
    seen = [_lab(colour, SIGHT[sight]) for colour in plots.PALETTE]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))
    assert nearest > (35 if sight == "all cones" else 11.5)


def test_colour_is_never_alone() -> None:
    """Ten classes have ten markers, and the series of one figure differ by marker as well as by colour."""
    assert len(set(plots.PALETTE)) == len(set(plots.MARKERS)) == len(plots.AREAS) == 10
    ax = plots.curves([1, 2, 3], {c: _random(3) for c in "abcde"})
    looks = [(line.get_marker(), str(line._dash_pattern)) for line in ax.lines]  # type: ignore[attr-defined]
    assert len({marker for marker, _ in looks}) == len({dashes for _, dashes in looks}) == 5


# ----------------------------------------------------------------------------------------------------- images


def _pixels(ax: Axes) -> Any:
    return np.concatenate([np.asarray(image.get_array().compressed()) for image in ax.images])


def test_image_grid_shows_every_pixel_once_in_rows() -> None:
    x = _random(7, 4, 5, 1)
    ax = plots.image_grid(x, columns=3)
    assert len(ax.images) == 3
    assert_array_equal(np.sort(_pixels(ax)), np.sort(x.ravel()))
    strip = ax.images[1].get_array()
    assert_array_equal(strip[:, :5], x[3, ..., 0])  # the second row begins with the fourth image
    assert ax.images[0].get_clim() == (0, 1)
    tops = [image.get_extent()[3] for image in ax.images]
    assert tops == sorted(tops)


def test_signed_images_have_white_at_zero() -> None:
    x = _random(3, 4, 4) - 0.8
    (image,) = plots.image_grid(x, signed=True).images
    low, high = image.get_clim()
    assert -low == high == pytest.approx(np.abs(x).max())
    assert_allclose(image.get_cmap()(0.5)[:3], 1, atol=0.01)


def test_titles_stand_over_their_images() -> None:
    ax = plots.image_grid(_random(4, 8, 8), columns=2, titles=["a", "b", "c", "d"])
    places = {t.get_text(): t.get_position() for t in ax.texts}
    assert places["a"][0] == places["c"][0] < places["b"][0] == places["d"][0]
    assert places["a"][1] == places["b"][1] < places["c"][1]


def test_reconstructions_are_rows_under_their_names() -> None:
    x, y = _random(10, 8, 8, 1), 1 - _random(4, 8, 8, 1)
    ax = plots.reconstructions({"original": x, "copy": y}, columns=6)
    assert [t.get_text() for t in ax.texts] == ["original", "copy"]
    first, second = (image.get_array() for image in ax.images)
    assert_array_equal(np.sort(first.compressed()), np.sort(x[:6].ravel()))
    assert_array_equal(np.sort(second.compressed()), np.sort(y.ravel()))
    assert first.shape == second.shape  # and so the columns stand under each other


def test_manifold_puts_each_image_at_its_point() -> None:
    """An image as grey as its z₂ is high, and as wide a stripe as its z₁: the map must brighten downwards."""
    z = latent.grid(5)
    ax = plots.manifold(np.tile(z[:, 1, None, None, None] / 4 + 0.5, (1, 3, 3, 1)), z)
    picture = ax.images[0].get_array()
    column = picture[1::4, 1]
    assert_allclose(column, z[::5, 1] / 4 + 0.5, rtol=1e-6)
    assert ax.images[0].get_extent() == [0, 5, 0, 5]
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["−1.3", "−0.5", "0.0", "0.5", "1.3"]  # upwards, at the middles of the rows
    assert_allclose(ax.get_yticks(), np.arange(5) + 0.5)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plots.image_grid(_random(4, 64)),
            r"images: expected images of shape \(n, any, any\), got .*\(4, 64\)",
        ),
        (lambda: plots.image_grid(_random(4, 8, 8, 3)), "images: expected images of shape"),
        (lambda: plots.image_grid(np.full((1, 8, 8), np.nan)), "images: images must be finite"),
        (lambda: plots.image_grid(_random(4, 8, 8), titles=["a"]), "titles: expected 4, one for each image, got 1"),
        (lambda: plots.image_grid(_random(4, 8, 8), columns=0), "columns: expected a whole number of at least 1"),
        (lambda: plots.reconstructions({}), "rows: expected at least one name"),
        (lambda: plots.reconstructions({"a": _random(1, 8, 8), "b": _random(1, 9, 9)}), "rows: expected images of one"),
        (lambda: plots.reconstructions({"PCA": _random(8, 64)}), "PCA: expected images of shape"),
        (lambda: plots.manifold(_random(9, 8, 8), latent.grid(4)), "images, z: expected a grid from latent.grid"),
        (lambda: plots.manifold(_random(9, 8, 8), latent.grid(3)[::-1]), "images, z: expected a grid"),
        (lambda: plots.latent_scatter(_random(9, 3)), r"z: expected points of shape \(n, 2\)"),
        (lambda: plots.latent_scatter(_random(9, 2), np.zeros(8, int)), "y: expected 9 whole numbers as labels"),
        (
            lambda: plots.latent_scatter(_random(9, 2), np.zeros(9)),
            "y: expected 9 whole numbers as labels, got .*float",
        ),
        (lambda: plots.latent_scatter(_random(2, 2), np.array([0, 10])), "y: expected labels from 0 to 9, got 0 to 10"),
        (lambda: plots.latent_scatter(_random(2, 2), np.array([0, 1]), ["a"]), "from 0 to 0, got 0 to 1"),
        (lambda: plots.curves([1, 2], {"PCA": [1, 2, 3]}), "PCA: expected 2 values, one for each x"),
        (lambda: plots.training_curves({"acc": [1.0]}), "history: expected elbo, rate, distortion or loss, got acc"),
        (
            lambda: plots.training_curves({"loss": [1.0] * 10, "val_loss": [1.0] * 2}),
            "history: 2 validation values of 10",
        ),
        (lambda: plots.rate_distortion([1, 2], [1, 2], [1]), "expected one length, got 2, 2, 1"),
        (lambda: plots.histograms({"a": [np.inf]}), "a: numbers must be finite"),
    ],
)
def test_clear_errors(draw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw()


# ----------------------------------------------------------------------------------------------- points and lines


def test_scatter_shows_each_point_once_in_the_look_of_its_class() -> None:
    z, y = _random(60, 2), np.repeat([1, 4, 9], 20)
    ax = plots.latent_scatter(z, y, [f"class {i}" for i in range(10)])
    drawn = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections])
    assert_allclose(np.sort(drawn, axis=0), np.sort(z, axis=0))
    for collection in ax.collections:
        for point in np.asarray(collection.get_offsets()):
            label = y[np.flatnonzero((z == point).all(axis=1))[0]]
            assert_allclose(collection.get_facecolor()[0][:3], to_rgb(plots.PALETTE[label]))
    assert [t.get_text() for t in ax.texts] == ["class 1", "class 4", "class 9"]


def test_scatter_writes_a_name_on_an_island_and_not_between_islands() -> None:
    """The mean, and the median of each coordinate, of three islands lie in the empty space between them."""
    islands = np.repeat([[0.0, 0.0], [10.0, 0.0], [5.0, 9.0]], [300, 350, 350], axis=0)
    z = islands + 0.1 * _random(1000, 2)
    name = np.array(plots.latent_scatter(z, np.zeros(1000, int)).texts[0].get_position())
    assert np.linalg.norm(z - name, axis=1).min() < 1e-6  # on a point (float32)
    assert np.linalg.norm(z - np.median(z, axis=0), axis=1).min() > 1


def test_scatter_names_many_points_in_little_memory() -> None:
    """All pairs of a class of fifty thousand would need 37 GiB."""
    z = _random(50_000, 2)
    tracemalloc.start()
    plots.latent_scatter(z, np.zeros(len(z), int))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # 400 x 400 pairs take 4 MB; drawing takes a few more


def test_scatter_thins_out_many_points() -> None:
    ax = plots.latent_scatter(_random(5000, 2), most=1000)
    assert sum(len(c.get_offsets()) for c in ax.collections) == 1000


def test_spectrum_is_sorted_and_shows_what_exceeds_the_threshold() -> None:
    ax = plots.spectrum([0.2, 0.001, 1.0], threshold=0.01)
    assert_allclose([bar.get_height() for bar in ax.patches], [1.0, 0.2, 0.001], rtol=1e-6)
    full = [bar.get_facecolor()[:3] == to_rgb(plots.PALETTE[0]) for bar in ax.patches]
    assert full == [True, True, False]
    assert plots.spectrum([0.0, 0.0], log=True).get_yscale() == "linear"  # nothing to take the logarithm of
    assert plots.spectrum([0.2, 1.0], threshold=0.01, log=True).get_ylim()[0] < 0.01  # a line that no bar reaches


def test_there_may_be_more_series_than_colours() -> None:
    many = {str(i): [float(i), i + 1.0] for i in range(2 * len(plots.PALETTE))}
    assert len(plots.curves([0, 1], many).lines) == len(many)
    assert len(plots.histograms(many).get_legend_handles_labels()[1]) == len(many)


def test_curves_show_the_mean_of_runs_in_their_range() -> None:
    runs = np.array([[1.0, 2.0, 9.0], [3.0, 2.0, 3.0]])
    ax = plots.curves([1, 2, 4], {"one": [5, 6, np.nan], "two": runs}, log=True)
    assert_array_equal(ax.lines[0].get_ydata(), [5, 6, np.nan])
    assert_array_equal(ax.lines[1].get_ydata(), [2, 2, 6])
    (band,) = ax.collections
    assert band.get_paths()[0].get_extents().extents.tolist() == [1, 1, 4, 9]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "4"]


def test_validation_stands_at_the_epochs_at_which_it_was_measured() -> None:
    figure = plots.training_curves({"loss": np.arange(10.0), "val_loss": np.arange(5.0)})  # validation_freq=2
    training, validation = figure.axes[0].lines
    assert_allclose(training.get_xdata(), np.arange(10) + 0.5)
    assert_allclose(validation.get_xdata(), [2, 4, 6, 8, 10])


@pytest.mark.parametrize("wrap", [dict, lambda h: SimpleNamespace(history=h)], ids=["dict", "History"])
def test_training_curves_from_a_history(wrap: Any) -> None:
    """Validation at the end of each epoch, training (a mean over the epoch) at its middle."""
    figure = plots.training_curves(wrap(HISTORY))
    axes = {ax.get_title(loc="left"): ax for ax in figure.axes}
    assert list(axes) == ["ELBO", "rate", "distortion"]
    training, validation = axes["rate"].lines
    assert_allclose(training.get_xdata(), EPOCHS - 0.5)
    assert_allclose(validation.get_xdata(), EPOCHS)
    assert_allclose(training.get_ydata(), HISTORY["rate"])
    assert_allclose(validation.get_ydata(), HISTORY["val_rate"])


@pytest.mark.parametrize(
    ("names", "titles"),
    [(["distortion", "loss"], ["distortion"]), (["loss"], ["loss"]), (["rate", "distortion"], ["rate", "distortion"])],
)
def test_training_curves_of_what_was_recorded(names: list[str], titles: list[str]) -> None:
    figure = plots.training_curves({name: [3.0, 2.0, float("nan")] for name in names})
    assert [ax.get_title(loc="left") for ax in figure.axes] == titles


def test_rate_distortion_diagonals_have_equal_elbo() -> None:
    ax = plots.rate_distortion([20, 25, 10], [78, 75, 90], [1, 0.5, 4])
    curve, *diagonals = ax.lines
    assert_array_equal(curve.get_xdata(), [10, 20, 25])
    assert_array_equal(curve.get_ydata(), [90, 78, 75])
    assert len(diagonals) >= 3
    assert {line.get_slope() for line in diagonals} == {-1}  # type: ignore[attr-defined]
    assert {t.get_text() for t in ax.texts} == {"β = 0.5", "β = 1", "β = 4"}
    crowded = plots.rate_distortion([20.01, 20, 10], [78.01, 78, 90], [1.01, 1, 4])
    assert {t.get_text() for t in crowded.texts} == {"β = 1", "β = 4"}


def test_histograms_are_densities_over_common_bins() -> None:
    ax = plots.histograms({"a": [0.0, 0.1, 0.2, 0.3], "b": [0.95, 1.0]}, bins=10)
    first, second = (patch.get_path().vertices for patch in ax.patches)
    assert set(second[:, 0].round(6)) <= set(first[:, 0].round(6))
    assert first[:, 1].max() == pytest.approx(1 / 4 / 0.1)
    assert second[:, 1].max() == pytest.approx(1 / 0.1)


def test_every_function_draws_into_given_axes() -> None:
    figure, axes = plt.subplots(2, 3)
    calls = [
        lambda ax: plots.image_grid(_random(4, 8, 8), ax=ax),
        lambda ax: plots.reconstructions({"a": _random(4, 8, 8)}, ax=ax),
        lambda ax: plots.manifold(_random(4, 8, 8), latent.grid(2), ax=ax),
        lambda ax: plots.latent_scatter(_random(9, 2), ax=ax),
        lambda ax: plots.spectrum(_random(9), ax=ax),
        lambda ax: plots.histograms({"a": _random(9)}, ax=ax),
    ]
    for call, ax in zip(calls, axes.flat, strict=True):
        assert call(ax) is ax
    assert plt.get_fignums() == [figure.number]
