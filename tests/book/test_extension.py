"""What the Sphinx extension makes of the text of a chapter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vae_tutorial.notebook import glue
from vaebook import execution, repository
from vaebook.numbers import find, refresh, shown, to_roles
from vaebook.plain import for_notebook
from vaebook.references import Bibliography
from vaebook.source import for_page


def page(text: str) -> str:
    """The text for the page, where nothing is to be warned about."""
    return for_page(text, lambda line, message: pytest.fail(f"line {line}: {message}"))


def warnings(text: str) -> list[str]:
    found: list[str] = []
    for_page(text, lambda line, message: found.append(f"{line}: {message}"))
    return found


# --- comments --------------------------------------------------------------------------------------------


def test_a_comment_becomes_a_directive_and_keeps_its_lines() -> None:
    text = "<!-- {exercise-start} By hand\n:label: ex-kl\n-->\n\nCompute.\n\n<!-- {exercise-end} -->\n"
    expected = ":::{exercise-start} By hand\n:label: ex-kl\n:::\n\nCompute.\n\n:::{exercise-end}\n:::"
    assert page(text) == expected


def test_a_comment_with_an_end_encloses_what_stands_between() -> None:
    text = (
        "<!-- {admonition} A\n:class: tip\n-->\n<!-- {note} -->\ninside\n<!-- {note-end} -->\n<!-- {admonition-end} -->"
    )
    lines = page(text).split("\n")
    assert lines[1:3] == [":class: tip", ""]
    outer, inner = lines[0].split("{")[0], lines[3].split("{")[0]
    assert len(outer) > len(inner) >= 3  # a fence closes only its own level
    assert (lines[-1], lines[5]) == (outer, inner)
    assert len(lines) == text.count("\n") + 1


def test_code_is_left_alone() -> None:
    text = "```python\n<!-- {note} -->\n1<!-- =k -->\n```"
    assert page(text) == text


def test_lines_for_the_notebook_vanish_from_the_page() -> None:
    assert page("a\n**Exercise** <!-- notebook only -->\nb") == "a\n\nb"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!-- {bibliography} -->\ntext", "empty line must follow"),
        ("<!-- {note}\ntext\n-->", "holds options"),
        ("  <!-- {note} -->\n\n", "begins its line"),
        ("<!-- {note} -->\n<!-- {tip} -->\n<!-- {note-end} -->\n<!-- {tip-end} -->", "not closed"),
        ("about **2.95**<!-- =elbo:.2f -->", "right before"),
    ],
)
def test_a_comment_that_says_nothing_is_not_silently_dropped(text: str, reason: str) -> None:
    assert any(reason in line for line in warnings(text)), warnings(text)


# --- self-check questions ----------------------------------------------------------------------------------

ANSWER = '<details name="q-one"><summary>{}</summary>\n\n**{}.** Because.\n\n</details>\n\n'


def test_answers_are_marked_and_their_mathematics_set() -> None:
    text = page(ANSWER.format("the rate $R$ in `nats`", "Correct") + ANSWER.format("no", "Not quite"))
    assert 'class="quiz quiz-right"><summary><span>the rate <span class="math' in text
    assert r"\(R\)</span> in <code>nats</code>" in text
    assert text.count("quiz-wrong") == 1


@pytest.mark.parametrize(
    "verdicts", [["Correct"], ["Correct", "Correct"], ["Not quite", "Not quite"], ["Correct", "Perhaps"]]
)
def test_a_question_has_one_correct_answer_among_several(verdicts: list[str]) -> None:
    assert warnings("".join(ANSWER.format("a", verdict) for verdict in verdicts))


# --- numbers -----------------------------------------------------------------------------------------------


def test_a_typed_number_becomes_the_number_of_the_run() -> None:
    line = "The ELBO (−102.7<!-- =elbo:.1f~2% -->) and 12<!-- =01_a.md::n --> pixels."
    assert to_roles(line) == "The ELBO ({glue:text}`elbo:.1f`) and {glue:text}`01_a.md::n` pixels."


@pytest.mark.parametrize(
    ("typed", "value", "agrees"),
    [
        ("2.952<!-- =k:.3f -->", 2.9521, True),
        ("2.952<!-- =k:.3f -->", 2.9526, False),
        ("−0.50<!-- =k:.2f -->", -0.5, True),
        ("100<!-- =k:.0f~5% -->", 105.0, True),
        ("100<!-- =k:.0f~5% -->", 105.6, False),
        ("100<!-- =k:.0f~5% -->", 95.3, True),
        ("100<!-- =k:.0f~5% -->", 94.7, False),
        ("100<!-- =k:.0f~900% -->", 999.0, True),
        ("100<!-- =k:.0f~900% -->", 1001.0, False),  # a tolerance of more than 100 % is no leave for any number
        ("100<!-- =k:.0f~900% -->", -100.0, False),
        ("0.0<!-- =k:.1f~300% -->", -0.19, True),  # four times what is shown as zero
        ("0.0<!-- =k:.1f~300% -->", 0.21, False),
        ("12%<!-- =k:.0%~5% -->", 0.124, True),
        ("1,797<!-- =k:,d -->", 1797, True),
        ("digits<!-- =k -->", "digits", True),
        ("digits<!-- =k -->", "mnist", False),
    ],
)
def test_typed_numbers_agree_with_the_run_or_are_refreshed(typed: str, value: object, agrees: bool) -> None:
    (number,) = find(typed)
    assert number.agrees(value) is agrees
    fresh = refresh(typed, "page", {"page": {"k": value}})
    assert (fresh == typed) is agrees
    assert find(fresh)[0].agrees(value)


def test_numbers_are_set_with_a_minus_sign() -> None:
    assert shown(-1.5, ".1f") == "−1.5"
    assert shown("well-known", "s") == "well-known"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_never_reaches_the_prose(value: float) -> None:
    with pytest.raises(ValueError, match="'elbo': a finite number is expected"):
        glue("elbo", value)


# --- the plain notebook --------------------------------------------------------------------------------------


def test_a_plain_notebook_shows_words_instead_of_references(tmp_path: Path) -> None:
    entry = "@article{kingma2014, author={Kingma, D. and Welling, M.}, title={T}, journal={J}, year=2014, eprint={1}}"
    (tmp_path / "references.bib").write_text(entry, "utf8")
    bibliography = Bibliography.read(tmp_path / "references.bib")
    text = (
        "(chapter)=\n# One\n\n$$ a = b $$ (eq-ab)\n\n```{math}\n:label: eq-cd\nc = d\n```\n\n"
        "By [](#eq-ab), [](#kingma2014), [the figure](#fig-x), [next](02_b.md#part) and [home](index.md).\n\n"
        "```python\n[](#eq-ab)\n```"
    )
    assert for_notebook(text, bibliography, lambda name: name == "02_b.md") == (
        "# One\n\n$$\na = b\n\\tag{ab}\n$$\n\n$$\nc = d\n\\tag{cd}\n$$\n\n"
        "By (ab), [Kingma and Welling (2014)](https://arxiv.org/abs/1), the figure, [next](02_b.ipynb) and "
        "[home](index.md).\n\n```python\n[](#eq-ab)\n```"
    )


def test_a_plain_notebook_spells_names_as_people_do(tmp_path: Path) -> None:
    authors = r"Naz{\'a}bal, A. and van der Maaten, L."
    (tmp_path / "r.bib").write_text(f"@article{{k, author={{{authors}}}, year=2020, doi={{10.1/2}}}}", "utf8")
    link = Bibliography.read(tmp_path / "r.bib").link("k")
    assert link == "[Nazábal and van der Maaten (2020)](https://doi.org/10.1/2)"


# --- repository and cache --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/owner/name.git", "https://github.com/owner/name"),
        ("git@github.com:owner/name.git", "https://github.com/owner/name"),
        ("ssh://git@gitlab.com/owner/name", "https://gitlab.com/owner/name"),
        ("/somewhere/on/this/disk", None),
        (None, None),
    ],
)
def test_the_address_comes_from_the_remote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str | None, address: str | None
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert repository.address(tmp_path) == address


def test_the_publishing_workflow_names_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    assert repository.address(tmp_path) == "https://github.com/owner/name"


def test_a_run_is_only_reused_for_the_same_package_backend_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vae_tutorial").mkdir()
    (tmp_path / "requirements.lock").write_text("keras==1\n")
    module = tmp_path / "vae_tutorial/bounds.py"
    module.write_text("x = 1\n")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("VAE_TUTORIAL_DATASET", "digits")
    keys = [execution.run_key(tmp_path), execution.run_key(tmp_path)]
    assert keys[0] == keys[1]
    module.write_text("x = 2\n")
    keys.append(execution.run_key(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keys.append(execution.run_key(tmp_path))
    monkeypatch.setenv("VAE_TUTORIAL_DATASET", "mnist")
    keys.append(execution.run_key(tmp_path))
    (tmp_path / "requirements.lock").write_text("keras==2\n")
    keys.append(execution.run_key(tmp_path))
    (tmp_path / "vae_tutorial/stage.js").write_text("draw();\n")  # part of what a page shows
    keys.append(execution.run_key(tmp_path))
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    (tmp_path / "benchmarks/results/scale.json").write_text("{}\n")  # which cells read
    keys.append(execution.run_key(tmp_path))
    assert len(set(keys)) == 7
