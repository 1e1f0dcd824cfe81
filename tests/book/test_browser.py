"""The book in a real browser: by keyboard, without JavaScript, on a phone, in the dark; and asking nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
        assert button.evaluate("e => e === document.activeElement")  # the focus stays in the box
        assert button.get_attribute("aria-expanded") == "true"
        assert box.get_by_role("status").inner_text().startswith("You predicted:")

        page.reload()  # remembered for this visit
        assert output.is_visible()
        assert box.locator("input:checked").count() == 1
        button.focus()
        page.keyboard.press("Space")
        assert not output.is_visible()


def test_a_link_opens_an_output_and_the_button_folds_it(reader: Any, html: Path) -> None:
    window = reader()
    page = window.open(with_part(html, 'class="predict docutils')[0])
    page.goto(page.url + "#50%")  # no name of ours, and no error
    box = page.locator(".predict").first
    button = box.get_by_role("button")
    output = page.locator(f"#{button.get_attribute('aria-controls').split()[0]}")
    page.evaluate("name => { location.hash = name }", output.get_attribute("id"))
    output.wait_for(state="visible")
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert not output.is_visible()
    assert box.get_by_role("status").inner_text() == ""  # nobody is told to choose first


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
        tint = page.locator(".predict").first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert tint not in ("rgba(0, 0, 0, 0)", "transparent")  # the colours do not wait for a script


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


def test_figures_keep_their_light_card_in_the_dark(reader: Any, pages: dict[str, BeautifulSoup]) -> None:
    window, figures = reader(), "article figure img"
    window.page.add_init_script("localStorage.setItem('mode', 'dark'); localStorage.setItem('theme', 'dark')")
    paths = [path for path, soup in pages.items() if soup.select(figures)]
    assert paths, "no page holds a figure"
    for path in paths:
        page = window.open(path)
        colours = page.eval_on_selector_all(figures, "all => all.map(e => getComputedStyle(e).backgroundColor)")
        assert set(colours) == {"rgb(251, 251, 249)"}, path
