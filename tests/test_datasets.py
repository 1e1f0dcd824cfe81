"""The data are what they are said to be, or one clear error says why not: from files, caches and a bad network."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from vae_tutorial import _archives, datasets
from vae_tutorial.datasets import KEYS, DatasetUnavailable, binarize, load

Handler = Callable[[http.server.BaseHTTPRequestHandler], None]
ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("VAE_TUTORIAL_DATA") or ROOT.parent / "shared" / "datasets")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads this machine's settings and caches, or reaches beyond this machine."""
    monkeypatch.delenv("VAE_TUTORIAL_DATASET", raising=False)
    monkeypatch.delenv("VAE_TUTORIAL_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(datasets, "HOST", "http://127.0.0.1:9/")  # nobody listens there


# ------------------------------------------------------------------------------------------------ the digits


def test_digits_are_scikit_learns_in_order_and_scaled() -> None:
    """Nothing is lost, changed or moved but the scale: 16 is 1, and the two parts follow each other."""
    data = load("digits")
    images, labels = load_digits(return_X_y=True)
    x = np.concatenate([data.x_train, data.x_test])
    assert x.dtype == np.float32
    assert data.image_shape == x.shape[1:] == (8, 8, 1)
    assert_array_equal(x.reshape(1797, 64) * 16, images)
    assert_array_equal(np.concatenate([data.y_train, data.y_test]), labels)
    assert (data.name, data.class_names) == ("digits", tuple("0123456789"))


def _deviations(labels: list[int], script: list[int]) -> int:
    """How many labels are no part of the script; parts of the script may be missing (longest common subsequence)."""
    row = [0] * (len(script) + 1)
    for a in labels:
        before = row
        row = [0]
        for j, b in enumerate(script):
            row.append(before[j] + 1 if a == b else max(before[j + 1], row[j]))
    return len(labels) - row[-1]


def test_no_writer_is_on_both_sides_of_the_cut() -> None:
    """Each part of the file follows the one script that all writers copied, and would not if it began elsewhere.

    The single deviation is image 385: it stands where the script has an 8, and is labelled 3.
    """
    labels = load_digits(return_X_y=True)[1].tolist()
    bounds = [*datasets.FORMS, len(labels)]
    script = labels[: bounds[1]]
    forms = [labels[a:b] for a, b in pairwise(bounds)]
    assert len(script) == 130
    assert [_deviations(form, script) for form in forms] == [0, 0, 1] + [0] * 11
    assert datasets.CUT in bounds
    for shift in (-3, -2, -1, 1, 2, 3):
        cut = datasets.CUT + shift
        i = bounds.index(datasets.CUT)
        assert _deviations(labels[bounds[i - 1] : cut], script) + _deviations(labels[cut : bounds[i + 1]], script) > 0


def test_class_shares_of_the_digits() -> None:
    """All writers copied one script, so the classes are nearly even on both sides; the text shows the shares."""
    data = load("digits")
    assert_allclose(data.class_shares.sum(axis=1), 1.0)
    assert_allclose(data.class_shares, 0.1, atol=0.01)
    assert_allclose(data.class_shares[1, 8], np.mean(data.y_test == 8))
    assert "1,287 training and 510 test images, 8×8 pixels, 10 classes" in str(data)
    assert f"8         9.9 %   {100 * np.mean(data.y_test == 8):.1f} %" in str(data)
    assert len(repr(data)) < 100


# ---------------------------------------------------------------------------------------------- binarisation


def test_binarize_draws_each_pixel_with_its_grey_value_as_probability() -> None:
    x = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    draws = binarize(np.repeat(x, 20_000, axis=0), seed=0)
    assert draws.dtype == np.float32
    assert set(np.unique(draws)) == {0.0, 1.0}
    standard_error = np.sqrt(x * (1 - x) / 20_000)
    assert np.all(np.abs(draws.mean(0) - x[0]) <= 4.5 * standard_error[0])  # 0 and 1 exactly: their error is 0


def test_binarize_depends_on_the_seed_alone() -> None:
    x = np.full((5, 8, 8, 1), 0.5)
    assert_array_equal(binarize(x, seed=[1, 2]), binarize(x, seed=[1, 2]))
    assert np.mean(binarize(x, seed=1) != binarize(x, seed=2)) == pytest.approx(0.5, abs=0.15)


def test_binarize_refuses_unscaled_pixels() -> None:
    with pytest.raises(ValueError, match=r"x: pixels must lie in \[0, 1\], got values up to 255.*Divide by 255"):
        binarize(np.full((1, 2, 2, 1), 255.0), seed=0)


# ------------------------------------------------------------------------------------------- files of your own


def small(**changes: Any) -> dict[str, Any]:
    """The four arrays of a tiny data set of 28×28 bytes."""
    draw = np.random.default_rng(0).integers
    arrays = {
        "x_train": draw(0, 256, (20, 28, 28), np.uint8),
        "y_train": draw(0, 10, 20, np.uint8),
        "x_test": draw(0, 256, (10, 28, 28), np.uint8),
        "y_test": draw(0, 10, 10, np.uint8),
    }
    return {key: value for key, value in (arrays | changes).items() if value is not None}


@pytest.mark.parametrize(
    "images",
    [
        lambda x: x,
        lambda x: x[..., None],
        lambda x: x / np.float32(255),
        lambda x: x / 255.0,
        np.asfortranarray,
    ],
    ids=["bytes", "with a channel", "float32", "float64", "by columns"],
)
def test_own_file_in_every_accepted_form(tmp_path: Path, images: Callable[[Any], Any]) -> None:
    arrays = small()
    np.savez(tmp_path / "mine.npz", **arrays | {key: images(arrays[key]) for key in ("x_train", "x_test")})
    data = load(tmp_path / "mine.npz")
    assert (data.name, data.image_shape, data.x_train.dtype) == ("mine", (28, 28, 1), np.float32)
    assert_allclose(data.x_train[..., 0], arrays["x_train"] / 255, rtol=1e-6)
    assert_array_equal(data.y_test, arrays["y_test"])
    assert data.class_names == tuple(map(str, range(10)))
    data.x_train[0] = 0  # the arrays can be written to


def test_own_black_and_white_images(tmp_path: Path) -> None:
    binary = small()["x_train"] > 127
    np.savez_compressed(tmp_path / "mine.npz", **small(x_train=binary))
    assert_array_equal(load(str(tmp_path / "mine.npz")).x_train[..., 0], binary)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "there is no array y_test; expected x_train, y_train, x_test, y_test"),
        (
            {"x_train": np.zeros((20, 784))},
            r"x_train: expected images of shape \(n, h, w\) or .*got \(shape \(20, 784\)",
        ),
        ({"x_train": np.zeros((20, 8, 8, 3))}, "x_train: expected images of shape"),
        ({"x_test": np.full((10, 28, 28), 255.0)}, "x_test: pixels must lie in .*Divide by 255"),
        ({"x_test": np.full((10, 28, 28), np.nan)}, "x_test: images must be finite"),
        ({"x_test": np.zeros((10, 8, 8))}, r"x_test: expected images of \(28, 28\) pixels.*got \(8, 8\)"),
        ({"x_train": np.ones((20, 28, 28), np.uint8)}, "x_train: bytes are grey values .*Save them as booleans"),
        ({"x_train": np.zeros((0, 28, 28)), "y_train": np.zeros(0, int)}, "x_train: expected at least one row"),
        ({"y_train": np.zeros(19, int)}, "y_train: expected 20 whole numbers as labels, got"),
        ({"y_train": np.zeros(20)}, "y_train: expected 20 whole numbers as labels, got .*float64"),
        ({"y_train": np.full(20, -1)}, "y_train: expected labels from 0 to 999 at most, got -1 to -1"),
        ({"y_train": np.full(20, 10**9)}, "y_train: expected labels from 0 to 999 at most"),
        ({"x_train": np.array([{"a": 1}] * 20)}, "x_train: expected numbers, got dtype object"),
        ({"y_train": np.array(["7"] * 20)}, "y_train: expected numbers, got dtype <U1"),
    ],
)
def test_own_file_with_a_fault(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "mine.npz"
    np.savez(file, **small(**changes))
    with pytest.raises(ValueError, match=message) as error:
        load(file)
    assert str(error.value).startswith(f"{file}: ")


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": "|u1"})
    return buffer.getvalue()


def _header_of(literal: str) -> bytes:
    text = literal.ljust(117) + "\n"
    return np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode()


# numpy reads a header as a Python literal, and fails in as many ways
UNREADABLE = [
    "{'descr': '|u1'",
    "{[]: 1}",
    "{1: 2, 'a': 3}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (True,)}",
]


@pytest.mark.parametrize(
    ("x_train", "message"),
    [
        (
            _header((20, 28, 28)) + bytes(15_000),
            "x_train: damaged, its header announces 15,680 bytes and 15,000 follow",
        ),
        (_header((2**20, 2**10, 2**10)), "x_train: expected at most 1,073,741,824 numbers, got shape"),
        (b"not an array", "magic string"),
        (b"", "EOF"),
        *((_header_of(text), "mine.npz: ") for text in UNREADABLE),
    ],
    ids=["short", "huge", "no header", "empty", *UNREADABLE],
)
def test_damaged_array(tmp_path: Path, x_train: bytes, message: str) -> None:
    """Nothing is unpacked on the word of a header: a file that announces 2⁴⁰ bytes takes no memory."""
    file = tmp_path / "mine.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", x_train)
        for key in KEYS[1:]:
            archive.writestr(f"{key}.npy", b"")
    with pytest.raises(ValueError, match=message):
        load(file)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.98])
