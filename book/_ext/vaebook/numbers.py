"""Numbers in the prose: typed for a plain notebook, taken from the run for the page.

    2.952<!-- =key:.3f -->                  this page's `glue("key", value)`, formatted with `.3f`
    2.952<!-- =01_data.md::key:.3f~5% -->   another page's; may be 1.05 times as large, or 1.05 times as small

The typed values are those of the embedded edition (the digits, on TensorFlow). Its build warns where the run
says something else, and records every value in `_build/numbers.json`, from which `tools/pairs.py` mends the
text.
"""

from __future__ import annotations

import ast
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOG = logging.getLogger(__name__)

TYPED = re.compile(
    r"(?P<typed>[-−+]?\w(?:[\w.,+−-]*\w)?%?)"
    r"<!-- =(?:(?P<page>[\w./-]+\.md)::)?(?P<key>[\w-]+)"
    r"(?::(?P<format>[^\s~]+))?(?:~(?P<tolerance>[\d.]+)%)? -->"
)
RECORD = "numbers.json"
EMBEDDED = {"VAE_TUTORIAL_DATASET": "digits", "KERAS_BACKEND": "tensorflow"}


@dataclass(frozen=True)
class Number:
    """One typed number of a page, and the value of the run that it stands for."""

    line: int
    typed: str
    page: str | None
    key: str
    format: str
    tolerance: float

    @classmethod
    def of(cls, match: re.Match[str], line: int) -> Number:
        tolerance = float(match["tolerance"] or 0) / 100
        return cls(line, match["typed"], match["page"], match["key"], match["format"] or "s", tolerance)

    def agrees(self, value: Any) -> bool:
        """Whether the typed text is what the run gives, or off by a factor of at most 1 + tolerance.

        A typed zero, which no factor reaches, stands for all that is shown as one: half a unit of its last digit.
        """
        if self.typed == shown(value, self.format):
            return True
        if not self.tolerance:
            return False
        typed, factor = plain(self.typed), 1.0 + self.tolerance
        if typed == 0.0:
            return bool(abs(value) <= factor * half_unit(self.typed))
        return bool(1.0 / factor <= value / typed <= factor)


def shown(value: Any, spec: str) -> str:
    """The value as the text shows it, with a true minus sign.

    >>> shown(-0.5, ".2f")
    '−0.50'
    """
    text = format(value, spec)
    return text.replace("-", "−") if isinstance(value, int | float) else text


def plain(text: str) -> float:
    """The number that a reader reads in `text`."""
    percent = text.endswith("%")
    number = float(text.rstrip("%").replace("−", "-").replace(",", ""))
    return number / 100 if percent else number


def half_unit(text: str) -> float:
    """Half of what the last digit of a typed number counts.

    >>> half_unit("0.0"), half_unit("0%")
    (0.05, 0.005)
    """
    decimals = len(text.rstrip("%").partition(".")[2])
    return 0.5 * 10.0**-decimals / (100.0 if text.endswith("%") else 1.0)


def find(text: str) -> list[Number]:
    """Every typed number of a page."""
    return [Number.of(m, i) for i, line in enumerate(text.split("\n"), 1) for m in TYPED.finditer(line)]


def to_roles(line: str) -> str:
    """The line with each typed number replaced by the role that shows the run's value."""

    def role(match: re.Match[str]) -> str:
        page = f"{match['page']}::" if match["page"] else ""
        spec = f":{match['format']}" if match["format"] else ""
        return f"{{glue:text}}`{page}{match['key']}{spec}`"

    return TYPED.sub(role, line)


def refresh(text: str, page: str, values: dict[str, dict[str, Any]]) -> str:
    """The text with every typed number that no longer agrees replaced by the recorded value."""

    def mend(match: re.Match[str]) -> str:
        number = Number.of(match, 0)
        known = values.get(number.page.removesuffix(".md") if number.page else page, {})
        if number.key not in known or number.agrees(known[number.key]):
            return match[0]
        return shown(known[number.key], number.format) + match[0][len(number.typed) :]

    return TYPED.sub(mend, text)


# --- in a build --------------------------------------------------------------------------------------------


def collect(app: Sphinx, docname: str, content: list[str]) -> None:
    table(app.env)[docname] = find(content[0])


def table(env: BuildEnvironment) -> dict[str, list[Number]]:
    if not hasattr(env, "vaebook_numbers"):
        env.vaebook_numbers = {}  # type: ignore[attr-defined]
    return env.vaebook_numbers  # type: ignore[attr-defined]


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    table(env).pop(docname, None)


def source_page(env: BuildEnvironment, docname: str, number: Number) -> str | None:
    """The page whose run gives the number."""
    return env.path2doc(env.relfn2path(number.page, docname)[1]) if number.page else docname


def outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Pages that show a number of a page which is read again."""
    again = added | changed
    users = {doc for doc, found in table(env).items() if any(source_page(env, doc, n) in again for n in found)}
    return sorted((users & env.found_docs) - again)


def values_of(app: Sphinx, docname: str) -> dict[str, Any]:
    """What the last run of a page glued."""
    file = Path(app.env.mystnb_config.output_folder, f"{docname}.glue.json")  # type: ignore[attr-defined]
    if not file.exists():
        return {}
    data = json.loads(file.read_text("utf8"))
    texts = {key: output["data"].get("text/plain") for key, output in data.items()}
    return {key: ast.literal_eval(text) for key, text in texts.items() if text is not None}


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """In the embedded edition: typed numbers agree with the run; record the run for `tools/pairs.py`."""
    if any(os.environ.get(name) != value for name, value in EMBEDDED.items()):
        return
    record = {doc: values for doc in sorted(env.found_docs) if (values := values_of(app, doc))}
    for doc, found in table(env).items():
        for number in found:
            page = source_page(env, doc, number)
            known = record.get(page or "", {})
            if number.key in known and not number.agrees(known[number.key]):
                LOG.warning(
                    "the text says %s, the run says %s (%s)",
                    number.typed,
                    shown(known[number.key], number.format),
                    number.key,
                    location=(doc, number.line),
                )
    Path(app.outdir).parent.joinpath(RECORD).write_text(json.dumps(record, indent=1, sort_keys=True), "utf8")


class TrueMinus(SphinxPostTransform):
    """Glued numbers are set with a minus sign, not with a hyphen."""

    default_priority = 10  # after myst-nb has put in the values of other pages (5)

    def run(self, **kwargs: Any) -> None:
        for node in self.document.findall(nodes.inline):
            if "pasted-text" in node["classes"] and re.match(r"-[\d.]", text := node.astext()):
                node.children = [nodes.Text(text.replace("-", "−"))]


def setup(app: Sphinx) -> None:
    app.connect("source-read", collect, priority=400)  # before `source` turns the comments into roles
    app.connect("env-purge-doc", purge)
    app.connect("env-get-outdated", outdated)
    app.connect("env-check-consistency", check)
    app.add_post_transform(TrueMinus)
