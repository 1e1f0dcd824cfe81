"""The page "Speed and scale": the commands that it shows are those that a test runs, and its figures are on record."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book/scale.md").read_text("utf8")
RESULTS: dict[str, dict[str, Any]] = {
    name: json.loads((ROOT / f"benchmarks/results/{name}.json").read_text("utf8"))
    for name in ("training_speed", "scale")
}


def calls(code: str) -> set[str]:
    """Calls of ``keras.distribution`` in a piece of code, without the values of their arguments."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("keras.distribution."):
            found.add(f"{ast.unparse(node.func)}({len(node.args)}, {[k.arg for k in node.keywords]})")
    return found


def test_the_commands_on_the_page_are_those_that_a_test_runs() -> None:
    shown = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.S | re.M))
    tried = (ROOT / "tests/cross/distributed.py").read_text("utf8")
    assert len(calls(shown)) == 4
    assert calls(shown) <= calls(tried)


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_says_when_and_with_what(name: str) -> None:
    for key, found in RESULTS[name].items():
        assert found["date"] >= "2026" and found["hardware"] and len(found["commit"]) >= 7, key
        assert {"Python", "keras"} < set(found["versions"]), key


def test_ratios_are_those_of_the_seconds_on_record() -> None:
    for key, found in RESULTS["training_speed"].items():
        hand, package = found["seconds"]["hand"], found["seconds"]["package"]
        assert len(hand) == len(package) >= 7, key
        low, middle, high = found["ratio"]
        ratios = sorted(p / h for p, h in zip(package, hand, strict=True))
        assert middle == pytest.approx(ratios[len(ratios) // 2], abs=6e-4), key
        assert ratios[0] - 1e-3 <= low <= middle <= high <= ratios[-1] + 1e-3, key