def test_truncated_file(tmp_path: Path, kept: float) -> None:
    file = tmp_path / "mine.npz"
    np.savez(file, **small())
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(ValueError, match=r"mine\.npz: .*not a zip file"):
        load(file)


def test_flipped_bits(tmp_path: Path) -> None:
    """A changed pixel fails the archive's own check sum."""
    file = tmp_path / "mine.npz"
    np.savez(file, **small())
    content = bytearray(file.read_bytes())
    content[5000] ^= 255
    file.write_bytes(content)
    with pytest.raises(ValueError, match="Bad CRC-32"):
        load(file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_changed_byte_gives_other_data(tmp_path: Path, save: Callable[..., None]) -> None:
    """Each byte in turn, to one other: an error that names the file, or the same data where the byte says nothing."""
    file = tmp_path / "mine.npz"
    save(file, **{key: a[:3, :2, :2] if a.ndim == 3 else a[:3] for key, a in small().items()})
    content, data = bytearray(file.read_bytes()), load(file)
    refusals = []
    for place, change in enumerate(np.random.default_rng(0).integers(1, 256, len(content)).tolist()):
        content[place] ^= change
        file.write_bytes(content)
        content[place] ^= change
        try:
            other = load(file)
        except ValueError as error:
            refusals.append(str(error))
            continue
        for key in KEYS:
            assert_array_equal(getattr(other, key), getattr(data, key))
    assert all(refusal.startswith(f"{file}: ") for refusal in refusals)
    assert len(refusals) > 0.5 * len(content)


def test_missing_own_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnavailable, match=r"there is no file .*absent\.npz"):
        load(tmp_path / "absent.npz")


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"name: expected one of digits, mnist, fashion_mnist, auto.*got 'MNIST'"):
        load("MNIST")


