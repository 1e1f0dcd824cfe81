"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A scratch file of the same name beside ``path``, which takes its place when the block ends without an error.

    A process that is killed meanwhile leaves a hidden folder behind, and ``path`` as it was.
    """
    path = Path(path).expanduser().resolve()  # a link stays a link
    if not path.parent.is_dir():
        raise FileNotFoundError(f"filepath: there is no folder {path.parent}.")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        scratch = Path(folder) / path.name
        yield scratch
        os.replace(scratch, path)


def check_room(path: Path, size: int) -> None:
    """Raise OSError unless ``size`` bytes can be written at ``path``, by trying it.

    Python's own files report a full disk; HDF5 crashes the whole process instead.
    """
    block = bytes(2**20)
    with open(path, "wb", buffering=0) as file:
        while size > 0:
            size -= file.write(block[:size])
    path.unlink()
