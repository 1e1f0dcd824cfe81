"""The models against exact truth, and everything that Keras's verbs promise, on the active back end."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from vae_tutorial import VAE, Autoencoder, _randomness, bounds, likelihoods, models, networks
from vae_tutorial._randomness import Batches

BACKEND = keras.backend.backend()
METRICS = ("loss", "elbo", "rate", "distortion")


def numbers(tensor: Any) -> Any:
    return ops.convert_to_numpy(tensor)


def score(model: Any, x: Any, **settings: Any) -> dict[str, float]:
    return model.evaluate(x, return_dict=True, verbose=0, **settings)


def trained(model: Any, x: Any, epochs: int = 1, **settings: Any) -> dict[str, list[float]]:
    return model.fit(x, epochs=epochs, verbose=0, **settings).history


def autoencoder(likelihood: Any = "bernoulli", hidden: tuple[int, ...] = (16,), latent_dim: int = 2) -> Autoencoder:
    encoder = networks.mlp_encoder((8, 8, 1), latent_dim, hidden, variational=False, seed=1)
    decoder = networks.mlp_decoder(latent_dim, (8, 8, 1), hidden, likelihood=likelihood, seed=2)
    return Autoencoder(encoder, decoder, likelihood)


def same_weights(a: Any, b: Any) -> bool:
    return all((u == v).all() for u, v in zip(a.get_weights(), b.get_weights(), strict=True))


# --- exact truth: probabilistic PCA -------------------------------------------------------------------------------


def test_exact_posterior_makes_every_log_weight_log_p(ppca: Any) -> None:
    """So both bounds are tight, and neither has any variance. Float32: 1e-6 of the value and 1e-4 nats."""
    model = ppca.vae()
    log_w = model.log_weights(ppca.x, k=7)
    assert_allclose(log_w, np.broadcast_to(ppca.log_p, (7, 300)), rtol=1e-6, atol=1e-4)
    assert log_w.std(axis=0).max() < 1e-4
    n, size, d = len(ppca.x), len(ppca.mean), ppca.latent_dim
    logs = np.log(ppca.eigenvalues[:d]).sum() + (size - d) * 2 * math.log(ppca.sigma)
    exact = -0.5 * n * (size * math.log(2 * math.pi) + logs + size)  # Tipping & Bishop (1999)
    assert_allclose(log_w[0].sum(dtype=float), exact, rtol=1e-6)
    for estimate in (model.elbo(ppca.x, k=7), model.log_likelihood(ppca.x, k=7)):
        assert_allclose(estimate.value, ppca.log_p, rtol=1e-6, atol=1e-4)
        assert estimate.standard_error.max() < 1e-4


def test_training_terms_of_the_exact_posterior(ppca: Any) -> None:
    """The loss's own log-weights are log p(x) too; distortion and rate are its closed forms."""
    model = ppca.vae(objective="iwae", samples=3)
    terms = model.terms(ppca.x, training=True)
    assert_allclose(numbers(terms.log_weights), np.broadcast_to(ppca.log_p, (3, 300)), rtol=1e-6, atol=1e-4)
    mean, variance = ppca.centred @ ppca.posterior_map, ppca.posterior_variance
    rates = 0.5 * (mean**2 + variance - 1 - np.log(variance))
    assert_allclose(numbers(terms.rate), rates, rtol=1e-4, atol=1e-5)
    # E −log p(x|z): half the squared error of the mean, plus the posterior's spread through W, in units of σ²
    error = np.square(ppca.centred - mean @ ppca.weights.T).sum(axis=1) + np.sum(np.square(ppca.weights) * variance)
    exact = 0.5 * error / ppca.sigma**2 + 0.5 * len(ppca.mean) * math.log(2 * math.pi * ppca.sigma**2)
    drawn = numbers(terms.distortion)
    assert abs((drawn - exact).mean()) < 4 * (drawn - exact).std() / math.sqrt(drawn.size)


SHIFT, SPREAD = 0.2, 2.0


def test_what_the_elbo_lacks_is_the_kl_to_the_posterior(ppca: Any) -> None:
    """E log w = log p(x) − KL(q ‖ p(z|x)), in scoring and in training, with a q that is wrong in mean and variance."""
    model = ppca.vae(SHIFT, SPREAD)
    truth = ppca.log_p - ppca.gap(SHIFT, SPREAD)
    estimate = model.elbo(ppca.x, k=200)
    error = np.sqrt(np.square(estimate.standard_error).sum()) / len(truth)
    assert error < 0.02
    assert abs((estimate.value - truth).mean()) < 4 * error
    terms = [ppca.vae(SHIFT, SPREAD, objective="iwae").terms(ppca.x, training=training) for training in (True, False)]
    drawn = np.concatenate([numbers(part.log_weights) for part in terms]) - truth
    assert abs(drawn.mean()) < 4 * drawn.std() / math.sqrt(drawn.size)
    model.compile()
    metric = score(model, ppca.x, batch_size=100)
    assert abs(metric["elbo"] - truth.mean()) < 4 * drawn.std() / math.sqrt(len(truth))
    assert_allclose(metric["elbo"], -(metric["distortion"] + metric["rate"]), rtol=1e-6)


def test_bounds_grow_with_k_towards_log_p(ppca: Any) -> None:
    """ELBO < IWAE₅ < IWAE₅₀ < IWAE₅₀₀ < log p: they lack the KL to the posterior for k = 1, and χ²/2k for a large k.

    χ² is the relative variance of a weight, in closed form for two Gaussians. What a bound lacks has one distribution
    for all images; so its mean errs by its scatter over images and groups of k draws.
    """
    model, variance = ppca.vae(SHIFT, SPREAD), ppca.posterior_variance
    log_w = model.log_weights(ppca.x, k=2000)
    lacks = {k: ppca.log_p - numbers(bounds.iwae(log_w.reshape(k, -1, len(ppca.x)))) for k in (1, 5, 50, 500)}
    found = [(lack.mean(), 4 * lack.std() / math.sqrt(lack.size)) for lack in lacks.values()]
    for (more, error), (less, other) in pairwise(found):
        assert more - error > less + other
    wider = 2 * SPREAD - 1
    chi2 = np.prod(SPREAD / math.sqrt(wider) * np.exp(SHIFT**2 / (wider * variance))) - 1
    for (lack, error), exact in zip(found[::3], (ppca.gap(SHIFT, SPREAD), chi2 / 1000), strict=True):
        assert abs(lack - exact) < error


def test_iwae_objective_is_the_bound_of_its_draws(ppca: Any) -> None:
    """Loss = −IWAE₅ (below the ELBO's loss, above −log p); its metrics stay those of the ELBO."""
    model = ppca.vae(SHIFT, SPREAD, objective="iwae", samples=5)
    model.compile()
    metric = score(model, ppca.x, batch_size=100)
    log_w = model.log_weights(ppca.x, k=500).reshape(100, 5, -1)
    bound = np.log(np.exp(log_w - ppca.log_p).mean(axis=1)) + ppca.log_p
    # one draw of the bound for each of 300 images: the error of its mean
    assert abs(-metric["loss"] - bound.mean()) < 4 * bound.std(axis=0).mean() / math.sqrt(300)
    assert metric["elbo"] < -metric["loss"] < ppca.log_p.mean() + 0.05
    terms = model.terms(ppca.x, training=True)
    exact = -numbers(bounds.iwae(numbers(terms.log_weights))).mean()
    assert_allclose(numbers(model.compute_loss(ppca.x, y_pred=terms)), exact, rtol=1e-5)


def test_training_finds_the_maximum_likelihood_model(ppca: Any) -> None:
    """From a spoilt decoder and a wrong q, twenty nats below, the ELBO climbs to the best log p of such a model."""
    model = ppca.vae(shift=0.5, spread=3.0, samples=4)
    rng = np.random.default_rng(0)
    model.decoder.set_weights([w + 0.2 * rng.standard_normal(w.shape) for w in model.decoder.get_weights()])
    assert model.elbo(ppca.x).value.mean() < ppca.log_p.mean() - 10
    model.compile(keras.optimizers.Adam(0.02))
    falling = keras.callbacks.LearningRateScheduler(lambda epoch: 0.02 * 0.95**epoch)
    trained(model, ppca.x, epochs=60, batch_size=50, callbacks=[falling])
    value = model.elbo(ppca.x, k=100).value.mean()
    # below: the last steps' noise, 0.06 on each back end, where two dimensions would lack 1.0; above: Monte Carlo
    assert ppca.log_p.mean() - 0.15 < value < ppca.log_p.mean() + 0.02


def test_training_climbs_the_importance_weighted_bound_too(ppca: Any) -> None:
    model = ppca.vae(shift=0.5, spread=3.0, objective="iwae", samples=5)
    rng = np.random.default_rng(0)
    model.decoder.set_weights([w + 0.2 * rng.standard_normal(w.shape) for w in model.decoder.get_weights()])
    model.compile(keras.optimizers.Adam(0.02))
    before = -score(model, ppca.x)["loss"]
    trained(model, ppca.x, epochs=30, batch_size=50)
    after = -score(model, ppca.x)["loss"]
    assert before < ppca.log_p.mean() - 5
    assert ppca.log_p.mean() - 1 < after < ppca.log_p.mean() + 0.1  # steps that don't fall end within a nat


