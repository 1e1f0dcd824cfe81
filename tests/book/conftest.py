"""The built book, and a real browser to read it in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build/html"
READY = ".vae-stage[data-ready]"
PATIENCE = 120_000  # milliseconds, for a machine that has much else to do


def skip_or_fail(reason: str) -> None:
    """Somebody's laptop may lack a part; a run in CI may not."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def html() -> Path:
    """Where the built book lies."""
    if not (HTML / "book/index.html").exists():
        skip_or_fail("the book is not built: `make book` first")
    return HTML


@pytest.fixture(scope="session")
def pages(html: Path) -> dict[str, BeautifulSoup]:
    """Every page of the book, parsed, by its path."""
    found = sorted(html.glob("book/*.html"))
    return {p.relative_to(html).as_posix(): BeautifulSoup(p.read_text("utf8"), "html.parser") for p in found}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not path:
        skip_or_fail("no Chromium: install it, or name it in the variable CHROMIUM")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """`new_page(has_touch=True)` opens an empty page in a context of its own."""
    contexts = []

    def make(**context: Any) -> Any:
        contexts.append(browser.new_context(**context))
        contexts[-1].set_default_timeout(PATIENCE)
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


class Reader:
    """A browser window that notes what a reader should never meet."""

    def __init__(self, page: Any, html: Path, scripts: bool = True) -> None:
        self.html, self.page = html, page
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("console", self.note_message)
        if scripts:  # else Chromium gives up what it asked for ahead
            self.page.on("requestfailed", self.note_failure)
        self.page.on("request", self.note_request)
        self.page.route("**/tex-chtml.js*", self.give_mathjax)
        self.whole = False

    def note_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"console: {message.text}")

    def note_failure(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left before it had all
            self.troubles.append(f"failed: {request.url} ({request.failure})")

    def note_request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.troubles.append(f"asks another host: {request.url}")

    def give_mathjax(self, route: Any) -> None:
        """Setting the mathematics takes most of a page's time; only tests that ask for it wait for it."""
        if self.whole:
            route.continue_()
        else:
            route.fulfill(body="", content_type="text/javascript")

    def open(self, path: str, whole: bool = False) -> Any:
        """The page once it is loaded; where `whole`, with its mathematics and its instruments, which come last."""
        self.whole = whole
        self.page.goto((self.html / path).as_uri())
        if whole:
            self.page.wait_for_load_state("networkidle")
        if whole and self.page.locator(".math").count():
            self.page.locator(".math mjx-container").first.wait_for(state="attached")
        if whole and (instruments := self.page.locator(".vae-live").count()):
            self.page.locator(READY).nth(instruments - 1).wait_for(state="attached")
        return self.page


@pytest.fixture
def reader(new_page: Callable[..., Any], html: Path) -> Iterator[Any]:
    """`reader(width=390)` opens a window; at the end none of them may have met trouble."""
    opened: list[Reader] = []

    def make(**context: Any) -> Reader:
        size = {"width": context.pop("width", 1280), "height": 900}
        page = new_page(viewport=size, **context)
        opened.append(Reader(page, html, context.get("java_script_enabled", True)))
        return opened[-1]

    yield make
    for one in opened:
        one.page.context.close()
    assert [trouble for one in opened for trouble in one.troubles] == []
