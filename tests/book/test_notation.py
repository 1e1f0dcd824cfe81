"""The page `notation` says of each symbol its name, shape and unit: here the package is asked whether it is so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import vae_tutorial
from vae_tutorial import VAE, Autoencoder, datasets, likelihoods, networks

PAGE = Path(__file__).resolve().parents[2] / "book/notation.md"
HEAD = ["symbol", "what it is", "in the code", "shape", "unit"]


class Row(NamedTuple):
    line: int
    symbol: str
    meaning: str
    code: str
    shape: str
    unit: str

    @property
    def names(self) -> list[str]:
        """Dotted names, relative to the package."""
        return re.findall(r"`([A-Za-z_][\w.]*)`", self.code)

    @property
    def metrics(self) -> list[str]:
        return re.findall(r'`"(\w+)"`', self.code)


def rows(text: str) -> Iterator[Row]:
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if cells == HEAD:
            inside = True
        elif not cells:
            inside = False
        elif inside and set(line) - set("|- "):
            yield Row(number, *cells)


ROWS = list(rows(PAGE.read_text("utf8")))


@cache
def instances() -> dict[type, Any]:
    """One of each class whose attributes are made when it is."""
    shape = (8, 8, 1)
    decoder = networks.mlp_decoder(2, shape, hidden=(4,))
    return {
        VAE: VAE(networks.mlp_encoder(shape, 2, hidden=(4,)), decoder),
        Autoencoder: Autoencoder(networks.mlp_encoder(shape, 2, hidden=(4,), variational=False), decoder),
        likelihoods.Gaussian: likelihoods.Gaussian(),
        datasets.Dataset: datasets.load("digits"),
    }


def resolve(name: str) -> Any:
    """What `name` is in the package; AttributeError where there is no such thing."""
    found: Any = vae_tutorial
    for part in name.split("."):
        on_class = getattr(found, part, None)
        made_with_it = inspect.isclass(found) and (on_class is None or isinstance(on_class, property))
        found = getattr(instances().get(found, found) if made_with_it else found, part)
    return found


def documentation(name: str) -> str:
    """What the package says of `name`; of an attribute, what the class says that it belongs to."""
    found = resolve(name)
    own = inspect.isroutine(found) or inspect.isclass(found)
    return inspect.getdoc(found if own else resolve(name.rpartition(".")[0])) or ""


def identify(row: Row) -> str:
    return f"line {row.line}: {row.symbol}"


def test_the_tables_are_found() -> None:
    assert len(ROWS) > 25
    assert {row.unit for row in ROWS} >= {"nats", "nats per image", "none"}


@pytest.mark.parametrize("row", ROWS, ids=identify)
def test_each_symbol_has_a_name_and_a_unit(row: Row) -> None:
    assert row.symbol and row.meaning and row.unit
    assert row.names or row.metrics


@pytest.mark.parametrize("row", ROWS, ids=identify)
def test_each_name_is_in_the_package(row: Row) -> None:
    for name in row.names:
        resolve(name)
    assert set(row.metrics) <= set(VAE.metric_names)


@pytest.mark.parametrize("row", [row for row in ROWS if row.shape], ids=identify)
def test_the_package_documents_the_shape(row: Row) -> None:
    """Of an attribute that is an array, the shape is measured; else the documentation must show it."""
    for name in row.names:
        found = resolve(name)
        if isinstance(found, tuple):  # a shape itself
            assert len(found) == row.shape.count(",") + 1, name
        elif hasattr(found, "shape"):
            assert len(found.shape) == row.shape.count(",") + 1, name
        else:
            assert row.shape in documentation(name), f"{name}: {documentation(name)!r}"


@pytest.mark.parametrize("row", [row for row in ROWS if "nats" in row.unit], ids=identify)
def test_the_package_documents_the_unit(row: Row) -> None:
    for name in row.names:
        assert "nats" in documentation(name), f"{name}: {documentation(name)!r}"


@pytest.mark.parametrize(
    "name", ["bounds.gaussian_lk", "VAE.gamma", "datasets.Dataset.x_validation", "models.Posterior.sd"]
)
def test_a_name_that_is_not_there_is_noticed(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)
