"""What the kernels run with, and when a cached run may stand for a new one."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOG = logging.getLogger(__name__)

DEFAULTS = {
    "KERAS_BACKEND": "tensorflow",
    "VAE_TUTORIAL_DATASET": "digits",  # the edition that needs no network
    "TF_CPP_MIN_LOG_LEVEL": "3",  # TensorFlow's notices would stand in the pages as errors
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
DATA = "VAE_TUTORIAL_DATA"
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")  # of one kernel: together they share the cores
MOST_KERNELS = 4  # each takes one or two gigabytes


def cores() -> int:
    """Processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def kernels() -> int:
    """How many chapters run at a time."""
    return min(MOST_KERNELS, cores())


def run_key(root: Path) -> str:
    """Changes with all that a run depends on beside the chapter's code: package, versions, results, back end, data."""
    digest = hashlib.sha256()
    settings = [f"{name}={os.environ.get(name)}" for name in DEFAULTS]
    for part in [f"python {sys.version_info[:2]}", *settings]:
        digest.update(part.encode())
    package = [file for file in root.glob("vae_tutorial/**/*") if file.suffix in (".py", ".js", ".css")]
    # chapters read these in cells; the published figures are set by a directive, which needs no run
    results = [file for file in root.glob("benchmarks/results/*.json") if file.name != "published.json"]
    for file in sorted([*package, *results, root / "requirements.lock"]):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    if folder := os.environ.get(DATA):
        for file in sorted(Path(folder).glob("*.npz")):
            digest.update(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}".encode())
    return digest.hexdigest()[:12]


def quiet_kernels(folder: Path) -> None:
    """Let what compiled libraries write go to the terminal: in a page, TensorFlow's notices would stand as errors.

    Warnings that come from Python are captured as ever, and fail the build.
    """
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.capture_fd_output = False\n", "utf8")
    os.environ["IPYTHONDIR"] = str(folder)


def configure(app: Sphinx, config: Config) -> None:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    share = str(max(1, cores() // kernels()))
    for name in THREADS:
        os.environ.setdefault(name, share)
    quiet_kernels(Path(app.outdir).resolve().parent / ".ipython")
    if folder := os.environ.get(DATA):
        os.environ[DATA] = str(Path(folder).resolve())  # kernels start in the folder of their chapter
    cache = Path(app.outdir).parent / ".jupyter_cache" / run_key(Path(app.srcdir))
    config.nb_execution_cache_path = str(cache)
    LOG.info("edition: %s on %s", os.environ["VAE_TUTORIAL_DATASET"], os.environ["KERAS_BACKEND"])


def setup(app: Sphinx) -> None:
    app.connect("config-inited", configure, priority=100)
