"""What a chapter must have, and what its prose may not: numbers that no run stands behind."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from vaebook.numbers import TYPED

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in (ROOT / "book").glob("*.md") if p.read_text("utf8").startswith("---\njupytext"))
CHAPTERS = [p for p in PAGES if re.match(r"\d\d_", p.name)]
EXCUSED = tomllib.loads(Path(__file__).with_name("numerals.toml").read_text("utf8"))

chapter = pytest.mark.parametrize("page", CHAPTERS, ids=lambda p: p.stem)

NOT_PROSE = (
    r"\A---\n.*?\n---\n",  # the notebook's header
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)\s*$",
    r"<!-- \{predict\}.*?<!-- \{predict-end\} -->",  # guesses offered to the reader, before the output
    r"<summary>.*?</summary>",  # … and after
    r"<!--.*?-->",
    r"\$\$.*?\$\$(?: \([\w-]+\))?",
    r"\$[^$]+\$",
    r"`[^`]*`",
    r"(?<=\])\([^)\s]*\)",  # the address of a link
    r"<[^>]+>",
    r"^\([\w-]+\)=$",
    r"^#+ [^\n]*$",
    r"^\d+\. ",  # of a list
)


def prose(text: str) -> str:
    """The text without code, mathematics, addresses, the reader's guesses, and numbers that come from the run."""
    text = TYPED.sub("", text)
    for pattern in NOT_PROSE:
        text = re.sub(pattern, "", text, flags=re.S | re.M)
    return text


def without_excused(text: str, page: str) -> str:
    """The prose without the phrases that numerals.toml excuses, each with its reason."""
    for phrase in EXCUSED["everywhere"] | EXCUSED.get(page, {}):
        text = re.sub(phrase, "", text)
    return text


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_numeral_comes_from_the_run_or_is_excused_by_name(page: Path) -> None:
    left = without_excused(prose(page.read_text("utf8")), page.stem)
    assert re.findall(r"[^\n]{0,30}\d[^\n]{0,30}", left) == []


def test_every_excuse_is_used() -> None:
    """An excuse whose phrase is gone would one day excuse something else."""
    for name, phrases in EXCUSED.items():
        pages = [p for p in PAGES if name in (p.stem, "everywhere")]
        text = "\n".join(prose(p.read_text("utf8")) for p in pages)
        assert [phrase for phrase in phrases if not re.search(phrase, text)] == [], name


def test_the_check_sees_a_number_that_was_typed() -> None:
    text = "# One\n\nIt is 4.5 nats, twice 2.25<!-- =half:.2f -->, in $d = 8$ and `k=5`; see [1](#sec-2)."
    assert re.findall(r"\d[\d.]*", prose(text)) == ["4.5", "1"]


def headings(text: str) -> list[tuple[str, str]]:
    """Sections of the second level: title, text."""
    parts = re.split(r"^## (.*)$", re.sub(NOT_PROSE[1], "", text, flags=re.S | re.M), flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


@chapter
def test_a_chapter_says_what_it_promises_needs_and_takes(page: Path) -> None:
    opening = page.read_text("utf8").split("\n## ")[0]
    for part in ("**You will be able to**", "**You need**", "**Time**"):
        assert part in opening, part


@chapter
def test_a_chapter_has_exercises_with_solutions(page: Path) -> None:
    text = page.read_text("utf8")
    exercises = set(re.findall(r"<!-- \{exercise-start\}[^\n]*\n:label: ([\w-]+)", text))
    solved = set(re.findall(r"<!-- \{solution-start\} ([\w-]+)", text))
    assert len(exercises) >= 3
    assert exercises == solved
    for label in exercises:
        solution = text.split(f"{{solution-start}} {label}")[1].split("{solution-end}")[0]
        assert "{code-cell}" in solution, f"{label}: its solution runs nothing"


@chapter
def test_a_chapter_has_questions_predictions_and_an_end(page: Path) -> None:
    text = page.read_text("utf8")
    assert len(set(re.findall(r'<details name="([\w-]+)"', text))) >= 4
    titles = [title.lower() for title, _ in headings(text)]
    assert any("take" in title for title in titles)
    assert "read next" in titles[-1]


@chapter
def test_each_section_asks_before_it_shows(page: Path) -> None:
    text = page.read_text("utf8")
    silent = []
    for part in re.split(r"^(?=## )", text, flags=re.M)[1:]:
        title = part.split("\n", 1)[0].removeprefix("## ")
        taught = re.sub(
            r"\{exercise-start\}.*?\{exercise-end\}|\{solution-start\}.*?\{solution-end\}", "", part, flags=re.S
        )
        shown = [cell for cell in taught.split("{code-cell}")[1:] if "remove-cell" not in cell[:80]]
        if shown and "{predict}" not in taught:
            silent.append(title)
    assert silent == []
