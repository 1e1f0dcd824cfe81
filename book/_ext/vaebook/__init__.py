"""The Sphinx extension of the book: what a chapter may write, and what a build must check.

A chapter is one Markdown file that reads well both as a page and as a plain notebook. So directives are
written as HTML comments (`source`), numbers in the prose name the run's value beside the typed one
(`numbers`), and a question stands before the output that answers it (`predictions`). The build keeps what
readers rely on: cached runs are only reused while package, packages, back end and data are the same
(`execution`) and several chapters run at a time (`ahead`), every image has its own words (`images`), scripts and
fonts come from the book itself (`assets`) and icons stand in the page (`icons`), widgets run without a kernel
(`widgets`), and a policy in each page forbids the rest (`policy`), launch buttons lead to the repository that the book
was built from (`repository`), a page says how long the runs took (`times`), another what others reached (`published`),
and what a shared link shows (`social`), and one file holds everything (`archive`). On one page a model trains in the
reader's browser (`playground`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from . import (
    ahead,
    api,
    archive,
    assets,
    execution,
    icons,
    images,
    numbers,
    page,
    playground,
    policy,
    predictions,
    published,
    repository,
    social,
    source,
    times,
    widgets,
)


def own_source() -> str:
    """Changes with this extension, so that a page is never left as an older one has made it."""
    files = sorted(file for file in Path(__file__).parent.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_config_value("vaebook_source", own_source(), "env")  # another value: all pages are read and written anew
    for part in (
        source,
        numbers,
        predictions,
        images,
        api,
        page,
        execution,
        ahead,
        repository,
        social,
        assets,
        playground,
        widgets,
        times,
        published,
        archive,
        icons,
        policy,
    ):
        part.setup(app)
    # Reading collects numbers and images in the environment of one process.
    return {"version": "1", "env_version": 1, "parallel_read_safe": False, "parallel_write_safe": True}
