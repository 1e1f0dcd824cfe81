"""The instruments in the built pages: by keyboard, pointer and touch; what they draw; and where they cannot run.

Pages are read from disk, and once over http; the reader of `conftest` fails on any message of the console and on
any request to another host.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.browser

READY = ".vae-stage[data-ready]"
STATE = "application/vnd.jupyter.widget-state+json"
WELCOME = "book/index.html"


@pytest.fixture(scope="module")
def live(html: Path) -> list[str]:
    """The pages that hold an instrument."""
    found = [p for p in sorted(html.glob("book/*.html")) if 'class="vae-live"' in p.read_text("utf8")]
    assert html / WELCOME in found
    return [p.relative_to(html).as_posix() for p in found]


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """The book served over http, from this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def started(page: Any) -> Any:
    """Wait until every instrument of the page runs."""
    count = page.locator(".vae-live").count()
    page.wait_for_function(f"document.querySelectorAll('{READY}').length === {count}")
    return page


def stills(page: Any) -> Any:
    """The still pictures: one of each instrument."""
    found = page.locator(".vae-live > .vae-still").all()
    assert len(found) == page.locator(".vae-live").count() > 0
    return found


def two_frames(page: Any) -> None:
    """A change is drawn in the next frame; the one after it is later than that."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def instrument(page: Any, kind: str) -> Any:
    return page.locator(".vae-live", has=page.locator(kind)).first


def numbers(box: Any) -> list[float]:
    """What the sliders of an instrument read."""
    two_frames(box.page)
    return [float(text.replace("−", "-")) for text in box.locator(".widget-readout").all_inner_texts()]


def picture(box: Any) -> np.ndarray:
    """The drawn image, (h, w) in [0, 1]; dark is 1"""
    two_frames(box.page)
    script = """canvas => { const { width, height } = canvas;
        return { width, height, data: [...canvas.getContext("2d").getImageData(0, 0, width, height).data] } }"""
    found = box.locator("canvas.vae-image").first.evaluate(script)
    return 1 - np.reshape(found["data"], (found["height"], found["width"], 4))[..., 0] / 255


def state_of(html: Path, path: str) -> dict[str, Any]:
    soup = BeautifulSoup(html.joinpath(path).read_text("utf8"), "html.parser")
    return json.loads(soup.find("script", type=STATE).string)["state"]


def decoders(html: Path, path: str) -> list[tuple[list[dict[str, Any]], np.ndarray]]:
    """Layers and weights of the decoders that a page embeds."""
    found = []
    for model in state_of(html, path).values():
        if "layers" in model["state"]:
            (weights,) = [b["data"] for b in model["buffers"] if b["path"] == ["weights"]]
            found.append((model["state"]["layers"], np.frombuffer(base64.b64decode(weights), "<f2")))
    return found


def decoded(layers: list[dict[str, Any]], weights: np.ndarray, z: list[float]) -> np.ndarray:
    """A dense decoder in numpy, up to the likelihood's parameters."""
    x, at = np.array(z), 0
    for layer in layers:
        assert layer["kind"] == "dense"
        (n,), (m,) = layer["input"], layer["output"]
        kernel, bias = weights[at : at + n * m].reshape(n, m), weights[at + n * m : (at := at + n * m + m)]
        x = x @ kernel.astype(float) + bias.astype(float)
        x = {"relu": lambda v: np.maximum(v, 0), "linear": lambda v: v}[layer["activation"]](x)
    return x


def test_every_instrument_takes_the_place_of_its_picture(reader: Any, live: list[str]) -> None:
    """Nothing moves: the box is as high with the picture as with the live drawing."""
    for width in (1280, 390):
        for path in live:
            page = started(reader(width=width).open(path))
            for box in page.locator(".vae-live").all():
                widget = box.locator(".widget-subarea")
                height = box.bounding_box()["height"]
                widget.evaluate("e => (e.style.display = 'none')")  # as before the script ran
                assert box.bounding_box()["height"] == pytest.approx(height, abs=1), (path, width)
                widget.evaluate("e => (e.style.display = '')")
            assert not any(image.is_visible() for image in stills(page))


