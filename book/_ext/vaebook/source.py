"""Comments become directives: a page shows the directive, a plain notebook shows nothing of it.

    <!-- {exercise-start} KL by hand          :::{exercise-start} KL by hand
    :label: ex-kl                       →     :label: ex-kl
    -->                                       :::

A comment `{name}` that has a `{name-end}` further down encloses what stands between them, and may be nested;
any other comment is a directive without a body. The number of lines never changes, so that a warning names
the line of the file. Text in code is left alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from sphinx.application import Sphinx
from sphinx.util import logging

from .numbers import to_roles

LOG = logging.getLogger(__name__)

COMMENT = re.compile(r"<!-- \{(?P<name>[a-z][a-z:-]*)\}(?: +(?P<title>.*?))?(?P<closed> *-->)?$")
NOTEBOOK_ONLY = "<!-- notebook only -->"
DETAILS = re.compile(r'<details name="(?P<name>q-[\w-]+)"><summary>(?P<answer>.*)</summary>$')
FEEDBACK = re.compile(r"\*\*(Correct|Not quite)\.?\*\*")
OUTERMOST = 12  # colons of the outermost fence; each level inside has one fewer

Warn = Callable[[int, str], None]


def prose(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines outside fenced code, with their index."""
    fence = ""
    for i, line in enumerate(lines):
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if fence:
            if mark and line.strip() == mark[1] and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            yield i, line


def directives(lines: list[str], warn: Warn) -> None:
    """Rewrite directive comments in place."""
    text = dict(prose(lines))
    names = {m["name"] for line in text.values() if (m := COMMENT.match(line))}
    enclosing: list[str] = []
    options_end: str | None = None  # what the `-->` of the comment being read becomes
    for i, line in text.items():
        if options_end is not None:
            if line.strip() == "-->":
                lines[i], options_end = options_end, None
            elif not line.startswith(":"):
                warn(i, f"a directive comment holds options and then `-->`, got {line!r}")
            continue
        match = COMMENT.match(line)
        if not match:
            if line.lstrip().startswith("<!-- {"):
                warn(i, f"a directive comment begins its line, and so do its options: {line!r}")
            continue
        name, title = match["name"], match["title"] or ""
        if enclosing and name == f"{enclosing[-1]}-end":
            lines[i] = ":" * (OUTERMOST + 1 - len(enclosing))
            enclosing.pop()
        elif f"{name}-end" in names and not name.endswith("-start"):
            enclosing.append(name)
            fence = ":" * (OUTERMOST + 1 - len(enclosing))
            lines[i] = f"{fence}{{{name}}} {title}".rstrip()
            options_end = None if match["closed"] else ""
        else:
            lines[i] = f":::{{{name}}} {title}".rstrip()
            if not match["closed"]:
                options_end = ":::"
            elif text.get(i + 1, "") == "":
                lines[i + 1 :] = [":::", *lines[i + 2 :]]
            else:
                warn(i, f"an empty line must follow `<!-- {{{name}}} … -->`")
    for name in enclosing:
        warn(len(lines) - 1, f"`<!-- {{{name}}} … -->` is not closed: write `<!-- {{{name}-end}} -->`")


def answer_html(answer: str) -> str:
    """`$x$` and `` `x` `` of a summary, which is raw HTML and so not read as Markdown."""
    answer = re.sub(r"`([^`]+)`", lambda m: f"<code>{html.escape(m[1])}</code>", answer)
    maths = r'<span class="math notranslate nohighlight">\\(\1\\)</span>'
    return re.sub(r"\$([^$]+)\$", maths, answer)


def questions(lines: list[str], warn: Warn) -> None:
    """Check each self-check question, and mark its answers for the style sheet."""
    right: dict[str, list[bool]] = {}
    first: dict[str, int] = {}
    for i, line in prose(lines):
        if not line.startswith("<details name="):
            continue
        match = DETAILS.match(line)
        if not match:
            warn(i, 'an answer is one line `<details name="q-…"><summary>…</summary>`')
            continue
        verdict = FEEDBACK.match(lines[i + 2]) if i + 2 < len(lines) and lines[i + 1] == "" else None
        if not verdict:
            warn(i, "after an answer comes an empty line, then `**Correct.** …` or `**Not quite.** …`")
            continue
        correct = verdict[1] == "Correct"
        right.setdefault(match["name"], []).append(correct)
        first.setdefault(match["name"], i)
        kind, answer = "right" if correct else "wrong", answer_html(match["answer"])
        summary = f"<summary><span>{answer}</span></summary>"
        lines[i] = f'<details name="{match["name"]}" class="quiz quiz-{kind}">{summary}'
    for name, answers in right.items():
        if len(answers) < 2 or sum(answers) != 1:
            warn(first[name], f"question {name}: {len(answers)} answers, {sum(answers)} of them correct")


def for_page(text: str, warn: Warn) -> str:
    """The text of a chapter as Sphinx shall read it."""
    lines = text.split("\n")
    for i, line in prose(lines):
        if line.rstrip().endswith(NOTEBOOK_ONLY):
            lines[i] = ""
    questions(lines, warn)
    directives(lines, warn)
    for i, line in prose(lines):
        lines[i] = to_roles(line)
        if "<!-- =" in lines[i]:
            warn(i, "a number stands right before its `<!-- =key:format -->`")
    return "\n".join(lines)


def read(app: Sphinx, docname: str, content: list[str]) -> None:
    def warn(index: int, message: str) -> None:
        LOG.warning(message, location=(docname, index + 1))

    content[0] = for_page(content[0], warn)


def setup(app: Sphinx) -> None:
    app.connect("source-read", read)