def test_linear_autoencoder_with_pcas_weights_leaves_pcas_error(digits: Any) -> None:
    """Its distortion under σ = 1: half of what the dropped components hold, and the Gaussian's constant."""
    flat = digits.reshape(len(digits), -1)
    centre = flat.mean(axis=0)
    _, singular, axes = np.linalg.svd((flat - centre).astype(float), full_matrices=False)
    model = autoencoder(likelihoods.Gaussian(sigma=1.0), hidden=(), latent_dim=10)
    model.encoder.set_weights([axes[:10].T, -centre @ axes[:10].T])
    model.decoder.set_weights([axes[:10], centre])
    model.compile()
    exact = 0.5 * np.square(singular[10:]).sum() / len(flat) + 32 * math.log(2 * math.pi)
    assert_allclose(score(model, digits)["distortion"], exact, rtol=1e-5)
    assert_allclose(model.encode(digits), (flat - centre) @ axes[:10].T, atol=1e-4)


# --- the accounting of the loss -----------------------------------------------------------------------------------


def test_loss_is_distortion_plus_beta_times_rate(small_vae: Any, binary_digits: Any) -> None:
    for beta in (0.0, 3.0):
        model = small_vae(beta=beta)
        model.compile()
        for metric in (
            score(model, binary_digits[:70]),
            {k: v[0] for k, v in trained(model, binary_digits[:70]).items()},
        ):
            assert_allclose(metric["loss"], metric["distortion"] + beta * metric["rate"], rtol=1e-5)
            assert_allclose(metric["elbo"], -(metric["distortion"] + metric["rate"]), rtol=1e-5)
            assert metric["rate"] > 1e-3


def test_loss_of_a_batch_and_itself_is_the_same(binary_digits: Any) -> None:
    """A mean over images and a sum over pixels: loss([x; x]) = loss(x). And one image alone has its own loss."""
    model = autoencoder()
    once, twice = (
        numbers(model.compute_loss(x)) for x in (binary_digits[:50], np.tile(binary_digits[:50], (2, 1, 1, 1)))
    )
    assert_allclose(once, twice, rtol=1e-6)
    by_hand = -numbers(model.likelihood.log_prob(binary_digits[:50], model.decoder(model.encoder(binary_digits[:50]))))
    assert_allclose(once, by_hand.mean(), rtol=1e-5)
    assert once > 20  # 64 pixels at about log 2: no mean over pixels


def test_training_lowers_beta_times_the_rate(small_vae: Any, binary_digits: Any) -> None:
    """β reaches the gradient, not only the printed loss."""
    rates = []
    for beta in (0.0, 20.0):
        model = small_vae(beta=beta)
        model.compile(keras.optimizers.Adam(0.01))
        rates.append(trained(model, binary_digits[:256], epochs=10)["rate"][-1])
    assert rates[0] > 5 * rates[1]


@pytest.mark.parametrize("settings", [{"beta": 0.5}, {"free_bits": 0.1}, {"beta": 2.0, "free_bits": 0.1}])
def test_iwae_refuses_what_it_knows_nothing_of(small_vae: Any, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"objective: 'iwae' has no β and no free bits, got beta="):
        small_vae(objective="iwae", samples=5, **settings)


def test_free_bits_charge_each_dimension_at_least_so_much(small_vae: Any, digits: Any) -> None:
    """loss = distortion + β Σ_j max(mean rate of dimension j, λ), with a λ between the two dimensions' rates."""
    x = digits[:64]
    rates = numbers(bounds.rate_per_dimension(*small_vae().encode(x))).mean(axis=0)
    free = float(rates.mean())
    assert rates.min() < 0.9 * free
    model = small_vae("continuous_bernoulli", free_bits=free, beta=2.0)
    model.compile()
    metric = score(model, x, batch_size=64)
    assert_allclose(metric["loss"] - metric["distortion"], 2.0 * (free + rates.max()), rtol=1e-4)
    assert_allclose(metric["rate"], rates.sum(), rtol=1e-4)  # the metric is the rate itself


def test_evaluate_is_exact_over_uneven_batches(digits: Any, small_vae: Any, vae: Any) -> None:
    """The mean over images, not over batches: 70 = 32 + 32 + 6 = 1 × 70."""
    x = digits[:70].copy()
    x[64:] = 1.0  # the small batch is unlike the others
    model = autoencoder("continuous_bernoulli")
    model.compile()
    params = model.decoder.predict(model.encode(x), verbose=0)
    exact = -numbers(model.likelihood.log_prob(x, params)).astype(float).mean()
    for batch_size in (32, 70):
        metric = score(model, x, batch_size=batch_size)
        assert_allclose([metric["loss"], metric["distortion"]], exact, rtol=1e-5)
    rate = numbers(bounds.gaussian_kl(*vae.encode(x))).mean()
    assert_allclose([score(vae, x, batch_size=b)["rate"] for b in (32, 70)], rate, rtol=1e-5)


@pytest.mark.parametrize("weights", [-1.0, 0.0, np.nan])
def test_weights_are_checked_wherever_they_come_in(vae: Any, binary_digits: Any, weights: float) -> None:
    x, w = binary_digits[:20], np.full(20, weights)
    for name, verb in {
        "sample_weight": lambda: vae.fit(x, sample_weight=w, verbose=0),
        "sample_weight ": lambda: vae.evaluate(x, sample_weight=w, verbose=0),
        "validation_data": lambda: vae.fit(x, validation_data=(x, None, w), verbose=0),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name.strip()}: .*(0 or more, and not all 0|must be finite)"):
            verb()


def test_weights_count_beside_each_other(vae: Any, binary_digits: Any) -> None:
    x = binary_digits[:40]
    tiny = score(vae, x, sample_weight=np.full(40, 1e-12))
    for name, value in score(vae, x, sample_weight=np.ones(40)).items():
        if name != "loss":  # Keras's mean over images, not over weights
            assert_allclose(tiny[name], value, rtol=1e-5, err_msg=name)


def test_what_keras_would_ignore_or_multiply_is_refused(vae: Any, binary_digits: Any, monkeypatch: Any) -> None:
    x = binary_digits[:20]
    with pytest.raises(ValueError, match=r"class_weight: .*sample_weight"):
        vae.fit(x, np.arange(20) % 2, class_weight={0: 0.0, 1: 1.0}, verbose=0)
    monkeypatch.setattr(VAE, "distribute_strategy", SimpleNamespace(num_replicas_in_sync=2), raising=False)
    with pytest.raises(ValueError, match=r"tf\.distribute: expected one replica, got 2"):
        vae.fit(x, verbose=0)


def test_codes_are_those_of_the_loss(small_vae: Any, binary_digits: Any) -> None:
    """Also where the encoder's answer is beyond the limit of a log-variance. The rate is in closed form."""
    model, x = small_vae(), binary_digits[:20]
    model.compile()
    model.encoder.get_layer("log_var").bias.assign(np.full(2, 50.0, np.float32))
    rate = numbers(bounds.gaussian_kl(*model.encode(x))).mean()
    assert_allclose(score(model, x)["rate"], rate, rtol=1e-5)


def test_metrics_are_float32_and_can_be_written_down() -> None:
    nats = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(models.Nats(("elbo", "rate"))))
    assert tuple(nats.names) == ("elbo", "rate") and nats.name == "nats"
    try:
        keras.config.set_floatx("float16")
        assert models.Nats(("elbo",)).totals.dtype == "float32"  # a thousand images of 100 nats are beyond float16
    finally:
        keras.config.set_floatx("float32")


def test_evaluate_takes_sample_weights(small_vae: Any, binary_digits: Any, vae: Any) -> None:
    """Metrics are weighted means; a weight of 0 leaves an image out. Under the rate there is no noise."""
    rates = numbers(bounds.gaussian_kl(*vae.encode(binary_digits[:64])))
    weights = np.linspace(0, 3, 64, dtype=np.float32)
    expected = np.average(rates, weights=weights)
    assert abs(expected - rates.mean()) > 1e-3
    assert_allclose(score(vae, binary_digits[:64], sample_weight=weights)["rate"], expected, rtol=1e-5)
    model = small_vae()
    model.compile(keras.optimizers.SGD(0.0))  # weights that stay as they are
    x = binary_digits[:64]
    log = trained(model, x, sample_weight=weights, validation_data=(x, None, weights), shuffle=False)
    assert_allclose([log["rate"], log["val_rate"]], expected, rtol=1e-5)

    class Columns(keras.utils.PyDataset):
        """Weights as a column, as data sets often have them."""

        def __len__(self) -> int:
            return 1

        def __getitem__(self, i: int) -> Any:
            return x, x, weights[:, None]

    assert_allclose(score(model, Columns())["rate"], expected, rtol=1e-5)