def test_a_slow_machine_is_no_error(reader: Any, live: list[str]) -> None:
    """anywidget gives a model two seconds to begin; here it has none."""
    one = reader()
    one.page.add_init_script(
        """window.hurried = 0;
        const usual = AbortSignal.timeout;
        AbortSignal.timeout = () => (hurried++, usual.call(AbortSignal, 0));"""
    )
    for path in live:
        assert started(one.open(path)).evaluate("hurried") > 0, path


@pytest.mark.parametrize("width", [1280, 390])
def test_widgets_shift_nothing(new_page: Any, html: Path, width: int) -> None:
    """What a page moves while it loads (formulas, folded outputs), it moves without the widgets' script too.

    The first screen counts, of the welcome page, whose instrument is in it or just below. Fonts are left out: from disk
    they may come before the first drawing or after it, and then move lines.
    """
    watch = """new PerformanceObserver((list) => { for (const entry of list.getEntries())
        window.shift = (window.shift ?? 0) + entry.value }).observe({ type: "layout-shift", buffered: true })"""
    shifts = []
    for with_widgets in (False, True):
        page = new_page(viewport={"width": width, "height": 1600})
        page.route("**/*.woff2", lambda route: route.abort())
        if not with_widgets:
            page.route("**/widgets.js*", lambda route: route.abort())
        page.add_init_script(watch)
        page.goto((html / WELCOME).as_uri())
        page.wait_for_load_state("networkidle")
        if with_widgets:
            started(page)
        page.wait_for_timeout(300)
        shifts.append(page.evaluate("window.shift ?? 0"))
    assert shifts[1] <= shifts[0] + 0.01


def test_without_javascript_the_pictures_are_seen(reader: Any, live: list[str]) -> None:
    for path in live:
        page = reader(java_script_enabled=False).open(path)
        assert all(image.is_visible() for image in stills(page))


def test_pictures_have_words(pages: dict[str, BeautifulSoup], live: list[str]) -> None:
    for path in live:
        words = [image["alt"] for image in pages[path].select(".vae-live > img.vae-still")]
        assert len(words) == len(pages[path].select(".vae-live")) > 0
        assert all("On the live page" in one for one in words)


def test_sliders_are_moved_by_keyboard(reader: Any, live: list[str]) -> None:
    """Every slider of every instrument: it has a name, and moving it draws something else."""
    for path in live:
        page = started(reader().open(path))
        for box in page.locator(".vae-live").all():
            handles = box.locator(".noUi-handle").all()
            assert handles
            for handle in handles:
                assert ": " in handle.get_attribute("aria-label")
                two_frames(page)
                before = box.locator("canvas").evaluate_all("all => all.map((c) => c.toDataURL()).join()")
                handle.focus()
                page.keyboard.press("ArrowLeft" if "β" in handle.get_attribute("aria-label") else "PageUp")
                two_frames(page)
                after = box.locator("canvas").evaluate_all("all => all.map((c) => c.toDataURL()).join()")
                assert before != after, (path, handle.get_attribute("aria-label"))
                seen = handle.evaluate("e => e.closest('.widget-slider').querySelector('.widget-readout').textContent")
                assert handle.get_attribute("aria-valuetext") == seen  # what is heard is what is seen


def test_the_threshold_as_given_is_the_one_that_is_drawn(reader: Any, html: Path) -> None:
    """Though it lies between two steps of the slider: the picture's words say the same shares."""
    path = "book/07_anomaly_detection.html"
    page = started(reader().open(path))
    box = instrument(page, ".vae-scores")
    words = box.locator(".vae-still").get_attribute("alt")
    two_frames(page)
    shown = box.locator(".vae-confusion").inner_text()
    for share in re.findall(r"finds (\d+ %) .* with ([\d.]+ %)", words)[0]:
        assert share in shown
    assert "% precision" in shown

    canvas = box.locator("canvas")
    assert canvas.get_attribute("aria-valuetext").startswith(re.search(r"threshold of ([\d.]+)", words)[1][:4])
    canvas.scroll_into_view_if_needed()
    area, before = canvas.bounding_box(), numbers(box)
    page.mouse.click(area["x"] + 0.85 * area["width"], area["y"] + 0.3 * area["height"])  # the ROC curve
    assert numbers(box) == before
    page.mouse.click(area["x"] + 0.2 * area["width"], area["y"] + 0.3 * area["height"])
    assert numbers(box) != before
    canvas.focus()
    before = numbers(box)
    canvas.dispatch_event("keydown", {"key": "ArrowLeft", "altKey": True})  # the browser's way back
    assert numbers(box) == before