# ------------------------------------------------------------------------ MNIST's ways, with a tiny set in its place


def _digest(arrays: dict[str, Any]) -> str:
    return hashlib.sha256(b"".join(arrays[key].tobytes() for key in KEYS)).hexdigest()[:16]


def _npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _idx(array: Any) -> bytes:
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Both public data sets are 20 and 10 images now."""
    arrays = small()
    for name, public in datasets.PUBLIC.items():
        fields = {**vars(public), "sizes": (20, 10), "sha256": _digest(arrays)}
        monkeypatch.setitem(datasets.PUBLIC, name, datasets.Public(**fields))
    return arrays


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Handler], list[str]]]:
    """``requests = server(handler)`` puts a server in the place of Keras's; stalls end with the test."""
    running: list[http.server.ThreadingHTTPServer] = []

    def start(handler: Handler) -> list[str]:
        requests: list[str] = []

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                try:
                    handler(self)
                except OSError:
                    self.close_connection = True  # the client has given up

            def log_message(self, *_: Any) -> None:
                pass

        running.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server))
        threading.Thread(target=running[0].serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setattr(datasets, "HOST", f"http://127.0.0.1:{running[0].server_port}/")
        return requests

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


def _send(request: http.server.BaseHTTPRequestHandler, body: bytes, length: int | None = None, code: int = 200) -> None:
    request.send_response(code)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    request.end_headers()
    request.wfile.write(body)
    request.wfile.flush()


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _cached(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "keras").rglob("*") if path.is_file()]


