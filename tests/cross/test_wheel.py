"""The wheel in an empty environment with one back end alone: what ``pip install vae-tutorial[jax]`` gives."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = {
    file.relative_to(ROOT).as_posix()
    for file in (ROOT / "vae_tutorial").rglob("*")
    if file.is_file() and "__pycache__" not in file.parts
}

USE = """
import importlib.util, pathlib, sys
assert importlib.util.find_spec("tensorflow") is None and importlib.util.find_spec("torch") is None
import numpy as np
import vae_tutorial
from vae_tutorial import VAE, datasets, networks, plots

package = pathlib.Path(vae_tutorial.__file__).parent
assert package.is_relative_to(sys.prefix), package
assert (package / "py.typed").exists()
assert "export" in (package / "explorer/static/elbo.js").read_text("utf8")
data = datasets.load("digits")
vae = VAE(networks.mlp_encoder(data.image_shape, 2), networks.mlp_decoder(2, data.image_shape))
vae.compile()
vae.fit(data.x_train, batch_size=128, verbose=0)
assert np.isfinite(vae.elbo(data.x_test[:10]).value).all()
print("trained on", vae_tutorial.models.keras.backend.backend())
"""

NOTHING = """
import vae_tutorial
"""


def pip(python: Path | str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves its scratch beside the code
    for file in (*PACKAGE, "pyproject.toml", "README.md", "LICENSE"):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes((ROOT / file).read_bytes())
    pip(sys.executable, "wheel", "-q", "--no-deps", "-w", str(folder), str(source))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and JAX; the folder that is its working directory is empty."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    pip(python, "install", "-q", "-c", str(ROOT / "requirements.lock"), f"{wheel}[jax]")
    return python


def run(python: Path, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", "PYTHONPATH", "KERAS_HOME")}
    clean["KERAS_HOME"] = str(folder / "keras")  # no keras.json of this machine
    return subprocess.run([str(python), "-c", code], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert {"vae_tutorial/py.typed", "vae_tutorial/explorer/static/elbo.js"} <= PACKAGE
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == PACKAGE


def test_wheel_trains_with_one_back_end_alone(environment: Path, tmp_path: Path) -> None:
    """TensorFlow, Keras's default, is absent: the package takes the back end that is there, and says so once."""
    done = run(environment, USE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("trained on jax")
    assert done.stderr.count("using KERAS_BACKEND=jax") == 1


def test_without_a_back_end_one_message_names_the_extras(environment: Path, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules.update(dict.fromkeys(('jax', 'jaxlib')))\n"  # as if it was not installed
    done = run(environment, hidden + NOTHING, tmp_path)
    assert done.returncode == 1
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("ImportError")]
    for extra in ("tensorflow", "jax", "torch"):
        assert f"vae-tutorial[{extra}]" in message