def test_evaluation_draws_fresh_noise_for_each_batch_whatever_the_weights(small_vae: Any, binary_digits: Any) -> None:
    """Small weights make no batch the first."""
    model, x = small_vae(), np.repeat(binary_digits[:1], 64, axis=0)
    model.compile()
    weights = np.full(64, 1 / 64, np.float32)
    plain, weighted = (score(model, x, batch_size=32, **s)["distortion"] for s in ({}, {"sample_weight": weights}))
    assert_allclose(weighted, plain, rtol=1e-6)
    assert plain != score(model, x[:32], batch_size=32)["distortion"]


@pytest.mark.parametrize("settings", [None, {"beta": 2.0}, {"free_bits": 0.1}, {"objective": "iwae"}], ids=str)
def test_weights_of_nought_and_two_train_as_the_subset_does(
    small_vae: Any, binary_digits: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any] | None
) -> None:
    """Half of a batch at weight 2, the rest at 0: with the same noise the loss, and so the step, of that half alone.

    Of an autoencoder (None) and of each objective of a VAE. Sums of 64 terms in another order: 1e-6 in float32.
    """
    noise = np.random.default_rng(0).standard_normal((3, 64, 2), np.float32)
    monkeypatch.setattr(keras.random, "normal", lambda shape, **_: ops.convert_to_tensor(noise)[:, : shape[1]])
    weights = np.repeat(np.float32([2.0, 0.0]), 32)
    both, half = (autoencoder() if settings is None else small_vae(samples=3, **settings) for _ in range(2))
    for model in (both, half):
        model.compile(keras.optimizers.SGD(0.01))
    loss = trained(both, binary_digits[:64], sample_weight=weights, batch_size=64, shuffle=False)["loss"]
    assert_allclose(trained(half, binary_digits[:32], batch_size=32, shuffle=False)["loss"], loss, rtol=1e-5)
    for a, b in zip(both.get_weights(), half.get_weights(), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# --- randomness ---------------------------------------------------------------------------------------------------


def test_training_noise_is_fresh_for_each_image_draw_and_step(small_vae: Any, digits: Any) -> None:
    """Thirty copies of one image differ in nothing but their noise."""
    copies = np.tile(digits[:1], (30, 1, 1, 1))
    model = small_vae(samples=2)

    def drawn(step: int, of: Any = model) -> Any:
        of.step.assign(step)
        return numbers(of.terms(copies, training=True).distortion)

    first = drawn(0)
    assert len(np.unique(first)) == 60
    assert_array_equal(drawn(0), first)
    others = [drawn(1), drawn(2), drawn(0, small_vae(samples=2, seed=1)), drawn(1, small_vae(samples=2, seed=1))]
    seen = np.concatenate([first, *others])
    assert len(np.unique(seen)) == 300  # also not the noise of (seed 0, step 1) in (seed 1, step 0)


def test_noise_changes_from_step_to_step_while_training(small_vae: Any, digits: Any) -> None:
    """With a learning rate of 0, only noise moves the training loss; validation does not move at all."""
    model = small_vae()
    model.compile(keras.optimizers.SGD(0.0))
    log = trained(model, digits[:64], epochs=3, validation_data=digits[64:134])
    assert len(set(log["distortion"])) == 3
    assert len(set(log["val_distortion"])) == 1
    assert len({round(rate, 4) for rate in log["rate"]}) == 1
    assert int(model.step) == 6


def test_evaluating_twice_gives_the_same_number(vae: Any, digits: Any) -> None:
    first = score(vae, digits[:70])
    assert first == score(vae, digits[:70])
    copies = np.tile(digits[:1], (64, 1, 1, 1))  # and yet no two batches share their noise
    assert score(vae, copies)["distortion"] != score(vae, copies[:32])["distortion"]


@pytest.mark.parametrize("seed", [1, 2**40])
def test_training_follows_from_the_seed(small_vae: Any, binary_digits: Any, seed: int) -> None:
    def fitted(seed: int, disturbed: int) -> Any:
        keras.utils.set_random_seed(disturbed)  # the global state has no say
        model = small_vae(seed=seed)
        model.compile()
        return model, trained(model, binary_digits[:70], epochs=2 if seed == 1 else 1)

    (a, log_a), (b, log_b), (c, _) = fitted(seed, 0), fitted(seed, 1), fitted(seed + 1, 0)
    assert log_a == log_b
    assert same_weights(a, b)
    assert not same_weights(a, c)


def test_interrupted_training_is_the_training(small_vae: Any, binary_digits: Any) -> None:
    """fit 2 + 2 epochs = fit 4, whatever is scored, drawn or evaluated in between."""
    x = binary_digits[:70]
    whole, parts = small_vae(), small_vae()
    for model in (whole, parts):
        model.compile()
    trained(whole, x, epochs=4, validation_data=x)
    trained(parts, x, epochs=2)
    score(parts, x)
    parts.elbo(x[:3])
    parts.sample(2, draw=True)
    trained(parts, x, epochs=2)
    assert same_weights(whole, parts)


def test_each_epoch_has_an_order_of_its_own_and_keras_adds_none(
    binary_digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows as ``fit`` asks for them: shuffled by the seed alone, or in their own order."""
    rows: list[int] = []

    class Seen(Batches):
        def __getitem__(self, i: int) -> Any:
            rows.extend(self.order[i * self.batch_size : (i + 1) * self.batch_size])
            return super().__getitem__(i)

    monkeypatch.setattr(models, "Batches", Seen)
    model = autoencoder()
    model.compile(keras.optimizers.SGD(0.01))

    def orders(**settings: Any) -> list[list[int]]:
        rows.clear()
        model.step.assign(0)
        trained(model, binary_digits[:70], epochs=2, **settings)
        return [rows[-140:-70], rows[-70:]]  # TensorFlow looks at a first batch to learn its shape

    first, second = orders()
    assert sorted(first) == sorted(second) == list(range(70))
    assert first != second
    keras.utils.set_random_seed(5)
    assert orders() == [first, second]
    assert orders(shuffle=False) == [list(range(70))] * 2


# --- scores -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_scores_depend_on_the_image_alone(small_vae: Any, digits: Any, kind: str) -> None:
    """No bit changes with order, subset, repetition or the number of images: 150 = 96 + 54."""
    if kind == "mlp":
        model = small_vae("continuous_bernoulli")
    else:
        encoder = networks.conv_encoder((8, 8, 1), 2, (4,))
        model = VAE(encoder, networks.conv_decoder(2, (8, 8, 1), (4,)), "continuous_bernoulli")
    x = digits[:150]
    whole = model.log_weights(x, k=3)
    order = np.random.default_rng(0).permutation(150)
    assert_array_equal(model.log_weights(x[order], k=3), whole[:, order])
    for rows in ([149], [5, 140, 77], [3, 3, 3, 9, 3], [*range(130), 2]):
        assert_array_equal(model.log_weights(x[rows], k=3), whole[:, rows])
    for method in (model.elbo, model.log_likelihood):
        for field, part in zip(method(x, k=5), method(x[[7, 130, 7]], k=5), strict=True):
            assert_array_equal(part, field[[7, 130, 7]])
    assert len(np.unique(whole)) > 440  # images, and draws, have noise of their own


def test_scores_follow_from_the_seed(vae: Any, digits: Any) -> None:
    x = digits[:4]
    assert_array_equal(vae.log_weights(x, k=2, seed=3), vae.log_weights(x, k=2, seed=3))
    assert (vae.log_weights(x, k=2, seed=3) != vae.log_weights(x, k=2, seed=4)).all()
    assert vae.log_weights(x, seed=2**40).shape == (1, 4)


def test_estimates_are_those_of_the_log_weights(vae: Any, digits: Any) -> None:
    """k = 71 is more than one tile, and odd: halves of 35, one draw in neither."""
    x = digits[:5]
    log_w = vae.log_weights(x, k=71, seed=9)
    assert log_w.shape == (71, 5)
    assert log_w.dtype == np.float32
    assert len(np.unique(log_w)) > 71 * 5 - 5  # no tile repeats another; two float32 numbers may meet
    exact = log_w.astype(np.float64)
    elbo = vae.elbo(x, k=71, seed=9)
    assert_allclose(elbo.value, exact.mean(axis=0), rtol=1e-12)
    assert_allclose(elbo.standard_error, exact.std(axis=0, ddof=1) / math.sqrt(71), rtol=1e-6)

    def bound(part: Any) -> Any:
        return np.log(np.mean(np.exp(part + 50), axis=0)) - 50  # about −45 each: 50 keeps the exponentials near 1

    total = vae.log_likelihood(x, k=71, seed=9)
    assert_allclose(total.value, bound(exact), rtol=1e-12)
    assert_allclose(total.doubling_gain, bound(exact) - 0.5 * (bound(exact[:35]) + bound(exact[35:70])), atol=1e-10)
    w = np.exp(exact - exact.max(axis=0))
    assert_allclose(total.standard_error, w.std(axis=0, ddof=1) / math.sqrt(71) / w.mean(axis=0), rtol=1e-6)
    for estimate in (vae.elbo(x, k=1), vae.log_likelihood(x, k=1)):
        assert_allclose(estimate.value, vae.log_weights(x, k=1)[0], rtol=1e-6)
        for other in estimate[1:]:
            assert np.isnan(other).all()
    for estimate in (vae.elbo(x, k=2), vae.log_likelihood(x, k=2)):  # two draws have a scatter
        assert np.isfinite(np.asarray(estimate)).all()


def test_standard_errors_are_the_scatter_over_seeds(ppca: Any) -> None:
    """Thirty seeds: the scatter itself is known to 13 % for one image, so to far less for the mean over 100."""
    model, x = ppca.vae(0.1, 1.5), ppca.x[:100]
    for method in (model.elbo, model.log_likelihood):
        runs = [method(x, k=24, seed=seed) for seed in range(30)]
        scatter = np.std([run.value for run in runs], axis=0, ddof=1)
        claimed = np.sqrt(np.mean([run.standard_error**2 for run in runs], axis=0))
        assert 0.9 < np.mean(claimed / scatter) < 1.1


def test_doubling_gain_shows_the_bias_that_is_left(ppca: Any) -> None:
    """With k small the bound lacks something; the gain is of its size, and both vanish with k."""
    model = ppca.vae(0.3, 2.0)
    lacks, gains = [], []
    for k in (4, 64):
        runs = [model.log_likelihood(ppca.x, k=k, seed=seed) for seed in range(5)]
        lacks.append(np.mean([ppca.log_p - run.value for run in runs]))
        gains.append(np.mean([run.doubling_gain for run in runs]))
    assert 0.3 < gains[0] / lacks[0] < 2.5
    assert gains[1] < 0.3 * gains[0]
    assert lacks[1] < 0.3 * lacks[0]


def test_scoring_in_smaller_tiles_changes_no_truth(ppca: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_randomness, "TILE_PIXELS", 5 * _randomness.ROWS * 16)  # five draws at a time
    assert_allclose(ppca.vae().log_weights(ppca.x, k=12), np.broadcast_to(ppca.log_p, (12, 300)), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "rows"), [((28, 28, 1), 96), ((64, 64, 3), 72), ((128, 128, 3), 21), ((2000, 2000, 1), 1)]
)
def test_large_images_are_worked_on_a_few_at_a_time(shape: tuple[int, ...], rows: int) -> None:
    assert _randomness.rows_at_a_time(math.prod(shape)) == rows
    tiles = list(_randomness.noise_tiles(np.zeros((1, *shape), np.float32), 2, 3, 0))
    assert [tile[2][0].shape for tile in tiles] == [(rows, *shape)] * len(tiles)


def test_a_batch_of_any_verb_is_as_small(small_vae: Any, digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = small_vae(), digits[:7]
    whole = model.encode(x), model.decode(model.encode(x).mean), model.reconstruct(x)
    monkeypatch.setattr(_randomness, "ROW_PIXELS", 3 * 64)
    few = model.encode(x), model.decode(model.encode(x).mean), model.reconstruct(x)
    for a, b in zip(keras.tree.flatten(whole), keras.tree.flatten(few), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_scores_are_those_of_the_parts_that_a_model_has_now(small_vae: Any, digits: Any) -> None:
    model, other = small_vae(), VAE(networks.mlp_encoder((8, 8, 1), 2, (16,), seed=9), small_vae().decoder)
    before = model.log_weights(digits[:5], k=2)
    model.encoder = other.encoder
    assert_array_equal(model.log_weights(digits[:5], k=2), other.log_weights(digits[:5], k=2))
    assert (model.log_weights(digits[:5], k=2) != before).any()


def test_tensors_of_any_kind_are_taken_in(vae: Any, digits: Any) -> None:
    """On PyTorch the first hold a gradient, and NumPy knows no bfloat16."""
    codes = vae.encoder(digits[:3])[0]
    assert_allclose(vae.decode(codes), vae.decode(numbers(codes)), rtol=1e-6)
    half = ops.cast(numbers(codes), "bfloat16")
    assert_allclose(vae.decode(half), vae.decode(numbers(ops.cast(half, "float32"))), rtol=1e-6)


def test_tiles_keep_to_their_memory(vae: Any, digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws scored at a time: 32, fewer where images are large, one at least, and no more than are wanted."""
    vae.log_weights(digits[:1])
    scorer, widths = models._SCORERS[vae], []
    score_batch = scorer.predict_on_batch

    def spy(inputs: Any) -> Any:
        widths.append(len(inputs[2]))
        return score_batch(inputs)

    monkeypatch.setattr(scorer, "predict_on_batch", spy)
    for tile_pixels, k, expected in (
        (_randomness.TILE_PIXELS, 40, [32, 8]),
        (_randomness.TILE_PIXELS, 3, [3]),
        (5 * _randomness.ROWS * 64, 12, [5, 5, 2]),
        (1, 3, [1, 1, 1]),
    ):
        widths.clear()
        monkeypatch.setattr(_randomness, "TILE_PIXELS", tile_pixels)
        vae.log_weights(digits[:1], k=k)
        assert widths == expected


def test_scores_do_not_depend_on_the_policy_of_the_moment(small_vae: Any, digits: Any) -> None:
    model = small_vae()
    before = model.log_weights(digits[:3], k=2)
    models._SCORERS.pop(model)
    try:
        keras.config.set_dtype_policy("mixed_float16")
        assert_array_equal(model.log_weights(digits[:3], k=2), before)
    finally:
        keras.config.set_dtype_policy("float32")


def test_defaults_are_those_of_the_documentation(vae: Any, digits: Any) -> None:
    x = digits[:2]
    for estimate, same in (
        (vae.elbo(x), vae.elbo(x, k=16, seed=0)),
        (vae.log_likelihood(x), vae.log_likelihood(x, k=200, seed=0)),
        (vae.log_weights(x), vae.log_weights(x, k=1, seed=0)),
        (vae.sample(2), vae.sample(2, seed=0, draw=False)),
    ):
        assert_array_equal(np.asarray(estimate), np.asarray(same))


# --- codes, reconstructions and samples -----------------------------------------------------------------------------


def test_reconstruction_decodes_the_mean_and_draws_nothing(vae: Any, digits: Any) -> None:
    x = digits[:10]
    q = vae.encode(x)
    assert q.mean.shape == q.log_var.shape == (10, 2)
    images = vae.reconstruct(x)
    assert images.shape == x.shape
    assert_array_equal(images, vae.reconstruct(x))
    assert_allclose(images, vae.decode(q.mean), rtol=1e-5)
    assert_allclose(vae.predict(x, verbose=0), images, rtol=1e-6)
    assert_allclose(numbers(vae(x)), images, rtol=1e-5)
    assert_allclose(
        vae.decode(np.zeros((1, 2))), numbers(vae.likelihood.mean(vae.decoder(np.zeros((1, 2))))), rtol=1e-5
    )


def test_continuous_bernoulli_images_are_means(small_vae: Any) -> None:
    """Not σ(logit): the mean image of a continuous Bernoulli is greyer."""
    model = small_vae("continuous_bernoulli")
    z = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32) * 5
    logits = model.decoder.predict(z, verbose=0)
    assert_allclose(model.decode(z), numbers(model.likelihood.mean(logits)), rtol=1e-6)
    assert np.abs(model.decode(z) - 1 / (1 + np.exp(-logits))).max() > 0.05


def test_samples_follow_from_the_seed(vae: Any) -> None:
    images = vae.sample(5, seed=1)
    assert images.shape == (5, 8, 8, 1)
    assert_array_equal(images, vae.sample(5, seed=1))
    assert (images != vae.sample(5, seed=2)).any()
    drawn = vae.sample(5, seed=1, draw=True)
    assert_array_equal(drawn, vae.sample(5, seed=1, draw=True))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert vae.sample(1, seed=2**40, draw=True).shape == (1, 8, 8, 1)
    codes = np.random.default_rng(1).standard_normal((5, vae.latent_dim), np.float32)  # the same on every back end
    assert_allclose(images, vae.decode(codes), rtol=1e-6)


def test_drawn_samples_have_the_models_distribution(ppca: Any) -> None:
    """Images from z ~ N(0, I) and pixel noise have covariance W Wᵀ + σ² I; mean images lack the σ²."""
    model = ppca.vae()
    n = 4000
    for draw in (True, False):
        flat = model.sample(n, seed=3, draw=draw).reshape(n, -1).astype(float)
        covariance = ppca.weights @ ppca.weights.T + draw * ppca.sigma**2 * np.eye(16)
        scale = math.sqrt(2 / n) * covariance.diagonal().max()  # the error of a sample variance
        assert np.abs(np.cov(flat.T) - covariance).max() < 5 * scale
        assert np.abs(flat.mean(axis=0) - ppca.mean).max() < 5 * math.sqrt(covariance.diagonal().max() / n)


# --- what Keras gives ---------------------------------------------------------------------------------------------


def test_data_sets_of_every_kind_train_alike(small_vae: Any, binary_digits: Any) -> None:
    """The same batches in the same order, from arrays and from the back end's own kind of data set."""
    x, batch = binary_digits[:70], 32
    kinds: dict[str, Callable[[], Any]] = {"list": lambda: x.tolist(), "tensor": lambda: ops.convert_to_tensor(x)}
    if BACKEND == "torch":
        import torch

        tensors = torch.utils.data.TensorDataset(torch.tensor(x))
        kinds["DataLoader"] = lambda: torch.utils.data.DataLoader(tensors, batch_size=batch)
    elif find_spec("tensorflow"):  # whose data sets JAX trains on too
        import tensorflow as tf

        kinds["tf.data"] = lambda: tf.data.Dataset.from_tensor_slices(x).batch(batch)
        kinds["tf.data with labels"] = lambda: tf.data.Dataset.from_tensor_slices((x, np.zeros(70))).batch(batch)

    class Own(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, i: int) -> Any:
            return (x[batch * i : batch * (i + 1)],)

    kinds["PyDataset"] = Own
    model = small_vae()
    model.compile(keras.optimizers.SGD(0.01))
    start = model.get_weights()
    logs = {}
    for kind, data in {"arrays": lambda: x, **kinds}.items():
        model.set_weights(start)  # the count of steps among them
        if kind in ("arrays", "list", "tensor"):
            fitted = model.fit(
                data(), batch_size=batch, shuffle=False, verbose=0, validation_data=x, validation_batch_size=batch
            )
        else:
            fitted = model.fit(data(), shuffle=False, verbose=0, validation_data=data())  # Keras would shuffle batches
        logs[kind] = [fitted.history[part + name][0] for part in ("", "val_") for name in METRICS]
    for kind in kinds:
        assert_allclose(logs[kind], logs["arrays"], rtol=1e-5, err_msg=kind)


def test_one_image_may_be_held_out_of_two(small_vae: Any, binary_digits: Any) -> None:
    model = small_vae()
    model.compile()
    assert np.isfinite(list(trained(model, binary_digits[:2], validation_split=0.5).values())).all()


def test_predict_takes_a_data_set_too(vae: Any, digits: Any) -> None:
    batches = Batches([digits[:20]], 8)
    assert_array_equal(vae.predict(batches, verbose=0), vae.predict(digits[:20], batch_size=8, verbose=0))


def test_validation_split_is_the_end_of_the_arrays(small_vae: Any, binary_digits: Any) -> None:
    model = small_vae()
    model.compile(keras.optimizers.SGD(0.0))
    x = binary_digits[:140]
    split = trained(model, x, validation_split=0.5)
    given = trained(model, x[:70], validation_data=(x[70:], None))
    assert_allclose([split[f"val_{m}"] for m in METRICS], [given[f"val_{m}"] for m in METRICS], rtol=1e-6)
    rates = numbers(bounds.gaussian_kl(*model.encode(x)))
    assert_allclose([split["rate"][0], split["val_rate"][0]], [rates[:70].mean(), rates[70:].mean()], rtol=1e-5)
    weights = np.arange(140.0)
    weighted = trained(model, x, validation_split=0.5, sample_weight=weights)
    assert_allclose(weighted["val_rate"], np.average(rates[70:], weights=weights[70:]), rtol=1e-5)


def test_callbacks(small_vae: Any, binary_digits: Any, tmp_path: Path) -> None:
    """Early stopping gives back the best weights; a checkpoint holds them, and loads as a VAE."""
    model = small_vae()
    model.compile(keras.optimizers.SGD(1e-3))
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_elbo", mode="max", save_best_only=True)
    # a rate that explodes after the second epoch, so that later epochs are worse
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 if epoch < 2 else 0.3)
    stop = keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=2, restore_best_weights=True)
    x, held_out = binary_digits[:128], binary_digits[128:192]
    log = trained(model, x, epochs=30, validation_data=held_out, callbacks=[checkpoint, rates, stop])
    assert len(log["val_elbo"]) < 30
    best = max(log["val_elbo"])
    assert best > log["val_elbo"][-1]
    for kept in (model, keras.models.load_model(tmp_path / "best.keras")):
        assert_allclose(score(kept, held_out)["elbo"], best, rtol=1e-6)


