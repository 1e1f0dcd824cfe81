"""Paths end where they should, lengths and angles go evenly, and what an encoder ignores is not active."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from vae_tutorial import latent

coordinates = st.floats(-100, 100, width=32)
pairs = st.integers(2, 16).flatmap(lambda d: st.tuples(*[arrays(np.float32, d, elements=coordinates)] * 2))
steps = st.integers(2, 12)


def _angle(u: Any, v: Any) -> float:
    u, v = np.asarray(u, float) / np.linalg.norm(u), np.asarray(v, float) / np.linalg.norm(v)
    return float(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v)))


def _has_an_arc(a: Any, b: Any) -> bool:
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    return min(lengths) > 1e-2 and _angle(a, b) < np.pi - 1e-2


# ------------------------------------------------------------------------------------------------------ grid


def test_a_grid_without_room_is_refused_before_the_work() -> None:
    with pytest.raises(MemoryError):
        latent.grid(10**9)


def test_grid_points_stand_for_equal_shares_of_the_prior() -> None:
    """Seen through the normal's distribution function the grid is even: side² cells of the same probability."""
    z = latent.grid(7)
    shares = norm.cdf(z).reshape(7, 7, 2)
    even = (np.arange(7) + 0.5) / 7
    assert_allclose(shares[..., 0], np.tile(even, (7, 1)), rtol=1e-6)
    assert_allclose(shares[..., 1], np.tile(even[::-1, None], 7), rtol=1e-6)  # reading order: the first row is on top


def test_grid_with_an_extent_is_linear() -> None:
    z = latent.grid(5, extent=2.0)
    assert_allclose(z[:5, 0], [-2, -1, 0, 1, 2])
    assert_allclose(z[::5, 1], [2, 1, 0, -1, -2])
    assert z.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 1}, "side: expected a whole number of at least 2, got 1"),
        ({"side": 2.5}, "side: expected a whole number"),
        ({"extent": 0.0}, "extent: expected a positive number, got 0.0"),
        ({"extent": float("nan")}, "extent: expected a finite number"),
    ],
)
def test_grid_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        latent.grid(**arguments)


# ----------------------------------------------------------------------------------------------------- paths


@given(pairs, steps)
def test_lerp_is_straight_and_even(ends: Any, n: int) -> None:
    a, b = ends
    path = latent.lerp(a, b, n)
    assert path.shape == (n, len(a))
    assert_array_equal(path[[0, -1]], [a, b])
    assert_allclose(np.diff(path, axis=0), np.tile((b - a) / (n - 1), (n - 1, 1)), atol=1e-4)  # float32, up to 100


@given(pairs, steps)
def test_slerp_ends_exactly_and_its_lengths_go_evenly(ends: Any, n: int) -> None:
    a, b = ends
    assume(_has_an_arc(a, b))
    path = latent.slerp(a, b, n)
    assert_array_equal(path[[0, -1]], [a, b])
    lengths = np.linspace(np.linalg.norm(a), np.linalg.norm(b), n)
    assert_allclose(np.linalg.norm(path, axis=1), lengths, rtol=1e-5)


@given(pairs, steps)
def test_slerp_turns_evenly_and_by_the_angle_between_the_ends(ends: Any, n: int) -> None:
    a, b = ends
    assume(_has_an_arc(a, b))
    turns = [_angle(u, v) for u, v in pairwise(latent.slerp(a, b, n))]
    assert_allclose(turns, _angle(a, b) / (n - 1), atol=1e-5)


@given(pairs, steps)
def test_slerp_there_is_slerp_back(ends: Any, n: int) -> None:
    a, b = ends
    assume(_has_an_arc(a, b))
    assert_allclose(latent.slerp(a, b, n), latent.slerp(b, a, n)[::-1], rtol=1e-5, atol=1e-4)


def test_slerp_keeps_to_the_shell_that_lerp_leaves() -> None:
    """The reason for slerp: in 64 dimensions two draws are nearly orthogonal, and the line's middle is 1/√2 as long."""
    a, b = np.random.default_rng(0).normal(size=(2, 64))
    a, b = 8 * a / np.linalg.norm(a), 8 * b / np.linalg.norm(b)
    assert_allclose(np.linalg.norm(latent.slerp(a, b, 9), axis=1), 8, rtol=1e-6)
    assert np.linalg.norm(latent.lerp(a, b, 9)[4]) == pytest.approx(8 * np.cos(_angle(a, b) / 2), rel=1e-5)
    assert np.linalg.norm(latent.lerp(a, b, 9)[4]) < 6.2


