"""Launch buttons and downloads: they lead to the repository that the book was built from, or are not drawn.

The address comes from `GITHUB_REPOSITORY` (set in the publishing workflow), else from the git remote. Colab
and Binder open the paired notebook `NN_name.ipynb`; a page also offers it for download.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOG = logging.getLogger(__name__)

REMOTE = re.compile(
    r"(?:https://|git@|ssh://git@)(?P<host>github\.com|gitlab\.com)[/:](?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
LAUNCH = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}


def git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def address(root: Path) -> str | None:
    """`https://github.com/owner/name` of this checkout, or None where nobody knows it."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    match = REMOTE.fullmatch(git(root, "remote", "get-url", "origin"))
    return f"https://{match['host']}/{match['name']}" if match else None


def branch(root: Path) -> str:
    return os.environ.get("GITHUB_REF_NAME") or git(root, "branch", "--show-current") or "main"


def configure(app: Sphinx, config: Config) -> None:
    root = Path(app.srcdir)
    url = address(root)
    if url is None:
        LOG.info("no launch buttons: neither GITHUB_REPOSITORY nor a git remote names the repository")
        return
    config.html_theme_options |= {
        "repository_url": url,
        "repository_branch": branch(root),
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": LAUNCH,
    }


def notebook(app: Sphinx, pagename: str) -> Path:
    return Path(app.srcdir, f"{pagename}.ipynb")


def offer_notebook(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if notebook(app, pagename).exists():
        context["ipynb_source"] = f"{pagename}.ipynb"


def copy_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """The download is the paired notebook; the theme would copy one whose comments are directives."""
    if exception or app.builder.format != "html":
        return
    for docname in app.env.found_docs:
        if (source := notebook(app, docname)).exists():
            target = Path(app.outdir, "_sources", f"{docname}.ipynb")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def setup(app: Sphinx) -> None:
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", offer_notebook, priority=400)
    app.connect("build-finished", copy_notebooks)
