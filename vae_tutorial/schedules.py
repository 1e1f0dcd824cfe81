"""How β changes during training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from vae_tutorial import _checks


class BetaSchedule(keras.callbacks.Callback):
    """Callback that sets a VAE's β at the start of each epoch, and logs it as ``beta``.

    >>> vae.fit(x_train, epochs=20, callbacks=[BetaSchedule.linear(10)])      # β = 0.1, 0.2, …, 1, 1, …

    ``beta`` is a function from the epoch, counted from 0, to β. Validation uses the same β as training: it is a weight
    of the model. Raises ValueError for a model without β, one trained on the importance-weighted bound, a negative β.
    """

    def __init__(self, beta: Callable[[int], float]) -> None:
        super().__init__()
        if not callable(beta):
            raise TypeError(f"beta: expected a function from the epoch to β, got {beta!r}. See constant.")
        self.beta = beta

    @classmethod
    def constant(cls, beta: float) -> BetaSchedule:
        """The same β throughout."""
        beta = _checks.number("beta", beta, most=_checks.FAR)
        return cls(lambda epoch: beta)

    @classmethod
    def linear(cls, epochs: int, final: float = 1.0) -> BetaSchedule:
        """Warm-up in equal steps over ``epochs`` epochs, then ``final`` — Sønderby et al. (2016)."""
        epochs, final = _checks.count("epochs", epochs), _checks.number("final", final, most=_checks.FAR)
        return cls(lambda epoch: final * min(1.0, (epoch + 1) / epochs))

    @classmethod
    def cyclical(cls, period: int, ramp: float = 0.5, final: float = 1.0) -> BetaSchedule:
        """Warm-up again every ``period`` epochs, over the share ``ramp`` of them — Fu et al. (2019)."""
        period, final = _checks.count("period", period), _checks.number("final", final, most=_checks.FAR)
        if not 0 < _checks.number("ramp", ramp) <= 1:
            raise ValueError(f"ramp: expected a share in (0, 1], got {ramp!r}.")
        return cls(lambda epoch: final * min(1.0, (epoch % period + 1) / (ramp * period)))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if getattr(self.model, "objective", "iwae") == "iwae":
            raise ValueError("BetaSchedule: the model has no β to set; it takes a VAE with objective='elbo'.")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.beta.assign(_checks.number("beta", float(self.beta(epoch)), most=_checks.FAR))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["beta"] = float(keras.ops.convert_to_numpy(self.model.beta))