def test_compile_picks_defaults_and_takes_others(small_vae: Any) -> None:
    model = small_vae()
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.steps_per_execution == (1 if BACKEND == "torch" else 32)
    model.compile("sgd", steps_per_execution=2)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert model.steps_per_execution == 2
    model.compile(run_eagerly=True)
    assert (model.run_eagerly, model.steps_per_execution) == (True, 1)


def test_execution_settings_change_no_result(small_vae: Any, binary_digits: Any) -> None:
    """Also the last, uneven batch, and three steps in groups of two."""
    logs = []
    for settings in ({}, {"run_eagerly": True}, *([{"steps_per_execution": 2}] if BACKEND != "torch" else [])):
        model = small_vae()
        model.compile(keras.optimizers.SGD(0.01), **settings)
        logs.append(trained(model, binary_digits[:70], epochs=2, validation_data=binary_digits[70:140]))
    for other in logs[1:]:
        for name in logs[0]:
            assert_allclose(other[name], logs[0][name], rtol=1e-5, err_msg=name)


def test_limited_steps_are_kept_to(small_vae: Any, binary_digits: Any) -> None:
    """Keras looks at a limit between executions only, and would go beyond those that 32 steps don't divide."""
    model = small_vae()
    model.compile()
    trained(model, binary_digits, epochs=2, batch_size=10, steps_per_epoch=3)
    assert int(model.step) == 6
    batches = Batches([binary_digits], 10)
    model.fit(batches, epochs=1, steps_per_epoch=12, verbose=0)
    assert int(model.step) == 18
    assert model.predict(batches, steps=3, verbose=0).shape == (30, 8, 8, 1)
    x = binary_digits[:9]
    assert_allclose(model.predict(x, 4, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    assert model.steps_per_execution == (1 if BACKEND == "torch" else 32)  # as before


def test_limited_epochs_are_one_training_wherever_it_stops(small_vae: Any, binary_digits: Any, tmp_path: Path) -> None:
    settings = {"batch_size": 10, "steps_per_epoch": 3, "shuffle": True}  # of five batches
    whole, parts = small_vae(), small_vae()
    for model in (whole, parts):
        model.compile()
    trained(whole, binary_digits[:45], epochs=3, **settings)
    trained(parts, binary_digits[:45], epochs=2, **settings)
    parts.save(tmp_path / "vae.keras")
    parts = keras.models.load_model(tmp_path / "vae.keras")
    trained(parts, binary_digits[:45], **settings)
    assert same_weights(whole, parts)


def test_a_callback_scores_images_between_batches(small_vae: Any, binary_digits: Any) -> None:
    """On JAX Keras has taken the weights away meanwhile."""
    model, x, found = small_vae(), binary_digits[:20], []
    model.compile(keras.optimizers.SGD(0.1), steps_per_execution=1)

    def look(batch: int, logs: Any = None) -> None:
        found.append((model.elbo(x, k=1).value, model.encode(x).mean, model.reconstruct(x)))

    trained(model, x, batch_size=10, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=look)])
    for first, second, now in zip(
        *found, (model.elbo(x, k=1).value, model.encode(x).mean, model.reconstruct(x)), strict=True
    ):
        assert_array_equal(second, now)
        assert np.abs(first - second).max() > 0


