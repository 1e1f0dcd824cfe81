"""Numbers for the prose of the book."""

from __future__ import annotations

import math
from typing import Any

_PREFIX = "application/papermill.record/"


def glue(name: str, value: Any) -> None:
    """Store a number (or a short text) of the run under a name that the text of the chapter can use.

    >>> glue("elbo", -102.7)      # in the text: 102.7<!-- =elbo:.1f -->

    The value is displayed in the format that MyST-NB reads and hides; nothing of it is seen in a notebook.
    A numpy or tensor scalar becomes a plain number. Raises ``ValueError`` where it is not finite: a page
    that says "nan" is wrong whatever else it says.
    """
    from IPython.display import display

    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, bool | int | float | str):
        raise TypeError(f"value of {name!r}: a number or a text is expected, got {type(value).__name__}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"value of {name!r}: a finite number is expected, got {value}.")
    data = {f"{_PREFIX}text/plain": repr(value)}
    display(data, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": _PREFIX}})
