"""Training shared among devices, and among processes, is the training of one device (JAX; virtual devices)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """``start("process", rank, port)``; what still runs at the end is killed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("XLA_FLAGS", None)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as running:

        def begin(*arguments: object) -> Process:
            command = [sys.executable, str(Path(__file__).with_name("distributed.py")), *map(str, arguments)]
            process = running.enter_context(subprocess.Popen(command, env=environment, **pipes))
            running.callback(process.kill)
            return process

        yield begin


def history(process: Process) -> dict[str, Any]:
    output, problems = process.communicate(timeout=300)
    assert process.returncode == 0, problems[-3000:]
    return json.loads(output.splitlines()[-1])


@pytest.fixture(scope="module")
def alone(start: Start) -> dict[str, Any]:
    found = history(start("devices", 1))
    assert found.pop("devices") == 1
    return found


def assert_same(found: dict[str, Any], alone: dict[str, Any]) -> None:
    for name, values in alone.items():
        # float32 sums in another order: 2e-7 after one step, a few times that after thirty
        assert found[name] == pytest.approx(values, rel=1e-5), name


def test_devices_share_a_batch(start: Start, alone: dict[str, Any]) -> None:
    found = history(start("devices", 4))
    assert found.pop("devices") == 4
    assert_same(found, alone)


def test_processes_share_a_batch(start: Start, alone: dict[str, Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = [history(process) for process in [start("process", rank, port) for rank in (0, 1)]]
    for each in found:
        assert each.pop("devices") == 2
        assert_same(each, alone)