def test_a_callback_may_evaluate_a_few_batches(small_vae: Any, binary_digits: Any) -> None:
    """Training goes on with what was compiled for it."""
    model, batches = small_vae(), Batches([binary_digits], 10)
    model.compile()
    evaluate = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: model.evaluate(batches, steps=3, verbose=0))
    trained(model, binary_digits, epochs=3, batch_size=20, callbacks=[evaluate])
    assert int(model.step) == 3 * math.ceil(len(binary_digits) / 20)


def test_limited_evaluation_sees_as_many_images_as_were_asked_for(small_vae: Any, binary_digits: Any) -> None:
    model = small_vae()
    model.compile()
    model.evaluate(Batches([binary_digits], 10), steps=3, verbose=0)
    assert int(model.nats.seen) == 30
    history = trained(
        model, binary_digits, batch_size=10, validation_data=binary_digits, validation_batch_size=10, validation_steps=5
    )
    assert int(model.nats.seen) == 50
    assert math.isfinite(history["val_elbo"][0])


def test_a_restarted_model_trains_as_a_new_one(small_vae: Any, binary_digits: Any) -> None:
    """Weights, order of the images, noise, optimizer: all as from the start, with what was compiled before."""

    def build(seed: int) -> VAE:
        encoder = networks.mlp_encoder((8, 8, 1), 2, hidden=(16,), seed=10 + seed)
        decoder = networks.mlp_decoder(2, (8, 8, 1), hidden=(16,), seed=20 + seed)
        return VAE(encoder, decoder, beta=0.5 + seed, seed=seed)

    model, new = build(0), build(1)
    for one in (model, new):
        one.compile(keras.optimizers.Adam(3e-3))
    trained(model, binary_digits, epochs=3, batch_size=20)
    compiled = model.train_function
    model.restart(build(1))
    for one in (model, new):
        trained(one, binary_digits, epochs=2, batch_size=20)
    assert model.train_function is compiled
    assert (model.seed, float(model.beta), int(model.step)) == (1, 1.5, 30)
    assert same_weights(model, new)