@pytest.mark.parametrize("touch", [False, True], ids=["pointer", "touch"])
def test_the_plane_is_dragged(reader: Any, touch: bool) -> None:
    page = started(reader(width=390, has_touch=touch).open(WELCOME))
    box = instrument(page, ".vae-plane")
    plane = box.locator(".vae-plane")
    plane.scroll_into_view_if_needed()
    first, area = picture(box), plane.bounding_box()
    at = [(area["x"] + area["width"] * fx, area["y"] + area["height"] * fy) for fx, fy in ((0.5, 0.5), (0.75, 0.25))]
    if touch:
        page.touchscreen.tap(*at[1])
    else:
        page.mouse.move(*at[0])
        page.mouse.down()
        page.mouse.move(*at[1], steps=4)
        page.mouse.up()
    across, up = numbers(box)
    extent = float(plane.get_attribute("aria-valuemax"))
    assert across == pytest.approx(extent / 2, abs=0.06) and up == pytest.approx(extent / 2, abs=0.06)
    assert f"{across:.2f}" in plane.get_attribute("aria-valuetext")
    assert abs(picture(box) - first).max() > 0.1


def test_the_plane_is_steered_by_keys(reader: Any) -> None:
    page = started(reader().open(WELCOME))
    box = instrument(page, ".vae-plane")
    box.locator(".vae-plane").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert numbers(box) == pytest.approx([0.1, 0.45])
    page.keyboard.press("Home")
    assert numbers(box) == [0, 0]
    limit = float(box.locator(".vae-plane").get_attribute("aria-valuemax"))
    for _ in range(20):
        page.keyboard.press("Shift+ArrowLeft")
    assert numbers(box)[0] == -limit


def test_pixels_are_numpys(reader: Any, html: Path) -> None:
    """The same half-precision weights, multiplied here in double precision: no pixel differs by a step of grey."""
    page = started(reader().open(WELCOME))
    box = instrument(page, ".vae-plane")
    ((layers, weights),) = decoders(html, WELCOME)
    plane = box.locator(".vae-plane")
    plane.focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
        drawn, mean = picture(box), decoded(layers, weights, numbers(box))  # a Gaussian's first channel is its mean
        assert np.ptp(mean) > 0.3
        assert abs(drawn - mean.reshape(drawn.shape).clip(0, 1)).max() <= 1 / 255


def test_a_page_holds_a_model_once(html: Path, live: list[str]) -> None:
    for path in live:
        weights = [w.tobytes() for _, w in decoders(html, path)]
        assert len(set(weights)) == len(weights), path


def test_instruments_of_a_page_keep_to_themselves(reader: Any, live: list[str], html: Path) -> None:
    path = next(path for path in live if html.joinpath(path).read_text("utf8").count('class="vae-live"') > 1)
    page = started(reader().open(path))
    one, other = page.locator(".vae-live").all()[:2]
    before = other.locator("canvas").first.evaluate("c => c.toDataURL()")
    one.locator(".noUi-handle").first.focus()
    page.keyboard.press("PageUp")
    two_frames(page)
    assert other.locator("canvas").first.evaluate("c => c.toDataURL()") == before


def test_a_drawing_follows_the_theme(reader: Any) -> None:
    page = started(reader().open(WELCOME))
    plane = page.locator(".vae-plane").first
    colours = set()
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        two_frames(page)
        colours.add(plane.evaluate("c => getComputedStyle(c).color"))
        colours.add(plane.evaluate("c => c.toDataURL()"))
    assert len(colours) == 4


