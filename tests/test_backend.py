"""The choice of a back end, and what importing the package does: that, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

# Runs before anything else in the process: makes modules look as if they were not installed, others as if they were.
HIDE = """
import sys
from importlib.machinery import ModuleSpec, PathFinder

class Hiding(PathFinder):  # which knows the versions of what is installed, too
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            return None
        return PathFinder.find_spec(name, path, target) or (ModuleSpec(name, None) if name in {pretended!r} else None)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""
BACKENDS = ("tensorflow", "jax", "torch")


def python(
    code: str,
    hidden: tuple[str, ...] = (),
    keras_json: Any = None,
    pretended: tuple[str, ...] = (),
    **environment: str | None,
) -> Any:
    """Runs code in a process of its own; a value of None takes a variable out of the environment."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    if keras_json is not None:
        (Path(variables["KERAS_HOME"] or "") / "keras.json").write_text(keras_json)
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(hidden=set(hidden), pretended=pretended) + code],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# The choice alone, without Keras: a few milliseconds instead of seconds.
CHOOSE = f"""
import importlib.util, os
spec = importlib.util.spec_from_file_location("backend", {str(ROOT / "vae_tutorial" / "_backend.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.ensure_backend()
module.ensure_backend()
print(os.environ.get("KERAS_BACKEND"))
"""


@pytest.mark.parametrize(
    ("hidden", "variable", "keras_json", "chosen"),
    [
        ((), None, None, "None"),  # TensorFlow is there: Keras's own default
        (("tensorflow",), None, None, "jax"),
        (("tensorflow", "jax"), None, None, "torch"),
        (("tensorflow", "torch"), None, None, "jax"),
        (("tensorflow",), "", None, "jax"),  # empty is unset, as for Keras
        ((), "torch", None, "torch"),
        (("tensorflow", "jax"), "torch", None, "torch"),
        ((), "openvino", None, "openvino"),  # Keras's business
        (("tensorflow",), None, '{"backend": "torch"}', "None"),  # the user's choice, and it is installed
        (("jax",), None, '{"backend": "jax"}', "tensorflow"),
        (("tensorflow",), None, "no json", "jax"),
    ],
)
def test_choice(
    tmp_path: Path, hidden: tuple[str, ...], variable: str | None, keras_json: str | None, chosen: str
) -> None:
    done = python(CHOOSE, hidden, keras_json, BACKENDS, KERAS_BACKEND=variable, KERAS_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [chosen]
    if chosen in ("None", variable):
        assert done.stderr == ""
    else:  # said once
        assert done.stderr.count("vae_tutorial:") == done.stderr.count(f"using KERAS_BACKEND={chosen}") == 1


def test_no_back_end_is_one_clear_error_that_names_the_extras(tmp_path: Path) -> None:
    done = python(CHOOSE, ("tensorflow", "jax", "torch"), KERAS_BACKEND=None, KERAS_HOME=str(tmp_path))
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "ImportError: vae_tutorial needs a Keras back end (TensorFlow, JAX or PyTorch) and found none."
    )
    for extra in ("tensorflow", "jax", "torch"):
        assert f"pip install 'vae-tutorial[{extra}]'" in last


def test_a_back_end_asked_for_by_name_is_not_replaced(tmp_path: Path) -> None:
    done = python(CHOOSE, ("jax",), KERAS_BACKEND="jax", KERAS_HOME=str(tmp_path))
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: KERAS_BACKEND is 'jax', but jax is not installed.")
    assert "pip install 'vae-tutorial[jax]'" in last


def test_the_package_works_without_tensorflow(tmp_path: Path) -> None:
    """From ``import`` to a reconstruction, where ``import keras`` alone would fail."""
    other = next(filter(find_spec, BACKENDS[1:]), None)
    if other is None:
        pytest.skip("no other back end is installed")
    code = """
import vae_tutorial as vt, numpy as np
vae = vt.VAE(vt.networks.mlp_encoder((4, 4, 1), 2, (4,)), vt.networks.mlp_decoder(2, (4, 4, 1), (4,)))
import keras
print(keras.backend.backend(), vae.reconstruct(np.zeros((1, 4, 4, 1))).shape, "tensorflow" in sys.modules)
"""
    done = python(code, ("tensorflow",), KERAS_BACKEND=None, KERAS_HOME=str(tmp_path))
    assert done.stdout.split("\n")[-2] == f"{other} (1, 4, 4, 1) False", done.stderr


SIDE_EFFECTS = """
import json, logging, os, random, sys, warnings
import numpy as np
import keras

def state():
    return {
        "environment": dict(os.environ), "random": hash(random.getstate()), "warnings": repr(warnings.filters),
        "numpy": repr(np.random.get_state()), "printing": repr(np.get_printoptions()), "errors": np.geterr(),
        "logging": [logging.root.level, len(logging.root.handlers)], "directory": sorted(os.listdir()),
        "keras": [keras.config.floatx(), keras.config.dtype_policy().name, keras.config.image_data_format()],
    }

before, modules = state(), set(sys.modules)
import vae_tutorial
loaded = sorted({name.partition(".")[0] for name in set(sys.modules) - modules})
after = state()
changed = [key for key in before if before[key] != after[key]]
print(json.dumps({"changed": changed, "loaded": loaded}))
"""


def test_import_has_no_side_effects_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """How long it takes is measured in ``benchmarks/import_time.py``: here others use the machine too."""
    done = subprocess.run(
        [sys.executable, "-c", SIDE_EFFECTS],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    report = json.loads(done.stdout)  # nothing else is printed
    assert report["changed"] == []
    assert not {"matplotlib", "sklearn", "scipy", "IPython", "pandas"} & set(report["loaded"])


def test_modules_are_at_hand(tmp_path: Path) -> None:
    code = """
import vae_tutorial
for name in vae_tutorial.__all__:
    getattr(vae_tutorial, name)
vae_tutorial.plots, vae_tutorial.latent
try:
    vae_tutorial.nothing
except AttributeError as error:
    print(error)
"""
    done = python(code, MPLCONFIGDIR=str(tmp_path))
    assert done.stdout == "module 'vae_tutorial' has no attribute 'nothing'\n", done.stderr
