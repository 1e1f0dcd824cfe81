"""The API page shows what its authors wrote, and nothing that Python made up."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def skip(app: Sphinx, what: str, name: str, member: Any, skipped: bool, options: Any) -> bool | None:
    """Fields of a named tuple: its own docstring describes them."""
    made_up = str(getattr(member, "__doc__", "")).startswith("Alias for field number")
    return True if made_up else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", skip)
