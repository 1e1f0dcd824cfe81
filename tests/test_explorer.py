"""The instruments: what the page computes equals what the models compute, and bad input is refused at once."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

pytest.importorskip("anywidget")

from vae_tutorial import VAE, latent, networks
from vae_tutorial.explorer import (
    BetaExplorer,
    ELBOExplorer,
    Interpolation,
    KLExplorer,
    LatentExplorer,
    ThresholdExplorer,
    _network,
)
from vae_tutorial.explorer._stage import STATIC, VIEW
from vae_tutorial.likelihoods import Bernoulli

SHAPE = (8, 8, 1)
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None and not os.environ.get("CI"), reason="no node: the page's decoder is not checked"
)


def run_in_node(tmp_path: Path, parts: Any, z: np.ndarray) -> np.ndarray:
    """The page's own decoder on codes (n, d) -> images (n, h, w, c)"""
    specs, weights = _network.described(parts.decoder)
    job = {"layers": specs, "weights": base64.b64encode(weights).decode(), "mean": parts.mean}
    job |= {"z": z.tolist(), "shape": parts.image_shape}
    tmp_path.joinpath("job.json").write_text(json.dumps(job))
    script = STATIC.joinpath("network.js").read_text("utf8") + (
        'import { readFileSync } from "node:fs";'
        'const job = JSON.parse(readFileSync("job.json", "utf8"));'
        'const layers = unpack(job.layers, new DataView(new Uint8Array(Buffer.from(job.weights, "base64")).buffer));'
        "const images = job.z.map((z) => [...decode(layers, job.mean, z, job.shape)]);"
        "process.stdout.write(JSON.stringify(images));"
    )
    tmp_path.joinpath("run.mjs").write_text(script, "utf8")
    done = subprocess.run([NODE or "node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    return np.reshape(json.loads(done.stdout), (len(z), *parts.image_shape))


def livelier(model: keras.Model) -> keras.Model:
    """Weights of a size that training gives, biases too: at the start all images are nearly the same grey."""
    rng = np.random.default_rng(0)
    for w in model.weights:
        w.assign(rng.normal(0, 0.6 / np.sqrt(max(1, np.prod(w.shape[:-1]) / 8)), w.shape))
    return model


def chain(*parts: Any) -> keras.Model:
    return keras.Sequential([keras.Input((2,)), *parts])


@pytest.fixture
def vae() -> VAE:
    return VAE(networks.mlp_encoder(SHAPE, 2), networks.mlp_decoder(2, SHAPE, hidden=(16,)))


@needs_node
@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "gaussian"])
@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_page_decodes_what_the_vae_decodes(tmp_path: Path, kind: str, likelihood: str) -> None:
    """Three likelihoods, whose means differ; 5e-3 is what half-precision weights cost at most, a step of grey."""
    decoder = getattr(networks, f"{kind}_decoder")(3, SHAPE, likelihood=likelihood)
    model = VAE(networks.mlp_encoder(SHAPE, 3), livelier(decoder), likelihood=likelihood)
    z = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    parts = LatentExplorer(model).parts
    expected = model.decode(z)
    assert expected.std() > 0.02  # not one grey, which anything would match
    assert_allclose(run_in_node(tmp_path, parts, z), expected, atol=5e-3, rtol=0)


