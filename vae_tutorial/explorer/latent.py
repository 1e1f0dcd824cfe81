"""Instruments that decode in the page: a plane of codes to walk in, and the ways from one image to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from vae_tutorial import latent, likelihoods, plots
from vae_tutorial._checks import codes, count, described, numbers
from vae_tutorial.explorer import _network
from vae_tutorial.explorer._checks import classes, extent_of, glyphs, positive
from vae_tutorial.explorer._stage import Instrument, Network, slider
from vae_tutorial.likelihoods import Likelihood
from vae_tutorial.models import Autoencoder, Posterior

MOST_POINTS = 1500  # more would only hide each other
MOST_SLIDERS = 4
STEP = 0.05
PAPER_AND_INK: dict[str, Any] = {"cmap": plots.GREYS, "vmin": 0, "vmax": 1}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class LatentExplorer(Instrument):
    """A plane of codes to drag in, sliders for the leading dimensions, and the image that the decoder draws there.

    >>> LatentExplorer(vae, data.x_test, data.y_test, data.class_names)     # (n, h, w, c), (n,)
    >>> LatentExplorer(decoder, codes, likelihood="bernoulli")              # a bare keras.Model, codes (n, d)

    The decoder runs in the reader's browser, in half precision: its images, in [0, 1], differ from ``vae.decode`` by
    less than 5e-3. ``x`` gives the background: images, which the model encodes, or codes; of more than 1500 a part
    is shown, and the note says so. ``dims`` are the dimensions with a slider, at most four by default; the first two
    span the plane, and the others stay at ``origin``, by default 0. Sliders go from −``extent`` to ``extent``. With a
    bare decoder, ``likelihood`` turns its output into an image, grey or in colour; without one the output is the image.

    ``sliders`` are ipywidgets, ``z`` is the current code (d,); in a live notebook both follow the reader, and the
    drawing follows them. Instruments are Kingma & Welling's (2014) figure 4, set in motion.

    Raises ValueError for a decoder that cannot run in a page (with the layer's name), weights that are not finite,
    labels of another length, dimensions that the code does not have, or an ``origin`` or ``z`` beyond a slider.
    """

    script = "latent.js"

    def __init__(
        self,
        model: Autoencoder | keras.Model,
        x: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        dims: Sequence[int] | None = None,
        origin: ArrayLike | None = None,
        extent: float | None = None,
        likelihood: str | Likelihood | None = None,
        title: str = "Latent space",
    ) -> None:
        self.parts = parts = Parts.of(model, likelihood)
        d = parts.latent_dim
        self.dims = _dimensions(dims, d)
        codes = np.zeros((0, d), np.float32) if x is None else _codes(model, x, d)
        y, self.names = classes(labels, class_names, len(codes))
        shown = np.sort(np.random.default_rng(0).permutation(len(codes))[:MOST_POINTS])
        plane = codes[:, list(self.dims[:2])]
        if plane.shape[1] == 1:
            plane = np.concatenate([plane, np.zeros_like(plane)], axis=1)
        self.points, self.labels = plane[shown], y[shown]
        self.extent = extent_of(plane) if extent is None else positive("extent", extent)
        self.origin = np.zeros(d, np.float32) if origin is None else self._within("origin", origin)
        note = f"{len(shown):,} of {len(codes):,} codes" if len(shown) < len(codes) else ""
        self.subscripts = [str(i + 1).translate(SUBSCRIPTS) for i in self.dims]
        super().__init__(
            title,
            [
                slider(f"z{s}", float(self.origin[i]), -self.extent, self.extent, STEP)
                for i, s in zip(self.dims, self.subscripts, strict=True)
            ],
            {
                "points": _rounded(self.points),
                "classes": self.labels.tolist(),
                "names": self.names,
                "glyphs": glyphs(self.names) or ["·"],
                "extent": self.extent,
                "shape": parts.image_shape,
                "mean": parts.mean,
                "origin": self.origin.tolist(),
                "dims": list(self.dims),
                "subscripts": self.subscripts,
                "note": note,
            },
            Network.of(parts.decoder),
        )

    @property
    def z(self) -> NDArray[np.float32]:
        """The current code, (d,); setting it moves the sliders, and the origin in dimensions without one."""
        z = self.origin.copy()
        z[list(self.dims)] = [s.value for s in self.sliders]
        return z

    @z.setter
    def z(self, z: ArrayLike) -> None:
        z = self._within("z", z)
        for moved, i in zip(self.sliders, self.dims, strict=True):
            moved.value = float(z[i])
            z[i] = self.origin[i]
        self.origin = z
        self.stage.data = {**self.stage.data, "origin": z.tolist()}

    def _within(self, name: str, z: ArrayLike) -> NDArray[np.float32]:
        """A code that the sliders reach."""
        z = _code(name, z, self.parts.latent_dim)
        reach = np.abs(z[list(self.dims)]).max()
        if reach > np.float32(self.extent):
            raise ValueError(
                f"{name}: expected numbers from −{self.extent:g} to {self.extent:g} in dimensions with a slider, got "
                f"{z.tolist()}. Set extent={np.ceil(reach):g}."
            )
        return z

    def draw(self, figure: Figure) -> None:
        steps = 9
        values = np.linspace(-self.extent, self.extent, steps) * (1 - 1 / steps)
        axes = list(self.dims[:2])
        across, up = np.meshgrid(values, values[::-1] if len(axes) == 2 else [0.0])
        z = np.tile(self.origin, (across.size, 1))
        z[:, axes] = np.stack([across.ravel(), up.ravel()], axis=1)[:, : len(axes)]
        ax = figure.subplots()
        ax.imshow(mosaic(self.parts.decode(z), steps), **PAPER_AND_INK)
        ax.set_axis_off()

    def alt(self) -> str:
        plane = " and ".join(f"z{s}" for s in self.subscripts[:2])
        among = f", with the codes of {len(self.points)} images around it" if len(self.points) else ""
        return (
            f"{self.stage.title}: images decoded from a grid of codes that spans {plane} from −{self.extent:g} to "
            f"{self.extent:g}. On the live page a point moves through this plane{among}."
        )


class Interpolation(Instrument):
    """Two images, one slider, and the ways between their codes: straight, and on an arc.

    >>> Interpolation(vae, data.x_test[0], data.x_test[3])       # (h, w, c), (h, w, c)

    Decoded in the page, as by :class:`LatentExplorer`. In many dimensions the straight way (lerp) comes nearer to the
    origin than almost any draw from the prior; the arc (slerp, Shoemake 1985) keeps its distance. Raises ValueError
    for images of another shape, a decoder that cannot run in a page, and codes without an arc between them.
    """

    script = "interpolation.js"

    def __init__(
        self, model: Autoencoder, a: ArrayLike, b: ArrayLike, title: str = "From one image to another"
    ) -> None:
        if not isinstance(model, Autoencoder):
            raise TypeError(f"model: expected a VAE or an Autoencoder, got {type(model).__name__}.")
        self.parts = Parts.of(model, None)
        images = {name: numbers(name, image, "one image") for name, image in {"a": a, "b": b}.items()}
        for name, image in images.items():
            if image.shape != model.image_shape:
                raise ValueError(f"{name}: expected one image of shape {model.image_shape}, got {image.shape}.")
            model._pixels(name, image[None])
        self.ends = _codes(model, np.stack(list(images.values())), model.latent_dim)
        latent.slerp(*self.ends)  # refuses codes without an arc
        data = {"a": self.ends[0].tolist(), "b": self.ends[1].tolist()}
        data |= {"shape": self.parts.image_shape, "mean": self.parts.mean}
        super().__init__(title, [slider("t", 0.5, 0, 1, 0.01)], data, Network.of(model.decoder))

    def draw(self, figure: Figure) -> None:
        ways = (("straight (lerp)", latent.lerp), ("on an arc (slerp)", latent.slerp))
        for ax, (name, way) in zip(figure.subplots(2, 1), ways, strict=True):
            ax.imshow(mosaic(self.parts.decode(way(self.ends[0], self.ends[1], steps=7)), 7), **PAPER_AND_INK)
            ax.set(title=name)
            ax.set_axis_off()

    def alt(self) -> str:
        return (
            f"{self.stage.title}: seven images on the straight way between two codes, and seven on the arc. On the "
            "live page a slider goes along both."
        )


class Parts(NamedTuple):
    """A decoder, and how its output becomes an image."""

    decoder: keras.Model
    mean: str
    latent_dim: int
    image_shape: tuple[int, int, int]
    decode: Callable[[ArrayLike], NDArray[np.float32]]

    @classmethod
    def of(cls, model: Any, likelihood: str | Likelihood | None) -> Parts:
        if isinstance(model, Autoencoder):
            if likelihood is not None:
                raise ValueError(f"likelihood: the model has its own, {model.likelihood.name!r}; expected none.")
            mean = _network.mean_name(model.likelihood)
            _colours(model.image_shape[2], None)
            return cls(model.decoder, mean, model.latent_dim, model.image_shape, model.decode)
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"model: expected a VAE, an Autoencoder or a decoder (keras.Model), got {type(model).__name__}."
            )
        before, after = model.input_shape, model.output_shape
        if not isinstance(before, tuple) or len(before) != 2 or len(after) != 4 or None in after[1:]:
            raise ValueError(f"model: expected a decoder from codes (n, d) to (n, h, w, c), got {before} to {after}.")
        known = None if likelihood is None else likelihoods.get(likelihood)
        height, width, channels = after[1:]

        def decode(z: ArrayLike) -> NDArray[np.float32]:
            params = model.predict(np.asarray(z, np.float32), verbose=0)
            return keras.ops.convert_to_numpy(known.mean(params)) if known else params

        shape = (height, width, _colours(channels, known))
        return cls(model, _network.mean_name(known), before[1], shape, decode)


def mosaic(images: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Images (n, h, w, c) in rows with a gap between them, which is NaN: not drawn."""
    n, h, w, c = images.shape
    gap = max(1, w // 12)
    tiles = np.pad(images, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=np.nan)
    tiles = tiles.reshape(n // columns, columns, h + gap, w + gap, c).swapaxes(1, 2)
    picture = tiles.reshape(n // columns * (h + gap), columns * (w + gap), c)[:-gap, :-gap]
    return picture[..., 0] if c == 1 else picture


def _codes(model: Any, x: ArrayLike, d: int) -> NDArray[np.float32]:
    x = numbers("x", x, "images or codes")
    if x.ndim == 2:
        return codes("x", x, (d,))
    if not isinstance(model, Autoencoder):
        raise ValueError(f"x: a bare decoder cannot encode images; expected codes (n, {d}), got {described(x)}.")
    code = model.encode(x)
    return code.mean if isinstance(code, Posterior) else code


def _code(name: str, z: ArrayLike, d: int) -> NDArray[np.float32]:
    z = numbers(name, z, "codes")
    if z.shape != (d,):
        raise ValueError(f"{name}: expected one code of shape ({d},), got {described(z)}.")
    return codes(name, z[None], (d,))[0].copy()


def _colours(channels: int, likelihood: Likelihood | None) -> int:
    """1 or 3: the channels of an image whose parameters a decoder emits in ``channels``."""
    each = likelihood.channels if likelihood else 1
    if channels not in (each, 3 * each):
        whose = f" for the likelihood {likelihood.name!r}" if likelihood else ""
        raise ValueError(f"model: expected {each} (grey) or {3 * each} (colour) channels{whose}, got {channels}.")
    return channels // each


def _dimensions(dims: Sequence[int] | None, d: int) -> tuple[int, ...]:
    if dims is None:
        return tuple(range(min(d, MOST_SLIDERS)))
    chosen = tuple(count("dims", i, least=0) for i in dims)
    if not chosen or max(chosen) >= d or len(set(chosen)) < len(chosen):
        raise ValueError(f"dims: expected different dimensions from 0 to {d - 1}, got {list(dims)}.")
    return chosen


def _rounded(x: NDArray[np.float32]) -> list[float]:
    return [round(float(v), 3) for v in x.ravel()]
