"""The text of a chapter as a plain notebook shall show it: no MyST syntax, no link that leads nowhere.

Colab and JupyterLab know Markdown and mathematics, but neither labels nor references nor directives. Comments
are hidden there by themselves; what remains is put in words:

    (chapter-one)=                       (nothing)
    $$ E = mc^2 $$ (eq-mass)             $$ E = mc^2 \\tag{mass} $$
    by [](#eq-mass), see [](#kingma2014) by (mass), see [Kingma and Welling (2014)](https://arxiv.org/abs/1312.6114)
    [the figure](#fig-loss)              the figure
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .references import Bibliography
from .source import NOTEBOOK_ONLY

FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.M | re.S)
LABEL = re.compile(r"^\([\w:.-]+\)=\n", re.M)
MATH_DIRECTIVE = re.compile(r"^```\{math\}\n(?::label: *(?P<label>[\w:.-]+)\n+)?(?P<body>.*?)\n```$", re.M | re.S)
LABELLED_MATH = re.compile(r"\$\$(?P<body>(?:[^$]|\\\$)+?)\$\$ *\((?P<label>[\w:.-]+)\)")
LINK = re.compile(r"(?<!!)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")


def name_of(label: str) -> str:
    """`eq-elbo` is shown as `elbo`."""
    return label.removeprefix("eq-").removeprefix("eq:")


def display(match: re.Match[str]) -> str:
    tag = f"\n\\tag{{{name_of(match['label'])}}}" if match["label"] else ""
    return f"$$\n{match['body'].strip()}{tag}\n$$"


def for_notebook(text: str, bibliography: Bibliography, is_chapter: Callable[[str], bool]) -> str:
    """One text cell. `is_chapter` tells of a page `NN_name.md` whether it is a notebook too."""

    def link(match: re.Match[str]) -> str:
        words, target = match["words"], match["target"]
        page, _, label = target.partition("#")
        if page.endswith(".md") and is_chapter(page):
            return f"[{words or page.removesuffix('.md')}]({page.removesuffix('.md')}.ipynb)"
        if page or not label:
            return match[0]
        return bibliography.link(label, words) or words or f"({name_of(label)})"

    def prose(part: str) -> str:
        part = LABEL.sub("", part.replace(f" {NOTEBOOK_ONLY}", ""))
        return LINK.sub(link, LABELLED_MATH.sub(display, part))

    text = MATH_DIRECTIVE.sub(display, text)
    parts, end = [], 0
    for code in FENCED.finditer(text):
        parts += [prose(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, prose(text[end:])]).strip("\n")
