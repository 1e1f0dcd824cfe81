"""The directive `{build-record}`: with what, on what and how long the pages of this build ran.

It becomes two tables once every page has been read: what the book was built with, and the time that each page's
code took. A page whose run came from the cache keeps the time and the date of that run.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from docutils import nodes
from myst_nb.ext.execution_tables import METADATA_KEY  # type: ignore[import-untyped]
from myst_nb.sphinx_ import NbMetadataCollector  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from .execution import cores, kernels

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "scipy", "scikit-learn", "matplotlib", "jupyter-book")

Cell: TypeAlias = str | nodes.Node


class BuildRecord(nodes.General, nodes.Element):
    """Where the tables will stand."""


class BuildRecordDirective(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        # myst-nb writes the pages that are marked so again whenever some page has run
        NbMetadataCollector.set_doc_data(self.env, self.env.docname, METADATA_KEY, True)
        return [BuildRecord()]


def processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> list[tuple[str, str]]:
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def facts() -> list[tuple[str, str]]:
    """What the runs of this build share."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.fromtimestamp(float(stamp), UTC) if stamp else datetime.now(UTC)
    return [
        ("Data set", os.environ.get("VAE_TUTORIAL_DATASET", "auto")),
        ("Back end", os.environ.get("KERAS_BACKEND", "tensorflow")),
        ("Built", now.strftime("%Y-%m-%d %H:%M UTC")),
        ("Processor", f"{processor()}, {cores()} cores for this build, {kernels()} chapters at a time"),
        ("System", f"{platform.system()} {platform.machine()}"),
        *versions(),
    ]


def shown_time(seconds: float) -> str:
    """
    >>> shown_time(7.26), shown_time(83.0), shown_time(41_000)
    ('7.3 s', '83 s', '11.4 h')
    """
    if seconds > 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def runs(metadata: dict[str, dict[str, Any]]) -> list[tuple[str, float, float]]:
    """(page, seconds, when it ran) of every page whose code has run, in the order of their names."""
    executed = {page: data["exec_data"] for page, data in metadata.items() if data.get("exec_data")}
    return [(page, data["runtime"], data["mtime"]) for page, data in sorted(executed.items()) if data["runtime"]]


def table(head: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> nodes.table:
    """A row of one cell goes across the table, and heads those below it."""

    def row_of(cells: tuple[Cell, ...]) -> nodes.row:
        row = nodes.row()
        if len(cells) == 1 < len(head):
            title = nodes.strong("", "", nodes.Text(cells[0]) if isinstance(cells[0], str) else cells[0])
            row += nodes.entry("", nodes.paragraph("", "", title), morecols=len(head) - 1)
            return row
        for cell in cells:
            content = nodes.Text(cell) if isinstance(cell, str) else cell
            row += nodes.entry("", nodes.paragraph("", "", content))
        return row

    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", row_of(head))
    group += nodes.tbody("", *map(row_of, rows))
    return nodes.table("", group, classes=["colwidths-auto"])


class FillBuildRecord(SphinxPostTransform):
    """Put in the tables, now that every page has run."""

    default_priority = 8

    def run(self, **kwargs: Any) -> None:
        for place in list(self.document.findall(BuildRecord)):
            found = runs(NbMetadataCollector.get_doc_data(self.env))
            rows: list[tuple[Cell, ...]] = [
                (self.link(page), shown_time(seconds), f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M}")
                for page, seconds, when in found
            ]
            rows.append(("all pages", shown_time(sum(seconds for _, seconds, _ in found)), ""))
            place.replace_self(
                [table(("", "this build"), facts()), table(("page", "its code ran in", "at (UTC)"), rows)]
            )

    def link(self, page: str) -> nodes.reference:
        title = self.env.titles[page].astext() if page in self.env.titles else page
        target = self.app.builder.get_relative_uri(self.env.docname, page)
        return nodes.reference("", title, internal=True, refuri=target)


def setup(app: Sphinx) -> None:
    app.add_node(BuildRecord)
    app.add_directive("build-record", BuildRecordDirective)
    app.add_post_transform(FillBuildRecord)
