"""How soon the instruments of the built book are ready, and how soon a drag is answered, in headless Chromium.

    make book && python benchmarks/pages.py                        # every page that holds an instrument, and chapter 3
    python benchmarks/pages.py --drags 200 book/index.html

For each page, read from disk in a browser that runs already; medians of five loads, each with nothing cached:

- *text*: seconds from navigation to the first text on the screen (First Contentful Paint);
- *ready*: seconds from navigation until the first instrument runs in place of its picture;
- *shift*: cumulative layout shift until every instrument runs, 0 where nothing moved;
- *drag*: milliseconds from a pointer's event to the end of the drawing that it causes, before the browser's own
  compositing: median and 95th percentile over a drag, and the part of them that is our work; the same with the
  processor throttled four times.

A frame lasts 16.7 ms, also without a screen, so a time from event to drawing holds the wait for the next frame.
Then the milliseconds that one image takes to decode, by the engine of the pages alone, for the dense and the
convolutional decoder of `networks`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

LOADS = 5
HTML = Path(__file__).resolve().parents[1] / "_build/html"
FIRST_TEXT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((e) => { if (!e.hadRecentInput) window.shift += e.value; }))
    .observe({ type: "layout-shift", buffered: true });
window.readyAt = null;
new MutationObserver(() => {
    if (window.readyAt === null && document.querySelector(".vae-stage[data-ready]")) window.readyAt = performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
# the drawing runs in an animation frame that the event asks for; one asked for after it in the same frame runs after it
DRAG = """([plane, moves]) => new Promise((done) => {
    const stage = plane.closest(".vae-stage"), box = plane.getBoundingClientRect(), waits = [], works = [];
    plane.setPointerCapture = () => {};  // no true pointer is down
    plane.hasPointerCapture = () => true;
    let i = 0;
    const step = () => {
        if (++i > moves) return done([waits, works]);
        const asked = performance.now();
        plane.dispatchEvent(new PointerEvent("pointermove", {
            bubbles: true,
            clientX: box.left + box.width * (0.5 + 0.35 * Math.sin(i / 3)),
            clientY: box.top + box.height * (0.5 + 0.35 * Math.cos(i / 4)),
        }));
        delete stage.dataset.milliseconds;
        requestAnimationFrame(() => {
            waits.push(performance.now() - asked);
            works.push(Number(stage.dataset.milliseconds ?? NaN));  // written by the drawing; NaN if there was none
            setTimeout(step, 40 * Math.random());  // at any time within a frame
        });
    };
    setTimeout(step, 100);
})"""
DECODE = """([layers, weights, shape, codes]) => {
    const network = unpack(layers, Uint8Array.from(weights));
    const times = codes.map((z) => {
        const start = performance.now();
        decode(network, "bernoulli", z, shape);
        return performance.now() - start;
    });
    return times;
}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="relative to _build/html; all that hold an instrument without any")
    parser.add_argument("--drags", type=int, default=100, help="pointer moves a page")
    options = parser.parse_args()
    pages = options.pages or [p.relative_to(HTML).as_posix() for p in live_pages()]
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), Chromium {browser.version}\n")
        print(f"{'page':36}{'text s':>7}{'ready s':>8}{'shift':>7}   drag, ms: median (95 %), work; throttled")
        load(browser, pages[0]).context.close()  # the first one starts the browser's own processes
        for page in pages:
            print(f"{page:36}{line(browser, page, options.drags)}", flush=True)
        print("\nms an image: median (95 %)")
        for name, times in decoding(browser).items():
            print(f"{name:36}{np.median(times):7.2f} ({np.percentile(times, 95):.2f})")
        browser.close()


def live_pages() -> list[Path]:
    if not HTML.is_dir():
        raise SystemExit("There is no book in _build/html yet: run `make book`.")
    return [p for p in sorted(HTML.glob("book/*.html")) if 'class="vae-live"' in p.read_text("utf8")]


def line(browser: Any, path: str, drags: int) -> str:
    loads = [load(browser, path) for _ in range(LOADS)]
    times = [page.evaluate(f"[{FIRST_TEXT}, window.readyAt / 1000, window.shift]") for page in loads]
    text, ready, shift = np.median(times, axis=0)
    found = f"{text:7.2f}{ready:8.2f}{shift:7.3f}"
    page = loads[-1]
    page.bring_to_front()
    plane = page.locator(".vae-stage canvas[tabindex]").first
    if plane.count():
        plane.scroll_into_view_if_needed()
        session = page.context.new_cdp_session(page)
        for rate in (1, 4):
            session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
            waits, works = plane.evaluate(f"(plane, moves) => ({DRAG})([plane, moves])", drags)
            low, high = np.percentile(waits, [50, 95])
            found += f"   {low:5.1f} ({high:5.1f}), {np.nanmedian(works):4.1f}"
    for page in loads:
        page.context.close()
    return found


def load(browser: Any, path: str) -> Any:
    """The page in a context of its own, with nothing cached, once all of its instruments run."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True).new_page()
    page.add_init_script(SHIFTS)
    page.goto((HTML / path).as_uri())
    while page.locator(".vae-stage[data-ready]").count() < page.locator(".vae-live").count():
        page.wait_for_timeout(100)  # each look takes time from the page
    return page


def decoding(browser: Any) -> dict[str, list[float]]:
    """Milliseconds to decode each of 200 codes, after 50 that warm the engine up."""
    from vae_tutorial import networks
    from vae_tutorial.explorer import _network

    page = browser.new_page()
    page.add_script_tag(content=Path(_network.__file__).with_name("static").joinpath("network.js").read_text("utf8"))
    shape, codes = (28, 28, 1), np.random.default_rng(0).standard_normal((250, 2)).tolist()
    decoders = {
        "dense 2-512-784": networks.mlp_decoder(2, shape, (512,)),
        "conv_decoder(2, (28, 28, 1))": networks.conv_decoder(2, shape),
    }
    found = {}
    for name, decoder in decoders.items():
        layers, weights = _network.described(decoder)
        found[name] = page.evaluate(DECODE, [layers, list(weights), shape, codes])[50:]
    page.close()
    return found


if __name__ == "__main__":
    main()
