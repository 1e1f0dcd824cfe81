"""Published figures beside ours: the page shows what the result file holds, and the file holds what it should."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from numpy.testing import assert_array_equal

from vaebook import published

ROOT = Path(__file__).parents[2]
RESULTS: dict[str, dict[str, Any]] = json.loads((ROOT / published.RESULTS).read_text("utf8"))


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


ROW: dict[str, Any] = {
    "title": "A VAE",
    "source": "a paper",
    "theirs": {"−log p(x)": "90.0"},
    "ours": {"−ELBO": [95.5, 0.25], "−log p(x)": [89.54, 0.25]},
    "differs": "the batch size",
    "unit": "nats",
    "checked": True,
    "seeds": [0],
    "draws": 128,
    "seconds": 61,
    "date": "2026-11-22",
    "hardware": "2 cores",
    "versions": {"keras": "3.15"},
    "commit": "0123456",
}


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """The module of ``benchmarks/published.py``."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import published as module
    finally:
        sys.path.pop(0)
    return module


def test_a_figure_has_its_difference_and_one_that_is_not_given_says_so() -> None:
    assert published.figures({"a": ROW}) == [
        ("A VAE",),
        ("−ELBO, nats", "not given", "95.50 ± 0.25", ""),
        ("−log p(x), nats", "90.0", "89.54 ± 0.25", "−0.5"),
    ]
    assert published.measured(ROW) == (
        "Measured: 2026-11-22, in 61 s, 2 cores, keras 3.15, commit 0123456, 128 draws for log p(x), seed 0."
    )


def test_bits_have_four_digits_and_a_file_no_error() -> None:
    row = {**ROW, "unit": "bits per pixel", "theirs": {"gzip": "0.328"}, "ours": {"gzip": [0.33, 0.0]}}
    assert published.figures({"a": row})[1:] == [("gzip, bits per pixel", "0.328", "0.3300", "+0.002")]


def test_a_figure_that_nobody_checked_and_a_row_that_is_not_finished_say_so() -> None:
    row = {**ROW, "ours": {"−log p(x)": [89.96, 0.0]}, "checked": False, "partial": "epoch 4 of 9"}
    assert published.figures({"a": row}) == [
        ("A VAE (partial: epoch 4 of 9)",),
        ("−log p(x), nats", "90.0, not checked", "89.96", ""),
    ]


def test_a_row_from_another_benchmark_keeps_its_own_circumstances() -> None:
    row = {k: v for k, v in ROW.items() if k not in ("seconds", "date", "hardware", "versions")}
    assert published.measured({**row, "measured": "long ago", "seeds": [0, 1]}) == (
        "Measured: long ago, in a time that was not kept, 128 draws for log p(x), seeds 0, 1."
    )


def test_a_row_that_was_timed_from_some_epoch_on_says_so() -> None:
    assert ", in 61 s from epoch 9 on, " in published.measured({**ROW, "timed from": 9})


def test_every_result_stands_on_the_page(pages: dict[str, BeautifulSoup]) -> None:
    def text(node: Any) -> str:
        return str(node.get_text(" ", strip=True).replace("’", "'"))

    page = pages["book/published.html"]
    shown = [tuple(text(cell) for cell in row.select("td")) for row in page.select("article table tbody tr")]
    assert RESULTS and shown == published.figures(RESULTS)
    sources = [text(item) for item in page.select("article dl dt")]
    assert sources == [published.titled(row) for row in RESULTS.values()]
    for item, row in zip(page.select("article dl dd"), RESULTS.values(), strict=True):
        assert published.measured(row) in text(item)


def test_the_gated_network_meets_pythaes_figure_as_the_page_says() -> None:
    theirs, (ours, _) = RESULTS["pythae"]["theirs"], RESULTS["pythae-gated"]["ours"]["−log p(x)"]
    assert abs(ours - float(theirs["−log p(x)"])) < 0.1 < RESULTS["pythae"]["ours"]["−log p(x)"][0] - ours


def test_the_tables_of_adbench_are_what_the_page_says() -> None:
    row = RESULTS["adbench"]
    less = {what: ours - float(row["theirs"][what]) for what, (ours, _) in row["ours"].items()}
    assert max(abs(d) for what, d in less.items() if "pyod's" in what) < 4
    of_vae = [less[f"{table}, VAE"] for table in ("thyroid", "Pima", "cardio", "satellite")]
    assert max(map(abs, of_vae[:2])) < 0.5 and np.round(of_vae[2:]).tolist() == [-7, 9]
    of_pca = [less[f"{table}, PCA"] for table in ("thyroid", "Pima", "cardio", "satellite")]
    assert np.round(of_pca).tolist() == [-27, -9, -10, 14]


