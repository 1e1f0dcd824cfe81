"""Scripts, style and fonts come from the book itself: a page asks no other host.

MathJax and the fonts are npm packages, pinned in `package-lock.json` and installed by `make`. Where npm is
missing the book still builds: mathematics is then loaded from Sphinx's usual address, and the text is set in
system fonts.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOG = logging.getLogger(__name__)

MATHJAX = "mathjax/tex-chtml.js"
# What tex-chtml.js loads when asked to: fonts, TeX packages, the accessibility menu with spoken English.
MATHJAX_PARTS = [
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2",
    "input/tex/extensions",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
]
FONTS = ["inter", "source-serif-4"]
FONT_STYLES = ["wght.css", "wght-italic.css"]
# Fetched before the style sheets ask for them, so that the text does not move when they come. Not from disk: there a
# browser takes a font that a style sheet asks for, but refuses one that is asked for ahead.
AHEAD = [f"fonts/{font}/files/{font}-latin-wght-normal.woff2" for font in FONTS]
ASK_AHEAD = """<script>
if (location.protocol !== "file:")
  for (const href of %s) {
    const link = { rel: "preload", as: "font", type: "font/woff2", crossOrigin: "", href };
    document.head.append(Object.assign(document.createElement("link"), link));
  }
</script>"""


def packages(app: Sphinx) -> Path:
    return Path(app.srcdir, "node_modules")


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def configure(app: Sphinx, config: Config) -> None:
    if not packages(app).joinpath("mathjax").is_dir():
        LOG.info("no node_modules (run `npm ci`): mathematics will be loaded from the network")
        return
    config.mathjax_path = MATHJAX
    config.mathjax_options = {"type": "text/mathjax", "defer": "defer"}  # mathematics.js starts it


def provide(app: Sphinx) -> None:
    """Put the files where the pages expect them, and link them."""
    if app.builder.format != "html":
        return
    npm, static = packages(app), Path(app.outdir, "_static")
    if npm.joinpath("mathjax").is_dir():
        version = json.loads(npm.joinpath("mathjax/package.json").read_text("utf8"))["version"]
        stamp = static / "mathjax/version"
        made_of = f"{version} {' '.join(MATHJAX_PARTS)}"
        if not stamp.exists() or stamp.read_text("utf8") != made_of:
            for part in MATHJAX_PARTS:
                copy(npm / "mathjax/es5" / part, static / "mathjax" / part)
            copy(npm / "mathjax/LICENSE", static / "mathjax/LICENSE")
            stamp.write_text(made_of, "utf8")
    for font in FONTS:
        folder = npm / "@fontsource-variable" / font
        if folder.is_dir():
            for style in FONT_STYLES:
                copy(folder / style, static / "fonts" / font / style)
                app.add_css_file(f"fonts/{font}/{style}")
            copy(folder / "LICENSE", static / "fonts" / font / "LICENSE")
            for file in folder.glob("files/*-wght-*.woff2"):
                copy(file, static / "fonts" / font / "files" / file.name)
    app.add_css_file("book.css", priority=900)
    app.add_js_file("predict.js", priority=200)
    app.add_js_file("mathematics.js", priority=900)


def ask_for_fonts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if all(packages(app).joinpath("@fontsource-variable", font).is_dir() for font in FONTS):
        addresses = [context["pathto"](f"_static/{file}", resource=True) for file in AHEAD]
        context["metatags"] = context.get("metatags", "") + ASK_AHEAD % json.dumps(addresses)


def without_thebe(app: Sphinx) -> None:
    """Jupyter Book always loads Thebe, which runs cells on a remote server; no page of this book uses it."""
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)
    app.registry.css_files = [file for file in app.registry.css_files if file[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> None:
    without_thebe(app)
    app.connect("config-inited", configure, priority=100)
    app.connect("builder-inited", provide)
    app.connect("html-page-context", ask_for_fonts)
