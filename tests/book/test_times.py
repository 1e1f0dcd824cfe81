"""The record of the build: what ran, for how long, with what."""

from __future__ import annotations

import os
from typing import Any

import pytest
from bs4 import BeautifulSoup

from vaebook import times


def run_of(seconds: float | None, when: float = 0.0) -> dict[str, Any]:
    return {"exec_data": {"runtime": seconds, "mtime": when, "method": "cache", "succeeded": True}}


def test_pages_that_ran_are_listed_in_order() -> None:
    metadata = {"book/02": run_of(2.5), "book/01": run_of(90.0, 7.0), "book/about": {"has_exec_table": True}}
    assert times.runs(metadata) == [("book/01", 90.0, 7.0), ("book/02", 2.5, 0.0)]


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (7.26, "7.3 s"), (83.4, "83 s"), (412.0, "412 s")])
def test_times_are_given_in_seconds(seconds: float, text: str) -> None:
    assert times.shown_time(seconds) == text


def test_the_facts_name_edition_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAE_TUTORIAL_DATASET", "mnist")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    facts = dict(times.facts())
    assert facts["Data set"] == "mnist" and facts["Back end"] == "jax"
    assert facts["Built"] == "1970-01-01 00:00 UTC"
    assert facts["keras"][0].isdigit() and facts["Python"].count(".") == 2
    assert 1 <= times.cores() <= (os.cpu_count() or 1)


def test_the_page_has_both_tables_and_every_page_that_ran(pages: dict[str, BeautifulSoup]) -> None:
    build, ran = pages["book/build_record.html"].select("article table")
    assert "Back end" in build.get_text() and "Processor" in build.get_text()
    links = {str(a["href"]) for a in ran.select("a")}
    with_code = {path.removeprefix("book/") for path, soup in pages.items() if soup.select("div.cell")}
    assert links == with_code
    total = ran.select("tr")[-1].get_text(" ", strip=True)
    assert total.startswith("all pages")