def test_the_picture_stays_where_the_script_fails(new_page: Any, html: Path) -> None:
    """Where it does not arrive, and where it may not make a module of what an instrument brings."""
    missing, hindered = new_page(), new_page()
    missing.route("**/widgets.js*", lambda route: route.abort())
    with missing.expect_event("requestfailed", lambda request: "widgets.js" in request.url):
        missing.goto((html / WELCOME).as_uri())
    hindered.add_init_script("URL.createObjectURL = () => { throw new Error('no') }")
    with hindered.expect_console_message(lambda message: "Could not create a view" in message.text):
        hindered.goto((html / WELCOME).as_uri())
    for page in (missing, hindered):
        assert page.locator(READY).count() == 0
        assert all(image.is_visible() for image in stills(page))


def test_mathematics_does_not_wait_for_a_script_that_fails(new_page: Any, html: Path) -> None:
    page = new_page()
    page.route("**/widgets.js*", lambda route: route.abort())
    page.goto((html / "book/03_elbo.html").as_uri())
    page.wait_for_selector(".math mjx-container", state="attached")
    assert page.locator(".vae-stage").count() == 0


def test_scripts_leave_the_size_of_the_text(new_page: Any, html: Path) -> None:
    """A theme whose script changes the root's font size would move every line of the page."""
    places = []
    for enabled in (False, True):
        page = new_page(java_script_enabled=enabled, viewport={"width": 1280, "height": 800})
        page.goto((html / "book/about.html").as_uri(), wait_until="load")
        places.append(page.locator("article h1").bounding_box())
    assert places[0] == places[1]


def test_only_pages_with_instruments_load_them(pages: dict[str, BeautifulSoup], live: list[str]) -> None:
    for path, soup in pages.items():
        loads = any("widgets.js" in script.get("src", "") for script in soup.find_all("script"))
        assert loads == (path in live), path


# -- what a page may do ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_the_policy_holds_off_what_does_not_belong(new_page: Any, html: Path, address: str, scheme: str) -> None:
    page = new_page()
    page.goto(f"{address}/{WELCOME}" if scheme == "http" else (html / WELCOME).as_uri())
    started(page)
    page.evaluate(
        """() => {
            window.refused = [];
            addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.intruder = true";
            const image = document.createElement("img");
            image.src = "https://example.org/pixel.png";
            document.body.append(script, image);
            fetch("https://example.org/data").catch(() => {});
        }"""
    )
    page.wait_for_function("window.refused.length >= 3")
    assert set(page.evaluate("window.refused")) == {"script-src-elem", "img-src", "connect-src"}
    assert page.evaluate("window.intruder") is None


def test_every_page_has_a_policy(pages: dict[str, BeautifulSoup], live: list[str]) -> None:
    for path, soup in pages.items():
        policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
        (scripts,) = [rule for rule in policy.split("; ") if rule.startswith("script-src")]
        assert "'unsafe-inline'" not in scripts and "http" not in policy
        assert ("'unsafe-eval'" in scripts) == (path in live), path


def test_over_http_a_page_asks_its_own_host_only(new_page: Any, address: str, live: list[str]) -> None:
    page = new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else troubles.append(r.url))
    for path in live:
        page.goto(f"{address}/{path}")
        started(page)
    assert troubles == []


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_search_finds_a_term(new_page: Any, html: Path, address: str, scheme: str) -> None:
    page = new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    base = address if scheme == "http" else html.as_uri()
    page.goto(f"{base}/search.html?q=slerp")
    page.wait_for_selector("#search-results li a")
    if scheme == "http":  # from disk a browser refuses to fetch the pages that summaries are taken from
        page.wait_for_selector("#search-results li p.context")
        assert complaints == []
    names = page.locator("#search-results li a").evaluate_all("all => all.map((a) => a.href)")
    assert any("05_sampling" in name for name in names)
