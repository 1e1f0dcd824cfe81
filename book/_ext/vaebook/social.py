"""What a page says of itself where somebody shares its address: Open Graph's title, kind and picture.

Open Graph wants absolute addresses, so url and picture are only given where the book knows where it will stand: from
`html_baseurl`, or on GitHub Pages from `GITHUB_REPOSITORY`.
"""

from __future__ import annotations

import html
import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

PICTURE = "_static/og.png"
PICTURE_WORDS = "Variational Autoencoders, an executable book: handwritten digits turn into each other on a map."


def configure(app: Sphinx, config: Config) -> None:
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    if name and not config.html_baseurl:
        config.html_baseurl = f"https://{owner}.github.io/{name}/"


def describe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if doctree is None:  # search, index: nobody shares them
        return
    title = app.env.titles[pagename].astext()
    said = {"og:title": title, "og:type": "article", "og:site_name": app.config.html_title or app.config.project}
    if base := app.config.html_baseurl:
        base = base.rstrip("/") + "/"
        said |= {
            "og:url": base + app.builder.get_target_uri(pagename),
            "og:image": base + PICTURE,
            "og:image:alt": PICTURE_WORDS,
        }
    lines = [f'<meta property="{name}" content="{html.escape(value)}" />' for name, value in said.items()]
    context["metatags"] = context.get("metatags", "") + "\n".join(["", *lines])


def setup(app: Sphinx) -> None:
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", describe)
