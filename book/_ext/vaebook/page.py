"""Small mendings of what other extensions put into a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class UniqueIds(SphinxPostTransform):
    """sphinx-exercise gives the body of every exercise and solution the same id, which nothing refers to."""

    default_priority = 800

    def run(self, **kwargs: Any) -> None:
        for node in self.document.findall(nodes.section):
            node["ids"] = [i for i in node["ids"] if i not in ("exercise-content", "solution-content")]


# What theme and extensions write, and what a screen reader needs: names that hold the words one sees, a landmark
# around everything, no roles that have been withdrawn, and no heading cell without a heading.
NAMES = {
    ' data-theme="auto">': ">",  # without scripts the theme's colours know no "auto"
    'search-button__button pst-js-only" title="Search" aria-label="Search"': 'search-button__button pst-js-only"',
    'aria-label="Color mode"': 'aria-label="Color mode: Light, Dark or System Settings"',
    ' bd-sidebar">': ' bd-sidebar" role="region" aria-label="Sidebar">',
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    '<th class="head"><p></p></th>': "<td></td>",
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def name_parts(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    for file in Path(app.outdir).rglob("*.html"):
        text = page = file.read_text("utf8")
        for written, better in NAMES.items():
            page = page.replace(written, better)
        if page != text:
            file.write_text(page, "utf8")


def setup(app: Sphinx) -> None:
    app.add_post_transform(UniqueIds)
    app.connect("build-finished", name_parts, priority=700)
