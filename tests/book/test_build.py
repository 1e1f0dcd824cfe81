"""Tiny books, built with the book's own configuration: what must fail a build does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A page

"""
CELL = "```{code-cell}\n%s\n```\n\n"
GLUE = CELL % "from vae_tutorial.notebook import glue\nglue('half', 0.5)"
FIGURE = (
    "```{code-cell}\n---\nmystnb:\n  image:\n    alt: %s\n---\n"
    "import matplotlib.pyplot as plt\nplt.plot([%s, 1]);\n```\n\n"
)


def build(root: Path, folder: Path, page: str, **environment: str) -> tuple[int, str]:
    """Exit status and messages of a book of one page."""
    book = folder / "book"
    book.mkdir()
    for name in ("_ext", "_static"):
        shutil.copytree(root / "book" / name, book / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "requirements.lock", "book/references.bib"):
        shutil.copy(root / name, folder / name)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", "utf8")
    (book / "page.md").write_text(HEADER + page, "utf8")
    command = Path(sys.executable).with_name("jupyter-book")
    ours = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}  # or the page's figures would not be shown
    done = subprocess.run(
        [command, "build", ".", "-W", "-n", "--keep-going"],
        cwd=folder,
        env={**ours, "KERAS_BACKEND": "tensorflow", "VAE_TUTORIAL_DATASET": "digits", **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_clean_page_builds(root: Path, tmp_path: Path) -> None:
    page = GLUE + FIGURE % ("A line that rises from nought to one.", 0) + "It is 0.50<!-- =half:.2f -->.\n"
    status, said = build(root, tmp_path, page, GITHUB_REPOSITORY="owner/name", GITHUB_REF_NAME="main")
    assert status == 0, said
    html = (tmp_path / "_build/html/book/page.html").read_text("utf8")
    assert '<span class="pasted-text">0.50</span>' in html
    assert 'alt="A line that rises from nought to one."' in html
    assert "https://colab.research.google.com/github/owner/name/blob/main/book/page" in html
    assert "https://mybinder.org/v2/gh/owner/name/main" in html
    assert '<meta property="og:image" content="https://owner.github.io/name/_static/og.png" />' in html
    assert (tmp_path / "_build/html/_static/og.png").exists()


def test_a_failing_cell_fails_the_build(root: Path, tmp_path: Path) -> None:
    status, said = build(root, tmp_path, CELL % "raise RuntimeError('deliberately')")
    assert status != 0
    assert "deliberately" in said


def test_what_a_reader_would_stumble_over_fails_the_build(root: Path, tmp_path: Path) -> None:
    page = (
        GLUE
        + "It is 0.51<!-- =half:.2f -->.\n\n"
        + "A [link](#nowhere).\n\n"
        + FIGURE % ("The same words.", 0)
        + FIGURE % ("The same words.", 2)
        + CELL % "plt.plot([1, 3]);"
        + "<!-- {predict} p-none -->\nWhich?\n\n- one\n- two\n\n<!-- {predict-end} -->\n\nNo cell.\n\n"
        + '<details name="q-x"><summary>a</summary>\n\n**Not quite.** No.\n\n</details>\n'
    )
    status, said = build(root, tmp_path, page)
    assert status != 0
    for message in (
        "the text says 0.51, the run says 0.50",
        "'nowhere'",
        "are used again: 'The same words.'",
        "an image without alternative text",
        "prediction p-none: no code cell with an output follows it",
        "question q-x: 1 answers, 0 of them correct",
    ):
        assert message in said, f"{message}\n{said}"
