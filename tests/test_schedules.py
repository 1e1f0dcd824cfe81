"""The β that a schedule names is the β that the loss uses, in training and in validation."""

from __future__ import annotations

from typing import Any

import pytest
from numpy.testing import assert_allclose

from vae_tutorial import Autoencoder, BetaSchedule, networks


@pytest.mark.parametrize(
    ("schedule", "betas"),
    [
        (BetaSchedule.constant(2.5), [2.5, 2.5, 2.5]),
        (BetaSchedule.linear(4), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
        (BetaSchedule.linear(2, final=4.0), [2.0, 4.0, 4.0]),
        (BetaSchedule.linear(1), [1.0, 1.0]),
        (BetaSchedule.cyclical(4), [0.5, 1.0, 1.0, 1.0, 0.5, 1.0]),
        (BetaSchedule.cyclical(4, ramp=1.0, final=2.0), [0.5, 1.0, 1.5, 2.0, 0.5]),
        (BetaSchedule(lambda epoch: epoch**2), [0.0, 1.0, 4.0]),
    ],
)
def test_values(schedule: BetaSchedule, betas: list[float]) -> None:
    assert_allclose([schedule.beta(epoch) for epoch in range(len(betas))], betas)


def test_loss_uses_the_schedules_beta_in_training_and_validation(small_vae: Any, binary_digits: Any) -> None:
    """β is a weight: as a Python number it would be compiled into the step at its first value."""
    model = small_vae()
    model.compile()
    betas = [0.0, 0.5, 4.0, 1.0]
    schedule = BetaSchedule(lambda epoch: betas[epoch])
    fitted = model.fit(
        binary_digits[:70], epochs=4, validation_data=binary_digits[70:140], callbacks=[schedule], verbose=0
    )
    log = fitted.history
    assert log["beta"] == betas
    for part in ("", "val_"):
        for epoch, beta in enumerate(betas):
            loss, distortion, rate, elbo = (log[part + name][epoch] for name in ("loss", "distortion", "rate", "elbo"))
            assert_allclose(loss, distortion + beta * rate, rtol=1e-5)  # float32 means
            assert_allclose(elbo, -(distortion + rate), rtol=1e-5)  # whatever β is
            assert rate > 1e-3  # or β could not be seen
    # counted from the first epoch of the whole training, when that is taken up again
    again = model.fit(binary_digits[:70], epochs=3, initial_epoch=2, callbacks=[schedule], verbose=0)
    assert again.history["beta"] == [4.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BetaSchedule.constant(-1.0), "beta: expected a finite number of at least 0, got -1.0"),
        (lambda: BetaSchedule.constant(float("nan")), "beta: expected a finite number"),
        (lambda: BetaSchedule.linear(0), "epochs: expected a whole number of at least 1, got 0"),
        (lambda: BetaSchedule.linear(2, final=-1), "final: expected a finite number"),
        (lambda: BetaSchedule.cyclical(2.5), "period: expected a whole number"),
        (lambda: BetaSchedule.cyclical(4, ramp=0.0), r"ramp: expected a share in \(0, 1\], got 0.0"),
        (lambda: BetaSchedule.cyclical(4, ramp=1.5), r"ramp: expected a share in \(0, 1\], got 1.5"),
    ],
)
def test_bad_schedules(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_negative_beta_stops_the_training(small_vae: Any, binary_digits: Any) -> None:
    model = small_vae()
    model.compile()
    with pytest.raises(ValueError, match=r"beta: expected a finite number of at least 0, got -0.5"):
        model.fit(binary_digits[:32], epochs=1, callbacks=[BetaSchedule(lambda epoch: -0.5)], verbose=0)


def test_models_without_a_beta_refuse_it(small_vae: Any, binary_digits: Any) -> None:
    iwae = small_vae(objective="iwae", samples=3)
    plain = Autoencoder(networks.mlp_encoder((8, 8, 1), 2, variational=False), networks.mlp_decoder(2, (8, 8, 1)))
    for model in (iwae, plain):
        model.compile()
        with pytest.raises(ValueError, match="BetaSchedule: the model has no β to set"):
            model.fit(binary_digits[:32], epochs=1, callbacks=[BetaSchedule.linear(2)], verbose=0)
