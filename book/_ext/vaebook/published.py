"""The directive `{published-figures}`: what others reported beside what `benchmarks/published.py` found.

`{published-sources}` says of each model where theirs stands, what differs, and with what ours was measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .times import Cell, shown_time, table

RESULTS = Path("benchmarks/results/published.json")
DIGITS = {"nats": 2, "bits per pixel": 4, "AUROC": 3, "AUROC, %": 2}  # of our figures, after the point


class Results(SphinxDirective):
    """What of the result file a directive shows, in ``nodes_of``."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / RESULTS
        self.env.note_dependency(str(path))
        return [self.nodes_of(json.loads(path.read_text("utf8")))]

    def nodes_of(self, results: dict[str, Any]) -> nodes.Node:
        raise NotImplementedError


class PublishedFigures(Results):
    def nodes_of(self, results: dict[str, Any]) -> nodes.Node:
        return table(("", "theirs", "ours", "ours less theirs"), figures(results))


class PublishedSources(Results):
    def nodes_of(self, results: dict[str, Any]) -> nodes.Node:
        return circumstances(results)


def figures(results: dict[str, Any]) -> list[tuple[Cell, ...]]:
    """One line for each figure, under one for its model; the ± is one standard error.

    What is not trained to its end has no difference yet.
    """
    rows: list[tuple[Cell, ...]] = []
    for row in results.values():
        digits = DIGITS[row["unit"]]
        rows.append((titled(row),))
        for what, (ours, error) in row["ours"].items():
            theirs = row["theirs"].get(what)
            rows.append(
                (
                    f"{what}, {row['unit']}",
                    "not given" if theirs is None else theirs if row["checked"] else f"{theirs}, not checked",
                    f"{ours:.{digits}f}" + (f" ± {error:.{digits}f}" if error else ""),
                    "" if theirs is None or "partial" in row else difference(ours, theirs),
                )
            )
    return rows


def titled(row: dict[str, Any]) -> str:
    return f"{row['title']} (partial: {row['partial']})" if "partial" in row else str(row["title"])


def difference(ours: float, theirs: str) -> str:
    """With the digits that theirs has.

    >>> difference(0.188, "0.19"), difference(102.9, "104")
    ('+0.00', '−1')
    """
    digits = len(theirs.partition(".")[2])
    return f"{ours - float(theirs):+z.{digits}f}".replace("-", "−")


def circumstances(results: dict[str, Any]) -> nodes.definition_list:
    """Where each model's figures come from, and with what ours were measured."""
    items = []
    for row in results.values():
        lines = (f"Source: {row['source']}.", f"What differs: {row['differs']}.", measured(row))
        described = nodes.definition("", *(nodes.paragraph("", line) for line in lines))
        items.append(nodes.definition_list_item("", nodes.term("", titled(row)), described))
    return nodes.definition_list("", *items)


def measured(row: dict[str, Any]) -> str:
    since = f" from epoch {row['timed from']} on" if "timed from" in row else ""
    ran = [f"in {shown_time(row['seconds'])}{since}"] if "seconds" in row else ["in a time that was not kept"]
    if "measured" in row:
        facts = [row["measured"], *ran]
    else:
        versions = [f"{name} {version}" for name, version in row["versions"].items()]
        facts = [row["date"], *ran, row["hardware"], *versions, f"commit {row['commit']}"]
    draws = [f"{row['draws']} draws for log p(x)"] if "draws" in row else []
    seeds = f"seed{'s' * (len(row['seeds']) > 1)} {', '.join(map(str, row['seeds']))}"
    return f"Measured: {', '.join((*facts, *draws, seeds))}."


def setup(app: Sphinx) -> None:
    app.add_directive("published-figures", PublishedFigures)
    app.add_directive("published-sources", PublishedSources)