@needs_node
@pytest.mark.parametrize(
    "stages",
    [
        [layers.Conv2DTranspose(5, 3, strides=2, padding="same", activation="relu")],
        [layers.Conv2DTranspose(5, 4, strides=3, padding="same", activation="tanh")],
        [layers.Conv2DTranspose(5, 2, strides=3, padding="valid", activation="elu")],
        [layers.Conv2DTranspose(5, (2, 3), strides=(1, 2), padding="valid", activation="silu")],
        [layers.UpSampling2D((2, 3)), layers.Conv2D(5, 3, strides=2, padding="same", activation="softplus")],
        [layers.UpSampling2D(3), layers.Conv2D(5, (4, 3), strides=2, padding="valid", activation="leaky_relu")],
        [layers.Conv2D(5, 3, padding="same", use_bias=False), layers.LeakyReLU(0.1), layers.Dropout(0.5)],
        [layers.Conv2D(5, 4, padding="same", activation="gelu"), layers.ReLU(), layers.Activation("sigmoid")],
    ],
    ids=lambda stages: "-".join(type(stage).__name__ for stage in stages),
)
def test_every_known_layer_is_run_as_keras_runs_it(tmp_path: Path, stages: list[Any]) -> None:
    """Odd strides, sizes and paddings, where implementations differ; three colours, and an output that is the image."""
    model = livelier(chain(layers.Dense(60), layers.Reshape((4, 5, 3)), *stages, layers.Conv2D(3, 1)))
    z = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    try:
        expected = model.predict(z, verbose=0)
    except UserWarning as warning:  # Keras's own, which the tests count as an error
        if "inconsistencies across backends" in str(warning):
            pytest.skip("this Keras computes the layer otherwise on PyTorch than elsewhere, and says so")
        raise
    scale = np.abs(expected).max()
    found = run_in_node(tmp_path, LatentExplorer(model).parts, z)
    assert_allclose(found / scale, expected / scale, atol=5e-3, rtol=0)


def test_a_decoder_is_embedded_once(vae: VAE) -> None:
    first, second = LatentExplorer(vae), LatentExplorer(vae, extent=2.0)
    assert first.stage.network is second.stage.network
    vae.decoder.layers[-2].bias.assign_add(np.full(64, 0.5, np.float32))  # trained on: no longer the same
    assert LatentExplorer(vae).stage.network is not first.stage.network


def test_weights_are_half_precision(vae: VAE) -> None:
    assert len(LatentExplorer(vae).stage.network.weights) == 2 * vae.decoder.count_params()


def test_the_kernel_reads_and_moves_the_sliders(vae: VAE) -> None:
    explorer = LatentExplorer(vae)
    explorer.sliders[1].value = 1.5
    assert_allclose(explorer.z, [0, 1.5])
    explorer.z = [-2, 0.25]
    assert [s.value for s in explorer.sliders] == [-2, 0.25]


def test_a_display_has_a_still_picture_with_words(vae: VAE) -> None:
    explorer = LatentExplorer(vae, np.zeros((3, 2)), [0, 1, 2], title="A small map")
    data, _ = explorer._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data[VIEW]["model_id"] == explorer.model_id
    assert data["text/plain"].startswith("A small map: ") and "codes of 3 images" in data["text/plain"]


def test_a_cell_that_ends_in_an_instrument_shows_it(vae: VAE) -> None:
    """As IPython looks for what to show: the box's own way in ipywidgets 7, which Colab has, knows no picture."""
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(LatentExplorer(vae))
    assert {VIEW, "image/png", "text/plain"} <= set(data)


def test_points_are_encoded_thinned_and_it_is_said(vae: VAE) -> None:
    x = np.random.default_rng(0).uniform(size=(1600, *SHAPE)).astype(np.float32)
    explorer = LatentExplorer(vae, x, np.arange(1600) % 3)
    assert explorer.stage.data["note"] == "1,500 of 1,600 codes"
    mean = np.asarray(vae.encode(x).mean)
    assert all((abs(mean - p).max(axis=1) < 1e-6).any() for p in explorer.points[:20])
    assert len(explorer.stage.data["points"]) == 3000 and len(explorer.stage.data["classes"]) == 1500


