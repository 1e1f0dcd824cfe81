"""Stock Firefox, where there is one: the instruments work from disk and over http, in the dark, and on a phone.

Playwright steers Firefox in builds of its own. This speaks WebDriver BiDi, the W3C's protocol, with the one that is
there, and leaves what pages may do as it is for a reader.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

websocket = pytest.importorskip("websocket")  # comes with JupyterLab
pytestmark = pytest.mark.browser

PATIENCE = 120  # seconds, for a machine that has much else to do
# The first would let a page from disk read other files, which no reader's Firefox does; the rest ask at the start.
SETTINGS = """user_pref("remote.prefs.recommended", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
"""
# Told as messages of the console: files that do not come, and what the page's policy refuses.
WATCH = """() => {
    const told = (event) => event.target.src ?? event.target.href;
    addEventListener("error", (event) => told(event) && console.error(`missing: ${told(event)}`), true);
    addEventListener("securitypolicyviolation", (event) => console.error(`refused: ${event.blockedURI}`));
}"""
ENTER, PAGE_UP = "\ue007", "\ue00e"
STARTED = "document.querySelectorAll('.vae-stage[data-ready]').length === document.querySelectorAll('.vae-live').length"
TYPESET = "!document.querySelector('.math') || !!document.querySelector('.math mjx-container')"
STEP = "Number(document.querySelector('#play-progress').textContent.match(/step (\\d+)/)?.[1] ?? -1)"
EXPLORER = ".vae-live:has(.vae-plane)"
WELCOME, CHAPTER, PLAYGROUND = (f"book/{name}.html" for name in ("index", "06_latent_space", "playground"))


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s"
        time.sleep(0.05)


class Firefox:
    """One browser with one tab, and what in it a reader should never meet."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self.count, self.home = 0, "file:"
        self.troubles: list[str] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self.call("script.addPreloadScript", functionDeclaration=WATCH)
        self.tab = self.call("browsingContext.create", type="tab")["context"]

    def call(self, method: str, **parameters: Any) -> Any:
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv())).get("id") != self.count:
            told = message["params"]
            if message["method"] == "log.entryAdded" and told["level"] in ("warn", "error"):
                self.troubles.append(told["text"])
            url = told.get("request", {}).get("url", "data:")
            if not url.startswith((self.home, "data:", "blob:")):
                self.troubles.append(f"asks another host: {url}")
        assert message["type"] == "success", message
        return message["result"]

    def open(self, page: str, width: int = 1280) -> None:
        """A page of the book, as soon as its instruments run."""
        self.call("browsingContext.setViewport", context=self.tab, viewport={"width": width, "height": 900})
        self.call("browsingContext.navigate", context=self.tab, url=f"{self.home}/{page}", wait="complete")
        until(lambda: self.ask(STARTED))

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        script = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        told = self.call("script.evaluate", expression=script, target={"context": self.tab}, awaitPromise=True)
        assert told["type"] == "success", (expression, told["exceptionDetails"]["text"])
        return json.loads(told["result"]["value"])

    def act(self, kind: str, *actions: dict[str, Any]) -> None:
        self.call("input.performActions", context=self.tab, actions=[{"type": kind, "id": kind, "actions": actions}])
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it is drawn

    def press(self, selector: str, key: str) -> None:
        self.ask(f"document.querySelector('{selector}').focus()")
        self.act("key", {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key})

    def drag(self, selector: str, *places: tuple[float, float]) -> None:
        """From place to place, in fractions of an element."""
        self.ask(f"document.querySelector('{selector}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.ask(f"document.querySelector('{selector}').getBoundingClientRect()")
        at = [(round(box["x"] + fx * box["width"]), round(box["y"] + fy * box["height"])) for fx, fy in places]
        first, *rest = ({"type": "pointerMove", "x": x, "y": y} for x, y in at)
        self.act("pointer", first, {"type": "pointerDown", "button": 0}, *rest, {"type": "pointerUp", "button": 0})


@pytest.fixture(scope="module")
def browser(tmp_path_factory: Any) -> Iterator[Firefox]:
    path = os.environ.get("FIREFOX") or shutil.which("firefox") or shutil.which("firefox-esr")
    if not path:
        pytest.skip("no Firefox: install it, or name it in the variable FIREFOX")
    profile: Path = tmp_path_factory.mktemp("firefox")
    profile.joinpath("user.js").write_text(SETTINGS)
    command = [path, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(profile)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = profile / "WebDriverBiDiServer.json"
            until(lambda: port.exists() and port.read_text().endswith("}"))
            firefox = Firefox(f"ws://127.0.0.1:{json.loads(port.read_text())['ws_port']}/session")
            yield firefox
            firefox.call("browser.close")
            firefox.socket.close()
            process.wait(PATIENCE)
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["file", "http"])
def place(html: Path, request: Any) -> Iterator[str]:
    """Where the book is read: on disk, or served from this machine."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield html.as_uri() if request.param == "file" else f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def firefox(browser: Firefox, place: str) -> Iterator[Firefox]:
    browser.troubles, browser.home = [], place
    yield browser
    browser.ask("0")  # what it has told till now
    assert browser.troubles == []


@pytest.mark.parametrize("page", [WELCOME, CHAPTER])
def test_an_explorer_follows_keyboard_and_pointer(firefox: Firefox, page: str) -> None:
    firefox.open(page)
    image = f"document.querySelector('{EXPLORER} canvas.vae-image').toDataURL()"
    pictures = [firefox.ask(image)]
    firefox.press(f"{EXPLORER} .noUi-handle", PAGE_UP)
    pictures.append(firefox.ask(image))
    firefox.drag(".vae-plane", (0.5, 0.5), (0.7, 0.4), (0.75, 0.25))
    pictures.append(firefox.ask(image))
    assert len(set(pictures)) == 3


def test_the_playground_trains(firefox: Firefox) -> None:
    firefox.open(PLAYGROUND)
    until(lambda: firefox.ask(STEP) == 0)
    firefox.press("#play-run", ENTER)
    until(lambda: firefox.ask(STEP) > 100)


def test_the_dark_theme_applies(firefox: Firefox) -> None:
    firefox.open(WELCOME)
    body = "getComputedStyle(document.body)"
    look = f"[{body}.backgroundColor, {body}.color, document.querySelector('.vae-plane').toDataURL()]"
    looks = {}
    for _ in range(3):  # as the system has it, and each by name; then again as at first
        looks[firefox.ask("document.documentElement.dataset.theme")] = firefox.ask(look)
        firefox.press(".theme-switch-button", ENTER)
    assert looks.keys() == {"light", "dark"}
    assert all(light != dark for light, dark in zip(looks["light"], looks["dark"], strict=True))


@pytest.mark.parametrize("page", [WELCOME, CHAPTER, PLAYGROUND])
def test_a_page_can_be_read_on_a_phone(firefox: Firefox, page: str) -> None:
    """Nothing is wider than the window, formulas are set, and no font is missing."""
    firefox.open(page, width=390)
    until(lambda: firefox.ask(TYPESET))
    assert firefox.ask("document.documentElement.scrollWidth") <= 390
    assert "error" not in firefox.ask("document.fonts.ready.then((all) => [...all].map((font) => font.status))")