@pytest.mark.parametrize("ratio", [1.0, 3.0, 1 + 1e-6])
def test_slerp_of_parallel_vectors_is_lerp(ratio: float) -> None:
    a = np.array([1.0, 2.0, -3.0])
    assert_allclose(latent.slerp(a, ratio * a), latent.lerp(a, ratio * a), rtol=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0, 2.0], [-2.0, -4.0], "a, b: the vectors are opposite, so no arc between them is the shortest. Use lerp"),
        ([0.0, 0.0], [1.0, 0.0], "a: the zero vector has no direction to turn from. Use lerp"),
        ([1.0, 0.0], [0.0, 0.0], "b: the zero vector has no direction"),
        ([1.0, 0.0], [1.0, 0.0, 0.0], "b: expected 2 numbers, like a, got 3"),
        ([1.0, np.nan], [1.0, 0.0], "a: a latent vector must be finite"),
        ([[1.0, 0.0]], [1.0, 0.0], "a: expected a latent vector of shape"),
    ],
)
def test_slerp_refuses(a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        latent.slerp(a, b)


@pytest.mark.parametrize("path", [latent.lerp, latent.slerp])
def test_a_path_has_two_ends(path: Any) -> None:
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 2, got 1"):
        path([1.0, 0.0], [0.0, 1.0], steps=1)


def test_traversal_changes_one_coordinate() -> None:
    z = np.array([1.0, 2.0, 3.0])
    moved = latent.traversal(z, 1, values=[-5, 0, 5])
    assert_array_equal(moved, [[1, -5, 3], [1, 0, 3], [1, 5, 3]])
    assert_array_equal(z, [1, 2, 3])


@pytest.mark.parametrize(("dimension", "message"), [(3, "expected 0 to 2, got 3"), (-1, "at least 0, got -1")])
def test_traversal_refuses(dimension: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"dimension: .*{message}"):
        latent.traversal(np.zeros(3), dimension)


# ------------------------------------------------------------------------------------------------- directions


def test_arithmetic() -> None:
    assert_array_equal(latent.arithmetic([3.0, 1.0], [1.0, 1.0], [0.0, 5.0]), [2, 5])
    with pytest.raises(ValueError, match="c: expected 2 numbers, like a, got 3"):
        latent.arithmetic([3.0, 1.0], [1.0, 1.0], [0.0, 5.0, 0.0])


def test_attribute_is_the_shift_between_two_groups() -> None:
    """Codes moved by a vector have that vector as their attribute, whatever they were."""
    z = np.random.default_rng(0).normal(size=(50, 4))
    shift = np.array([1.0, -2.0, 0.0, 0.5])
    both = np.concatenate([z, z + shift])
    assert_allclose(latent.attribute(both, has=np.arange(100) >= 50), shift, atol=1e-6)


@pytest.mark.parametrize(
    ("has", "message"),
    [
        (np.zeros(3, bool), "got 0 of 3"),
        (np.ones(3, bool), "got 3 of 3"),
        (np.array([0, 1, 1]), "has: expected 3 booleans, got .*int64"),
        (np.ones(2, bool), "has: expected 3 booleans, got .*shape \\(2,\\)"),
    ],
)
def test_attribute_refuses(has: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        latent.attribute(np.zeros((3, 2)), has)


# ---------------------------------------------------------------------------------------- what dimensions carry


def test_active_units_are_those_that_vary_over_the_data() -> None:
    """A constant is not active however large; the threshold is a variance, and is to be exceeded."""
    signs = np.tile([-1.0, 1.0], 50)
    means = np.stack([0 * signs + 1000, 0.09 * signs, 0.11 * signs, signs], axis=1)
    assert latent.active_units(means).tolist() == [False, False, True, True]
    assert latent.active_units(means, threshold=0.5).tolist() == [False, False, False, True]
    assert latent.active_units(np.full((10, 8), 0.3, np.float32)).sum() == 0


def test_active_units_refuses() -> None:
    with pytest.raises(ValueError, match=r"means: expected at least 2 codes, got \(shape \(1, 3\)"):
        latent.active_units(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="threshold: expected a finite number of at least 0, got -1"):
        latent.active_units(np.zeros((5, 3)), threshold=-1)


# ------------------------------------------------------------------------------------------------- embeddings


def _clusters() -> tuple[Any, Any]:
    y = np.repeat([0, 1, 2], 40)
    centres = 10 * np.eye(3, 6)
    return centres[y] + np.random.default_rng(0).normal(size=(120, 6)), y


def test_pca_keeps_the_distances_of_points_in_a_plane() -> None:
    plane = np.random.default_rng(0).normal(size=(30, 2))
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    points = latent.embed(plane @ rotation[:2] + 5)
    distances = [np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (points, plane)]
    assert_allclose(*distances, atol=1e-5)
    assert points[:, 0].var() >= points[:, 1].var()


def test_tsne_keeps_neighbours_together_and_depends_on_the_seed_alone() -> None:
    z, y = _clusters()
    with threadpool_limits(1):  # many threads for few points are slow, above all where other tests run
        points, again = (latent.embed(z, "tsne", seed=3, perplexity=10) for _ in range(2))
    assert points.shape == (120, 2)
    assert latent.knn_purity(points, y) > 0.98
    assert_array_equal(points, again)


@pytest.mark.parametrize(
    ("z", "arguments", "message"),
    [
        (np.zeros((9, 3)), {"method": "umap"}, "method: expected 'pca' or 'tsne', got 'umap'"),
        (np.zeros((9, 3)), {"method": "tsne"}, "perplexity: expected between 0 and the number of points, 9, got 30"),
        (np.zeros((9, 1)), {}, "z: expected codes of at least two dimensions"),
        (np.zeros((2, 3)), {}, "z: expected at least 3 codes"),
        (np.full((9, 3), np.inf), {}, "z: codes must be finite"),
        (np.zeros(9), {}, r"z: expected codes of shape \(n, any\)"),
    ],
)
def test_embed_refuses(z: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        latent.embed(z, **arguments)


def test_purity_of_separate_and_of_mixed_classes() -> None:
    """1 for classes apart, the sum of squared shares for labels without meaning; a code is no neighbour of itself."""
    z, y = _clusters()
    assert latent.knn_purity(z, y) == 1.0
    mixed = np.random.default_rng(0).integers(0, 4, 4000)
    points = np.random.default_rng(1).normal(size=(4000, 2))
    assert latent.knn_purity(points, mixed) == pytest.approx(0.25, abs=0.02)
    assert latent.knn_purity([[0.0, 0.0], [1.0, 0.0]], [0, 1], k=1) == 0.0


def test_purity_refuses() -> None:
    with pytest.raises(ValueError, match="y: expected 5 labels"):
        latent.knn_purity(np.zeros((5, 2)), np.zeros(4), k=2)
    with pytest.raises(ValueError, match="k: expected less than the number of codes, 5, got 10"):
        latent.knn_purity(np.zeros((5, 2)), np.zeros(5))
