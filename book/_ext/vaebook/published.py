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
    """One line for each figure; the ± is one standard error over the test images."""
    rows: list[tuple[Cell, ...]] = []
    for row in results.values():
        digits = 2 if row["unit"] == "nats" else 3
        for what, (ours, error) in row["ours"].items():
            theirs = row["theirs"].get(what)
            spread = f" ± {error:.{digits}f}" if error else ""
            rows.append(
                (
                    row["title"],
                    f"{what}, {row['unit']}",
                    "not given" if theirs is None else f"{theirs:.{digits}f}",
                    f"{ours:.{digits}f}{spread}",
                    "" if theirs is None else f"{ours - theirs:+.{digits}f}".replace("-", "−"),
                )
            )
    return rows


def circumstances(results: dict[str, Any]) -> list[tuple[Cell, ...]]:
    return [
        (
            row["title"],
            row["source"],
            row["differs"],
            shown_time(row["seconds"]) if "seconds" in row else "",
            f"{row['date']}, {row['hardware']}, " + ", ".join(f"{n} {v}" for n, v in row["versions"].items()),
        )
        for row in results.values()
    ]


def setup(app: Sphinx) -> None:
    app.add_directive("published-figures", PublishedFigures)
