"""A policy in each page (Content-Security-Policy) forbids what the book does not need: other hosts, foreign scripts.

Scripts come from the book's own files, or stand in the page itself and are known by their hash. Pages with widgets
also allow what widgets need: a module from the page's own memory (``blob:``), and the checker of their state, which
compiles its schema (``unsafe-eval``). A page that has to load a script from another host, because npm was missing,
gets no policy, and the build says so.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)

NAME = "Content-Security-Policy"
CHARSET = re.compile(r"<meta charset=[^>]*>")
WRITTEN = re.compile(rf'\n<meta http-equiv="{NAME}"[^>]*>')
SCRIPT = re.compile(r"<script\b(?P<attributes>[^>]*)>(?P<body>.*?)</script>", re.S)
HANDLER = re.compile(r'<[a-z][^>]*?\son[a-z]+="(?P<body>[^"]*)"')
OTHER_HOST = re.compile(r'<script\b[^>]*\bsrc="(?:https?:)?//')
WIDGETS = "application/vnd.jupyter.widget-state+json"


def hashed(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def handlers(page: str) -> set[str]:
    """What the buttons of a page call, as the policy names it."""
    return {hashed(html.unescape(m["body"])) for m in HANDLER.finditer(page)}


def policy(page: str, of_all_pages: set[str]) -> str:
    """The policy of a page: what its own scripts are, and what they may do.

    It names the handlers of all pages, because the search reads other pages under the policy of its own.
    """
    inline = [
        m["body"] for m in SCRIPT.finditer(page) if "src=" not in m["attributes"] and "+json" not in m["attributes"]
    ]
    scripts = ["'self'", *sorted({hashed(script) for script in inline})]
    if of_all_pages:
        scripts += ["'unsafe-hashes'", *sorted(of_all_pages)]
    if WIDGETS in page:
        scripts += ["blob:", "'unsafe-eval'"]
    rules = {
        "default-src": ["'self'"],
        "script-src": scripts,
        "style-src": ["'self'", "'unsafe-inline'"],  # MathJax and the widgets write their styles into the page
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
    }
    return "; ".join(f"{rule} {' '.join(sources)}" for rule, sources in rules.items())


def write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    texts = {file: file.read_text("utf8") for file in sorted(Path(app.outdir).rglob("*.html"))}
    of_all_pages = set[str]().union(*map(handlers, texts.values()))
    open_pages = []
    for file, text in texts.items():
        page = WRITTEN.sub("", text)
        if OTHER_HOST.search(page):
            open_pages.append(file.name)
        else:  # the first thing in the head after the encoding: it binds what comes after it
            page = CHARSET.sub(
                rf'\g<0>\n<meta http-equiv="{NAME}" content="{policy(page, of_all_pages)}">', page, count=1
            )
        if page != text:
            file.write_text(page, "utf8")
    if open_pages:
        LOG.info("no security policy in %d pages, which load scripts from other hosts", len(open_pages))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write, priority=800)  # before the pages are packed
