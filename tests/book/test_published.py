"""Published figures beside ours: the page shows what the result file holds, and the file holds what it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from vaebook import published

ROOT = Path(__file__).parents[2]

ROW: dict[str, Any] = {
    "title": "A VAE",
    "source": "a paper",
    "theirs": {"−log p(x)": 90.0},
    "ours": {"−ELBO": [95.5, 0.25], "−log p(x)": [89.5, 0.25]},
    "differs": "the batch size",
    "unit": "nats",
    "seconds": 61,
    "date": "2026-11-22",
    "hardware": "2 cores",
    "versions": {"keras": "3.15"},
}


def test_a_figure_has_its_difference_and_one_that_is_not_given_says_so() -> None:
    assert published.figures({"a": ROW}) == [
        ("A VAE", "−ELBO, nats", "not given", "95.50 ± 0.25", ""),
        ("A VAE", "−log p(x), nats", "90.00", "89.50 ± 0.25", "−0.50"),
    ]
    assert published.circumstances({"a": ROW})[0][3:] == ("61 s", "2026-11-22, 2 cores, keras 3.15")


def test_bits_have_three_digits_and_no_error() -> None:
    row = {**ROW, "unit": "bits per pixel", "theirs": {"gzip": 0.328}, "ours": {"gzip": [0.33, 0.0]}}
    assert published.figures({"a": row}) == [("A VAE", "gzip, bits per pixel", "0.328", "0.330", "+0.002")]


def test_every_result_stands_on_the_page(pages: dict[str, BeautifulSoup]) -> None:
    results = json.loads((ROOT / published.RESULTS).read_text("utf8"))
    shown = pages["book/published.html"].select("article table")[0].get_text(" ", strip=True).replace("’", "'")
    assert results
    for row in results.values():
        assert row["title"] in shown
        assert len(row["commit"]) >= 7 and row["date"] >= "2026"
        assert set(row["theirs"]) <= set(row["ours"])
