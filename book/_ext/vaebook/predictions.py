"""Predict first: a question before a code cell, whose output stays folded until the reader has answered.

    <!-- {predict} p-collapse
    -->
    With β = 20, how many of the eight latent dimensions still carry information?

    - all eight
    - two or three
    - none

    <!-- {predict-end} -->

The page holds question and list as plain text, and the output open. `_static/predict.js` makes choices of the
list and folds the output, together with the paragraphs below it that would give the answer away.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOG = logging.getLogger(__name__)

EXPLANATION = (nodes.paragraph, nodes.bullet_list, nodes.enumerated_list, nodes.math_block, nodes.table)
INVISIBLE = (nodes.comment, nodes.target, nodes.substitution_definition)


class Predict(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        box = nodes.container(classes=["predict"], names=[name])
        self.set_source_info(box)
        self.state.nested_parse(self.content, self.content_offset, box)
        choices = box.children[-1] if box.children else None
        if not re.fullmatch(r"p-[a-z0-9-]+", name):
            LOG.warning("a prediction is named p-…, got %r", name, location=box)
        if not isinstance(choices, nodes.bullet_list) or not 2 <= len(choices) <= 4 or len(box) < 2:
            LOG.warning("prediction %s: a question, then two to four answers", name, location=box)
        else:
            choices["classes"].append("predict-choices")
        box.insert(0, nodes.paragraph("", "Predict first", classes=["predict-title"]))
        self.state.document.note_explicit_target(box, box)
        return [box]


def is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def opens_question(node: nodes.Node) -> bool:
    return isinstance(node, nodes.raw) and node.astext().lstrip().startswith("<details")


class FoldOutput(SphinxTransform):
    """Mark the output that a prediction is about, and wrap the explanation below it."""

    default_priority = 880

    def apply(self, **kwargs: Any) -> None:
        for box in list(self.document.findall(nodes.container)):
            if "predict" in box["classes"]:
                self.fold(box)

    def fold(self, box: nodes.container) -> None:
        name, parent = box["names"][0], box.parent
        after = parent.index(box) + 1
        while after < len(parent) and isinstance(parent[after], INVISIBLE):
            after += 1
        cell = parent[after] if after < len(parent) else None
        outputs = []
        if cell is not None and is_cell(cell):
            outputs = [n for n in cell.findall(nodes.container) if n.get("nb_element") == "cell_code_output"]
        if not outputs:
            LOG.warning("prediction %s: no code cell with an output follows it", name, location=box)
            return
        outputs[0]["classes"].append("predict-fold")

        end = after + 1
        while end < len(parent) and isinstance(parent[end], (*EXPLANATION, *INVISIBLE)):
            end += 1
        if end < len(parent) and opens_question(parent[end]):
            end -= 1  # the paragraph before the answers is a question of its own
        explanation = parent.children[after + 1 : end]
        if explanation:
            parent.children[after + 1 : end] = []
            wrapper = nodes.container("", *explanation, classes=["predict-fold"])
            parent.insert(after + 1, wrapper)


def setup(app: Sphinx) -> None:
    app.add_directive("predict", Predict)
    app.add_transform(FoldOutput)
