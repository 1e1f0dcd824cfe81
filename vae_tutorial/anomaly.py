"""A detector of anomalies with scikit-learn's contract, around the package's VAE.

Four scores, all higher for more normal rows, as scikit-learn wants them; chapter 7 says what each sees and what not:

- ``"reconstruction"``: minus the squared error of the reconstruction from the mean code;
- ``"reconstruction_probability"``: E log p(x|z), in nats (An & Cho, 2015), mean over ``draws`` of z ~ q(z|x);
- ``"elbo"``: the same minus the rate KL(q(z|x) ‖ p(z)), in nats (Kingma & Welling, 2014);
- ``"iwae"``: the importance-weighted bound on log p(x) from ``draws`` of z, in nats (Burda et al., 2016).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from vae_tutorial import VAE, _checks, _shared, conformal, likelihoods

SCORES = ("reconstruction", "reconstruction_probability", "elbo", "iwae")
Float = NDArray[np.float64] | NDArray[np.float32]

FAR = 1e4  # a value further out counts as this: its square, summed over features, must fit into float32
CHUNK = 8192  # rows prepared and scored at a time, so that a long table needs little room beside itself


class Explanation(NamedTuple):
    """What each row's score is made of."""

    distortion: NDArray[np.float64]
    """Per feature, or per pixel: an array of the shape of X. In nats; squared errors for criterion="reconstruction"."""
    rate: NDArray[np.float64]
    """Per latent dimension: (n, d), in nats."""