def test_a_readers_own_networks_restart_before_any_training_too(binary_digits: Any) -> None:
    """Keras numbers unnamed layers; and first weights may come from any initializer."""

    def build(initializer: str) -> VAE:
        x, z = keras.Input((8, 8, 1)), keras.Input((2,))
        flat = layers.Flatten()(x)
        encoder = keras.Model(x, [layers.Dense(2, kernel_initializer=initializer)(flat) for _ in range(2)])
        pixels = layers.Dense(64, kernel_initializer=initializer)(z)
        vae = VAE(encoder, keras.Model(z, layers.Reshape((8, 8, 1))(pixels)))
        vae.compile()
        return vae

    model, new = build("zeros"), build("ones")
    model.restart(new)
    for one in (model, new):
        trained(one, binary_digits, epochs=2, batch_size=20)
    assert same_weights(model, new)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_dropout_and_loss_scales_restart_too(binary_digits: Any, policy: str) -> None:
    """What dropout draws from is no weight, and the optimizer of half precision has an optimizer in it."""

    def build() -> VAE:
        keras.utils.set_random_seed(0)  # for the kernels of own_networks
        vae = VAE(*own_networks())
        vae.compile()
        return vae

    try:
        keras.config.set_dtype_policy(policy)
        model, new = build(), build()
        trained(model, binary_digits[:60], epochs=2, batch_size=20)
        model.restart(build())
    finally:
        keras.config.set_dtype_policy("float32")
    for one in (model, new):
        trained(one, binary_digits[:60], epochs=2, batch_size=20)
    assert same_weights(model, new)


def test_models_of_different_precision_are_of_different_makes(small_vae: Any) -> None:
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        half = small_vae()
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="with other layers or settings"):
        small_vae().restart(half)


def test_a_model_restarts_only_as_one_of_its_make(small_vae: Any) -> None:
    model = small_vae()
    model.restart(small_vae(seed=3, beta=2.0))  # not compiled: nothing to keep
    assert (model.seed, float(model.beta)) == (3, 2.0)
    for other in (small_vae(samples=2), small_vae("continuous_bernoulli"), small_vae(latent_dim=3)):
        with pytest.raises(ValueError, match=r"fresh: expected a VAE that differs in weights.* got a VAE with other"):
            model.restart(other)


def test_xla_compiles_what_is_dense_and_long(small_vae: Any) -> None:
    """On TensorFlow alone; elsewhere Keras's own choice stands."""
    many, few = np.zeros((512, 8, 8, 1), np.float32), np.zeros((32, 8, 8, 1), np.float32)
    model = small_vae()
    model.compile()
    by_keras = model.jit_compile
    model.fit(few, batch_size=2, verbose=0)
    assert model.jit_compile == by_keras
    model.fit(many, batch_size=2, verbose=0)
    assert model.jit_compile == (by_keras or BACKEND == "tensorflow")
    if BACKEND != "tensorflow":
        return
    model.compile(jit_compile=False)
    model.fit(many, batch_size=2, verbose=0)
    assert not model.jit_compile
    convolutional = VAE(networks.conv_encoder((8, 8, 1), 2, (2,)), networks.conv_decoder(2, (8, 8, 1), (2,)))
    convolutional.compile()
    convolutional.fit(many, batch_size=2, verbose=0)
    assert convolutional.jit_compile == by_keras