@pytest.mark.parametrize("d", [1, 2, 7])
def test_any_latent_size(d: int) -> None:
    explorer = LatentExplorer(networks.mlp_decoder(d, SHAPE), np.zeros((2, d)), likelihood="bernoulli")
    assert len(explorer.sliders) == min(d, 4)
    assert explorer._repr_mimebundle_()[0]["image/png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.zeros((3, 2)), "labels": [0, 1]}, "labels: expected 3 whole numbers"),
        ({"x": np.zeros((3, 2)), "labels": [0, 1, 12]}, "labels: expected classes from 0 to 9, got 0 to 12"),
        ({"x": np.zeros((3, 4))}, "x: expected codes of shape \\(n, 2\\)"),
        ({"x": np.full((3, 2), np.nan)}, "x: codes must be finite"),
        ({"x": np.zeros((3, 5, 5, 1))}, "expected images of shape"),
        ({"dims": [0, 2]}, "dims: expected different dimensions from 0 to 1, got \\[0, 2\\]"),
        ({"dims": [1, 1]}, "dims: expected different"),
        ({"origin": [0.0]}, "origin: expected one code of shape \\(2,\\)"),
        ({"extent": 0}, "extent: expected a positive number, got 0"),
        ({"likelihood": "gaussian"}, "likelihood: the model has its own"),
    ],
)
def test_bad_input_is_named(vae: VAE, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LatentExplorer(vae, **arguments)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([layers.Dense(4), layers.Reshape((2, 2, 1)), layers.BatchNormalization(name="norm")], "'norm' \\(BatchNorm"),
        ([layers.Dense(4, activation="softmax", name="soft"), layers.Reshape((2, 2, 1))], "'soft'.*'softmax'"),
        ([layers.Dense(4), layers.Reshape((2, 2, 1)), layers.UpSampling2D(interpolation="bilinear")], "'nearest'"),
        ([layers.Dense(4), layers.Reshape((2, 2, 1)), layers.Dense(1, name="late")], "'late'.*flat input"),
        (
            [layers.Dense(4), layers.Reshape((2, 2, 1)), layers.Conv2D(1, 2, dilation_rate=2, padding="same")],
            "dilation",
        ),
    ],
)
def test_a_layer_that_the_page_cannot_run_is_named(stages: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LatentExplorer(chain(*stages))


def test_a_decoder_with_branches_is_refused() -> None:
    z = keras.Input((2,))
    both = layers.Add(name="both")([layers.Dense(4)(z), layers.Dense(4)(z)])
    with pytest.raises(ValueError, match="a chain of layers, but the layer"):
        LatentExplorer(keras.Model(z, layers.Reshape((2, 2, 1))(both)))


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN or infinite"), (1e6, "half precision cannot hold")])
def test_weights_that_cannot_be_sent_are_refused(vae: VAE, value: float, message: str) -> None:
    layer = next(layer for layer in vae.decoder.layers if layer.weights)
    layer.bias.assign(np.full(layer.bias.shape, value, np.float32))
    with pytest.raises(ValueError, match=f"{layer.name}.*{message}"):
        LatentExplorer(vae)


def test_what_is_no_decoder_is_refused() -> None:
    with pytest.raises(TypeError, match="model: expected a VAE"):
        LatentExplorer("vae")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="model: expected a decoder from codes"):
        LatentExplorer(networks.mlp_encoder(SHAPE, 2))


# -- the other instruments ------------------------------------------------------------------------------------------


def shown(instrument: Any) -> dict[str, Any]:
    """The bundle of a display, whose picture must be one."""
    data, _ = instrument._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert len(data["text/plain"]) > 80
    return data


