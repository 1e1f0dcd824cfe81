"""The playground: the engine computes what Keras computes, and the page shows what its text says.

The engine is the very file that the page loads, run in Chromium.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vaebook import playground

pytestmark = pytest.mark.browser

Array = NDArray[Any]


@pytest.fixture(scope="module")
def engine(browser: Any) -> Iterator[Any]:
    """An empty page that has loaded the engine and the digits."""
    page = browser.new_page()
    page.add_script_tag(content=playground.digits_script())
    page.add_script_tag(path=playground.PARTS / "engine.js")
    yield page
    page.close()


# --- the arithmetic ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images() -> Array:
    """Fifty black and white images, neither a full batch nor a multiple of four: (50, 8, 8, 1)"""
    from vae_tutorial import datasets

    return playground.black_and_white(datasets.load("digits").x_train[:50]).astype(np.float32)


def test_the_digits_are_the_books(engine: Any) -> None:
    from vae_tutorial import datasets

    data = datasets.load("digits")
    settings = {"objective": "vae", "latent": 2, "beta": 1, "learningRate": 0.003, "seed": 1}
    for part, x, y in (("train", data.x_train, data.y_train), ("test", data.x_test, data.y_test)):
        script = "([s, part]) => [...new (vaeEngine().Training)(vaeDigits, s).images[part]]"
        pixels = np.reshape(engine.evaluate(script, [settings, part]), x.shape)
        np.testing.assert_array_equal(pixels, x >= 0.5)
        assert engine.evaluate("part => vaeDigits[part].labels", part) == "".join(map(str, y))


RUN_ONCE = """({latent, weights, x, noise, beta, learningRate}) => {
    const engine = vaeEngine();
    const model = new engine.Model(latent, new engine.Random(1));
    model.weights.all.set(weights);
    const drawn = noise && Float32Array.from(noise);
    const pixels = Float32Array.from(x);
    const terms = model.forward(pixels, drawn, x.length / 64);
    model.backward(pixels, drawn, x.length / 64, beta);
    const slopes = [...model.slopes.all];
    const adam = new engine.Adam(slopes.length);
    for (let i = 0; i < 3; i++) adam.step(model.weights.all, model.slopes.all, learningRate);
    return {...terms, slopes, weights: [...model.weights.all], heads: [...model.slopes.logVarKernel]};
}"""


def keras_model(objective: str, latent: int, beta: float) -> Any:
    """The package's model of the playground's size."""
    from vae_tutorial import VAE, Autoencoder, networks

    variational = objective == "vae"
    encoder = networks.mlp_encoder((8, 8, 1), latent, hidden=(64,), variational=variational, seed=1)
    decoder = networks.mlp_decoder(latent, (8, 8, 1), hidden=(64,), seed=1)
    return VAE(encoder, decoder, beta=beta) if variational else Autoencoder(encoder, decoder)


def loss_of(model: Any, x: Array) -> Callable[[Any], Any]:
    """The model's own loss as a function of all its weights in one array."""
    import keras
    from keras import ops

    def loss(flat: Any) -> Any:
        values, start = [], 0
        for variable in model.trainable_variables:
            size = int(np.prod(variable.shape))
            values.append((variable, ops.reshape(flat[start : start + size], variable.shape)))
            start += size
        with keras.StatelessScope(state_mapping=values):
            return model.compute_loss(x, training=True)

    return loss


@pytest.mark.parametrize(
    ("objective", "latent", "beta"), [("vae", 2, 1.0), ("vae", 8, 4.0), ("vae", 1, 0.25), ("autoencoder", 2, 1.0)]
)
def test_loss_slopes_and_adam_are_those_of_keras(
    engine: Any, images: Array, gradient: Any, monkeypatch: Any, objective: str, latent: int, beta: float
) -> None:
    """Same weights, same noise: to 1e-4 of the largest, which leaves room for float32 sums in another order."""
    import keras
    from keras import ops

    model = keras_model(objective, latent, beta)
    rng = np.random.default_rng(3)
    # also biases that are not zero, and spreads that are not one
    weights = np.concatenate([np.reshape(w, -1) for w in model.get_weights() if np.ndim(w)]) * 1.5
    parts = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    weights = np.concatenate([1.5 * p.reshape(-1) + 0.1 * rng.standard_normal(p.size) for p in parts])
    weights = weights.astype(np.float32)
    noise = rng.standard_normal((1, len(images), latent)).astype(np.float32) if objective == "vae" else None
    monkeypatch.setattr(keras.random, "normal", lambda *_, **__: ops.convert_to_tensor(noise))

    loss = loss_of(model, images)
    expected_slopes = gradient(loss, weights)
    given = {
        "latent": latent,
        "weights": weights.tolist(),
        "x": images.reshape(-1).tolist(),
        "noise": None if noise is None else noise.reshape(-1).tolist(),
        "beta": beta,
        "learningRate": 0.01,
    }
    if objective == "autoencoder":  # Keras's has no second head: the engine's gets weights that must not matter
        at = np.cumsum([p.size for p in parts])[3]
        given["weights"] = np.insert(weights, at, rng.standard_normal(65 * latent)).tolist()
    got = engine.evaluate(RUN_ONCE, given)
    slopes, after = np.array(got["slopes"]), np.array(got["weights"])
    if objective == "autoencoder":
        head = slice(at, at + 65 * latent)
        assert not slopes[head].any()
        slopes, after = np.delete(slopes, head), np.delete(after, head)

    np.testing.assert_allclose(slopes, expected_slopes, atol=1e-4 * np.abs(expected_slopes).max(), rtol=0)
    assert float(loss(weights)) == pytest.approx(got["distortion"] + beta * got["rate"], rel=1e-5)

    variable, optimizer = keras.Variable(weights), keras.optimizers.Adam(0.01)
    for _ in range(3):
        optimizer.apply([ops.convert_to_tensor(slopes.astype(np.float32))], [variable])
    np.testing.assert_allclose(after, ops.convert_to_numpy(variable), atol=1e-5)