@pytest.mark.parametrize(
    "likelihood",
    ["gaussian", likelihoods.Gaussian(sigma=0.3), "continuous_bernoulli"],
    ids=("learned", "fixed", "continuous"),
)
def test_saved_model_is_the_model(small_vae: Any, digits: Any, tmp_path: Path, likelihood: Any) -> None:
    model = small_vae(likelihood, beta=0.5, free_bits=0.01, samples=2, seed=5)
    model.compile(keras.optimizers.Adam(3e-3), steps_per_execution=1 if BACKEND == "torch" else 4)
    trained(model, digits[:64], epochs=2)
    model.beta.assign(0.75)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is VAE
    own = [
        (m.free_bits, m.samples, m.objective, m.seed, float(m.beta), m.name, m.likelihood.get_config())
        for m in (model, loaded)
    ]
    assert own[0] == own[1]
    assert same_weights(model, loaded)
    assert score(model, digits[:70]) == pytest.approx(score(loaded, digits[:70]), rel=1e-6)
    assert_array_equal(model.log_weights(digits[:3], k=2), loaded.log_weights(digits[:3], k=2))
    # execution settings belong to the machine, the optimizer to the model, with its state
    assert loaded.steps_per_execution == (1 if BACKEND == "torch" else 32)
    assert_allclose(float(loaded.optimizer.learning_rate), 3e-3, rtol=1e-6)
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 4
    for m in (model, loaded):
        trained(m, digits[:64])
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_model_that_was_never_compiled_is_saved_and_cloned(small_vae: Any, digits: Any, tmp_path: Path) -> None:
    model = small_vae(beta=2.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_array_equal(loaded.log_weights(digits[:3]), model.log_weights(digits[:3]))
    clone = keras.models.clone_model(model)
    assert type(clone) is VAE
    assert float(clone.beta) == 2.0
    assert clone.encoder is not model.encoder
    plain = autoencoder("gaussian")
    again = Autoencoder.from_config(plain.get_config())
    again.set_weights(plain.get_weights())
    assert_allclose(again.reconstruct(digits[:3]), plain.reconstruct(digits[:3]), rtol=1e-6)
    model.summary(print_fn=lambda line: None)


def test_a_saved_optimizer_names_no_back_end() -> None:
    """Keras on PyTorch writes down its own variant of Adam, which no other back end can load; also when wrapped."""
    variant = {
        "module": "keras.src.backend.torch.optimizers.torch_adam",
        "class_name": "Adam",
        "config": {"beta_1": 0.9},
    }
    plain = {**variant, "module": "keras.optimizers"}
    wrapped = {"module": "keras.optimizers", "class_name": "LossScaleOptimizer", "config": {"inner_optimizer": variant}}
    assert models._on_any_back_end(variant) == plain
    assert models._on_any_back_end(wrapped) == {**wrapped, "config": {"inner_optimizer": plain}}
    own = {"module": "mine.optimizers", "class_name": "Own", "config": {"rate": 1.0}}
    assert models._on_any_back_end(own) == own


def test_custom_objects_may_be_given(binary_digits: Any) -> None:
    class Flat(layers.Flatten):
        """A layer that is not registered with Keras."""

    image = keras.Input((8, 8, 1))
    h = Flat()(image)
    model = VAE(keras.Model(image, [layers.Dense(2)(h), layers.Dense(2)(h)]), own_networks()[1])
    again = VAE.from_config(model.get_config(), custom_objects={"Flat": Flat})
    again.set_weights(model.get_weights())
    assert_array_equal(again.encode(binary_digits[:2]).mean, model.encode(binary_digits[:2]).mean)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Configurations that would run code if they were followed: a function's own code, a module of somebody else's."""
    tmp_path.joinpath("somebody_elses.py").write_text("class Layer:\n    from_config = lambda config: None\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = {"module": "somebody_elses", "class_name": "Layer", "registered_name": None, "config": {}}
    with pytest.warns(UserWarning, match="lambda.*unsafe"):
        return {"lambda": keras.saving.serialize_keras_object(lambda x: x), "module": module}


@pytest.mark.parametrize("place", ["encoder", "layer", "likelihood", "optimizer"])
@pytest.mark.parametrize("kind", ["lambda", "module"])
def test_a_file_that_holds_code_is_refused(
    small_vae: Any, code: dict[str, Any], tmp_path: Path, kind: str, place: str
) -> None:
    """Keras's safe mode is on by default, and none of the package's own classes switches it off on the way."""
    model = small_vae()
    model.compile()
    model.save(tmp_path / "vae.keras")
    with zipfile.ZipFile(tmp_path / "vae.keras") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    layer = config["config"]["encoder"]["config"]["layers"][1]
    places = {**config["config"], **config["compile_config"], "layer": layer}
    places[place].update(code[kind])
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "vae.keras", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises((ValueError, TypeError), match="lambda" if kind == "lambda" else "somebody_elses"):
        keras.models.load_model(tmp_path / "vae.keras")
    assert "somebody_elses" not in sys.modules


def test_a_lambda_layer_in_a_configuration_is_refused_too() -> None:
    """Without a file, where Keras has entered no safe mode yet."""
    image = keras.Input((8, 8, 1))
    h = layers.Flatten()(layers.Lambda(lambda x: 2 * x)(image))
    config = VAE(keras.Model(image, [layers.Dense(2)(h), layers.Dense(2)(h)]), own_networks()[1]).get_config()
    with pytest.raises(ValueError, match=r"(?i)lambda.*(arbitrary code|unsafe)"):
        VAE.from_config(config)


@pytest.mark.parametrize("name", ["vae.keras", "vae.weights.h5"])
def test_a_save_that_finds_no_room_leaves_nothing(small_vae: Any, tmp_path: Path, full_disk: Any, name: str) -> None:
    """Where no file is to be overwritten, Keras has nothing to ask."""
    save, model = (VAE.save, VAE.save_weights)[name.endswith(".h5")], small_vae()
    with full_disk(), pytest.raises(OSError, match="too large"):
        save(model, tmp_path / name, overwrite=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["vae.h6", "vae.h5"])
def test_a_name_that_keras_refuses_is_the_readers_own(small_vae: Any, tmp_path: Path, name: str) -> None:
    save = (VAE.save, VAE.save_weights)[name == "vae.h5"]
    with pytest.raises(ValueError, match=rf"filepath={re.escape(str(tmp_path / name))}"):
        save(small_vae(), tmp_path / name)


@pytest.mark.parametrize("name", ["vae.keras", "vae.weights.h5"])
def test_a_save_that_finds_no_room_leaves_the_file_that_was_there(
    small_vae: Any, tmp_path: Path, full_disk: Any, name: str
) -> None:
    save = (VAE.save, VAE.save_weights)[name.endswith(".h5")]
    save(small_vae(), tmp_path / name)
    before, other = (tmp_path / name).read_bytes(), small_vae(beta=2.0)
    with full_disk(), pytest.raises(OSError, match="too large"):
        save(other, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("left", [0, 8192])
@pytest.mark.parametrize("name", ["vae.keras", "vae.weights.h5"])
def test_a_disk_that_is_full_keeps_the_file_that_was_there(
    small_vae: Any, small_disk: Path, name: str, left: int
) -> None:
    """With no byte left, and with some for the beginning of a file: a real disk, whose system says so itself."""
    save = (VAE.save, VAE.save_weights)[name.endswith(".h5")]
    save(small_vae(), small_disk / name)
    before, other = (small_disk / name).read_bytes(), small_vae(beta=2.0)
    room = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - left
    (small_disk / "filler").write_bytes(bytes(room))
    with pytest.raises(OSError, match="No space left on device"):
        save(other, small_disk / name)
    assert (small_disk / name).read_bytes() == before
    assert sorted(os.listdir(small_disk)) == ["filler", name]


@pytest.mark.parametrize("name", ["vae.keras", "vae.weights.h5"])
def test_a_folder_without_the_right_to_write_is_named(small_vae: Any, read_only_folder: Any, name: str) -> None:
    save, model = (VAE.save, VAE.save_weights)[name.endswith(".h5")], small_vae()
    with read_only_folder() as folder:
        with pytest.raises(PermissionError, match=str(folder)):
            save(model, folder / name)
        assert os.listdir(folder) == []


@pytest.mark.parametrize("save", [VAE.save, VAE.save_weights])
def test_a_folder_that_is_not_there_is_refused(small_vae: Any, tmp_path: Path, save: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"filepath: there is no folder .*nowhere"):
        save(small_vae(), tmp_path / "nowhere" / "vae.weights.h5")


@pytest.mark.skipif(
    "max_shard_size" not in inspect.signature(keras.Model.save_weights).parameters, reason="no shards in this Keras"
)
def test_keras_still_saves_shards(small_vae: Any, tmp_path: Path) -> None:
    saved, other = small_vae(), small_vae()
    saved.set_weights([w + 1 for w in saved.get_weights()])
    saved.save_weights(tmp_path / "vae.weights.json", max_shard_size=5e-6)  # GB
    other.load_weights(tmp_path / "vae.weights.json")
    assert len(list(tmp_path.glob("*.h5"))) > 1
    assert same_weights(saved, other)


def test_keras_still_saves_folders_and_asks(small_vae: Any, tmp_path: Path, monkeypatch: Any) -> None:
    small_vae(beta=2.0).save(tmp_path / "folder", zipped=False)
    assert float(keras.models.load_model(tmp_path / "folder").beta) == 2.0
    small_vae().save_weights(tmp_path / "vae.weights.h5")
    before = (tmp_path / "vae.weights.h5").read_bytes()
    monkeypatch.setattr("builtins.input", lambda *question: "n")
    small_vae(beta=3.0).save_weights(tmp_path / "vae.weights.h5", overwrite=False)
    assert (tmp_path / "vae.weights.h5").read_bytes() == before


@pytest.mark.parametrize("name", ["vae.keras", "vae.weights.h5"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
def test_a_file_that_was_cut_off_is_refused(small_vae: Any, tmp_path: Path, name: str, part: float) -> None:
    """By Keras, before any weight is set."""
    saved, other = small_vae(), small_vae()
    saved.set_weights([w + 1 for w in saved.get_weights()])
    (saved.save if name.endswith(".keras") else saved.save_weights)(tmp_path / name)
    content, before = (tmp_path / name).read_bytes(), other.get_weights()
    (tmp_path / name).write_bytes(content[: int(part * len(content))])
    with pytest.raises((OSError, ValueError, zipfile.BadZipFile)):
        other.load_weights(tmp_path / name)
    for old, now in zip(before, other.get_weights(), strict=True):
        assert_array_equal(old, now)
    if name.endswith(".keras"):
        with pytest.raises((OSError, ValueError, zipfile.BadZipFile)):
            keras.models.load_model(tmp_path / name)


def test_weights_alone_are_saved(small_vae: Any, digits: Any, tmp_path: Path) -> None:
    model, other = small_vae(beta=3.0), small_vae()
    model.compile()
    trained(model, digits[:64])
    model.save_weights(tmp_path / "vae.weights.h5")
    other.load_weights(tmp_path / "vae.weights.h5")
    assert same_weights(model, other)
    assert float(other.beta) == 3.0
    assert int(other.step) == 2


@pytest.mark.skipif(BACKEND == "torch", reason="Keras exports no SavedModel from PyTorch")
# Keras hands jax2tf an argument that JAX has deprecated; it is not ours to leave out. No other warning is let through.
@pytest.mark.filterwarnings("ignore:The `native_serialization`:DeprecationWarning")
@pytest.mark.parametrize("model", [VAE, Autoencoder])
def test_an_exported_model_reconstructs_without_keras(
    small_vae: Any, digits: Any, tmp_path: Path, model: type[Autoencoder]
) -> None:
    """Any number of images, whatever is recorded of how the model was built."""
    tf = pytest.importorskip("tensorflow")  # JAX writes a SavedModel by way of it
    vae = small_vae() if model is VAE else autoencoder()
    vae.export(tmp_path / "exported", verbose=False)
    program = tf.saved_model.load(str(tmp_path / "exported"))
    for n in (1, 7):
        assert_allclose(program.serve(digits[:n]).numpy(), vae.reconstruct(digits[:n]), atol=1e-6)


def own_networks(**dense: Any) -> tuple[Any, Any]:
    """An encoder and a decoder with what the book's own lack: dropout, batch normalisation, regularisers."""
    image = keras.Input((8, 8, 1))
    h = layers.Dropout(0.5, seed=1)(layers.BatchNormalization()(layers.Flatten()(image)))
    encoder = keras.Model(image, [layers.Dense(2, **dense)(h), layers.Dense(2)(h)])
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(64), layers.Reshape((8, 8, 1))])
    return encoder, decoder


def test_layers_know_whether_they_train(binary_digits: Any) -> None:
    """Dropout and batch statistics in training; neither in evaluation, scores or reconstructions."""
    model = VAE(*own_networks())
    model.compile(keras.optimizers.SGD(0.0))
    normaliser = model.encoder.layers[2]
    x = binary_digits[:64]
    first = model.encode(x)
    assert score(model, x) == score(model, x)
    model.elbo(x)
    assert_array_equal(numbers(normaliser.moving_mean), np.zeros(64))
    rates = trained(model, x, epochs=2)["rate"]
    assert rates[0] != rates[1]  # dropout: the encoder's weights have not moved
    assert np.abs(numbers(normaliser.moving_mean)).max() > 0
    assert (model.encode(x).mean != first.mean).any()  # by the moving statistics
    assert_array_equal(model.encode(x).mean, model.encode(x).mean)


