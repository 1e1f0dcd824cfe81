"""Choose a Keras back end where nobody has: the one thing that importing the package may do.

``import keras`` fails where TensorFlow, its default, is absent. So before Keras is imported for the first time,
and only where the user has said nothing (``KERAS_BACKEND`` and ``keras.json``), we name a back end that is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


def ensure_backend() -> None:
    """Make ``import keras`` work, or raise one ImportError that says what to install."""
    if "keras" in sys.modules:
        return
    wanted = os.environ.get("KERAS_BACKEND") or _configured() or BACKENDS[0]
    if wanted not in BACKENDS or _installed(wanted):
        return  # Keras knows other names too, and says what is wrong with an unknown one
    extra = f"pip install 'vae-tutorial[{wanted}]'"
    if os.environ.get("KERAS_BACKEND"):
        raise ImportError(f"KERAS_BACKEND is {wanted!r}, but {wanted} is not installed. Install it: {extra}")
    found = next(filter(_installed, BACKENDS), None)
    if found is None:
        raise ImportError(
            "vae_tutorial needs a Keras back end (TensorFlow, JAX or PyTorch) and found none. Install one: "
            + ", or ".join(f"pip install 'vae-tutorial[{name}]'" for name in BACKENDS)
        )
    os.environ["KERAS_BACKEND"] = found
    print(f"vae_tutorial: {wanted} is not installed, using KERAS_BACKEND={found}.", file=sys.stderr)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _configured() -> str | None:
    """The back end that the user's ``keras.json`` names, as Keras itself looks for it."""
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        return json.loads((home / "keras.json").read_text("utf8")).get("backend")
    except (OSError, ValueError):
        return None  # no file, or one that Keras ignores as well
