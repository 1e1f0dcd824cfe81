"""Order and noise: functions of a seed, of an image's bytes, and of nothing else."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from numpy.testing import assert_array_equal
from scipy import stats

from vae_tutorial._randomness import Batches, Draw, LimitedBatches, common_uniforms, row_shifts, shifted_normals


def normals(uniforms: Any, shifts: Any) -> Any:
    tensors = (ops.convert_to_tensor(array, dtype="float32") for array in (uniforms, shifts))
    return ops.convert_to_numpy(shifted_normals(*tensors))


@given(st.integers(1, 40), st.integers(1, 17), st.integers(0, 5))
def test_an_epoch_holds_every_row_once(n: int, batch_size: int, seed: int) -> None:
    x, weights = np.arange(n), -np.arange(n)
    batches = Batches([x, weights], batch_size, lambda: [seed])
    parts = [batches[i] for i in range(len(batches))]
    assert [len(part[0]) for part in parts[:-1]] == [batch_size] * (len(parts) - 1)
    rows = np.concatenate([part[0] for part in parts])
    assert sorted(rows) == list(range(n))
    assert (np.concatenate([part[1] for part in parts]) == -rows).all()  # a row keeps its weight


def test_order_follows_from_the_epochs_seed() -> None:
    seeds = iter([[0, 0], [0, 7], [0, 7], [1, 7]])
    batches = Batches([np.arange(50)], 50, lambda: next(seeds))
    orders = [batches[0][0]]
    for _ in range(3):
        batches.on_epoch_begin()
        orders.append(batches[0][0])
    assert (orders[1] == orders[2]).all()
    for a, b in ((0, 1), (1, 3)):
        assert (orders[a] != orders[b]).any()


def test_without_a_seed_the_order_is_that_of_the_arrays() -> None:
    batches = Batches([np.arange(5)], 2)
    assert [list(batches[i][0]) for i in range(len(batches))] == [[0, 1], [2, 3], [4]]
    assert isinstance(batches, keras.utils.PyDataset)


def test_shifts_depend_on_the_image_alone() -> None:
    x = np.random.default_rng(0).random((6, 4, 4, 1), np.float32)
    shifts = row_shifts(x, 3)
    assert shifts.shape == (6, 3)
    assert shifts.dtype == np.float32
    order = [4, 1, 1, 0]
    assert (row_shifts(x[order], 3) == shifts[order]).all()
    changed = x.copy()
    changed[2, 0, 0, 0] += 1e-3
    assert (row_shifts(changed, 3)[2] != shifts[2]).all()
    assert (row_shifts(changed, 3)[[0, 1, 3]] == shifts[[0, 1, 3]]).all()


def test_shifts_are_uniform_even_for_images_that_hardly_differ() -> None:
    x = np.zeros((4000, 4, 4, 1), np.float32)
    x[:, 0, 0, 0] = np.arange(4000) * 1e-6
    shifts = row_shifts(x, 2)
    assert ((shifts >= 0) & (shifts <= 1)).all()
    for column in shifts.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3  # nothing random here: SHAKE-128 of fixed bytes
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 4 / np.sqrt(4000)


def test_common_uniforms_follow_from_every_part_of_the_seed() -> None:
    u = common_uniforms(5, 3, 1, 32)
    assert u.shape == (5, 3)
    assert u.dtype == np.float32
    assert (u == common_uniforms(5, 3, 1, 32)).all()
    for other in ((1, 64), (2, 32), (32, 1)):
        assert (u != common_uniforms(5, 3, *other)).all()


def test_noise_is_standard_normal_and_independent_over_draws_and_dimensions() -> None:
    k, n, d = 2000, 3, 2
    x = np.random.default_rng(1).random((n, 4, 4, 1), np.float32)
    eps = normals(common_uniforms(k, d, 0, 0), row_shifts(x, d))
    assert eps.shape == (k, n, d)
    for i in range(n):
        for j in range(d):
            assert stats.kstest(eps[:, i, j], "norm").pvalue > 1e-3  # fixed noise
            assert abs(np.corrcoef(eps[1:, i, j], eps[:-1, i, j])[0, 1]) < 4 / np.sqrt(k)
        assert abs(np.corrcoef(eps[:, i].T)[0, 1]) < 4 / np.sqrt(k)


def test_noise_of_two_images_is_independent_over_their_shifts() -> None:
    """For one pair of shifts the two are functions of each other; over random shifts their products average to zero.

    Noise and product have variance 1, so that the average of 4000 errs by 1/√4000, as that of fresh noise does. Shifts
    are drawn, or those of images of which each pair differs by the last bit of one pixel.
    """
    rng = np.random.default_rng(3)
    x = rng.random((4000, 4, 4, 1), np.float32)
    nearly_x = x.copy()
    nearly_x[:, 0, 0, 0] = np.nextafter(x[:, 0, 0, 0], np.float32(2))
    drawn, of_images = rng.random((2, 4000, 1), np.float32), [row_shifts(images, 1) for images in (x, nearly_x)]
    for draw in normals([[0.3], [0.8]], drawn[0])[:, :, 0]:
        assert stats.kstest(draw, "norm").pvalue > 1e-3
    for pair in (drawn, of_images):
        one, other = (normals([[0.3], [0.8]], shifts)[:, :, 0] for shifts in pair)
        for average in (one.mean(axis=1), other.mean(axis=1), (one * other).mean(axis=1)):
            assert abs(average).max() < 4 / np.sqrt(4000)


def test_a_negative_zero_is_a_zero() -> None:
    x = np.zeros((1, 4, 4, 1), np.float32)
    assert_array_equal(row_shifts(-x, 3), row_shifts(x, 3))


@pytest.mark.parametrize("shuffle", [True, False])
def test_limited_epochs_pass_over_all_images_in_turn(shuffle: bool) -> None:
    """However many steps an epoch has, five batches are a pass. An order follows from seed and steps alone."""
    rows, clock = np.arange(45), {"step": 0}

    def seen(batches: Batches, steps: int, epochs: int) -> list[Any]:
        found = []
        for epoch in range(epochs):
            clock["step"] = epoch * steps
            batches.on_epoch_begin()
            found += [batches[i][0] for i in range(len(batches))]
        return found

    passes = seen(Batches([rows], 10, (lambda: [3, clock["step"]]) if shuffle else None), 5, 3)
    assert sorted(np.concatenate(passes[5:10])) == list(rows)
    for steps in (3, 5, 7):
        limited = LimitedBatches([rows], 10, lambda: (3, clock["step"]), steps, shuffle)
        found = seen(limited, steps, 15 // steps)
        assert len(found) == 15 // steps * steps
        for batch, expected in zip(found, passes, strict=False):
            assert_array_equal(batch, expected)


def test_noise_at_the_ends_of_the_interval_is_finite() -> None:
    eps = normals([[0.0], [1.0 - 2.0**-24], [0.5]], [[0.0], [0.5], [2.0**-24]])
    assert np.isfinite(eps).all()
    assert np.abs(eps).max() < 6  # float32's uniforms are 2^-24 apart
    assert eps[2, 0, 0] == 0.0  # the median


def drawn(stream: int, place: float) -> Any:
    seed = Draw(ops.convert_to_tensor(stream, "int32"), ops.convert_to_tensor(place))
    return ops.convert_to_numpy(keras.random.normal((3, 4), dtype="float32", seed=seed))


@given(st.integers(0, 2**31 - 3), st.integers(0, 2**24))
def test_a_draw_is_that_of_kerass_generator_at_the_same_place(stream: int, place: int) -> None:
    generator = keras.random.SeedGenerator(0)
    generator.state.assign(np.array([stream, place]))
    expected = ops.convert_to_numpy(keras.random.normal((3, 4), dtype="float32", seed=generator))
    for kind in (int, float):  # steps are counted in whole numbers, images in floats
        assert_array_equal(drawn(stream, kind(place)), expected)


def test_draws_differ_by_stream_and_by_place() -> None:
    draws = [drawn(stream, place) for stream in (3, 4_000_000) for place in (0, 1, 50)]
    assert len(np.unique(draws, axis=0)) == len(draws)
