"""Small mendings of what other extensions put into a page."""

from __future__ import annotations

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


def setup(app: Sphinx) -> None:
    app.add_post_transform(UniqueIds)
