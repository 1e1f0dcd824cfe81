"""Every page, opened once by day and once by night: it is light, fits, sets its mathematics, and axe finds nothing.

A page takes seconds until all of it is there, so that each visit asks for everything.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def axe(root: Path) -> str:
    script = root / "node_modules/axe-core/axe.min.js"
    assert script.exists(), "axe-core is missing: npm ci"
    return script.read_text("utf8")


@cache
def packed_size(file: str) -> int:
    """Bytes that a static host transfers, which compresses what is not compressed."""
    data = Path(file).read_bytes()
    return len(data if file.endswith((".png", ".woff2", ".woff", ".zip")) else gzip.compress(data))


def too_heavy(page: Any, asked: set[str]) -> Iterator[str]:
    """A first visit may transfer 1 MB, 1 MB more for the first instrument, and half a MB for each other one."""
    instruments = page.locator(".vae-live").count()
    limit = 1.0 + (0.5 + 0.5 * instruments if instruments else 0.0)
    weight = sum(packed_size(file) for file in asked) / 1e6
    if weight > limit:
        yield f"{weight:.2f} MB with {instruments} instruments"


def too_wide(page: Any) -> Iterator[str]:
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        yield f"scrolls sideways by {overflow} px at {page.viewport_size['width']} px"


def refused_formulas(page: Any) -> Iterator[str]:
    if refused := page.locator("mjx-merror").count():
        yield f"{refused} formulas that MathJax refuses"


def inaccessible(page: Any, axe: str, *rules: str) -> Iterator[str]:
    """What axe-core finds by all its rules, or by some."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}  # styles from disk can't be fetched
    page.evaluate(axe)
    found = page.evaluate("options => axe.run(options)", options | ({"runOnly": rules} if rules else {}))
    for violation in found["violations"]:
        yield from (f"{violation['id']} at {node['target']}" for node in violation["nodes"][:3])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page(reader: Any, html: Path, axe: str, theme: str) -> None:
    """By day on a desk; by night on a phone, and on a desk for the rules about colours: nothing else is new there."""
    window = reader(color_scheme=theme, width=1280 if theme == "light" else 390)
    window.page.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    asked: set[str] = set()
    window.page.on("request", lambda request: asked.add(unquote(urlsplit(request.url).path)))
    complaints: list[str] = []
    for file in sorted(html.glob("book/*.html")):
        asked.clear()
        page = window.open(file.relative_to(html).as_posix(), whole=True)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        found = [*too_wide(page), *refused_formulas(page)]
        if theme == "light":
            found += [*too_heavy(page, {one for one in asked if one.startswith("/")}), *inaccessible(page, axe)]
        else:
            page.set_viewport_size({"width": 1280, "height": 900})
            found += inaccessible(page, axe, "color-contrast", "link-in-text-block")
            page.set_viewport_size({"width": 390, "height": 900})
        complaints += [f"{file.name}: {one}" for one in found]
    assert not complaints, "\n".join(complaints)