def test_the_digits_left_out_are_what_the_page_says() -> None:
    row = RESULTS["left-out"]
    theirs = {what[0]: float(value) for what, value in row["theirs"].items() if "32" in what}
    ours = {what[0]: value for what, value in row["ours"].items() if "32" in what}
    means = {digit: mean for digit, (mean, _) in ours.items()}
    orders = [sorted(found, key=lambda digit: -found[digit]) for found in (theirs, means)]
    assert orders[0].index("0") == 5 and orders[1].index("0") == 1
    assert all(order[-1] == "1" and {*order[-3:-1]} == {"7", "9"} and {"2", "8"} <= {*order[:3]} for order in orders)
    less = {digit: mean - theirs[digit] for digit, (mean, _) in ours.items()}
    assert {digit for digit, d in less.items() if abs(d) > 0.07} == {"0", "3", "4", "9"} and less["0"] > 0
    assert max(less["3"], less["4"], less["9"]) < 0
    assert [digit for digit, (_, error) in ours.items() if abs(less[digit]) < 3 * error] == ["8"]


UNTIMED = {"altosaar", "pythae-gated"}  # whose seconds were not kept; the page says so


def test_every_result_says_what_it_must() -> None:
    """Values with their errors, seeds and time; machine, versions and commit, or what another benchmark noted."""
    told = {"title", "source", "theirs", "ours", "differs", "unit", "checked", "seeds"}
    for name, row in RESULTS.items():
        assert set(row["theirs"]) <= set(row["ours"]), name
        assert told <= set(row) and all(len(value) == 2 for value in row["ours"].values()), name
        assert row["seeds"] == sorted(set(row["seeds"])) != [], name
        assert ("seconds" in row) != (name in UNTIMED), name
        assert "measured" in row or {"date", "hardware", "versions", "commit"} <= set(row), name


def test_the_iwae_rows_reach_the_papers_figures() -> None:
    """Those that were trained to the end of the schedule, to three tenths of a nat; the first is lower by a third."""
    rows = [row for name, row in RESULTS.items() if name.startswith("iwae") and "partial" not in row]
    if not rows:
        pytest.skip("no such row is trained to its end")
    less = [row["ours"]["−log p(x)"][0] - float(row["theirs"]["−log p(x)"]) for row in rows]
    assert max(less) < 0.3
    assert -0.4 < less[0] < -0.3  # as the page says


@pytest.mark.parametrize("results", ["published", "scale", "training_speed", "anomaly"])
def test_the_commit_of_a_result_has_the_program_that_found_it(results: str) -> None:
    """All of it, where no + says that it had changes."""
    found = json.loads((ROOT / f"benchmarks/results/{results}.json").read_text("utf8"))
    found = {"all": found} if "commit" in found else found
    commits = {c for result in found.values() if "measured" not in result for c in result["commit"].split(", ")}
    assert all(re.fullmatch(r"[0-9a-f]{7,}\+?", commit) for commit in commits) and commits
    try:
        whole = git("rev-parse", "--is-shallow-repository") == "false"
    except (OSError, subprocess.CalledProcessError):
        whole = False
    if not whole:
        pytest.skip("no repository, or a clone without its history, which knows no other commits")
    for commit in commits:  # a commit that was amended is still in this repository, and in no clone of it
        git("merge-base", "--is-ancestor", commit.removesuffix("+"), "HEAD")
        if "+" not in commit:
            git("cat-file", "-e", f"{commit}:benchmarks/{results}.py")


def test_the_recipes_and_the_results_say_the_same(benchmark: Any) -> None:
    assert list(RESULTS) == [n for n in (*benchmark.RECIPES, *benchmark.OTHERS) if n in RESULTS]
    for name, recipe in benchmark.RECIPES.items():
        if name in RESULTS:
            for key in ("title", "source", "theirs", "differs", "unit", "checked"):
                assert RESULTS[name][key] == getattr(recipe, key), (name, key)


def test_rows_of_other_benchmarks_are_in_step_with_them(benchmark: Any) -> None:
    for name in ("left-out", "adbench"):
        assert RESULTS[name] == benchmark.OTHERS[name]()


def test_a_checkpoint_stands_for_a_row_that_goes_on(benchmark: Any) -> None:
    kept = {p.name.removesuffix(".weights.h5") for p in benchmark.CHECKPOINTS.glob("iwae-*.weights.h5")}
    assert kept == {name for name, row in RESULTS.items() if "partial" in row}
    assert all(benchmark.checkpoint(name).stat().st_size <= 6e6 for name in kept)


