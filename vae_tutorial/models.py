"""The two models of the book: an autoencoder, and the variational autoencoder that it becomes.

Both are ``keras.Model`` objects around any encoder and decoder. They override ``compute_loss``, never ``train_step``,
so that ``fit``, ``evaluate``, callbacks and saving are Keras's own on every back end.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from vae_tutorial import _checks, bounds, likelihoods
from vae_tutorial._files import check_room, replacing
from vae_tutorial._randomness import Batches, Draw, LimitedBatches, noise_tiles, rows_at_a_time, shifted_normals
from vae_tutorial.bounds import Tensor
from vae_tutorial.likelihoods import Likelihood

Array = NDArray[np.float32]

LOG_VAR_LIMIT = 30.0  # exp of it is finite in float32, so that one wild encoder output makes no NaN
LONG_EPOCH = 256  # batches from which compiling with XLA pays within a few epochs on TensorFlow


class Posterior(NamedTuple):
    """The Gaussian q(z|x) of each image: two arrays (n, d)."""

    mean: Tensor
    log_var: Tensor


class Estimate(NamedTuple):
    """A Monte Carlo estimate for each image, in nats: two arrays (n,)."""

    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    """One standard deviation of ``value`` over the draws of z; NaN for a single draw."""


class LogLikelihood(NamedTuple):
    """An importance-sampling estimate of log p(x) for each image, in nats: three arrays (n,)."""

    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    """One standard deviation of ``value`` over the draws of z; NaN for a single draw."""
    doubling_gain: NDArray[np.float64]
    """``value`` from k draws less its mean from both halves: about the bias that is left. NaN for a single draw."""


class Terms(NamedTuple):
    """What a loss is made of, in nats; ``compute_loss`` puts it together."""

    distortion: Tensor
    """−log p(x|z): (k, n), one row a draw of z; (n,) for an autoencoder, which draws nothing."""
    rate: Tensor | None = None
    """KL divergence of q(z|x) from the prior, per latent dimension: (n, d)"""
    log_weights: Tensor | None = None
    """log p(x, z) − log q(z|x): (k, n), where the objective needs it"""


@keras.saving.register_keras_serializable("vae_tutorial")
class Nats(keras.metrics.Metric):
    """Mean over images of named quantities in nats, exact over batches of any size."""

    def __init__(self, names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**{"name": "nats", **kwargs})
        self.names = names
        self.totals = self.add_weight(shape=(len(names) + 2,), initializer="zeros", dtype="float32", name="totals")

    def update_state(self, values: list[Tensor], weights: Tensor) -> None:
        sums = [ops.sum(v * weights) for v in values]
        self.totals.assign_add(ops.stack([*sums, ops.sum(weights), ops.sum(ops.ones_like(weights))]))

    @property
    def seen(self) -> Tensor:
        """Number of images so far."""
        return self.totals[-1]

    def result(self) -> dict[str, Tensor]:
        means = ops.divide_no_nan(self.totals[:-2], self.totals[-2])
        return {name: means[i] for i, name in enumerate(self.names)}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "names": self.names}


@keras.saving.register_keras_serializable("vae_tutorial")
class Autoencoder(keras.Model):
    """Autoencoder: a code for each image, and an image for each code.

    >>> model = Autoencoder(mlp_encoder((8, 8, 1), 2, variational=False), mlp_decoder(2, (8, 8, 1)))
    >>> model.compile(); model.fit(x_train, epochs=20)      # (n, 8, 8, 1), pixels in [0, 1]
    >>> model.encode(x_test), model.reconstruct(x_test)     # (n, 2), (n, 8, 8, 1)

    It minimises the *distortion* −log p(x|z), in nats per image. The encoder has one output (n, d); the decoder maps
    (n, d) to the parameters of ``likelihood``: "bernoulli", "continuous_bernoulli", "gaussian" or a ``Likelihood``.
    With ``Gaussian(sigma=1.0)`` the distortion is half the squared error plus a constant. The order of the images in
    training follows from ``seed`` and the number of steps so far.
    Raises ValueError where encoder, decoder and likelihood don't fit together.
    """

    encoder_outputs = 1

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: str | Likelihood = "bernoulli",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # the likelihood sees the images as they are, at any precision
        self.likelihood = likelihoods.get(likelihood)
        self.image_shape, self.latent_dim = _matching_shapes(encoder, decoder, self.likelihood, self.encoder_outputs)
        self.encoder, self.decoder = encoder, decoder
        self.seed = _checks.count("seed", seed, least=0)
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="step")
        self.nats = Nats(self.metric_names)
        self.built = True

    metric_names: tuple[str, ...] = ("distortion",)
    _xla_when_it_pays = False  # until compiled

    # -- what it computes ------------------------------------------------------------------------------------------

    def call(self, x: Tensor, training: bool = False) -> Any:
        """Reconstruction of each image, (n, h, w, c) -> (n, h, w, c); in training, the ``Terms`` of the loss."""
        if training:
            return self.terms(x, training=True)
        return self.likelihood.mean(self.decoder(self._code(x)))

    def terms(self, x: Tensor, training: bool = False) -> Terms:
        """The parts of the loss, for images (n, h, w, c)."""
        # training is passed on outright: on JAX compute_loss runs outside of any call that Keras could take it from
        params = self.decoder(self._code(x, training), training=training)
        return Terms(distortion=-self.likelihood.log_prob(x, params))

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Terms | Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Mean loss of a batch (n, h, w, c), in nats per image; updates the metrics. ``y`` is ignored."""
        if len(x.shape) != 4:
            raise ValueError(f"x: expected batches of images (n, h, w, c), got shape {tuple(x.shape)}.")
        terms = y_pred if isinstance(y_pred, Terms) else self.terms(x, training)
        weights = ops.ones(ops.shape(x)[:1], "float32") if sample_weight is None else ops.cast(sample_weight, "float32")
        weights = ops.reshape(weights, (-1,))  # a data set may have them as a column
        loss = sum(self.losses, start=self._objective(terms, weights))  # with what regularisers add
        self.nats.update_state(self._measured(terms), weights)
        if training:
            self.step.assign_add(1)
        return loss

    def _code(self, x: Tensor, training: bool = False) -> Tensor:
        return self.encoder(x, training=training)

    def _objective(self, terms: Terms, weights: Tensor) -> Tensor:
        return ops.mean(weights * terms.distortion)

    def _measured(self, terms: Terms) -> list[Tensor]:
        """Per-image values of the metrics, in the order of ``metric_names``."""
        return [terms.distortion]

    # -- numpy in, numpy out ---------------------------------------------------------------------------------------

    def encode(self, x: ArrayLike) -> Any:
        """Code of each image: (n, h, w, c) -> (n, d)"""
        outputs = self._in_batches(self.encoder, self._pixels("x", x))
        return keras.tree.map_structure(lambda code: code.astype(np.float32), outputs)  # from half precision

    def decode(self, z: ArrayLike) -> Array:
        """Mean image of each code: (n, d) -> (n, h, w, c)

        Raises ValueError for codes beyond ±1e6, whose images float32 may not hold.
        """
        return ops.convert_to_numpy(self.likelihood.mean(self._decoded(z)))

    def reconstruct(self, x: ArrayLike) -> Array:
        """Image decoded from each image's own code, (n, h, w, c) -> (n, h, w, c): nothing is drawn"""
        return self._in_batches(self, self._pixels("x", x))

    def _decoded(self, z: ArrayLike) -> Array:
        z = _checks.codes("z", z, (self.latent_dim,))
        return self._in_batches(self.decoder, z).astype(np.float32)

    def _in_batches(self, model: keras.Model, x: Array) -> Any:
        """What ``model.predict`` returns, sooner: (n, ...) -> (n, ...)

        Keras's own builds a data pipeline at each call, which takes TensorFlow a tenth of a second, and compiles anew
        for a last batch of another size. Here all batches have one size, the last one padded.
        """
        self._recall_weights()
        outputs, size = [], rows_at_a_time(math.prod(self.image_shape))
        for start in range(0, len(x), size):
            batch = np.zeros((size, *x.shape[1:]), x.dtype)
            rows = x[start : start + size]
            batch[: len(rows)] = rows
            outputs.append(model.predict_on_batch(batch))
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[: len(x)], *outputs)

    def _recall_weights(self) -> None:
        """In a callback during training on JAX: Keras keeps the weights to itself between two batches."""
        if keras.backend.backend() == "jax":
            self.jax_state_sync()

    def _pixels(self, name: str, x: Any) -> Array:
        return _checks.pixels(name, x, self.image_shape, self.likelihood.bounded)

    # -- Keras's verbs: defaults, and checks before work starts ------------------------------------------------------

    def compile(
        self,
        optimizer: str | keras.Optimizer = "adam",
        *,
        run_eagerly: bool = False,
        steps_per_execution: int | None = None,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Keras's ``compile``, with defaults that train fast on the active back end. There is no loss to choose.

        ``steps_per_execution`` is 32 on TensorFlow and JAX, so callbacks see every 32nd batch; PyTorch has only 1.
        With ``jit_compile="auto"`` TensorFlow uses XLA for dense networks too, once ``fit`` sees arrays of at least
        256 batches an epoch.
        """
        if steps_per_execution is None:
            steps_per_execution = 1 if keras.backend.backend() == "torch" or run_eagerly else 32
        self._xla_when_it_pays = jit_compile == "auto" and keras.backend.backend() == "tensorflow" and not run_eagerly
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )

    def get_compile_config(self) -> dict[str, Any]:
        """The optimizer, and none of the execution settings: those belong to a machine and a back end."""
        if not self.compiled:
            return {}
        return {"optimizer": _on_any_back_end(keras.saving.serialize_keras_object(self.optimizer))}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # one that scales the loss is in the file as such
        self.compile(keras.saving.deserialize_keras_object(config["optimizer"]), auto_scale_loss=False)
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *,
        shuffle: bool = True,
        validation_split: float = 0.0,
        validation_data: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Keras's ``fit``: ``fit(x_train, epochs=20, batch_size=128, validation_data=x_test)``.

        Arrays (n, h, w, c) are checked first, and shuffled by (``seed``, steps so far): training that is saved, loaded
        and continued sees the same batches as training that never stopped. With ``steps_per_epoch`` an epoch begins
        where the last one ended. ``y`` is ignored.
        Raises ValueError for images of another shape, NaN, pixels outside [0, 1] where the likelihood needs that,
        weights that are negative or all zero, and under a ``tf.distribute`` strategy of several replicas.
        """
        if getattr(self, "distribute_strategy", None) and self.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                f"tf.distribute: expected one replica, got {self.distribute_strategy.num_replicas_in_sync}, whose "
                "losses would be added up. Several devices train one model with JAX and keras.distribution."
            )
        _checks.count("epochs", kwargs.get("epochs", 1), least=0)  # Keras makes none of fewer, and says nothing
        _counts(kwargs, "validation_steps", "validation_batch_size")
        if not isinstance(kwargs.get("validation_freq"), list):  # of epochs, which Keras takes too
            _counts(kwargs, "validation_freq")
        if validation_data is not None:
            images, *rest = (validation_data or (None,)) if isinstance(validation_data, tuple) else (validation_data,)
            if not _is_array(images):
                _data_set("validation_data", images)
            else:
                images = self._pixels("validation_data", images)
                if len(rest) == 2 and rest[1] is not None:
                    weights = _weights("validation_data", rest[1], len(images))
                    rest = [weights, weights]  # Keras drops weights that come without a y; the model ignores it
            validation_data = (images, *rest)
        if not _is_array(x):
            _data_set("x", x)
            given = {"batch_size": batch_size, "shuffle": shuffle, "sample_weight": sample_weight}
            with self._whole_executions(kwargs.get("steps_per_epoch"), kwargs.get("validation_steps")):
                return super().fit(
                    x, y, validation_split=validation_split, validation_data=validation_data, **given, **kwargs
                )
        batch_size = 32 if batch_size is None else _checks.count("batch_size", batch_size)  # 32: Keras's own default
        if kwargs.get("class_weight") is not None:
            raise ValueError("class_weight: expected none, since y is ignored; give sample_weight, one for each image.")
        columns = [self._pixels("x", x)]
        if sample_weight is not None:
            weights = _weights("sample_weight", sample_weight, len(columns[0]))
            columns += [weights, weights]  # Keras wants a y before the weights; the model ignores it
        if validation_split and validation_data is None:
            kept = _kept(len(columns[0]), validation_split)
            validation_data = tuple(column[kept:] for column in columns)
            columns = [column[:kept] for column in columns]
        kwargs.setdefault("validation_batch_size", batch_size)
        # Batches come in their own order, which Keras would shuffle again. Keras's own limit of steps would take one
        # epoch's batches out of the next one's order.
        steps = kwargs.pop("steps_per_epoch", None)
        if steps is None:
            epoch_seed = (lambda: [self.seed, int(self.step)]) if shuffle else None
            batches = Batches(columns, batch_size, epoch_seed)
        else:
            steps = _checks.count("steps_per_epoch", steps)
            batches = LimitedBatches(columns, batch_size, lambda: (self.seed, int(self.step)), steps, shuffle)
        self._use_xla_if_it_pays(len(batches))
        with self._whole_executions(kwargs.get("validation_steps")):
            return super().fit(batches, shuffle=False, validation_data=validation_data, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Keras's ``evaluate``: loss and metrics in nats per image, exact over batches of any size."""
        _counts({**kwargs, "batch_size": batch_size}, "batch_size", "steps")
        if not _is_array(x):
            _data_set("x", x)
        elif not kwargs.get("_use_cached_eval_dataset"):  # fit has checked its validation data
            x = self._pixels("x", x)
            if kwargs.get("sample_weight") is not None:
                y = kwargs["sample_weight"] = _weights("sample_weight", kwargs["sample_weight"], len(x))  # as in fit
        with self._whole_executions(kwargs.get("steps")):
            return super().evaluate(x, y, batch_size, **kwargs)

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Keras's ``predict``: the reconstructions."""
        _counts({**kwargs, "batch_size": batch_size}, "batch_size", "steps")
        x = self._pixels("x", x) if _is_array(x) else _data_set("x", x)
        with self._whole_executions(kwargs.get("steps")):
            return super().predict(x, batch_size, **kwargs)

    def restart(self, fresh: Autoencoder) -> None:
        """Become ``fresh``, an untrained model of the same make, without being compiled again.

        >>> vae.fit(x_train); vae.restart(build(seed=1)); vae.fit(x_train)      # as build(seed=1) itself would be

        Weights, seed, number of steps and β are those of ``fresh``; the optimizer keeps its learning rate and forgets
        the rest. Saves compiling anew for each of many short trainings.
        Raises ValueError where ``fresh`` differs in more than its weights, its seed and β.
        """
        if type(self) is not type(fresh) or _make(self.get_config()) != _make(fresh.get_config()):
            raise ValueError(
                f"fresh: expected a {type(self).__name__} that differs in weights, seed and β alone, "
                f"got a {type(fresh).__name__} with other layers or settings."
            )
        for own, first in zip(self.variables, fresh.variables, strict=True):  # weights, and what dropout draws from
            own.assign(ops.convert_to_numpy(first))
        self.seed = fresh.seed
        if self.compiled:
            optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
            optimizer.build(self.trainable_variables)
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            for variable, first in zip(self.optimizer.variables, optimizer.variables, strict=True):
                variable.assign(first)

    def _use_xla_if_it_pays(self, batches: int) -> None:
        """Let XLA compile the training of dense networks on TensorFlow, where an epoch has many batches.

        It takes about two seconds, and then a step of the 784-400-20 VAE takes 0.85 of its time. Only for dense ones:
        XLA's convolutions are several times slower than TensorFlow's own on a processor.
        """
        if not self._xla_when_it_pays or self.jit_compile or batches < LONG_EPOCH:  # type: ignore[has-type]
            return
        if all(len(weight.shape) <= 2 for weight in self.trainable_variables):
            self.jit_compile = True
            self.train_function = self.test_function = self.predict_function = None

    @contextmanager
    def _whole_executions(self, *limits: int | None) -> Iterator[None]:
        """For a while, take as many steps at a time as divide each of the limits, where one is given.

        Keras looks at a limit of steps between executions only: 32 steps in one would go beyond ``steps=3``.
        """
        usual = getattr(self, "steps_per_execution", 1)
        fitting = math.gcd(usual, *(limit for limit in limits if limit))
        if fitting == usual:
            yield
            return
        made_for_usual = self.train_function, self.test_function, self.predict_function  # fit may be under way
        try:
            self.steps_per_execution = fitting
            self.train_function = self.test_function = self.predict_function = None
            yield
        finally:
            self.steps_per_execution = usual
            self.train_function, self.test_function, self.predict_function = made_for_usual

    # -- saving ------------------------------------------------------------------------------------------------------

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any) -> None:
        """Keras's ``save``, whole or not at all: one that fails or is killed leaves the file that was there.

        >>> vae.save("vae.keras")

        Raises FileNotFoundError for a folder that does not exist, and OSError where there is no room or no right to
        write.
        """
        asks = not overwrite and Path(filepath).expanduser().exists()
        sends_away, refuses = "://" in str(filepath), Path(filepath).suffix not in (".keras", ".h5", ".hdf5")
        if asks or sends_away or refuses or kwargs.get("zipped") is False:  # or writes a folder
            return super().save(filepath, overwrite, **kwargs)
        with replacing(filepath) as scratch:
            super().save(scratch, **kwargs)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any) -> None:
        """Keras's ``save_weights``, whole or not at all, as in ``save``."""
        asks = not overwrite and Path(filepath).expanduser().exists()
        refuses = not str(filepath).endswith(".weights.h5")
        if asks or refuses or kwargs.get("max_shard_size") is not None:
            return super().save_weights(filepath, overwrite, **kwargs)
        variables = [*self.variables, *(self.optimizer.variables if self.compiled else ())]
        with replacing(filepath) as scratch:
            check_room(scratch, sum(4 * math.prod(v.shape) + 4096 for v in variables) + 2**16)  # HDF5 adds 1 kB each
            super().save_weights(scratch, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",  # noqa: A002 — the name is Keras's
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Keras's ``export`` of the reconstruction, (n, h, w, c) -> (n, h, w, c): a program that needs no Keras.

        >>> vae.export("folder"); tf.saved_model.load("folder").serve(x)      # vae.reconstruct(x)
        """
        if input_signature is None:  # Keras knows it of models only that it has built itself
            input_signature = [keras.InputSpec(shape=(None, *self.image_shape), dtype="float32")]
        super().export(str(filepath), format, verbose, input_signature, **kwargs)

    def get_config(self) -> dict[str, Any]:
        parts = {"encoder": self.encoder, "decoder": self.decoder, "likelihood": self.likelihood}
        config = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        dtype = keras.saving.serialize_keras_object(self.dtype_policy)
        return {**config, "seed": self.seed, "name": self.name, "dtype": dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Autoencoder:
        parts = {
            name: keras.saving.deserialize_keras_object(part, custom_objects=custom_objects)
            if isinstance(part, dict)
            else part
            for name, part in config.items()
        }
        return cls(**parts)


@keras.saving.register_keras_serializable("vae_tutorial")
class VAE(Autoencoder):
    """Variational autoencoder: an encoder that answers with a distribution, and a prior that codes are drawn from.

    >>> vae = VAE(mlp_encoder((28, 28, 1), 20), mlp_decoder(20, (28, 28, 1)))
    >>> vae.compile(); vae.fit(x_train, epochs=20, batch_size=128)      # (n, 28, 28, 1), pixels in [0, 1]
    >>> vae.evaluate(x_test, return_dict=True)      # loss, elbo, rate, distortion in nats per image
    >>> vae.sample(16, seed=0)                      # (16, 28, 28, 1)

    The encoder has two outputs (n, d), mean and log-variance of q(z|x); the prior is the standard normal. The loss is
    ``distortion + β · rate``, the rate in closed form, the distortion averaged over ``samples`` draws of z (Kingma &
    Welling, 2014; Higgins et al., 2017). The metric ``elbo`` is −(distortion + rate) whatever β is.

    - ``free_bits``: nats below which a latent dimension's mean rate costs nothing less (Kingma et al., 2016).
    - ``objective="iwae"``: maximise the importance-weighted bound with k = ``samples`` (Burda et al., 2016) instead;
      refused together with β ≠ 1 or free bits, of which that bound knows nothing.
    - ``seed``: training noise is a function of it and of the number of steps so far.

    Raises ValueError for a negative β, fewer than one sample, or parts that don't fit together.
    """

    encoder_outputs = 2
    metric_names = ("elbo", "rate", "distortion")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: str | Likelihood = "bernoulli",
        beta: float = 1.0,
        free_bits: float = 0.0,
        samples: int = 1,
        objective: str = "elbo",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        beta = _checks.number("beta", beta, most=_checks.FAR)
        self.free_bits = _checks.number("free_bits", free_bits, most=_checks.FAR)
        self.samples = _checks.count("samples", samples)
        if objective not in ("elbo", "iwae"):
            raise ValueError(f"objective: expected 'elbo' or 'iwae', got {objective!r}.")
        if objective == "iwae" and (beta != 1.0 or free_bits):
            raise ValueError(f"objective: 'iwae' has no β and no free bits, got beta={beta}, free_bits={free_bits}.")
        self.objective = objective
        # a weight, because a Python number would be compiled into the training step and never change again
        self.beta = self.add_weight(
            shape=(), dtype="float32", initializer=keras.initializers.Constant(beta), trainable=False, name="beta"
        )
        # far apart for any two seeds: PyTorch adds up the two parts of a generator's state; a weight, as β is
        streams = np.random.SeedSequence(self.seed).generate_state(2) >> 1
        self.streams = self.add_weight(
            shape=(2,),
            dtype="int32",
            initializer=lambda shape, dtype: ops.convert_to_tensor(streams, dtype),
            trainable=False,
            name="streams",
        )

    # -- what it computes ------------------------------------------------------------------------------------------

    def terms(self, x: Tensor, training: bool = False) -> Terms:
        """The parts of the loss, for images (n, h, w, c) and ``samples`` draws of each image's code."""
        q = posterior(self.encoder, x, training)
        shape = (self.samples, ops.shape(q.mean)[0], self.latent_dim)
        eps = keras.random.normal(shape, dtype="float32", seed=self._noise(training))
        z = _drawn(q, eps)
        log_likelihood = _log_likelihood(self.decoder, self.likelihood, x, z, training)
        log_weights = log_likelihood + _log_ratio(q, z, eps) if self.objective == "iwae" else None
        return Terms(-log_likelihood, bounds.rate_per_dimension(*q), log_weights)

    def _noise(self, training: bool) -> Draw:
        """The next draw's seed follows from (seed, steps) in training, from (seed, images seen) in evaluation.

        So an interrupted training continues with the noise that it would have had, and evaluating twice gives the same
        number.
        """
        return Draw(self.streams[0], self.step) if training else Draw(self.streams[1], self.nats.seen)

    def _code(self, x: Tensor, training: bool = False) -> Tensor:
        return posterior(self.encoder, x, training).mean

    def _objective(self, terms: Terms, weights: Tensor) -> Tensor:
        if self.objective == "iwae":
            return -ops.mean(weights * bounds.iwae(terms.log_weights))
        rates = ops.mean(weights[:, None] * terms.rate, axis=0)  # per latent dimension
        distortion = ops.mean(weights * ops.mean(terms.distortion, axis=0))
        return distortion + self.beta * ops.sum(ops.maximum(rates, self.free_bits))

    def _measured(self, terms: Terms) -> list[Tensor]:
        distortion, rate = ops.mean(terms.distortion, axis=0), ops.sum(terms.rate, axis=-1)
        return [-(distortion + rate), rate, distortion]

    # -- numpy in, numpy out ---------------------------------------------------------------------------------------

    def encode(self, x: ArrayLike) -> Posterior:
        """Mean and log-variance of q(z|x): (n, h, w, c) -> (n, d), (n, d)"""
        mean, log_var = super().encode(x)
        return Posterior(mean, np.clip(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT))

    def sample(self, n: int, seed: int = 0, draw: bool = False) -> Array:
        """Images of n codes drawn from the prior: -> (n, h, w, c)

        Mean images, as papers show them; with ``draw`` the pixels are drawn from the likelihood too, as the model says.
        """
        n, seed = _checks.count("n", n), _checks.count("seed", seed, least=0)
        z = np.random.default_rng(seed).standard_normal((n, self.latent_dim), np.float32)
        params = self._decoded(z)
        images = self.likelihood.sample(params, seed % 2**31) if draw else self.likelihood.mean(params)
        return ops.convert_to_numpy(images)

    def log_weights(self, x: ArrayLike, k: int = 1, seed: int = 0) -> Array:
        """Log-weights log p(x, z) − log q(z|x) of k draws for each image, in nats: (n, h, w, c) -> (k, n)

        Their mean over k is the ELBO, their log-mean-exp the importance-weighted bound (``bounds``). An image's numbers
        depend on the image, k and ``seed``: not on its place, the images beside it, or a batch size.
        """
        x = self._pixels("x", x)
        log_w = np.empty((_checks.count("k", k), len(x)), np.float32)
        for rows, draws, tile in self._tiles(x, k, seed):
            log_w[draws, rows] = tile
        return log_w

    def elbo(self, x: ArrayLike, k: int = 16, seed: int = 0) -> Estimate:
        """Evidence lower bound of each image from k draws, in nats: (n, h, w, c) -> value (n,), standard error (n,)

        Unbiased for every k, which only makes it less noisy. Memory does not grow with k.
        """
        x = self._pixels("x", x)
        k = _checks.count("k", k)
        total, squares = np.zeros((2, len(x)))
        for rows, _, log_w in self._tiles(x, k, seed):
            total[rows] += np.sum(log_w, axis=0, dtype=np.float64)
            squares[rows] += np.sum(np.square(log_w, dtype=np.float64), axis=0)
        mean = total / k
        variance = np.maximum(squares / k - mean**2, 0.0)
        return Estimate(mean, np.sqrt(variance / (k - 1)) if k > 1 else np.full_like(mean, np.nan))

    def log_likelihood(self, x: ArrayLike, k: int = 200, seed: int = 0) -> LogLikelihood:
        """log p(x) of each image by importance sampling with k draws, in nats: (n, h, w, c) -> three arrays (n,)

        Too low in expectation, by less as k grows: ``doubling_gain``, what the last doubling of k brought, is about
        what is still missing. The standard error is that of a logarithm of a mean, to first order. Memory does not grow
        with k. Burda, Grosse & Salakhutdinov (2016), equation 8.
        """
        x = self._pixels("x", x)
        k = _checks.count("k", k)
        half = k // 2
        total, squares, first, second = sums = np.full((4, len(x)), -np.inf)  # logarithms of sums of weights
        for rows, draws, log_w in self._tiles(x, k, seed):
            log_w = log_w.astype(np.float64)
            i = np.arange(draws.start, draws.stop)
            parts = (log_w, 2.0 * log_w, log_w[i < half], log_w[(half <= i) & (i < 2 * half)])
            for log_sum, part in zip(sums, parts, strict=True):
                log_sum[rows] = np.logaddexp(log_sum[rows], np.logaddexp.reduce(part, axis=0, initial=-np.inf))
        value = total - np.log(k)
        if k == 1:
            return LogLikelihood(value, *np.full((2, len(x)), np.nan))
        relative_variance = np.maximum(k * np.exp(squares - 2.0 * total) - 1.0, 0.0) / (k - 1)
        return LogLikelihood(value, np.sqrt(relative_variance), value - 0.5 * (first + second) + np.log(half))

    def _tiles(self, x: Array, k: int, seed: int) -> Iterator[tuple[slice, slice, Array]]:
        """Log-weights tile by tile: (rows, draws, values), of a fixed number of rows, the last one padded."""
        seed = _checks.count("seed", seed, least=0)
        self._recall_weights()
        parts = self.encoder, self.decoder, self.likelihood
        scorer = _SCORERS.get(self)
        if scorer is None or any(a is not b for a, b in zip(scorer.scored, parts, strict=True)):  # one was exchanged
            scorer = _SCORERS[self] = _Scorer(*parts)
        for rows, draws, inputs in noise_tiles(x, k, self.latent_dim, seed):
            tile = scorer.predict_on_batch(inputs)
            yield rows, draws, tile[:, : rows.stop - rows.start]

    # -- saving ------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        own = {"free_bits": self.free_bits, "samples": self.samples, "objective": self.objective}
        return {**super().get_config(), "beta": float(ops.convert_to_numpy(self.beta)), **own}


def posterior(encoder: keras.Model, x: Tensor, training: bool = False) -> Posterior:
    """q(z|x) in float32: images (n, h, w, c) -> mean (n, d), log-variance (n, d)"""
    mean, log_var = (ops.cast(output, "float32") for output in encoder(x, training=training))
    return Posterior(mean, ops.clip(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT))


def _drawn(q: Posterior, eps: Tensor) -> Tensor:
    """Codes at ``eps`` standard deviations from the mean: (k, n, d) -> (k, n, d)"""
    return q.mean + ops.exp(0.5 * q.log_var) * eps


def _log_likelihood(
    decoder: keras.Model, likelihood: Likelihood, x: Tensor, z: Tensor, training: bool = False
) -> Tensor:
    """log p(x|z) of k codes for each image: images (n, h, w, c), codes (k, n, d) -> (k, n)"""
    k, n, d = ops.shape(z)
    params = decoder(ops.reshape(z, (-1, d)), training=training)
    return likelihood.log_prob(x, ops.reshape(params, (k, n, *params.shape[1:])))


def _log_ratio(q: Posterior, z: Tensor, eps: Tensor) -> Tensor:
    """log p(z) − log q(z|x) of the codes that ``_drawn`` made of ``eps``: (k, n, d), (k, n, d) -> (k, n)"""
    # log q from eps itself: where σ is tiny beside the mean, z − mean has lost it
    log_q = bounds.gaussian_log_prob(eps) - 0.5 * ops.sum(q.log_var, axis=-1)
    return bounds.gaussian_log_prob(z) - log_q


class _Scorer(keras.Model):
    """Log-weights as a model of its own, so that Keras compiles them on every back end."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model, likelihood: Likelihood) -> None:
        super().__init__(name="scorer", dtype="float32")  # noise stays in full precision under a mixed policy
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood

    @property
    def scored(self) -> tuple[keras.Model, keras.Model, Likelihood]:
        return self.encoder, self.decoder, self.likelihood

    def call(self, inputs: list[Tensor]) -> Tensor:
        x, shifts, uniforms = inputs
        q, eps = posterior(self.encoder, x), shifted_normals(uniforms, shifts)
        z = _drawn(q, eps)
        return _log_likelihood(self.decoder, self.likelihood, x, z) + _log_ratio(q, z, eps)


# compiled once a VAE; beside the models, since Keras would save and count what is an attribute of one
_SCORERS: WeakKeyDictionary[VAE, _Scorer] = WeakKeyDictionary()


def _on_any_back_end(config: Any) -> Any:
    """An optimizer's configuration that names no back end: on PyTorch Keras saves its own variant of Adam by name."""
    if not isinstance(config, dict):
        return config
    config = {key: _on_any_back_end(value) for key, value in config.items()}
    if str(config.get("module")).startswith("keras.src.backend."):
        config["module"] = "keras.optimizers"
    return config


def _make(config: Any) -> Any:
    """What two models have in common that could share a compiled training step: a configuration without first values.

    Keras numbers its tensors, so how the layers are wired can't be compared; their order and settings are.
    """
    first_values = ("name", "seed", "beta", "inbound_nodes", "input_layers", "output_layers")
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return config["config"]  # its name is the precision
        kept = (key for key in config if key not in first_values and not key.endswith("_initializer"))
        return {key: _make(config[key]) for key in kept}
    return [_make(part) for part in config] if isinstance(config, (list, tuple)) else config


def _counts(given: dict[str, Any], *names: str) -> None:
    """Of Keras's settings, those that must be whole numbers of at least 1 where they are given."""
    for name in names:
        if given.get(name) is not None:
            _checks.count(name, given[name])


def _is_array(x: Any) -> bool:
    """Whether ``x`` is an array or a tensor, and no data set or iterator."""
    return (hasattr(x, "shape") and hasattr(x, "dtype")) or isinstance(x, list)


def _data_set(name: str, x: Any) -> Any:
    """``x``, unless it is plainly no data set: Keras's own words for that name no argument."""
    if x is None or isinstance(x, (str, bytes, dict, tuple, set, int, float)):
        raise TypeError(f"{name}: expected images as an array (n, h, w, c), or a data set, got {type(x).__name__}.")
    return x


def _weights(name: str, weights: Any, n: int) -> Array:
    """A weight for each of n images, (n,): none negative, and not all zero."""
    weights = _checks.array(name, weights, (), "weights", _checks.FAR)
    if len(weights) != n:
        raise ValueError(f"{name}: expected weights for each of {n} images, got {len(weights)}.")
    if weights.min() < 0.0 or not weights.max() > 0.0:
        raise ValueError(
            f"{name}: expected weights of 0 or more, and not all 0, got {weights.min():g} to {weights.max():g}."
        )
    return weights


def _kept(n: int, validation_split: float) -> int:
    """Number of the n images that stay for training."""
    kept = int(n * (1.0 - _checks.number("validation_split", validation_split)))
    if not 0 < kept < n:
        raise ValueError(f"validation_split: {validation_split!r} of {n} images leaves one of the two parts empty.")
    return kept


def _matching_shapes(
    encoder: keras.Model, decoder: keras.Model, likelihood: Likelihood, outputs: int
) -> tuple[tuple[int, int, int], int]:
    """Image shape and latent size of a pair that fits together; ValueError where it doesn't."""
    shapes = {}
    for role, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, keras.Model):
            raise ValueError(f"{role}: expected a keras.Model, got {type(network).__name__}.")
        try:
            shapes[role] = network.input_shape, network.output_shape
        except AttributeError:
            raise ValueError(
                f"{role}: expected a functional or sequential model that is built; {network.name!r} has no shape. "
                "Wrap a model of your own class: i = keras.Input(shape); keras.Model(i, own(i))."
            ) from None
    image, codes = shapes["encoder"]
    if len(image) != 4 or None in image[1:]:
        raise ValueError(f"encoder: expected images of fixed size as input, (n, h, w, c), got {image}.")
    outputs_by_name = encoder.compute_output_spec(keras.KerasTensor(image))
    if isinstance(outputs_by_name, dict):
        raise ValueError(f"encoder: expected its outputs in order, got a dict of {', '.join(outputs_by_name)}.")
    codes = codes if isinstance(codes, list) else [codes]
    if len(codes) != outputs or any(len(code) != 2 or code != codes[0] for code in codes):
        wanted = "two outputs (n, d), mean and log-variance" if outputs == 2 else "one output (n, d), the code"
        raise ValueError(f"encoder: expected {wanted}, got {len(codes)} of shape {', '.join(map(str, codes))}.")
    if shapes["decoder"][0] != codes[0]:
        raise ValueError(
            f"decoder: expected input of shape {codes[0]}, as the encoder's output, got {shapes['decoder'][0]}."
        )
    height, width, channels = image[1:]
    parameters = (None, height, width, channels * likelihood.channels)
    if shapes["decoder"][1] != parameters:
        raise ValueError(
            f"decoder: expected output of shape {parameters}, {likelihood.channels} parameter(s) of the "
            f"{likelihood.name} likelihood for each channel of the encoder's {image[1:]} images, "
            f"got {shapes['decoder'][1]}."
        )
    return image[1:], codes[0][1]
