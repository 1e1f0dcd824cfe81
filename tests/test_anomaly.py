"""VAEDetector keeps scikit-learn's contract; a score depends on its row alone, and adds up; alarms are rare."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from vae_tutorial import VAEDetector, _shared, anomaly, bounds, conformal

Array = np.ndarray[Any, Any]

SMALL = {"epochs": 30, "random_state": 0}  # one make for all tests: compiled once
FEATURES = 4


def rows(n: int, seed: int) -> Array:
    """Normal rows near a curve in four dimensions, whose columns have scales of their own."""
    rng = np.random.default_rng(seed)
    t = rng.standard_normal(n)
    curve = np.stack([t, t**2, np.sin(2 * t), -t], axis=1) + 0.1 * rng.standard_normal((n, FEATURES))
    return curve * [1.0, 100.0, 0.01, 5.0] + [0.0, 1e3, 0.0, -7.0]


@cache  # whatever the order of the tests
def fitted_by(criterion: str) -> VAEDetector:
    return VAEDetector(criterion=criterion, **SMALL).fit(rows(300, 0))


@pytest.fixture
def detector() -> VAEDetector:
    return fitted_by("elbo")


@pytest.fixture(params=anomaly.SCORES)
def scored(request: pytest.FixtureRequest) -> VAEDetector:
    return fitted_by(request.param)


# -- scikit-learn's contract -----------------------------------------------------------------------------------------


def checks() -> Iterator[Any]:
    # few passes: the checks fit some seventy times, and ask nothing about quality
    for estimator, check in estimator_checks_generator(VAEDetector(epochs=8), mark=None):
        name = check.func.__name__
        yield pytest.param(estimator, check, id="-".join([name, *map(str, check.keywords.values())]))


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_check(estimator: VAEDetector, check: Any) -> None:
    check(estimator)


def test_pipeline_and_grid_search() -> None:
    """Parameters are found by name and reach the detector; folds are cut and models cloned as for any estimator."""
    odd = rows(12, 2) * [1.0, 1.0, -1.0, 1.0] + [0.0, 0.0, 0.02, 0.0]  # the third column is out of step
    x, label = np.concatenate([rows(120, 1), odd]), np.repeat([1, -1], [120, 12])
    pipeline = make_pipeline(StandardScaler(), VAEDetector(**SMALL))
    criteria = {"vaedetector__criterion": ["reconstruction", "elbo"]}
    search = GridSearchCV(pipeline, criteria, scoring="roc_auc", cv=StratifiedKFold(2)).fit(x, label)
    reconstruction, elbo = search.cv_results_["mean_test_score"]
    assert reconstruction != elbo
    assert min(reconstruction, elbo) > 0.7  # about 0.9; guessing has 0.5
    assert search.predict(x).shape == label.shape


def test_feature_names_of_a_frame_are_kept_and_compared() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(60, 2), columns=["speed", "heat", "load", "lag"])
    fitted = VAEDetector(**SMALL).fit(frame)
    assert_array_equal(fitted.feature_names_in_, frame.columns)
    assert_array_equal(fitted.score_samples(frame.astype(np.float64)), fitted.score_samples(frame))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[["heat", "speed", "load", "lag"]])


# -- scores ----------------------------------------------------------------------------------------------------------


def test_score_depends_on_the_row_alone_to_the_last_bit(scored: VAEDetector) -> None:
    x = rows(300, 3)
    scores = scored.score_samples(x)
    order = np.random.default_rng(0).permutation(len(x))
    assert_array_equal(scored.score_samples(x), scores)  # repetition
    assert_array_equal(scored.score_samples(x[order]), scores[order])
    assert_array_equal(scored.score_samples(x[37:211]), scores[37:211])
    assert_array_equal([scored.score_samples(x[i : i + 1])[0] for i in (0, 130, 299)], scores[[0, 130, 299]])


def test_two_fits_are_equal_and_other_seeds_are_not(detector: VAEDetector) -> None:
    x = rows(100, 4)
    other = clone(detector).set_params(random_state=1).fit(rows(300, 0))  # trained in between, in the same model
    again = clone(detector).fit(rows(300, 0))
    assert_array_equal(again.score_samples(x), detector.score_samples(x))
    assert not np.array_equal(other.score_samples(x), detector.score_samples(x))


def test_a_fit_that_is_broken_off_spoils_no_other(detector: VAEDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C within a step: JAX has given the model's buffers away by then."""
    x, batch, calls = rows(300, 0), _shared.WholeBatches.__getitem__, []

    def interrupted(self: Any, i: int) -> Any:
        calls.append(i)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return batch(self, i)

    with monkeypatch.context() as patch:
        patch.setattr(_shared.WholeBatches, "__getitem__", interrupted)
        with pytest.raises((KeyboardInterrupt, Exception), match=r"KeyboardInterrupt|^$"):  # TensorFlow wraps it
            VAEDetector(**SMALL).fit(x)
    assert_array_equal(VAEDetector(**SMALL).fit(x).score_samples(x), detector.score_samples(x))


