"""Chapters and notebooks in step; notebooks that read well where nobody knows MyST."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

import pairs
from vaebook import execution

CHAPTER = """---
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# One

It is 0.25<!-- =x:.2f -->.

```{{code-cell}}
:tags: [nbval-check-output]
{code}
```
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of one chapter that has just been built."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book/references.bib").write_text("", "utf8")
    (tmp_path / "book/01_one.md").write_text(CHAPTER.format(code="print(1)"), "utf8")
    cell = nbformat.v4.new_code_cell("print(1)", execution_count=3)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="1\n")]
    built = tmp_path / "_build/jupyter_execute/book"
    built.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), built / "01_one.ipynb")
    (tmp_path / "_build/numbers.json").write_text(json.dumps({"book/01_one": {"x": 0.75}}), "utf8")
    return tmp_path


def run(book: Path, *arguments: str) -> int:
    return pairs.main(["--root", str(book), *arguments])


def test_writing_brings_everything_in_step(book: Path) -> None:
    assert run(book, "--check") == 1
    assert run(book) == 0
    assert run(book, "--check") == 0
    assert "0.75<!-- =x:.2f -->" in (book / "book/01_one.md").read_text("utf8")
    notebook = nbformat.read(book / "book/01_one.ipynb", as_version=4)
    assert notebook.cells[1].outputs[0].text == "1\n"
    before = (book / "book/01_one.ipynb").read_bytes()
    assert run(book) == 0
    assert (book / "book/01_one.ipynb").read_bytes() == before


@pytest.mark.parametrize("change", ["text", "code", "gone", "orphan"])
def test_a_pair_out_of_step_fails_the_check(book: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(book) == 0
    chapter = book / "book/01_one.md"
    if change == "text":
        chapter.write_text(chapter.read_text("utf8").replace("# One", "# Two"), "utf8")
    elif change == "code":
        chapter.write_text(CHAPTER.format(code="print(2)"), "utf8")
    elif change == "gone":
        (book / "book/01_one.ipynb").unlink()
    else:
        (book / "book/01_one.ipynb").rename(book / "book/02_two.ipynb")
    assert run(book, "--check") == 1
    assert ".ipynb" in capsys.readouterr().err


def test_code_that_no_build_has_run_gets_no_stored_output(book: Path) -> None:
    assert run(book) == 0
    (book / "book/01_one.md").write_text(CHAPTER.format(code="print(2)"), "utf8")
    assert run(book) == 1


# --- the book's own notebooks -------------------------------------------------------------------------------


def notebooks(root: Path) -> list[tuple[str, nbformat.NotebookNode]]:
    return [(p.name, nbformat.read(p, as_version=4)) for p in sorted(root.glob("book/*.ipynb"))]


def test_the_notebooks_are_what_the_chapters_give(root: Path) -> None:
    assert pairs.check(root) == []


def test_no_directive_or_role_is_left_in_a_notebook(root: Path) -> None:
    left = re.compile(r"^(?:`{3,}|:{3,}|~{3,})\{.*|\{(?!term\})[a-z][a-z:-]*\}`[^`]*`|^\([\w-]+\)=$|\[\]\(", re.M)
    for name, notebook in notebooks(root):
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                text = re.sub(r"<!--.*?-->", "", cell.source, flags=re.S)
                assert left.findall(text) == [], name


def test_jupyter_with_jupytext_opens_the_notebook_that_is_stored(root: Path) -> None:
    """As on Binder: if the two files were a pair of jupytext's, its text would be that of the chapter, raw."""
    manager = jupytext.TextFileContentsManager(root_dir=str(root))
    for name, notebook in notebooks(root):
        opened = manager.get(f"book/{name}")["content"]
        assert [cell.source for cell in opened.cells] == [cell.source for cell in notebook.cells], name


def test_notebooks_store_only_text_of_the_cells_that_nbval_compares(root: Path) -> None:
    for name, notebook in notebooks(root):
        kept = []
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            if pairs.tagged(cell):
                kept += [output.get("text") or output.data["text/plain"] for output in cell.outputs]
            else:
                assert cell.outputs == [], name
        if name[:2].isdigit():  # a chapter, which tests its methods on an exact model; the welcome page has none
            numbers = re.findall(r"\d+\.\d{3}", "\n".join(kept))
            assert len(numbers) >= 3, f"{name}: nbval compares {len(numbers)} numbers with three digits"


def test_the_build_printed_what_the_notebooks_store(root: Path, html: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make notebooks` compares by running them all once more, here in the runs that the pages show."""
    for name, value in execution.DEFAULTS.items():
        monkeypatch.setenv(name, value)
    files = (root / "_build/.jupyter_cache" / execution.run_key(root)).glob("executed/*/base.ipynb")
    runs = [pairs.code_cells(nbformat.read(file, as_version=4)) for file in files]
    compared = 0
    for name, notebook in notebooks(root):
        cells = pairs.code_cells(notebook)
        run = next((run for run in runs if [c.source for c in run] == [c.source for c in cells]), None)
        assert run, f"{name}: the last build of the digits edition has not run this code; `make book`"
        for cell, ran in zip(cells, run, strict=True):
            if pairs.tagged(cell):
                assert pairs.text_only(ran) == cell.outputs, name
                compared += 1
    assert compared > 30
