"""Widgets run in the built page: their front end comes from the book, and until it runs a still picture stands there.

A widget's state is in the page. What reads it is one script, put together at build time from npm packages and from the
front end of the *installed* anywidget, so that it always fits the Python side. Only pages with a widget load it. Where
npm is missing the script's parts come from their usual addresses.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOG = logging.getLogger(__name__)

VIEW = "application/vnd.jupyter.widget-view+json"
SCRIPT = "widgets.js"
REQUIRE = "requirejs/require.js"
MANAGER = "@jupyter-widgets/html-manager/dist/embed-amd.js"

# The manager waits for every picture of the page; our script is deferred, so that the page is complete without them.
WAIT = r'"complete"===document\.readyState\?e\.renderWidgets\(\):window\.addEventListener\("load",.*?\}\)\)\}\)\)'
START = "e.renderWidgets()}))"

# A model that has not begun after two seconds is a failure to those who wait for it: messages of a kernel, which no
# page has. On a slow machine it was an error in the console and nothing more; a script that fails says so elsewhere.
READY = "this.ready = resolvers.promise;"

# The manager's icon fonts would be looked for beside the page; no instrument of ours has an icon.
ICON_FONTS = r"@font-face\{(?:\$\{[\w$]+\}|[^{}])*\}"


def bundle(npm: Path) -> str:
    """One script in a scope of its own: whatever loads later must not meet require.js's `define`."""
    import anywidget

    require = npm.joinpath(REQUIRE).read_text("utf8")
    manager = npm.joinpath(MANAGER).read_text("utf8")
    for old in ("base7", "controls7"):  # for notebooks of ipywidgets 7: a fifth of the script
        manager = edited(manager, rf'^define\("@jupyter-widgets/{old}",.*$', "")
    manager = edited(manager, '"log",strictTuples', "false,strictTuples", places=2)  # no warnings about its own schemas
    manager = edited(manager, WAIT, START)
    manager = edited(manager, ICON_FONTS, "", places=12)
    manager = re.sub(r"^//# sourceMappingURL=.*?(;?)$", r"\1", manager, flags=re.M)
    front = Path(anywidget.__file__).parent.joinpath("nbextension/index.js").read_text("utf8")
    # without a name require.js would look for a file of that name, and then on a CDN
    front = edited(front, r'^define\(\["@jupyter-widgets/base"\]', 'define("anywidget", ["@jupyter-widgets/base"]')
    front = edited(front, re.escape(READY), f"{READY} this.ready.catch(() => {{}});")
    scope = "window.requirejs = requirejs;\nwindow.require = require;"
    return f"(() => {{\n{require}\n{scope}\n(() => {{\n{front}\n}})();\n{manager}\n}})();\n"


def edited(script: str, pattern: str, replacement: str, places: int = 1) -> str:
    script, found = re.subn(pattern, lambda match: replacement, script, flags=re.M)
    if found != places:
        raise ExtensionError(f"widgets: the installed front end has {found} places of {pattern}, expected {places}.")
    return script


def configure(app: Sphinx, config: Config) -> None:
    npm = Path(app.srcdir, "node_modules")
    if not (npm / MANAGER).is_file() or not (npm / REQUIRE).is_file():
        LOG.info("no node_modules (run `npm ci`): widgets will be loaded from the network")
        return
    config.nb_ipywidgets_js = {SCRIPT: {"defer": "defer"}}


def provide(app: Sphinx) -> None:
    if app.builder.format == "html" and SCRIPT in app.config.nb_ipywidgets_js:
        target = Path(app.outdir, "_static", SCRIPT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(bundle(Path(app.srcdir, "node_modules")), "utf8")


def bundles(document: nodes.document) -> list[dict[str, nodes.Element]]:
    """The outputs that have a live view and a still picture, by kind."""
    outputs = [node for node in document.findall(nodes.container) if node.get("nb_element") == "mime_bundle"]
    kinds = [{child["mime_type"]: child for child in output.children} for output in outputs]
    return [kind for kind in kinds if VIEW in kind and "image/png" in kind]


def name_pictures(app: Sphinx, document: nodes.document) -> None:
    """The widget's own words are the alternative text of its picture."""
    for kinds in bundles(document):
        for image in kinds["image/png"].findall(nodes.image):
            image["alt"] = kinds["text/plain"].astext().strip() if "text/plain" in kinds else ""


class StillPicture(SphinxPostTransform):
    """Picture and widget in one box, whose height is known before the script runs: nothing moves when it does."""

    default_priority = 3  # before myst-nb chooses one of the kinds
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        for kinds in bundles(self.document):
            view = kinds[VIEW]
            (script,) = view.findall(nodes.raw)
            (picture,) = [image.deepcopy() for image in kinds["image/png"].findall(nodes.image)]
            sliders = json.loads(re.sub(r"^<script[^>]*>|</script>$", "", script.astext())).get("sliders", 0)
            picture["classes"].append("vae-still")
            start = nodes.raw("", f'<div class="vae-live" style="--vae-sliders: {sliders}">', format="html")
            view.children = []
            view += [start, picture, script, nodes.raw("", "</div>", format="html")]


def setup(app: Sphinx) -> None:
    app.connect("config-inited", configure, priority=100)
    app.connect("builder-inited", provide)
    app.connect("doctree-read", name_pictures, priority=100)  # before `images` reads the words
    app.add_post_transform(StillPicture)
