"""The theme's icons stand in the page as small vector drawings.

The theme loads a script with all of Font Awesome's drawings, half a megabyte compressed, to show a dozen of them. Each
is a file of an npm package: it is put where the theme names it, and the script goes. Where npm is missing the script
stays.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SOLID = "@fortawesome/fontawesome-free/svgs/solid"
SCRIPT = re.compile(r"\n? *<(?:script|link)\b[^>]*scripts/fontawesome\.js[^>]*>(?:</script>)?")
ICON = re.compile(r'<(?P<tag>i|span) class="(?P<classes>[^"]*\bfa(?:s|-solid)\b[^"]*)"(?P<rest>[^>]*)></(?P=tag)>')
DRAWING = re.compile(r'<svg[^>]*viewBox="(?P<box>[^"]*)">.*?(?P<path><path.*?)</svg>', re.S)


@cache
def drawing(folder: Path, name: str) -> str:
    """The inside of an icon's element: its size and its path."""
    file = folder / f"{name}.svg"
    found = DRAWING.match(file.read_text("utf8")) if file.is_file() else None
    if not found:
        raise ExtensionError(f"icons: {SOLID} has no drawing {name!r}, which a page of the theme asks for.")
    return f'viewBox="{found["box"]}">{found["path"]}'


def drawn(page: str, folder: Path) -> str:
    """
    >>> drawn('<i class="fa-solid fa-list" title="Contents"></i>', folder)
    '<svg class="fa-solid fa-list" title="Contents" aria-hidden="true" fill="currentColor" viewBox="…"><path …/></svg>'
    """

    def of(icon: re.Match[str]) -> str:
        names = re.findall(r"\bfa-(?!solid\b|lg\b|fw\b)([a-z-]+)", icon["classes"])
        inside = drawing(folder, names[0])
        return f'<svg class="{icon["classes"]}"{icon["rest"]} aria-hidden="true" fill="currentColor" {inside}</svg>'

    return ICON.sub(of, SCRIPT.sub("", page))


def write(app: Sphinx, exception: Exception | None) -> None:
    folder = Path(app.srcdir, "node_modules", SOLID)
    if exception or app.builder.name != "html" or not folder.is_dir():
        return
    for file in sorted(Path(app.outdir).rglob("*.html")):
        text = file.read_text("utf8")
        page = drawn(text, folder)
        if page != text:
            file.write_text(page, "utf8")
    for file in Path(app.outdir, "_static/scripts").glob("fontawesome.js*"):
        file.unlink()


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write, priority=700)  # before `policy` reads the pages
