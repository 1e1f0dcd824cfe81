"""The playground: a page on which a reader trains a VAE, in the browser alone.

`{playground}` puts it into a page, and only that page loads its parts: `engine.js` (the model and its training),
`session.js` (the loop, in a worker or in slices), `page.js` (controls and pictures), `style.css`, and the digits.
These come from scikit-learn at every build, so that the repository holds no data of others. All are classic scripts:
a page opened from disk may load neither modules nor data.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from numpy.typing import NDArray
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PARTS = Path(__file__).parent
SCRIPTS = ("engine.js", "session.js", "page.js")
STYLE = "style.css"
STILL = "still.webp"  # what the page shows where JavaScript is off
DATA = "digits.js"
FOLDER = "playground"  # below _static
NOTICE = "The digits of scikit-learn: Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, 1998), CC BY 4.0."


class Playground(nodes.raw):
    """The playground's place in a page."""


class PlaygroundDirective(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        markup = PARTS.joinpath("markup.html")
        self.env.note_dependency(str(markup))
        text = markup.read_text("utf8")
        return [Playground("", text, format="html")]


def black_and_white(x: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Black where an image is at least half black: grey pixels are no outcomes of a Bernoulli likelihood."""
    return x >= 0.5


def packed(x: NDArray[np.bool_]) -> str:
    """Black and white images as hexadecimal digits, four pixels in one.

    >>> packed(np.array([[1, 1, 1, 1, 0, 0, 0, 1]], bool))
    'f1'
    """
    return np.packbits(x.reshape(-1)).tobytes().hex()


def digits_script() -> str:
    """The script `digits.js`: training and held-out images of ``datasets.load("digits")``, with their labels."""
    from vae_tutorial import datasets  # imports Keras, which only this page needs

    data = datasets.load("digits")
    parts = {"train": (data.x_train, data.y_train), "test": (data.x_test, data.y_test)}
    written = {
        name: {"pixels": packed(black_and_white(x)), "labels": "".join(map(str, y))} for name, (x, y) in parts.items()
    }
    return f"/* {NOTICE} */\nconst vaeDigits = {json.dumps(written)};\n"


def provide(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Lay the parts where a page with the playground expects them, and link them from it."""
    if doctree is None or not list(doctree.findall(Playground)):
        return
    folder = Path(app.outdir, "_static", FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*SCRIPTS, STYLE, STILL):
        shutil.copyfile(PARTS / name, folder / name)
    folder.joinpath(DATA).write_text(digits_script(), "utf8")
    app.add_css_file(f"{FOLDER}/{STYLE}", priority=950)
    for name in (DATA, *SCRIPTS):
        app.add_js_file(f"{FOLDER}/{name}", loading_method="defer")


def visit(translator: Any, node: Playground) -> None:
    translator.visit_raw(node)


def setup(app: Sphinx) -> None:
    app.add_node(Playground, html=(visit, None))
    app.add_directive("playground", PlaygroundDirective)
    app.connect("html-page-context", provide)