def in_node(tmp_path: Path, *names: str, then: str) -> Any:
    """What an expression of the page's own scripts gives."""
    script = "\n".join(STATIC.joinpath(name).read_text("utf8") for name in names)
    script += f"\nprocess.stdout.write(JSON.stringify({then}));"
    tmp_path.joinpath("run.mjs").write_text(script, "utf8")
    done = subprocess.run([NODE or "node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_kl_explorer() -> None:
    assert shown(KLExplorer(mu=0.3, sigma=2.0))[VIEW]["sliders"] == 2
    with pytest.raises(ValueError, match="mu: expected a number from −3 to 3, got 4"):
        KLExplorer(mu=4)
    with pytest.raises(ValueError, match="sigma: expected"):
        KLExplorer(sigma=0)


@needs_node
@pytest.mark.parametrize(("x", "mean", "sigma"), [(0.9, 1.0, 0.5), (-1.5, 2.5, 2.0), (0.0, 0.0, 0.05)])
def test_elbo_and_gap_make_the_evidence(tmp_path: Path, x: float, mean: float, sigma: float) -> None:
    """Three integrals, each by itself, in the page; the evidence against quadrature in Python."""
    call = f"bound({{ slope: 2, noise: 0.3 }}, {x}, {mean}, {sigma})"
    found = in_node(tmp_path, "stage.js", "elbo.js", then=call)
    truth = quad(lambda z: norm.pdf(z) * norm.pdf(x, np.tanh(2 * z), 0.3), -8, 8, epsabs=1e-12, limit=200)[0]
    assert_allclose(found["evidence"], np.log(truth), atol=1e-6)
    assert_allclose(found["elbo"] + found["gap"], found["evidence"], atol=1e-6)
    assert found["gap"] > 0


def test_elbo_explorer() -> None:
    assert shown(ELBOExplorer())[VIEW]["sliders"] == 3
    for arguments, name in (({"x": 2}, "x"), ({"noise": 0.01}, "noise"), ({"slope": -1}, "slope")):
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            ELBOExplorer(**arguments)


def test_beta_explorer_measures_each_model_as_it_comes() -> None:
    vae = VAE(networks.mlp_encoder(SHAPE, 2, (8,)), networks.mlp_decoder(2, SHAPE, (8,)))
    vae.compile()
    x = np.random.default_rng(0).integers(0, 2, (20, *SHAPE)).astype(np.float32)

    def trained() -> Any:  # one model, which changes while it is shown
        for beta, shift in ((4.0, 0.5), (0.1, 0.0)):
            vae.beta.assign(beta)
            vae.decoder.layers[-2].bias.assign(np.full(64, shift, np.float32))
            yield vae

    explorer = BetaExplorer(trained(), x, np.zeros(20, int))
    assert explorer.betas == [0.1, 4.0]
    assert explorer.distortions[0] != explorer.distortions[1]
    last = vae.evaluate(x, verbose=0, return_dict=True)
    # an evaluation's noise follows from the seed: both have drawn the same
    assert_allclose([explorer.rates[0], explorer.distortions[0]], [last["rate"], last["distortion"]], rtol=1e-6)
    assert len(explorer.stage.data["samples"]) == 2 * np.prod(explorer.stage.data["shape"])
    shown(explorer)
    with pytest.raises(ValueError, match="models: expected at least two values of β"):
        BetaExplorer([vae], x)
    with pytest.raises(ValueError, match="labels: expected 20"):
        BetaExplorer([vae, vae], x, [1])


@needs_node
def test_the_page_takes_the_ways_of_the_package(tmp_path: Path) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 5))
    at = "[0, 0.25, 0.5, 0.75, 1]"
    for way in (latent.lerp, latent.slerp):
        call = f"{at}.map((t) => {way.__name__}({a.tolist()}, {b.tolist()}, t))"
        found = in_node(tmp_path, "stage.js", "network.js", "interpolation.js", then=call)
        assert_allclose(found, way(a, b, steps=5), atol=1e-6)


def test_interpolation(vae: VAE) -> None:
    x = np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype(np.float32)
    explorer = Interpolation(vae, *x)
    assert_allclose(explorer.ends, vae.encode(x).mean, atol=1e-6)
    shown(explorer)
    with pytest.raises(ValueError, match="b: expected one image of shape \\(8, 8, 1\\), got \\(8, 8\\)"):
        Interpolation(vae, x[0], x[1, ..., 0])
    with pytest.raises(TypeError, match="model: expected a VAE"):
        Interpolation(vae.decoder, *x)


def test_threshold_explorer() -> None:
    scores, labels = np.r_[0:100.0, 90:110.0], np.r_[np.zeros(100), np.ones(20)]
    explorer = ThresholdExplorer(scores, labels, threshold=95)
    assert "finds 75 % of the anomalies, with 5.0 % false alarms" in shown(explorer)["text/plain"]
    many = ThresholdExplorer(np.arange(10_000.0), np.arange(10_000) % 10 == 0)
    assert "4,000 of 10,000 scores" in many.stage.data["unit"]
    assert_allclose(np.median(many.stage.data["normal"]), 5000, rtol=0.01)


