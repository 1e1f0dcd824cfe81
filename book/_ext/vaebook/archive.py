"""The whole book as one file, `vae-book.zip` beside the pages: to read it without a network.

Entries are sorted and undated, so that equal books are equal files.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from sphinx.application import Sphinx

NAME = "vae-book.zip"
FOLDER = "vae-book"
LEFT_OUT = {NAME, ".buildinfo"}
UNDATED = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows


def write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    pages, unfinished = Path(app.outdir), Path(app.outdir, f"{NAME}.part")
    files = sorted(p for p in pages.rglob("*") if p.is_file() and p.name not in LEFT_OUT and p != unfinished)
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(f"{FOLDER}/{file.relative_to(pages).as_posix()}", UNDATED)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    unfinished.replace(pages / NAME)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write, priority=900)  # after everything else has put its files there