class VAEDetector(OutlierMixin, BaseEstimator):
    """Outlier detector: a variational autoencoder of the training rows, and a threshold on its score.

    >>> detector = VAEDetector(random_state=0).fit(X_train)      # (n, p), or images (n, h, w, c)
    >>> detector.predict(X_new)                                  # (m,): 1 normal, −1 anomaly
    >>> detector.score_samples(X_new)                            # (m,): higher is more normal
    >>> detector.explain(X_new).distortion                       # (m, p): which features are strange, in nats

    Rows are tables or images. Images may come as (n, h, w, c) or flattened: the networks are dense, so the shape makes
    no difference to a score. A table of numbers needs no preparation: with ``standardize`` each column is scaled by the
    mean and deviation that it has in the rows trained on, those held out for early stopping not among them. Without,
    values must lie between ±10,000 to be trained on; one further out in a row to be scored counts as that much. In a
    pipeline before it, fill unknown cells (``SimpleImputer``) and encode categories (``OneHotEncoder``, not sparse).

    A row's score depends on the row and ``random_state`` alone: not on its place, the rows beside it, or how often it
    is asked for. Fitted detectors hold NumPy arrays only, so they can be pickled, and loaded on another back end.

    - ``criterion``: "elbo", "reconstruction_probability", "iwae" or "reconstruction"; see the module.
    - ``likelihood``: "gaussian", with a variance learned for each feature; for pixels in [0, 1] also "bernoulli" or
      "continuous_bernoulli", with ``standardize=False``.
    - ``contamination``: share of the training rows that the threshold ``offset_`` flags, in (0, 0.5]. It promises
      nothing for fresh rows; ``calibrate`` does.
    - ``latent_dim``, ``hidden``: size of the code, and of the encoder's layers; the decoder has them reversed.
    - ``epochs``: passes over the training rows, at most. The ELBO of a share ``validation_fraction`` of the rows is
      looked at after each pass, of small tables after as many as make about 32 batches, and after the last; after
      ``patience`` looks without a new best training stops, and the best weights are taken. Without such a share, 0, it
      makes all the passes.
    - ``batch_size``, ``learning_rate``: of Adam.
    - ``draws``: of the code for each row while scoring.
    - ``random_state``: first weights, order of the rows, noise. With an int, two fits on one machine are equal.
    - ``verbose``: print a line at each look.

    Attributes: ``offset_``, ``n_features_in_``, ``feature_names_in_`` (a pandas frame's), ``location_`` and ``scale_``
    of each column, ``validation_elbo_`` at each look, in nats per row, ``n_iter_`` passes made; ``calibration_`` after
    ``calibrate``.
    """

    def __init__(
        self,
        criterion: str = "elbo",
        likelihood: str = "gaussian",
        *,
        contamination: float = 0.1,
        standardize: bool = True,
        latent_dim: int = 8,
        hidden: Sequence[int] = (128,),
        epochs: int = 300,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.1,
        patience: int = 10,
        draws: int = 16,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.criterion = criterion
        self.likelihood = likelihood
        self.contamination = contamination
        self.standardize = standardize
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.draws = draws
        self.random_state = random_state
        self.verbose = verbose

    # -- fitting ---------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train on rows (n, p) or images (n, h, w, c), mostly normal ones; ``y`` is ignored.

        Raises ValueError for NaN or infinity, fewer than two rows, parameters out of range, training that diverges, and
        values outside [0, 1] under a Bernoulli likelihood, or beyond ±10,000 with ``standardize=False``. A fit that
        fails or is broken off leaves the detector as it was.
        """
        self._check_parameters()
        fresh = copy.copy(self)
        fresh._fit(fresh._rows(X, reset=True))
        self.__dict__ = fresh.__dict__
        return self

    def _fit(self, X: Float) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        order = np.random.default_rng(seed).permutation(len(X))
        size = min(round(self.validation_fraction * len(X)), len(X) - 1)
        if self.validation_fraction:
            size = max(size, 1)
        held_out, training = order[:size], order[size:]
        self._fit_scale(X, training)
        hidden, batch_size = tuple(int(units) for units in self.hidden), int(self.batch_size)  # of NumPy's kind, too
        self._make = _shared.Make(
            X.shape[1], int(self.latent_dim), hidden, self.likelihood, batch_size, float(self.learning_rate)
        )
        trained = _shared.train(
            self._make,
            self._scaled(X, training),
            self._scaled(X, held_out) if size else None,
            epochs=int(self.epochs),
            patience=int(self.patience),
            draws=int(self.draws),
            seed=seed,
            verbose=self.verbose,
        )
        self._seed, self._weights = seed, trained.weights
        self.n_iter_, self.validation_elbo_ = trained.passes, trained.validation_elbo
        with np.errstate(invalid="ignore"):  # of weights that diverged, which is said below
            scores = self._score(X)
        if not np.isfinite(scores).all():
            raise ValueError(f"learning_rate: training diverged with {self.learning_rate:g}. Take a smaller one.")
        self.offset_ = float(np.percentile(scores, 100.0 * self.contamination))
        if hasattr(self, "calibration_"):
            del self.calibration_  # of the model before

    def calibrate(self, X: ArrayLike, alpha: float = 0.05) -> Self:
        """Set ``offset_`` so that ``predict`` flags a fresh normal row with probability at most ``alpha``.

        >>> detector.fit(X_train).calibrate(X_heldout, alpha=0.01)

        ``X`` holds normal rows (n, p) that ``fit`` has not seen, drawn at random like the fresh ones: shuffle before
        you split, since the order of a file often says something. The guarantee is an average over such sets;
        ``calibration_.rate`` is the law of the rate that one set gives. See ``vae_tutorial.conformal``.
        Raises ValueError where n < 1/alpha − 1: too few rows for such a promise.
        """
        conformal.fraction("alpha", alpha, 1.0)  # before the work
        scores = self.score_samples(X)
        self.calibration_ = conformal.conformal_threshold(scores, alpha)
        self.offset_, self._calibration_scores = self.calibration_.offset, scores
        return self

    # -- using it --------------------------------------------------------------------------------------------------

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score of each row, higher for more normal ones: (n, p) -> (n,)"""
        check_is_fitted(self)
        return self._score(self._rows(X))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score less the threshold, negative for anomalies: (n, p) -> (n,)"""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """1 for normal rows, −1 for anomalies: (n, p) -> (n,)"""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: ArrayLike) -> NDArray[np.float64]:
        """Conformal p-value of each row, small for strange ones: (n, p) -> (n,)

        >>> detector.fit(X_train).calibrate(X_heldout).p_values(X_new)

        A fresh normal row has p ≤ α with probability at most α, for every α.
        Raises NotFittedError before ``calibrate``.
        """
        check_is_fitted(self)
        check_is_fitted(self, "calibration_", msg="This %(name)s has not been calibrated: call `calibrate` first.")
        return conformal.p_values(self._calibration_scores, self.score_samples(X))

    def explain(self, X: ArrayLike) -> Explanation:
        """The parts of each row's score: (n, p) -> distortion per feature (n, p), rate per latent dimension (n, d)

        >>> parts = detector.explain(X_new)
        >>> -(parts.distortion.sum(axis=1) + parts.rate.sum(axis=1))      # score_samples(X_new), for criterion="elbo"

        The score is minus the sum of both for "elbo", minus the sum of the distortion alone for the two reconstruction
        scores. "iwae" is the logarithm of a mean and has no such parts: what comes is the ELBO's, from the same draws.
        """
        check_is_fitted(self)
        parts = _shared.parts(self._make, self._weights, self._scaled(self._rows(X)), int(self.draws), self._seed)
        distortion = parts.error if self.criterion == "reconstruction" else parts.distortion
        return Explanation(distortion.reshape(np.shape(X)), parts.rate)

    def vae(self) -> VAE:
        """A copy of the fitted model, to encode, sample or plot with.

        >>> detector.vae().encode(detector.images(X)).mean      # (n, p) -> codes (n, d)
        """
        check_is_fitted(self)
        vae = self._make.build(self._seed)
        vae.set_weights(self._weights)
        return vae

    def images(self, X: ArrayLike) -> NDArray[np.float32]:
        """Rows as ``vae()`` sees them, standardised images of height one: (n, p) -> (n, 1, p, 1)"""
        check_is_fitted(self)
        return _shared.as_images(self._scaled(self._rows(X)))

    # -- its parts -------------------------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        for name, value, known in (
            ("criterion", self.criterion, SCORES),
            ("likelihood", self.likelihood, likelihoods.BY_NAME),
        ):
            if not isinstance(value, str) or value not in known:
                raise ValueError(f"{name}: expected one of {', '.join(map(repr, known))}, got {value!r}.")
        if self.standardize and likelihoods.get(self.likelihood).bounded:
            raise ValueError(
                f"standardize: the {self.likelihood} likelihood is for values in [0, 1], which standardised ones are "
                'not. Take standardize=False, or likelihood="gaussian".'
            )
        conformal.fraction("contamination", self.contamination, 0.5)
        if self.validation_fraction != 0:
            conformal.fraction("validation_fraction", self.validation_fraction, 0.5)
        for name in ("latent_dim", "epochs", "batch_size", "patience", "draws"):
            _checks.count(name, getattr(self, name))
        if isinstance(self.hidden, str) or not isinstance(self.hidden, Sequence):
            raise ValueError(f"hidden: expected a sequence of sizes, one a layer, got {self.hidden!r}.")
        for units in self.hidden:
            _checks.count("hidden", units)
        _checks.number("learning_rate", self.learning_rate, least=1e-12)

    def _rows(self, X: ArrayLike, reset: bool = False) -> Float:
        """``X`` as rows (n, p), checked by scikit-learn: finite numbers, as many columns as in ``fit``, their names."""
        if keras.ops.is_tensor(X) or np.ma.is_masked(X):
            X = _checks.numbers("X", X, "rows")
        elif isinstance(X, list | tuple):
            X = np.asarray(X)
        dtypes = np.ravel(np.asarray(getattr(X, "dtypes", getattr(X, "dtype", None)), object))  # a table has several
        if any(getattr(dtype, "kind", "") in ("m", "M") for dtype in dtypes):  # scikit-learn counts their nanoseconds
            raise TypeError("X: expected numbers, got dates or durations. Take differences, in a unit of your choice.")
        if getattr(X, "ndim", 2) == 4:  # images
            n, *shape = np.shape(X)
            X = np.reshape(X, (n, math.prod(shape)))  # NumPy's −1 would not do for no images
        kinds = [np.float64, np.float32]  # what comes in half the room is not doubled
        try:
            with np.errstate(invalid="ignore", over="ignore"):  # scikit-learn looks for inf in the sum: inf − inf
                rows = validate_data(self, X, dtype=kinds, reset=reset, ensure_min_samples=2 if reset else 1)
        except OverflowError as error:  # ints of hundreds of digits
            raise ValueError(f"X: expected finite numbers, got one beyond float64: {error}.") from None
        if likelihoods.get(self.likelihood).bounded and not (rows.min() >= 0 and rows.max() <= 1):
            raise ValueError(
                f"X: the {self.likelihood} likelihood is for values in [0, 1], got {rows.min():g} to {rows.max():g}. "
                'Divide by 255, or take likelihood="gaussian".'
            )
        return rows

    def _fit_scale(self, X: Float, rows: NDArray[np.int64]) -> None:
        self.location_, self.scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if self.standardize:
            scaler = StandardScaler()  # a constant column is left alone
            with np.errstate(over="ignore", invalid="ignore"):
                for part in _chunks(len(rows)):
                    scaler.partial_fit(X[rows[part]].astype(np.float64, copy=False))
            if not np.isfinite(scaler.var_).all():
                raise ValueError(f"X: too large to standardise, got values from {X.min():g} to {X.max():g}.")
            self.location_, self.scale_ = scaler.mean_, scaler.scale_
        elif max(-X.min(), X.max()) > FAR:
            raise ValueError(
                f"X: expected values from {-FAR:g} to {FAR:g} with standardize=False, got {X.min():g} to {X.max():g}. "
                "Take standardize=True, or divide the columns by their scale."
            )

    def _scaled(self, X: Float, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """The rows of ``X``, or those named, in the model's units and order."""
        rows = np.arange(len(X)) if rows is None else rows
        scaled = np.empty((len(rows), X.shape[1]), np.float32)
        with np.errstate(over="ignore"):  # what overflows is FAR away
            for part in _chunks(len(rows)):
                np.clip((X[rows[part]] - self.location_) / self.scale_, -FAR, FAR, out=scaled[part])
        return scaled

    def _score(self, X: Float) -> NDArray[np.float64]:
        return np.concatenate([self._score_chunk(self._scaled(X[part])) for part in _chunks(len(X))])

    def _score_chunk(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.criterion == "iwae":
            return _shared.log_likelihood(self._make, self._weights, x, int(self.draws), self._seed)
        parts = _shared.parts(self._make, self._weights, x, int(self.draws), self._seed)
        if self.criterion == "reconstruction":
            return -parts.error.sum(axis=1)
        distortion = parts.distortion.sum(axis=1)
        return -(distortion + parts.rate.sum(axis=1)) if self.criterion == "elbo" else -distortion


def _chunks(n: int) -> Iterator[slice]:
    for start in range(0, n, CHUNK):
        yield slice(start, start + CHUNK)