def test_layers_of_an_autoencoder_know_too(binary_digits: Any) -> None:
    """Dropout in encoder and decoder: a new loss in each step of training, one value in evaluation."""
    image, code = keras.Input((8, 8, 1)), keras.Input((2,))
    encoder = keras.Model(image, layers.Dense(2)(layers.Dropout(0.5, seed=1)(layers.Flatten()(image))))
    decoder = keras.Model(code, layers.Reshape((8, 8, 1))(layers.Dense(64)(layers.Dropout(0.5, seed=2)(code))))
    x = binary_digits[:64]
    for part in (encoder, decoder):
        plain = {
            "encoder": networks.mlp_encoder((8, 8, 1), 2, (4,), variational=False),
            "decoder": networks.mlp_decoder(2, (8, 8, 1), (4,)),
        }
        plain["encoder" if part is encoder else "decoder"] = part
        model = Autoencoder(**plain)
        model.compile(keras.optimizers.SGD(0.0))
        assert len({float(value) for value in trained(model, x, epochs=3)["distortion"]}) == 3
        assert score(model, x) == score(model, x)
        by_terms = numbers(model.terms(x).distortion).mean()
        assert_allclose(score(model, x)["distortion"], by_terms, rtol=1e-5)
        assert_array_equal(model.reconstruct(x), model.reconstruct(x))


def test_what_is_not_training_prints_nothing(vae: Any, digits: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Progress of a call that takes milliseconds would be noise in a notebook."""
    vae.encode(digits), vae.decode(np.zeros((3, 2))), vae.reconstruct(digits), vae.sample(3)
    vae.log_weights(digits), vae.elbo(digits, k=2), vae.log_likelihood(digits, k=2)
    assert capsys.readouterr().out == ""


def test_predict_passes_keras_settings_on(vae: Any, digits: Any) -> None:
    class Witness(keras.callbacks.Callback):
        called = False

        def on_predict_end(self, logs: Any = None) -> None:
            self.called = True

    witness = Witness()
    vae.predict(digits, verbose=0, callbacks=[witness])
    assert witness.called


def test_regularisers_count(binary_digits: Any) -> None:
    """What a layer adds to the loss is added: 10 Σ w² of one kernel; the metrics in nats stay what they are."""
    model = VAE(*own_networks(kernel_regularizer=keras.regularizers.L2(10.0)))
    model.compile()
    kernel = model.encoder.layers[4].get_weights()[0]
    metric = score(model, binary_digits[:64], batch_size=64)
    assert_allclose(metric["loss"], metric["distortion"] + metric["rate"] + 10.0 * np.square(kernel).sum(), rtol=1e-5)


def test_several_colours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((40, 4, 8, 3)).astype(np.float32)
    encoder, decoder = (
        networks.mlp_encoder((4, 8, 3), 2, (8,)),
        networks.mlp_decoder(2, (4, 8, 3), (8,), likelihood="gaussian"),
    )
    model = VAE(encoder, decoder, "gaussian")
    model.compile()
    log = trained(model, x, epochs=2)
    assert log["loss"][1] < log["loss"][0]
    assert model.sample(2, draw=True).shape == model.reconstruct(x[:2]).shape == (2, 4, 8, 3)
    sigma = math.exp(0.5 * decoder.get_layer("log_variance").get_weights()[0].item())
    assert 0.9 < sigma < 1.0  # learned: on its way from 1 to the pixels' 0.29


# --- extremes and half precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "gaussian"])
def test_extreme_networks_stay_finite(small_vae: Any, digits: Any, gradient: Any, likelihood: str) -> None:
    model = small_vae(likelihood)
    head, last = model.encoder.get_layer("log_var"), model.decoder.layers[2]
    last.set_weights([last.get_weights()[0] * 0, np.linspace(-1e3, 1e3, 64).astype(np.float32)])
    x = np.concatenate([digits[:2], np.zeros((1, 8, 8, 1)), np.ones((1, 8, 8, 1))]).astype(np.float32)

    def loss(mean: Any, log_var: Any) -> Any:
        q = models.posterior(lambda x, training: (mean, log_var), x)
        z = models._drawn(q, ops.ones((2, 4, 2)))
        return bounds.elbo(models._log_likelihood(model.decoder, model.likelihood, x, z)) - bounds.gaussian_kl(*q)

    for extreme in (-1000.0, -30.0, 30.0, 1000.0):  # one model for all: what compiles it is its graph
        head.set_weights([head.get_weights()[0], np.full(2, extreme, np.float32)])
        assert np.isfinite(model.log_weights(x, k=3)).all(), extreme
        for estimate in (model.elbo(x, k=3), model.log_likelihood(x, k=3)):
            assert np.isfinite(np.asarray(estimate)).all(), extreme
        for training in (True, False):
            assert np.isfinite(numbers(model.compute_loss(x, training=training))), extreme
        images = [model.reconstruct(x), model.sample(2), model.sample(2, draw=True)]
        assert all(np.isfinite(image).all() for image in images), extreme
        mean, log_var = np.ones((4, 2), np.float32), np.full((4, 2), extreme, np.float32)
        assert np.isfinite(gradient(lambda at, log_var=log_var: loss(at, log_var), mean)).all(), extreme
        assert np.isfinite(gradient(lambda at, mean=mean: loss(mean, at), log_var)).all(), extreme


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "gaussian"])
def test_training_survives_extremes(small_vae: Any, digits: Any, likelihood: str) -> None:
    """One image, constant images, a batch of one after a batch of 32, and a log-variance of 1000 at the start."""
    model = small_vae(likelihood)
    model.compile()
    head = model.encoder.get_layer("log_var")
    for x in (digits[:1], np.zeros((33, 8, 8, 1)), np.ones((1, 8, 8, 1))):
        assert np.isfinite(list(trained(model, x).values())).all()
    head.set_weights([head.get_weights()[0], np.full(2, 1000.0, np.float32)])
    assert np.isfinite(list(trained(model, digits[:33]).values())).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_networks_have_single_precision_bounds(small_vae: Any, digits: Any, policy: str) -> None:
    exact = small_vae("gaussian")
    weights = exact.get_weights()
    x = digits[:40]
    try:
        keras.config.set_dtype_policy(policy)
        model = small_vae("gaussian")
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(weights)
    assert model.encoder.layers[-1].compute_dtype == policy[len("mixed_") :]
    exact, model = (VAE(m.encoder, m.decoder, "gaussian", objective="iwae") for m in (exact, model))
    terms = model(x, training=True)
    assert {keras.backend.standardize_dtype(t.dtype) for t in terms} == {"float32"}
    # float16 has 11 bits and bfloat16 8: about 1/2000 and 1/250 of each activation
    close = {"rtol": 3e-3, "atol": 0.02} if policy == "mixed_float16" else {"rtol": 2e-2, "atol": 0.1}
    assert_allclose(numbers(terms.rate), numbers(exact(x, training=True).rate), **close)
    assert_allclose(model.log_weights(x, k=4), exact.log_weights(x, k=4), **close)
    for array in (
        *model.encode(x),
        model.decode(model.encode(x).mean),
        model.reconstruct(x),
        model.sample(2, draw=True),
    ):
        assert array.dtype == np.float32


def test_half_precision_networks_see_the_images_as_they_are(
    small_vae: Any, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.3 is 2e-3 off in bfloat16: with σ = 1e-3 that would be worth two nats a pixel, in training only."""
    seen: list[Any] = []
    log_prob = likelihoods.Gaussian.log_prob

    def spy(self: Any, x: Any, params: Any) -> Any:
        seen.append(numbers(x))
        return log_prob(self, x, params)

    monkeypatch.setattr(likelihoods.Gaussian, "log_prob", spy)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = small_vae("gaussian")
    finally:
        keras.config.set_dtype_policy("float32")
    x = np.full((2, 8, 8, 1), 0.3, np.float32)
    model(x, training=True)
    model.terms(x)
    for images in seen:
        assert_array_equal(images, x)
    assert len(seen) == 2


def test_an_optimizer_that_scales_no_loss_is_saved_as_such(small_vae: Any, digits: Any, tmp_path: Path) -> None:
    try:
        keras.config.set_dtype_policy("mixed_float16")
        model = small_vae()
        model.compile(auto_scale_loss=False)
        trained(model, digits[:70])
        model.save(tmp_path / "half.keras")
        loaded = keras.models.load_model(tmp_path / "half.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(loaded.optimizer) is type(model.optimizer) is not keras.optimizers.LossScaleOptimizer
    for kept, was in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        assert_array_equal(numbers(kept), numbers(was))


def test_half_precision_networks_train_and_are_saved(small_vae: Any, digits: Any, tmp_path: Path) -> None:
    try:
        keras.config.set_dtype_policy("mixed_float16")
        model = small_vae()
        model.compile()
        log = trained(model, digits[:70], epochs=4, validation_data=digits[70:140])
        model.save(tmp_path / "half.keras")
        loaded = keras.models.load_model(tmp_path / "half.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    assert log["loss"][-1] < log["loss"][0]
    assert loaded.dtype_policy.name == "mixed_float16"
    assert keras.models.load_model(tmp_path / "half.keras").dtype_policy.name == "mixed_float16"  # its own policy
    assert type(loaded.optimizer) is type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    assert_allclose(loaded.log_weights(digits[:3]), model.log_weights(digits[:3]), rtol=1e-6)
    assert np.isfinite(list(trained(loaded, digits[:70]).values())).all()