@pytest.mark.parametrize("columns", [FEATURES, FEATURES - 1])
def test_a_fit_that_is_broken_off_leaves_the_one_before(
    detector: VAEDetector, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one attribute is of the new rows: the next score, threshold and p-value are those of the old fit."""
    x, held_out = rows(60, 3), rows(50, 1)
    fitted = pickle.loads(pickle.dumps(detector)).calibrate(held_out, alpha=0.1)
    scores, alarms, p = fitted.score_samples(x), fitted.predict(x), fitted.p_values(x)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(anomaly._shared, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(5.0 * rows(80, 2)[:, :columns])
    assert_array_equal(fitted.score_samples(x), scores)
    assert_array_equal(fitted.predict(x), alarms)
    assert_array_equal(fitted.p_values(x), p)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_while_another_thread_trains_waits_for_nobody() -> None:
    """The child has the lock as it was, but no thread that would ever release it."""
    held, done = threading.Event(), threading.Event()

    def train() -> None:
        with _shared.LOCK:
            held.set()
            done.wait()

    thread = threading.Thread(target=train)
    thread.start()
    held.wait()
    try:
        with warnings.catch_warnings():
            # JAX, and Python from 3.12, warn of forks beside threads; this child computes nothing, and exits at once
            warnings.filterwarnings("ignore", message=r".*\bfork\(\)")
            child = os.fork()
        if child == 0:
            os._exit(0 if _shared.LOCK.acquire(timeout=5.0) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert _shared.LOCK.locked()  # in the parent it is held as before
    finally:
        done.set()
        thread.join()


def test_scores_do_not_depend_on_the_precision_of_other_fits() -> None:
    x, make = rows(60, 0), {"epochs": 2, "hidden": (5,), "random_state": 0}
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        first = VAEDetector(**make).fit(x).score_samples(x)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    _shared._compiled.cache_clear()
    assert_array_equal(VAEDetector(**make).fit(x).score_samples(x), first)


def test_explanation_sums_to_the_score(scored: VAEDetector) -> None:
    x = rows(200, 5)
    distortion, rate = scored.explain(x)
    assert distortion.shape == x.shape and rate.shape == (len(x), scored.latent_dim)
    assert (rate >= -1e-6).all()  # float32: a dimension that carries nothing
    if scored.criterion == "iwae":
        assert np.mean(scored.score_samples(x) + distortion.sum(axis=1) + rate.sum(axis=1)) > 0  # never below the ELBO
        return
    total = distortion.sum(axis=1) + (rate.sum(axis=1) if scored.criterion == "elbo" else 0.0)
    assert_allclose(-total, scored.score_samples(x), rtol=1e-12)  # float64 sums of the same terms


def test_scores_are_the_models_own_bounds(detector: VAEDetector) -> None:
    """The detector's ELBO, with the rate in closed form, and the package's, from log-weights, estimate one number."""
    x = rows(400, 6)
    vae, images = detector.vae(), detector.images(x)
    estimate = vae.elbo(images, k=64)
    difference = detector.score_samples(x) - estimate.value
    assert abs(difference.mean()) < 5 * difference.std() / np.sqrt(len(x))
    iwae = fitted_by("iwae")
    log_w = iwae.vae().log_weights(images, k=iwae.draws, seed=iwae._seed)
    assert_allclose(iwae.score_samples(x), bounds.iwae(log_w), rtol=1e-4, atol=1e-4)  # float32 sums, other shapes


def test_strange_rows_score_lower_and_explanation_points_at_the_column(detector: VAEDetector) -> None:
    normal = rows(300, 7)
    strange = normal.copy()
    strange[:, 3] += 30.0  # its own scale is 5: within reach, but not beside the other columns
    label = np.repeat([1, 0], len(normal))
    assert roc_auc_score(label, detector.score_samples(np.concatenate([normal, strange]))) > 0.9
    more = detector.explain(strange).distortion - detector.explain(normal).distortion
    assert more.mean(axis=0).argmax() == 3


# -- thresholds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.5])
def test_share_flagged_in_training_is_the_contamination(contamination: float) -> None:
    x = rows(300, 0)
    fitted = VAEDetector(contamination=contamination, **SMALL).fit(x)
    assert np.sum(fitted.predict(x) == -1) == round(contamination * len(x))


def test_calibrated_detector_keeps_its_false_alarm_rate(detector: VAEDetector) -> None:
    """The rate on many fresh normals lies in the Beta law of its one calibration set, and p-values say the same."""
    calibrated = pickle.loads(pickle.dumps(detector)).calibrate(rows(499, 8), alpha=0.1)
    fresh = rows(4000, 9)
    alarms = calibrated.predict(fresh) == -1
    assert_array_equal(alarms, calibrated.p_values(fresh) <= 0.1)
    low, high = calibrated.calibration_.rate.ppf([1e-4, 1 - 1e-4])
    sampling = 4 * np.sqrt(0.1 * 0.9 / len(fresh))
    assert low - sampling < alarms.mean() < high + sampling


def test_false_alarms_over_many_calibrations_are_at_most_alpha(detector: VAEDetector) -> None:
    scores = detector.score_samples(rows(6000, 10))
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(300):
        rng.shuffle(scores)
        rates.append(np.mean(scores[99:] < conformal.conformal_threshold(scores[:99], 0.05).offset))
    assert np.mean(rates) <= 0.05 + 4 * np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) > 0.03  # neither by never calling


def test_calibration_is_refused_with_too_few_rows_and_forgotten_by_a_new_fit(detector: VAEDetector) -> None:
    fitted = pickle.loads(pickle.dumps(detector))
    with pytest.raises(NotFittedError):
        fitted.p_values(rows(5, 0))
    with pytest.raises(ValueError, match=r"at least 1/alpha − 1 = 99 scores .* got 50"):
        fitted.calibrate(rows(50, 1), alpha=0.01)
    fitted.calibrate(rows(50, 1), alpha=0.1).fit(rows(300, 0))
    assert fitted.offset_ == detector.offset_
    with pytest.raises(NotFittedError):
        fitted.p_values(rows(5, 0))


# -- training --------------------------------------------------------------------------------------------------------


def test_scaling_has_not_seen_the_validation_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a held-out row is wild, location and scale are those of the other rows alone."""
    seen = {}
    train = anomaly._shared.train

    def spy(make: Any, x: Array, validation: Array, **settings: Any) -> Any:
        seen.update(x=x, validation=validation)
        return train(make, x, validation, **settings)

    monkeypatch.setattr(anomaly._shared, "train", spy)
    x = rows(200, 11)
    fitted = VAEDetector(validation_fraction=0.25, **SMALL).fit(x)
    assert (len(seen["x"]), len(seen["validation"])) == (150, 50)
    raw = seen["x"] * fitted.scale_ + fitted.location_
    assert_allclose(seen["x"].mean(axis=0), 0.0, atol=1e-6)
    assert_allclose(seen["x"].std(axis=0), 1.0, rtol=1e-5)
    both = np.concatenate([raw, seen["validation"] * fitted.scale_ + fitted.location_])
    assert_allclose(np.sort(both, axis=0), np.sort(x, axis=0), rtol=1e-4, atol=1e-4)  # each row in one of the parts
    assert abs(both.mean(axis=0) - fitted.location_).max() > 1e-4


def test_early_stopping_keeps_the_best_weights(capsys: pytest.CaptureFixture[str]) -> None:
    x = rows(40, 12)
    stopped = VAEDetector(epochs=3000, patience=2, learning_rate=0.02, verbose=True, random_state=0).fit(x)
    looks = stopped.validation_elbo_
    assert stopped.n_iter_ < 3000 and looks.argmax() == len(looks) - 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(looks) and f"{looks[-1]:.2f}" in lines[-1]
    held_out = np.random.default_rng(stopped._seed).permutation(len(x))[:4]
    assert_allclose(stopped.score_samples(x[held_out]).mean(), looks.max(), rtol=1e-5)


def test_without_validation_all_passes_are_made() -> None:
    fitted = VAEDetector(validation_fraction=0, **SMALL).fit(rows(300, 0))
    assert fitted.n_iter_ == 30 and len(fitted.validation_elbo_) == 0


FEW = {"batch_size": 8, "hidden": (4,), "latent_dim": 2, "random_state": 0}  # another make, of cheap steps


@pytest.mark.parametrize(("epochs", "steps"), [(5, 17), (9, 9), (4, 8), (3, 40), (1, 1)])
def test_all_passes_are_made_whatever_looks_they_are_cut_into(epochs: int, steps: int) -> None:
    """Looks of 2 passes cut 5 into 2 + 2 + 1: the last is made too."""
    fitted = VAEDetector(epochs=epochs, validation_fraction=0, **FEW).fit(rows(8 * steps, 0))
    assert fitted.n_iter_ == epochs


def test_the_last_shorter_look_is_one_like_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counts for ``patience``, and the best weights may be of a look before it."""
    x = rows(17 * 8 + 15, 0)
    found: Iterator[float] = iter(())
    monkeypatch.setattr(_shared.Compiled, "elbo", lambda *_: next(found))

    def fit(elbos: list[float], **settings: Any) -> VAEDetector:
        nonlocal found
        found = iter(elbos)
        return VAEDetector(verbose=True, **(FEW | settings)).fit(x)

    first, second = fit([3.0], epochs=2), fit([3.0, 4.0], epochs=4)
    capsys.readouterr()
    best_first, best_second = fit([3.0, 2.0, 1.0], epochs=5), fit([3.0, 4.0, 1.0], epochs=5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["pass 2", "pass 4", "pass 5"] * 2
    assert best_first.n_iter_ == 5 and best_first.validation_elbo_.tolist() == [3.0, 2.0, 1.0]
    assert_array_equal(best_first.score_samples(x), first.score_samples(x))
    assert_array_equal(best_second.score_samples(x), second.score_samples(x))
    assert fit([3.0, 2.0], epochs=5, patience=1).n_iter_ == 4  # stopped before it


@pytest.mark.parametrize(("n", "p"), [(2, 4), (3, 12), (129, 4)])
def test_odd_sizes(n: int, p: int) -> None:
    """Two rows, more columns than rows, one row more than a batch."""
    x = np.random.default_rng(n).standard_normal((n, p))
    assert np.isfinite(VAEDetector(**SMALL).fit(x).score_samples(x)).all()


def test_constant_columns_and_far_values_score_finite() -> None:
    x = rows(100, 13)
    x[:, 1] = 0.1  # its mean is not 0.1 exactly: what rounding leaves must not become the scale
    fitted = VAEDetector(**SMALL).fit(x)
    assert fitted.scale_[1] == 1.0
    far = x[:3] + np.array([[1e30, 0, 0, 0], [0, 1e9, 0, 0], [0, 0, -1e300, 0]])
    scores = fitted.score_samples(far)
    assert np.isfinite(scores).all() and (fitted.predict(far) == -1).all()


def test_raw_values_beyond_what_scores_tell_apart_are_refused() -> None:
    """Each would count as 10,000, and all rows be one; among rows within, a far one is still an anomaly."""
    x = np.random.default_rng(0).normal(0.0, 1.0, (100, FEATURES))
    raw = VAEDetector(standardize=False, **SMALL)
    for wrong in (5e4 + 1e4 * x, 1e4 * x):
        with pytest.raises(ValueError, match=r"^X: expected values from -10000 to 10000 with standardize=False, got "):
            raw.fit(wrong)
    far = x[:2] + np.array([[9e8, 0, 0, 0], [0, -2e4, 0, 0]])
    assert (raw.fit(x).predict(far) == -1).all()


def test_images_and_their_rows_score_alike(digits: Array) -> None:
    settings = {"likelihood": "bernoulli", "standardize": False, **SMALL}
    images = VAEDetector(**settings).fit(digits[:200])
    flat = VAEDetector(**settings).fit(digits[:200].reshape(200, -1))
    assert images.n_features_in_ == 64
    assert_array_equal(images.score_samples(digits[200:]), flat.score_samples(digits[200:].reshape(-1, 64)))
    assert images.explain(digits[:5]).distortion.shape == (5, 8, 8, 1)
    assert_array_equal(images.score_samples(digits[200:205].tolist()), images.score_samples(digits[200:205]))
    with pytest.raises(ValueError, match=r"X: the bernoulli likelihood is for values in \[0, 1\], got 0 to 16"):
        images.predict(digits * 16)


def test_long_tables_need_little_room_beside_themselves(detector: VAEDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared and scored in chunks, and in the precision they come in: no copy of the whole table in float64."""
    monkeypatch.setattr(anomaly, "CHUNK", anomaly.CHUNK // 4)  # or counting the bytes takes a minute
    few = rows(300, 0).astype(np.float32)
    x = np.tile(few, (50, 1))
    tracemalloc.start()
    scores = detector.score_samples(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    chunk = anomaly.CHUNK * x.shape[1] * 8
    assert peak < scores.nbytes * 3 + 12 * chunk < 12 * x.nbytes  # the parts of a chunk, and what makes them
    assert_array_equal(scores[:300], detector.score_samples(few))


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"criterion": "mse"}, "criterion: expected one of 'reconstruction', .* got 'mse'"),
        ({"likelihood": "poisson"}, "likelihood: expected one of .* got 'poisson'"),
        ({"likelihood": "bernoulli"}, "standardize: the bernoulli likelihood"),
        ({"contamination": 0.0}, r"contamination: expected a number in \(0, 0.5\], got 0.0"),
        ({"contamination": 0.6}, "contamination"),
        ({"validation_fraction": 1}, "validation_fraction"),
        ({"validation_fraction": None}, "validation_fraction: expected a finite number of at least 0, got None"),
        ({"latent_dim": 0}, "latent_dim: expected a whole number of at least 1, got 0"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"patience": 0}, "patience"),
        ({"draws": 0}, "draws"),
        ({"hidden": 32}, "hidden: expected a sequence of sizes"),
        ({"hidden": (32, -1)}, "hidden"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VAEDetector(**parameters).fit(rows(20, 0))


def test_bad_rows_are_refused(detector: VAEDetector) -> None:
    x = rows(5, 0)
    for bad in (np.nan, np.inf):
        x[2, 1] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            detector.predict(x)
    with pytest.raises(ValueError, match="3 features, but VAEDetector is expecting 4"):
        detector.predict(rows(5, 0)[:, :3])
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        VAEDetector().fit(rows(1, 0))


def test_training_that_diverges_is_an_error_and_leaves_no_model(detector: VAEDetector) -> None:
    x = rows(100, 0)
    wild = VAEDetector(learning_rate=1e30, validation_fraction=0, **SMALL)
    for fitted in (wild, pickle.loads(pickle.dumps(detector)).set_params(**wild.get_params())):
        with pytest.raises(ValueError, match="learning_rate: training diverged"):
            fitted.fit(x)
    with pytest.raises(NotFittedError):
        wild.predict(x)
    assert_array_equal(fitted.score_samples(x), detector.score_samples(x))
    assert_array_equal(fitted.predict(x), detector.predict(x))


# -- moving it about -------------------------------------------------------------------------------------------------


def test_pickled_detector_scores_the_same_in_a_new_process(detector: VAEDetector, tmp_path: Any) -> None:
    import keras

    x = rows(100, 14)
    path = tmp_path / "detector.pickle"
    path.write_bytes(pickle.dumps((detector, x)))
    code = f"import pickle; d, x = pickle.load(open({str(path)!r}, 'rb')); print(*d.score_samples(x).tolist())"
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    child = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    scores = [float(number) for number in child.stdout.split()]
    assert_allclose(scores, detector.score_samples(x), rtol=1e-6)  # compiled anew, on the same back end
