"""What the instruments share: a drawing that runs in the page, its sliders, and a still picture of it."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import anywidget
import ipywidgets
import keras
import matplotlib
import traitlets
from ipywidgets import widget_serialization
from matplotlib.figure import Figure

from vae_tutorial import plots
from vae_tutorial.explorer import _network

STATIC = Path(__file__).parent / "static"
VIEW = "application/vnd.jupyter.widget-view+json"
STILL_SIZE = (6.4, 4.0)  # inches; the drawing has the same shape, so that nothing moves when it takes its place


class Network(ipywidgets.Widget):
    """A decoder's layers and half-precision weights, which several drawings may share."""

    layers: Any = traitlets.List().tag(sync=True)
    weights: Any = traitlets.Bytes().tag(sync=True)

    by_content: ClassVar[WeakValueDictionary[str, Network]] = WeakValueDictionary()

    @classmethod
    def of(cls, decoder: keras.Model) -> Network:
        """The same widget for the same layers and weights: a page holds them once."""
        layers, weights = _network.described(decoder)
        key = hashlib.sha256(repr(layers).encode() + weights).hexdigest()
        network = cls.by_content.get(key)
        if network is None or network.comm is None:  # closed
            network = cls.by_content[key] = cls(layers=layers, weights=weights)
        return network


class Stage(anywidget.AnyWidget):
    """The drawing: what a script needs to know, and the sliders and the network that it reads."""

    _css = STATIC / "stage.css"
    title = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    sliders = traitlets.List(traitlets.Instance(ipywidgets.Widget)).tag(sync=True, **widget_serialization)
    network = traitlets.Instance(Network, allow_none=True).tag(sync=True, **widget_serialization)

    def __init__(self, script: str, **traits: Any) -> None:
        # one module: a page that is opened from disk cannot import a second one
        needed = ("stage.js", "network.js", script) if traits.get("network") else ("stage.js", script)
        self._esm = "\n".join(STATIC.joinpath(name).read_text("utf8") for name in needed)
        super().__init__(layout=ipywidgets.Layout(width="100%"), **traits)


class Instrument(ipywidgets.VBox):
    """A drawing with sliders below it. It runs in the reader's browser; a kernel, where there is one, follows."""

    script: ClassVar[str]

    def __init__(
        self,
        title: str,
        sliders: Sequence[ipywidgets.Widget],
        data: Mapping[str, Any],
        network: Network | None = None,
    ) -> None:
        self.sliders = tuple(sliders)
        self.stage = Stage(self.script, title=title, data=dict(data), sliders=list(sliders), network=network)
        self.stage.add_class("vae-place")  # whose room the book keeps while the script starts
        super().__init__([self.stage, *sliders])
        self.add_class("vae-instrument")

    def draw(self, figure: Figure) -> None:
        """The still picture: on paper, on GitHub, or before the page is ready."""
        raise NotImplementedError

    def alt(self) -> str:
        """What the still picture shows, in words."""
        raise NotImplementedError

    _ipython_display_ = None  # a box's own way in ipywidgets 7, which Colab has: it would show no picture

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # Colab needs the metadata of an anywidget; a box alone has none
        data, metadata = self.stage._repr_mimebundle_()  # type: ignore[misc]  # None without a view
        view = {**data[VIEW], "model_id": self.model_id, "sliders": len(self.sliders)}
        picture = base64.b64encode(_png(self.draw)).decode()
        return {VIEW: view, "image/png": picture, "text/plain": self.alt()}, metadata


WIDE = {"width": "100%", "max_width": "40rem", "margin": "0 auto"}  # as the drawing


def slider(name: str, value: float, low: float, high: float, step: float, digits: int = 2) -> ipywidgets.FloatSlider:
    return ipywidgets.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=name,
        readout_format=f".{digits}f",
        layout=WIDE,
        style={"description_width": f"{max(3.2, 0.62 * len(name))}em"},
    )


def _png(draw: Callable[[Figure], None]) -> bytes:
    with matplotlib.rc_context(plots.STYLE):
        figure = Figure(figsize=STILL_SIZE, dpi=150, layout="constrained")  # none of pyplot's: it is not shown twice
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