@pytest.mark.parametrize(
    ("scores", "labels", "arguments", "message"),
    [
        ([1, 2], [0], {}, "labels: expected 2 values 0"),
        ([1, 2], [0, 2], {}, "labels: expected 2 values 0"),
        ([1, 2], [1, 1], {}, "labels: expected both 0 and 1, got only 1"),
        ([1, np.nan], [0, 1], {}, "scores: scores must be finite"),
        ([3, 3], [0, 1], {}, "scores: expected different values, got 3 throughout"),
        ([1, 2], [0, 1], {"threshold": 5}, "threshold: expected a number from 1 to 2, got 5"),
    ],
)
def test_bad_scores_are_named(scores: Any, labels: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ThresholdExplorer(scores, labels, **arguments)


@needs_node
@pytest.mark.parametrize(("x", "mean", "sigma"), [(0.5, 2.5, 2.0), (1.5, -2.5, 2.0), (0.5, -0.5, 0.05)])
def test_the_widest_q_is_integrated_whole(tmp_path: Path, x: float, mean: float, sigma: float) -> None:
    """In the page and in the still picture, at the ends of the sliders; of q 2e-10 lies beyond the grid."""

    def term(z: float) -> float:
        return norm.pdf(z, mean, sigma) * (
            norm.logpdf(z) + norm.logpdf(x, np.tanh(2 * z), 0.3) - norm.logpdf(z, mean, sigma)
        )

    truth = quad(term, mean - 12 * sigma, mean + 12 * sigma, epsabs=1e-10, limit=400)[0]
    found = in_node(tmp_path, "stage.js", "elbo.js", then=f"bound({{ slope: 2, noise: 0.3 }}, {x}, {mean}, {sigma})")
    explorer, figure = ELBOExplorer(x, slope=2.0, noise=0.3), Figure()
    explorer.sliders[1].value, explorer.sliders[2].value = mean, sigma
    explorer.draw(figure)
    evidence, elbo = (line.get_ydata()[0] for line in figure.axes[1].lines)
    assert_allclose([found["elbo"], elbo], truth, atol=1e-6)
    assert_allclose([found["evidence"], found["elbo"] + found["gap"]], evidence, atol=1e-6)


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        ([0.1, 0.3, 0.7, 0.9], 0.7),
        ([0.1, 0.2, 0.3, 0.7], 0.7),
        (1e9 + np.arange(4.0), 1e9 + 2),
        ([0, 1e-3, 2e-3, 0.0030000000000000005], 0.0030000000000000005),  # next to a step
    ],
)
def test_a_threshold_that_is_a_score_finds_it(scores: Any, threshold: float) -> None:
    """Scores that single precision would move, or make one; and the last one, where the slider ends."""
    scores = np.asarray(scores)
    explorer = ThresholdExplorer(scores, scores >= threshold, threshold)
    assert explorer.sliders[0].value == threshold
    assert "finds 100 % of the anomalies, with 0.0 % false alarms" in explorer.alt()


@needs_node
@pytest.mark.parametrize("scores", [1e-6 + np.linspace(0, 3e-5, 50), 1e9 + np.arange(50.0), np.linspace(-3, 3, 50)])
def test_a_key_moves_the_slider_by_a_step(tmp_path: Path, scores: np.ndarray) -> None:
    """Whatever the size of the numbers; and the last step ends on the maximum itself."""
    slider = ThresholdExplorer(scores, np.arange(50) % 2).sliders[0]
    traits = {"min": slider.min, "max": slider.max, "step": slider.step, "value": slider.min}
    turned = (
        f"((traits) => {{ const slider = {{ get: (name) => traits[name], set: (name, value) => (traits[name] = value),"
        " save_changes() {} }; return [1, 2, 3, 4, 5, Infinity].map((steps) =>"
        ' (turn(slider, slider.get("value") + (steps < 6 ? traits.step : steps)), traits.value)); })'
        f"({json.dumps(traits)})"
    )
    *found, last = in_node(tmp_path, "stage.js", then=turned)
    assert_allclose(found, slider.min + slider.step * np.arange(1, 6), rtol=0, atol=1e-5 * slider.step)
    assert last == slider.max


