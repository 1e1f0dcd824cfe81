"""The faults that ``make mutants`` plants still fit the package."""

from __future__ import annotations

import runpy
from pathlib import Path

PLANTED = runpy.run_path(str(Path(__file__).with_name("mutants.py")))


def test_each_fault_replaces_one_place_of_the_package() -> None:
    package = PLANTED["ROOT"] / "vae_tutorial"
    found = {m.fault: (package / m.file).read_text("utf8").count(m.old) for m in PLANTED["MUTANTS"]}
    assert {fault: times for fault, times in found.items() if times != 1} == {}
    assert len(found) == len(PLANTED["MUTANTS"]) > 30  # no two have one name
