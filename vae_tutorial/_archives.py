"""Arrays from files that others wrote, and files from the network: sizes and kinds are checked before use.

Whatever is wrong with a file becomes a ``ValueError`` that names it; whatever is wrong with the network is an
``OSError`` and comes within seconds.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import lzma
import math
import queue
import threading
import time
import tokenize
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

LARGEST = 2**30  # numbers in one array of a file; as float32 they take four times as many bytes
PATIENCE = 5.0  # seconds of silence after which a download is given up
SLOWEST = 100_000  # bytes per second, on average, below which it is given up too
LARGEST_DOWNLOAD = 64 * 2**20  # bytes


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn every error that reading a damaged file can end in into a ValueError with the file's name."""
    packed = (EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
    # A header is a Python literal, which is parsed.
    parsed = (ValueError, TypeError, RuntimeError, MemoryError, LookupError, tokenize.TokenError)
    try:
        yield
    except (OSError, *packed, *parsed) as problem:
        raise ValueError(f"{path}: {problem}") from problem


def read_npz(path: Path, shapes: Mapping[str, tuple[int, ...] | None]) -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz: bytes of the shape asked for, or numbers of any kind where that is None.

    An array is unpacked only after its header has been found right, and pickled objects are refused.
    """
    with naming(path), zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        missing = [key for key in shapes if f"{key}.npy" not in members]
        if missing:
            raise ValueError(f"there is no array {missing[0]}; expected {', '.join(shapes)}.")
        return {key: _read_npy(archive, members[f"{key}.npy"], key, shape) for key, shape in shapes.items()}


def _read_npy(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str, wanted: tuple[int, ...] | None
) -> NDArray[Any]:
    with archive.open(member) as file:
        first = npy.read_magic(file) == (1, 0)
        shape, by_columns, dtype = (npy.read_array_header_1_0 if first else npy.read_array_header_2_0)(file)
        if dtype.kind not in "fiub":
            raise ValueError(f"{key}: expected numbers, got dtype {dtype}.")
        if wanted and (shape != wanted or dtype != np.uint8):
            raise ValueError(f"{key}: expected bytes of shape {wanted}, got {dtype} of shape {shape}.")
        if math.prod(shape) > LARGEST:
            raise ValueError(f"{key}: expected at most {LARGEST:,} numbers, got shape {shape}.")
        announced, there = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
        if announced != there:
            raise ValueError(f"{key}: damaged, its header announces {announced:,} bytes and {there:,} follow.")
        content = bytearray(file.read())  # a bytearray, because arrays over bytes cannot be written to
        return np.ndarray(shape, dtype, content, order="F" if by_columns else "C")


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bytes from a gzipped IDX file: two zeros, 8 for bytes, the number of axes, their sizes, the bytes."""
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    size = len(header) + math.prod(shape)
    with naming(path), gzip.open(path) as file:
        content = file.read(size + 1)  # one byte more shows a file that is too long, without unpacking it all
        if len(content) != size or not content.startswith(header):
            raise ValueError(f"expected an IDX file with bytes of shape {shape}.")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def fetch(url: str, path: Path) -> None:
    """Download a file. A server that is silent, trickles, breaks off or never ends is given up."""
    start = time.monotonic()
    with _answer(url) as response, open(path, "wb") as file:
        while part := response.read1(2**16):  # what has come so far; read() would wait for all of it
            file.write(part)
            got, seconds = file.tell(), time.monotonic() - start
            if seconds > PATIENCE and got < SLOWEST * seconds:
                raise TimeoutError(f"{url} sends less than {SLOWEST // 1000} kB a second")
            if got > LARGEST_DOWNLOAD:
                raise OSError(f"{url} sends more than {LARGEST_DOWNLOAD:,} bytes")
        announced = response.headers["Content-Length"]
        if announced and announced != str(file.tell()):
            raise ConnectionError(f"{url} broke off after {file.tell():,} of {announced} bytes")


def _answer(url: str) -> http.client.HTTPResponse:
    """The answer of a server, within seconds: in a thread, since no time-out covers looking up its name."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=PATIENCE))
        except Exception as problem:
            answers.put(problem)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=2 * PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"{url} does not answer") from None
    if isinstance(answer, Exception):
        reason = getattr(answer, "reason", answer)
        code = f"{answer.code} " if isinstance(answer, urllib.error.HTTPError) else ""
        raise ConnectionError(f"{url}: {code}{reason}") from answer
    return answer