def test_a_code_beyond_the_sliders_is_refused(vae: VAE) -> None:
    with pytest.raises(ValueError, match=r"origin: expected numbers from −3 to 3 .*, got \[5.0, 0.0\]. Set extent=5"):
        LatentExplorer(vae, origin=[5, 0])
    explorer = LatentExplorer(vae, origin=[0.1, 0], extent=0.1)  # which float32 has as 0.10000000149
    with pytest.raises(ValueError, match=r"z: expected numbers from −0.1 to 0.1"):
        explorer.z = [0, -9]
    assert_allclose(explorer.z, [0.1, 0])


@needs_node
def test_z_is_the_code_that_the_page_decodes(tmp_path: Path) -> None:
    """In dimensions without a slider too; the page is told, and reads it anew. Its document is a stand-in."""
    explorer = LatentExplorer(networks.mlp_decoder(4, SHAPE), dims=[2, 0], origin=[1, 20, 0, 0], likelihood="bernoulli")
    data = [explorer.stage.data]
    explorer.z = code = np.array([-2.0, 7.5, 0.5, -9.0], np.float32)
    assert_allclose(explorer.z, code)
    assert code[0] == -2  # what was given stays as it was
    data.append(explorer.stage.data)
    script = """((all, values) => {
        const get = (_, name) => (name === Symbol.toPrimitive ? () => 0 : any);
        const any = new Proxy(() => {}, { get, apply: () => any });
        Object.assign(globalThis, { document: any, window: any, getComputedStyle: () => any });
        const sliders = values.map((value) => ({ get: () => value }));
        const seen = [];
        let told = 0;
        unpack = paint = backgroundOf = () => {};
        sharpCanvas = () => ({ canvas: any, fit: () => ({ context: any }) });
        decode = (layers, mean, z) => seen.push(z);
        const model = { get: () => all[told] };
        const draw = latent({ stage: any, model, data: all[0], sliders, network: any, signal: any, title: "" });
        draw();
        told = 1;
        draw();
        return seen;
    })"""
    call = f"{script}({json.dumps(data)}, {[s.value for s in explorer.sliders]})"
    before, after = in_node(tmp_path, "stage.js", "network.js", "latent.js", then=call)
    assert_allclose(before, [-2, 20, 0.5, 0])
    assert_allclose(after, code)


def test_a_likelihood_with_a_mean_of_its_own_is_refused() -> None:
    class Negative(Bernoulli):
        def mean(self, params: Any) -> Any:
            return 1 - super().mean(params)

    decoder = networks.mlp_decoder(2, SHAPE)
    vae = VAE(networks.mlp_encoder(SHAPE, 2), decoder, likelihood=Negative())
    for model, likelihood in ((decoder, Negative()), (vae, None)):
        with pytest.raises(ValueError, match=r"likelihood: the page knows the means of bernoulli, .*Negative"):
            LatentExplorer(model, likelihood=likelihood)


@pytest.mark.parametrize(
    ("channels", "likelihood", "message"),
    [
        (3, "gaussian", "expected 2 \\(grey\\) or 6 \\(colour\\) channels for the likelihood 'gaussian', got 3"),
        (4, "gaussian", "got 4"),
        (2, "bernoulli", "expected 1 \\(grey\\) or 3 \\(colour\\) channels for the likelihood 'bernoulli', got 2"),
        (2, None, "expected 1 \\(grey\\) or 3 \\(colour\\) channels, got 2"),
    ],
)
def test_what_is_neither_grey_nor_colour_is_refused(channels: int, likelihood: str | None, message: str) -> None:
    decoder = chain(layers.Dense(4 * channels), layers.Reshape((2, 2, channels)))
    with pytest.raises(ValueError, match=f"model: .*{message}"):
        LatentExplorer(decoder, likelihood=likelihood)
