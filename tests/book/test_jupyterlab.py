"""An instrument in a running notebook: the kernel sees every move of the reader, and can move the sliders itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

CELLS = [
    "from vae_tutorial import networks\n"
    "from vae_tutorial.explorer import LatentExplorer\n"
    "decoder = networks.mlp_decoder(2, (8, 8, 1))\n"
    'explorer = LatentExplorer(decoder, likelihood="bernoulli")\n'
    "explorer",
    "explorer.z = [-1.5, 2.0]",
    'print("the kernel sees", explorer.z.tolist())',
]


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[str]:
    """The address of a JupyterLab with one notebook."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    tmp_path.joinpath("live.ipynb").write_text(json.dumps(notebook))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.token=t"],
        cwd=tmp_path,
        env=os.environ | places | {"PYTHONPATH": str(root), "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api?token=t", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        else:
            pytest.fail("JupyterLab does not start")
        yield f"{address}/lab/tree/live.ipynb?token=t"
    finally:
        server.terminate()  # its kernels go with it
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def run_cell(page: Any, index: int) -> Any:
    """Run one cell, and wait until the kernel has finished it."""
    cell = page.locator(".jp-CodeCell").nth(index)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    prompts = "document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')"
    page.wait_for_function(f"(i) => /\\[\\d+\\]/.test({prompts}[i].innerText)", arg=index)
    return cell


def test_the_kernel_and_the_reader_move_the_same_sliders(new_page: Any, lab: str) -> None:
    page = new_page(viewport={"width": 1280, "height": 1000})
    page.goto(lab)
    page.wait_for_selector(".jp-CodeCell .cm-content")
    page.get_by_text("| Idle").first.wait_for()  # before that, what is run is lost
    cell = run_cell(page, 0)
    cell.locator(".vae-stage[data-ready]").wait_for()
    readouts = cell.locator(".widget-readout")
    first = cell.locator("canvas.vae-image").evaluate("c => c.toDataURL()")

    handle = cell.locator(".noUi-handle").first
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.widget-readout').innerText === '0.15'")
    assert cell.locator("canvas.vae-image").evaluate("c => c.toDataURL()") != first
    seen = run_cell(page, 2)
    assert "the kernel sees [0.15" in seen.locator(".jp-OutputArea-output").inner_text()

    run_cell(page, 1)
    page.wait_for_function("() => document.querySelector('.widget-readout').innerText.replace('−', '-') === '-1.50'")
    assert [float(text.replace("−", "-")) for text in readouts.all_inner_texts()] == [-1.5, 2.0]