def test_learning_rates_fall_where_the_sources_say(benchmark: Any) -> None:
    recipe = benchmark.RECIPES["iwae-1"]
    assert recipe.epochs == 3280
    rates = [benchmark.rate_at(recipe, epoch, 1.0) for epoch in range(recipe.epochs)]
    assert rates[:4] == [1e-3, 7.2e-4, 7.2e-4, 7.2e-4] and rates[-2187:] == [1e-4] * 2187
    assert benchmark.rate_at(benchmark.RECIPES["pythae"], 199, 1e-4) == 1e-4


def test_pixels_are_drawn_anew_by_seed_and_step(benchmark: Any) -> None:
    class Model:
        seed, step = 3, 0

    grey = np.full((100, 28, 28, 1), 0.2, np.float32)  # level 51 of 255
    drawn = benchmark.Redrawn(grey, 30, Model)
    first = np.concatenate([drawn[i][0] for i in range(len(drawn))])
    assert first.shape == grey.shape and set(np.unique(first)) == {0.0, 1.0}
    assert abs(first.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / first.size)
    drawn.on_epoch_begin()
    assert_array_equal(drawn[0][0], first[:30])  # no step was made
    Model.step = 4
    drawn.on_epoch_begin()
    assert 0.3 < (drawn[0][0] != first[:30]).mean() < 0.34  # 2 × 0.2 × 0.8, four errors of 23,520 pixels


@pytest.mark.parametrize("name", ["bits-back", "pythae"])
def test_training_that_stops_and_goes_on_is_training_that_never_stopped(
    benchmark: Any, name: str, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).random((60, 28, 28, 1), np.float32)
    images = benchmark.Images(x, x, x)
    recipe = replace(benchmark.RECIPES[name], epochs=3, batch_size=20, rates={0: 1e-3, 2: 1e-4})

    parts, whole = tmp_path / "parts.weights.h5", tmp_path / "whole.weights.h5"

    def trained(file: Path, minutes: float, commit: str = "0123456") -> tuple[int, list[Any]]:
        vae = recipe.model()
        return benchmark.train(recipe, images, vae, file, minutes, commit), vae.get_weights()

    assert [trained(parts, 1e-9)[0] for _ in range(2)] == [1, 2]  # one epoch a sitting
    seconds = benchmark.log_of(parts)["seconds"]
    assert trained(parts, 0.0, "fedcba9")[0] == 2  # which trains nothing
    for a, b in zip(trained(parts, 1e-9, "abcdef0")[1], trained(whole, np.inf)[1], strict=True):
        assert_array_equal(a, b)
    logs = benchmark.log_of(parts), benchmark.log_of(whole)
    assert logs[0]["metrics"] == logs[1]["metrics"] and logs[0]["metrics"]["distortion"] > 0
    assert trained(parts, np.inf)[0] == 3 and benchmark.log_of(parts)["metrics"] == logs[0]["metrics"]  # at its end
    assert logs[0]["seconds"] > seconds > 0
    assert [log["commits"] for log in logs] == [["0123456", "abcdef0"], ["0123456"]]
    benchmark.log_file(parts).unlink()
    assert benchmark.log_of(parts)["seconds"] is None  # and not those of the last sitting
    for left in (benchmark.log_file(parts), benchmark.best_of(parts)):  # stopped before its first file
        left.write_text('{"seconds": 1e9, "metrics": {}, "commits": []}')
    parts.unlink()
    assert trained(parts, 1e-9)[0] == 1 and benchmark.log_of(parts)["seconds"] < 1e6


def test_a_training_that_is_repeated_may_be_stopped_too(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    monkeypatch.setattr(benchmark, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "published.json")
    monkeypatch.setattr(benchmark, "measure", lambda name, *how: measured.append(how) or ROW)
    for arguments in ([], [], ["--again"]):
        monkeypatch.setattr(sys, "argv", ["published.py", "flax", *arguments])
        benchmark.main()
    assert measured == [(np.inf, False), (np.inf, True)]  # a finished row is measured once, and again
    for file in (benchmark.checkpoint("flax"), benchmark.log_file(benchmark.checkpoint("flax"))):
        file.touch()  # of the repetition, which was stopped
    monkeypatch.setattr(sys, "argv", ["published.py", "flax"])
    benchmark.main()
    assert measured[2:] == [(np.inf, False)]  # it goes on
    assert [p.name for p in tmp_path.iterdir()] == ["published.json"]
