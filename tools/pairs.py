"""Keep the chapters and their notebooks in step.

    python tools/pairs.py            write book/NN_name.ipynb from book/NN_name.md
    python tools/pairs.py --check    write nothing, exit 1 where a notebook is not what its chapter gives

The Markdown file is the one that is edited. Its notebook holds no pictures and no other output than the text
of cells tagged `nbval-check-output`, which nbval compares; that text comes from the last build of the book, or
stays as it was where the code of the notebook did not change. Before writing, numbers typed in the prose are
brought up to what the last build of the embedded edition gave, where they no longer agree with it.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book/_ext"))

from vaebook.numbers import RECORD, refresh  # noqa: E402
from vaebook.plain import for_notebook  # noqa: E402
from vaebook.references import Bibliography  # noqa: E402

TAG = "nbval-check-output"
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


class OutOfStepError(Exception):
    """A notebook that is not what its chapter gives."""


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(cell: NotebookNode) -> bool:
    return TAG in cell.metadata.get("tags", [])


def ran(cells: list[NotebookNode]) -> bool:
    """Whether a notebook holds what its tagged cells printed."""
    return all(cell.execution_count is not None for cell in cells if tagged(cell))


def text_only(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a tagged cell that are stored: printed text and plain results."""
    kept: list[NotebookNode] = []
    for output in copy.deepcopy(cell.outputs):
        if output.output_type == "stream" and output.name == "stdout":
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text  # where a kernel sends off what was printed so far is chance
            else:
                kept.append(output)
        elif output.output_type == "execute_result" and set(output.data) == {"text/plain"}:
            output.execution_count, output.metadata = 1, NotebookNode()
            kept.append(output)
        else:
            raise OutOfStepError(f"a cell tagged {TAG} may only print or show text (and not glue):\n{cell.source}")
    return kept


def make(chapter: Path, known: Iterable[NotebookNode], bibliography: Bibliography) -> NotebookNode:
    """The notebook of a chapter, with the stored outputs that the first fitting notebook of `known` has."""

    def is_chapter(page: str) -> bool:
        other = chapter.parent / page
        return other.exists() and is_notebook(other)

    notebook = jupytext.read(chapter, fmt="md:myst")
    notebook.metadata = nbformat.from_dict(KERNEL)
    notebook.nbformat_minor = 4  # without cell ids, which would differ at every writing
    cells = code_cells(notebook)
    sources = [cell.source for cell in cells]
    run = next((run for run in map(code_cells, known) if [c.source for c in run] == sources and ran(run)), None)
    for i, cell in enumerate(cells):
        cell.execution_count, cell.outputs = None, []
        if not tagged(cell):
            continue
        if run is None:
            raise OutOfStepError("its code changed, and no build has run it since: `make book`, then `make pairs`")
        cell.execution_count, cell.outputs = 1, text_only(run[i])
    for cell in notebook.cells:
        cell.pop("id", None)
        if cell.cell_type == "markdown":
            cell.source = for_notebook(cell.source, bibliography, is_chapter)
    nbformat.validate(notebook)
    return notebook


def dump(notebook: NotebookNode) -> str:
    return str(nbformat.writes(notebook, nbformat.NO_CONVERT)).rstrip("\n") + "\n"


def load(path: Path) -> list[NotebookNode]:
    return [nbformat.read(path, as_version=4)] if path.exists() else []


def builds(root: Path, chapter: Path) -> Iterator[NotebookNode]:
    """The last build's notebook of a chapter, and all cached runs: a build that reuses one leaves out its outputs."""
    last = root / "_build/jupyter_execute" / chapter.relative_to(root).with_suffix(".ipynb")
    cached = sorted(root.glob("_build/.jupyter_cache/*/executed/*/base.ipynb"), key=lambda p: -p.stat().st_mtime)
    return (notebook for path in (last, *cached) for notebook in load(path))


def is_notebook(page: Path) -> bool:
    return "```{code-cell}" in page.read_text("utf8")


def chapters(root: Path) -> list[Path]:
    """The pages of the book that are notebooks."""
    return [page for page in sorted(root.glob("book/*.md")) if is_notebook(page)]


def check(root: Path) -> list[str]:
    """What is out of step, one line each."""
    bibliography = Bibliography.read(root / "book/references.bib")
    pages = chapters(root)
    wrong = [
        f"{path.name}: no chapter of this name"
        for path in sorted(root.glob("book/*.ipynb"))
        if path.with_suffix(".md") not in pages
    ]
    for chapter in pages:
        pair = chapter.with_suffix(".ipynb")
        try:
            if not pair.exists() or pair.read_text("utf8") != dump(make(chapter, load(pair), bibliography)):
                wrong.append(f"{pair.name}: not what {chapter.name} gives; run `make pairs`")
        except OutOfStepError as reason:
            wrong.append(f"{pair.name}: {reason}")
    return wrong


def write(root: Path) -> list[str]:
    """Bring everything in step; return what could not be."""
    record = root / "_build" / RECORD
    values: dict[str, dict[str, Any]] = json.loads(record.read_text("utf8")) if record.exists() else {}
    for page in sorted(root.glob("book/*.md")):
        before = page.read_text("utf8")
        after = refresh(before, page.relative_to(root).with_suffix("").as_posix(), values)
        if after != before:
            page.write_text(after, "utf8")
            print(f"{page.name}: typed numbers refreshed")
    bibliography = Bibliography.read(root / "book/references.bib")
    failed = []
    for chapter in chapters(root):
        pair = chapter.with_suffix(".ipynb")
        try:
            text = dump(make(chapter, chain(builds(root, chapter), load(pair)), bibliography))
        except OutOfStepError as reason:
            failed.append(f"{pair.name}: {reason}")
            continue
        if not pair.exists() or pair.read_text("utf8") != text:
            pair.write_text(text, "utf8")
            print(f"{pair.name}: written")
    return failed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Keep the chapters and their notebooks in step.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 where one is out of step")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    wrong = check(options.root) if options.check else write(options.root)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
