"""The directive `{published-figures}`: what others reported beside what `benchmarks/published.py` found."""

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


class PublishedFigures(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / RESULTS
        self.env.note_dependency(str(path))
        results = json.loads(path.read_text("utf8"))
        return [
            table(("model", "measure", "theirs", "ours", "ours less theirs"), figures(results)),
            table(("model", "source", "what differs", "ran in", "with"), circumstances(results)),
        ]


def figures(results: dict[str, Any]) -> list[tuple[Cell, ...]]:
    """One line for each figure; the ± is one standard error."""
    rows: list[tuple[Cell, ...]] = []
    for row in results.values():
        digits = DIGITS[row["unit"]]
        for what, (ours, error) in row["ours"].items():
            theirs = row["theirs"].get(what)
            rows.append(
                (
                    titled(row),
                    f"{what}, {row['unit']}",
                    "not given" if theirs is None else theirs if row["checked"] else f"{theirs}, not checked",
                    f"{ours:.{digits}f}" + (f" ± {error:.{digits}f}" if error else ""),
                    "" if theirs is None else difference(ours, theirs),
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


def circumstances(results: dict[str, Any]) -> list[tuple[Cell, ...]]:
    return [
        (
            titled(row),
            row["source"],
            row["differs"],
            shown_time(row["seconds"]) if "seconds" in row else "",
            row.get("measured")
            or f"{row['date']}, {row['hardware']}, " + ", ".join(f"{n} {v}" for n, v in row["versions"].items()),
        )
        for row in results.values()
    ]


def setup(app: Sphinx) -> None:
    app.add_directive("published-figures", PublishedFigures)
