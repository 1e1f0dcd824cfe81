"""Every image says in its own words what it shows. It loads when the reader comes near; its place is kept till then."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOG = logging.getLogger(__name__)

PICTURE = re.compile(
    r'<img (?![^>]*\bloading=)(?P<attributes>[^>]*?\bsrc="(?P<src>[^":]*/_images/[^"]*\.png)"[^>]*?) ?/>'
)
FILE_NAME = re.compile(r"\S+\.(png|svg|jpe?g|gif|webp)")

Seen = dict[str, list[tuple[str, int]]]  # page -> (alternative text, line) of each image


def table(env: BuildEnvironment) -> Seen:
    if not hasattr(env, "vaebook_images"):
        env.vaebook_images = {}  # type: ignore[attr-defined]
    return env.vaebook_images  # type: ignore[attr-defined]


def line_of(node: nodes.Node) -> int:
    up: nodes.Node | None = node
    while up is not None and not up.line:
        up = up.parent
    return up.line if up is not None and up.line else 1


def bundle_of(node: nodes.Node) -> nodes.Node:
    """The output that an image belongs to: its PNG and SVG are one picture."""
    up: nodes.Node | None = node
    while up is not None:
        if isinstance(up, nodes.container) and up.get("nb_element") == "mime_bundle":
            return up
        up = up.parent
    return node


def collect(app: Sphinx, doctree: nodes.document) -> None:
    pictures = {id(bundle_of(n)): n for n in doctree.findall(nodes.image)}
    table(app.env)[app.env.docname] = [
        (" ".join((node.get("alt") or "").split()), line_of(node)) for node in pictures.values()
    ]


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    table(env).pop(docname, None)


def check(app: Sphinx, env: BuildEnvironment) -> None:
    first: dict[str, str] = {}
    for doc in sorted(table(env)):
        for alt, line in table(env)[doc]:
            if not alt:
                LOG.warning("an image without alternative text", location=(doc, line))
            elif FILE_NAME.fullmatch(alt):
                LOG.warning("the alternative text %r is a file name", alt, location=(doc, line))
            elif alt in first:
                LOG.warning("the words for %s are used again: %r", first[alt], alt, location=(doc, line))
            first.setdefault(alt, f"{doc}:{line}")


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG file in pixels."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


def keep_places(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    for file in sorted(Path(app.outdir).rglob("*.html")):

        def placed(image: re.Match[str], folder: Path = file.parent) -> str:
            width, height = size(folder / image["src"])
            return f'<img {image["attributes"]} width="{width}" height="{height}" loading="lazy" />'

        text = file.read_text("utf8")
        page = PICTURE.sub(placed, text)
        if page != text:
            file.write_text(page, "utf8")


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-check-consistency", check)
    app.connect("build-finished", keep_places, priority=700)  # before `policy` reads the pages