def test_mnist_from_the_folder(tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mnist.npz").write_bytes(_npz(tiny))
    monkeypatch.setenv("VAE_TUTORIAL_DATA", str(tmp_path))
    data = load("mnist")
    assert_allclose(data.x_test[..., 0], tiny["x_test"] / 255, rtol=1e-6)
    assert_array_equal(data.y_train, tiny["y_train"])
    assert (data.name, data.class_names) == ("mnist", tuple("0123456789"))


def test_download_is_cached_and_found_again(
    tiny: dict[str, Any], server: Callable[[Handler], list[str]], tmp_path: Path
) -> None:
    """The cache is Keras's: the same file in the same place."""
    requests = server(lambda request: _send(request, _npz(tiny)))
    first, second = load("mnist"), load("mnist")
    assert requests == ["/mnist.npz"]
    assert _cached(tmp_path) == [tmp_path / "keras" / "datasets" / "mnist.npz"]
    assert_array_equal(first.x_train, second.x_train)


def test_fashion_mnist_is_downloaded_and_cached_as_keras_does(
    tiny: dict[str, Any], server: Callable[[Handler], list[str]], tmp_path: Path
) -> None:
    files = dict(zip(datasets.PUBLIC["fashion_mnist"].files, KEYS, strict=True))
    requests = server(lambda request: _send(request, _idx(tiny[files[request.path[1:]]])))
    first, second = load("fashion_mnist"), load("fashion_mnist")
    assert len(requests) == 4
    assert {path.name for path in _cached(tmp_path)} == set(files)
    assert {path.parent for path in _cached(tmp_path)} == {tmp_path / "keras" / "datasets" / "fashion-mnist"}
    assert_array_equal(first.x_test, second.x_test)
    assert_array_equal(first.y_test, tiny["y_test"])
    assert first.class_names[9] == "boot"


def _stall(request: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(1.2)


def _stall_in_the_body(request: http.server.BaseHTTPRequestHandler) -> None:
    _send(request, b"PK", length=10_000)
    time.sleep(1.2)


def _trickle(request: http.server.BaseHTTPRequestHandler) -> None:
    _send(request, b"", length=10_000)
    for _ in range(100):
        request.wfile.write(b"x")
        time.sleep(0.05)


def _trickle_headers(request: http.server.BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n")
    for i in range(100):
        request.wfile.write(f"X-{i}: x\r\n".encode())
        time.sleep(0.05)


SLOW = (_stall, _stall_in_the_body, _trickle, _trickle_headers)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (_stall, "timed out|does not answer"),
        (_stall_in_the_body, "timed out"),
        (_trickle, "sends less than 100 kB a second"),
        (_trickle_headers, "does not answer"),
        (lambda request: _send(request, _npz(small())[:5000], length=len(_npz(small()))), "broke off after 5,000 of"),
        (lambda request: request.wfile.write(CHUNKS + b"ff\r\nPK"), "broke off|IncompleteRead"),
        (lambda request: _send(request, b"<html>Log in to the network</html>"), "not a zip file"),
        (lambda request: _send(request, b"come back later", code=503), "503 Service Unavailable"),
        (lambda request: _send(request, bytes(200_000)), "sends more than 100,000 bytes"),
        (lambda request: request.wfile.write(b"no HTTP at all"), "Bad|no HTTP"),
        (lambda request: _send(request, _npz(small(y_test=np.zeros(10, np.uint8)))), "not the images and labels of"),
        (lambda request: _send(request, _npz(small(x_test=np.zeros((11, 28, 28), np.uint8)))), "bytes of shape"),
    ],
    ids=[
        "silent", "stalls", "trickles", "trickles headers", "breaks off", "breaks off in a chunk", "page", "error",
        "endless", "other protocol", "other labels", "other shape",
    ],
)  # fmt: skip
def test_bad_download(
    tiny: dict[str, Any],
    server: Callable[[Handler], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    handler: Handler,
    message: str,
) -> None:
    """Whatever a server does: one error within seconds that says it, and a clean cache."""
    monkeypatch.setattr(_archives, "LARGEST_DOWNLOAD", 100_000)
    if handler in SLOW:
        monkeypatch.setattr(_archives, "PATIENCE", 0.4)
    server(handler)
    start = time.monotonic()
    with pytest.raises(DatasetUnavailable, match=message) as error:
        load("mnist")
    assert time.monotonic() - start < 5  # a trickle would take longer
    assert "set VAE_TUTORIAL_DATA to its folder; or load('digits'), which needs no network" in str(error.value)
    assert list((tmp_path / "keras" / "datasets").iterdir()) == []


def test_a_damaged_file_in_the_cache_is_replaced(
    tiny: dict[str, Any], server: Callable[[Handler], list[str]], tmp_path: Path
) -> None:
    file, whole = tmp_path / "keras" / "datasets" / "mnist.npz", _npz(tiny)
    file.parent.mkdir(parents=True)
    file.write_bytes(whole[:5000])
    server(lambda request: _send(request, whole))
    assert_array_equal(load("mnist").y_test, tiny["y_test"])
    assert _cached(tmp_path) == [file]
    assert file.read_bytes() == whole


def test_a_download_that_finds_no_room_leaves_nothing_behind(
    tiny: dict[str, Any],
    server: Callable[[Handler], list[str]],
    tmp_path: Path,
    full_disk: Callable[[], AbstractContextManager[None]],
) -> None:
    server(lambda request: _send(request, _npz(tiny)))
    with full_disk(), pytest.raises(DatasetUnavailable, match=r"Keras's download: .*too large"):
        load("mnist")
    assert list((tmp_path / "keras" / "datasets").iterdir()) == []


def test_damaged_fashion_mnist(tiny: dict[str, Any], server: Callable[[Handler], list[str]], tmp_path: Path) -> None:
    """One bad file of four: none of them is kept."""
    files = dict(zip(datasets.PUBLIC["fashion_mnist"].files, KEYS, strict=True))
    cut = {"x_train": slice(None), "y_train": slice(None), "x_test": slice(None), "y_test": slice(9)}
    server(lambda request: _send(request, _idx(tiny[files[request.path[1:]]][cut[files[request.path[1:]]]])))
    with pytest.raises(DatasetUnavailable, match=r"t10k-labels.*expected an IDX file with bytes of shape \(10,\)"):
        load("fashion_mnist")
    assert _cached(tmp_path) == []


def test_a_bad_copy_is_passed_over(
    tiny: dict[str, Any],
    server: Callable[[Handler], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The contents make the data set, not the place: after a wrong file comes the next place, and "auto" says so."""
    (tmp_path / "mnist.npz").write_bytes(_npz(small(y_test=np.zeros(10, np.uint8))))
    monkeypatch.setenv("VAE_TUTORIAL_DATA", str(tmp_path))
    server(lambda request: _send(request, _npz(tiny)))
    assert_array_equal(load("auto").y_test, tiny["y_test"])
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.startswith("vae_tutorial: MNIST from Keras's download (VAE_TUTORIAL_DATA: ")
    assert "not the images and labels of MNIST" in line


def test_auto_takes_the_digits_and_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().name == "digits"
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.startswith("vae_tutorial: scikit-learn's digits, since MNIST is not to be had here (Keras's cache: ")
    assert "Connection refused" in line
    monkeypatch.setenv("VAE_TUTORIAL_DATASET", "digits")
    assert load().name == "digits"
    assert capsys.readouterr().out == ""


def test_a_name_is_never_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MNIST asked for is MNIST or an error, by argument as by environment; the error lists every place."""
    monkeypatch.setenv("VAE_TUTORIAL_DATASET", "mnist")
    monkeypatch.setenv("VAE_TUTORIAL_DATA", str(tmp_path))
    with pytest.raises(DatasetUnavailable, match=r"VAE_TUTORIAL_DATA: .*Keras's cache: .*Keras's download: .*refused"):
        load()


def test_unwritable_cache(tiny: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "keras").write_text("a file where the folder should be")
    with pytest.raises(DatasetUnavailable, match=r"Keras's download: .*keras"):
        load("mnist")


def test_a_cache_without_the_right_to_write(
    tiny: dict[str, Any],
    server: Callable[[Handler], list[str]],
    read_only_folder: Callable[[], AbstractContextManager[Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = server(lambda request: _send(request, _npz(tiny)))
    with read_only_folder() as folder:
        monkeypatch.setenv("KERAS_HOME", str(folder))
        with pytest.raises(DatasetUnavailable, match=rf"Keras's download: .*ermission denied.*{folder}"):
            load("mnist")
        assert list(folder.iterdir()) == []
    assert requests == []  # it is tried before the download


# --------------------------------------------------------------------------------------------------- the real ones


@pytest.mark.parametrize(("name", "mean"), [("mnist", 33.318421449829934), ("fashion_mnist", 72.94035223214286)])
def test_the_real_data(name: str, mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published mean of the 60,000 training images, in grey values."""
    if not (REAL / f"{name}.npz").is_file():
        pytest.skip(f"no {name}.npz in {REAL}; set VAE_TUTORIAL_DATA to its folder")
    monkeypatch.setenv("VAE_TUTORIAL_DATA", str(REAL))
    data = load(name)
    assert data.x_train.shape == (60_000, 28, 28, 1)
    assert data.x_test.shape == (10_000, 28, 28, 1)
    assert data.x_train.mean(dtype=np.float64) * 255 == pytest.approx(mean, rel=1e-6)  # float32 pixels
    assert data.x_train.max() == 1.0
