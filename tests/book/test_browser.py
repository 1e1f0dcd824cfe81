"""The book in a real browser: by keyboard, without JavaScript, on a phone, in the dark; and asking nobody."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.browser


def with_part(html: Path, part: str) -> list[str]:
    """The pages that contain `part`."""
    found = [p for p in sorted(html.glob("book/*.html")) if part in p.read_text("utf8")]
    return [p.relative_to(html).as_posix() for p in found]


def visible(page: Any, selector: str) -> list[bool]:
    """Whether each element takes up space on the page."""
    return page.eval_on_selector_all(  # type: ignore[no-any-return]
        selector, "all => all.map(e => e.checkVisibility({contentVisibilityAuto: true}) && e.offsetHeight > 0)"
    )


def test_a_prediction_is_made_by_keyboard(reader: Any, html: Path) -> None:
    paths = with_part(html, 'class="predict docutils')
    assert paths, "no page holds a prediction"
    for path in paths:
        window = reader()
        page = window.open(path)
        box = page.locator(".predict").first
        name = box.get_attribute("id")
        button = box.get_by_role("button")
        output = page.locator(f"#{name}-output-1")
        assert button.get_attribute("aria-expanded") == "false"
        assert name + "-output-1" in button.get_attribute("aria-controls")
        assert not output.is_visible()

        button.focus()
        page.keyboard.press("Enter")  # nothing chosen yet: the reader is told, and taken to the answers
        assert "Choose an answer" in box.get_by_role("status").inner_text()
        assert page.evaluate("document.activeElement.type") == "radio"
        assert not output.is_visible()

        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert output.is_visible()
        assert button.get_attribute("aria-expanded") == "true"
        assert box.get_by_role("status").inner_text().startswith("You predicted:")

        page.reload()  # remembered for this visit
        assert output.is_visible()
        assert box.locator("input:checked").count() == 1
        button.focus()
        page.keyboard.press("Space")
        assert not output.is_visible()


def test_each_prediction_opens_its_own_output_only(reader: Any, html: Path) -> None:
    for path in with_part(html, 'class="predict docutils'):
        page = reader().open(path)
        for box in page.locator(".predict").all():
            mine = box.get_by_role("button").get_attribute("aria-controls").split()
            before = page.locator(".predict-fold[hidden]").count()
            box.locator("label").last.click()
            box.get_by_role("button").click()
            assert page.locator(".predict-fold[hidden]").count() == before - len(mine)
        assert page.locator(".predict-fold[hidden]").count() == 0


def test_everything_is_open_without_javascript(reader: Any, html: Path) -> None:
    for path in with_part(html, 'class="predict docutils'):
        page = reader(java_script_enabled=False).open(path)
        assert page.locator(".predict-choices li").count() >= 2
        assert page.locator(".predict form").count() == 0
        folds = page.locator(".predict-fold").all()
        assert folds and all(fold.is_visible() for fold in folds)


def test_a_question_gives_feedback_for_each_answer(reader: Any, html: Path) -> None:
    paths = with_part(html, 'class="quiz ')
    assert paths, "no page holds a self-check question"
    for path in paths:
        page = reader().open(path)
        for answer in page.locator("details.quiz").all():
            summary, feedback = answer.locator("summary"), answer.locator("p").first
            assert not feedback.is_visible()
            summary.focus()
            page.keyboard.press("Enter")
            assert feedback.is_visible()
            right = "quiz-right" in answer.get_attribute("class")
            assert feedback.inner_text().startswith("Correct" if right else "Not quite")
            mark = summary.evaluate("e => getComputedStyle(e, '::before').content")
            assert ("✓" if right else "✗") in mark  # not by colour alone


def test_paper_shows_what_is_folded(reader: Any, html: Path) -> None:
    for path in with_part(html, 'class="predict docutils'):
        page = reader().open(path)
        page.emulate_media(media="print")
        assert all(visible(page, ".predict-fold"))


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_every_page_fits_sets_its_mathematics_and_asks_nobody(reader: Any, html: Path, width: int, theme: str) -> None:
    window = reader(width=width)
    window.page.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    for file in sorted(html.glob("book/*.html")):
        page = window.open(file.relative_to(html).as_posix(), typeset=True)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.locator("mjx-merror").count() == 0, f"{file.name} holds a formula that MathJax refuses"
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{file.name} scrolls sideways by {overflow} px at {width} px"


def test_figures_keep_their_light_card_in_the_dark(reader: Any, html: Path) -> None:
    window = reader()
    window.page.add_init_script("localStorage.setItem('mode', 'dark'); localStorage.setItem('theme', 'dark')")
    for path in with_part(html, "<figure"):
        page = window.open(path)
        colours = page.eval_on_selector_all(
            "article figure img", "all => all.map(e => getComputedStyle(e).backgroundColor)"
        )
        assert set(colours) <= {"rgb(251, 251, 249)"}, path


def test_pages_are_light(browser: Any, html: Path, pages: dict[str, BeautifulSoup]) -> None:
    """What a first visit transfers, compressed as a static host does: 1 MB, 1 MB more for the first instrument, and
    half a MB for each other one."""
    weights: dict[str, int] = {}
    too_heavy = {}
    for path, page in pages.items():
        asked: set[str] = set()
        window = browser.new_page()
        window.on("request", lambda request, asked=asked: asked.add(urlsplit(request.url)._replace(fragment="").path))
        window.goto((html / path).as_uri())
        window.wait_for_load_state("networkidle")
        window.close()
        files = [Path(unquote(one)) for one in asked if one.startswith("/")]
        for file in map(str, files):
            if file not in weights:
                data = Path(file).read_bytes()
                packed = file.endswith((".png", ".woff2", ".woff", ".zip"))
                weights[file] = len(data) if packed else len(gzip.compress(data))
        instruments = len(page.select(".vae-live"))
        limit = 1.0 + (0.5 + 0.5 * instruments if instruments else 0.0)
        weight = sum(weights[str(file)] for file in files) / 1e6
        print(f"{path}: {weight:.2f} MB, {instruments} instruments")
        if weight > limit:
            too_heavy[path] = f"{weight:.2f} MB with {instruments} instruments"
    assert too_heavy == {}
