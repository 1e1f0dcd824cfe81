"""The playground: the engine computes what Keras computes, and the page shows what its text says.

The engine is the very file that the page loads, run in Chromium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vaebook import playground

pytestmark = pytest.mark.browser

Array = NDArray[Any]


def until(page: Any, condition: str, seconds: int = 60) -> None:
    """Wait for a condition. Playwright's own waiting evaluates a string in the page, and its policy forbids that."""
    for _ in range(20 * seconds):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not within {seconds} s: {condition}")


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
    return {...terms, slopes, weights: [...model.weights.all]};
}"""


def keras_model(objective: str, latent: int, beta: float) -> Any:
    """The package's model of the playground's size."""
    from vae_tutorial import VAE, Autoencoder, networks

    variational = objective == "vae"
    encoder = networks.mlp_encoder((8, 8, 1), latent, hidden=(64,), variational=variational, seed=1)
    decoder = networks.mlp_decoder(latent, (8, 8, 1), hidden=(64,), seed=1)
    return VAE(encoder, decoder, beta=beta) if variational else Autoencoder(encoder, decoder)


def split(model: Any, flat: Any) -> list[tuple[Any, Any]]:
    """The model's weights, each with its part of one array."""
    from keras import ops

    pairs, start = [], 0
    for variable in model.trainable_variables:
        size = int(np.prod(variable.shape))
        pairs.append((variable, ops.reshape(flat[start : start + size], variable.shape)))
        start += size
    return pairs


def assign(model: Any, flat: Array) -> None:
    for variable, value in split(model, flat):
        variable.assign(value)


def loss_of(model: Any, x: Array) -> Callable[[Any], Any]:
    """The model's own loss as a function of all its weights in one array."""
    import keras

    def loss(flat: Any) -> Any:
        with keras.StatelessScope(state_mapping=split(model, flat)):
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
    parts = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    # with biases that are not zero, and kernels that make spreads differ from one
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
    assign(model, weights)
    terms = model.terms(images, training=True)
    assert float(ops.mean(terms.distortion)) == pytest.approx(got["distortion"], rel=1e-5)
    rate = 0.0 if terms.rate is None else float(ops.sum(terms.rate)) / len(images)
    assert rate == pytest.approx(got["rate"], rel=1e-5)

    variable, optimizer = keras.Variable(weights), keras.optimizers.Adam(0.01)
    for _ in range(3):
        optimizer.apply([ops.convert_to_tensor(slopes.astype(np.float32))], [variable])
    np.testing.assert_allclose(after, ops.convert_to_numpy(variable), atol=1e-5)


def test_it_is_fast_enough_to_watch(engine: Any) -> None:
    """200 steps a second. The fastest of many short bursts: what other processes take is not the engine's."""
    script = """() => {
        const settings = {objective: "vae", latent: 2, beta: 1, learningRate: 0.003, seed: 1};
        const training = new (vaeEngine().Training)(vaeDigits, settings);
        const bursts = Array.from({length: 60}, () => {
            const start = performance.now();
            for (let i = 0; i < 10; i++) training.step();
            return 10000 / (performance.now() - start);
        });
        return Math.max(...bursts);
    }"""
    assert engine.evaluate(script) >= 200


# --- what the text says one should see -----------------------------------------------------------------------------

SEEDS = (1, 2)
PLAY = """([settings, stops]) => {
    const engine = vaeEngine();
    const training = new engine.Training(vaeDigits, settings);
    const { latent } = settings;
    const share = (flags) => flags.filter(Boolean).length / flags.length;
    const variety = (images) => Math.sqrt(engine.spreads(images, 64).reduce((a, b) => a + b) / 64);
    const silentUnits = () => {
        const ever = new Set();
        const { test } = training.images;
        for (let start = 0; start < test.length; start += 64 * engine.BATCH) {
            const rows = test.subarray(start, start + 64 * engine.BATCH);
            training.model.encode(rows, rows.length / 64);
            training.model.hidden.subarray(0, rows.length).forEach((value, i) => value > 0 && ever.add(i % 64));
        }
        return 64 - ever.size;
    };
    return stops.map(([steps, change]) => {
        Object.assign(training.settings, change);
        while (training.steps < steps) training.step();
        const { mean, logVar } = training.codes(training.images.test);
        const row = (i) => mean.subarray(i * latent, (i + 1) * latent);
        const rows = Array.from({ length: mean.length / latent }, (_, i) => row(i));
        const spreads = engine.spreads(mean, latent);
        return {
            train: training.measure("train"),
            test: training.measure("test"),
            active: spreads.filter((spread) => spread > engine.ACTIVE).length,
            silent: silentUnits(),
            spread: Math.max(...spreads),
            narrow: Math.min(...spreads),
            reach: Math.max(...mean.map(Math.abs)),
            inside: share(rows.map((row) => row.every((value) => Math.abs(value) <= 2.5))),
            sigma: Math.exp(0.5 * logVar.toSorted()[logVar.length >> 1]),
            drawn: variety(training.model.images(new engine.Random(0).normals(200 * latent))),
            copied: variety(training.model.images(mean)),
        };
    });
}"""
DEFAULT = {"objective": "vae", "latent": 2, "beta": 1, "learningRate": 0.003}
# For each experiment of the page: how it begins, then at which steps to look, and what is changed before.
EXPERIMENTS: dict[str, tuple[dict[str, Any], dict[str, tuple[int, dict[str, Any]]]]] = {
    "vae": ({}, {s: (int(s), {}) for s in ("0", "20", "300", "1000", "2000", "6000")}),
    "autoencoder": ({"objective": "autoencoder"}, {s: (int(s), {}) for s in ("2000", "6000")}),
    "free": ({"beta": 0}, {"free": (2000, {}), "priced": (2100, {"beta": 1})}),
    "dear": (
        {},
        {
            "β = 1": (1000, {}),
            "β = 2": (1500, {"beta": 2}),
            "β = 4": (2000, {"beta": 4}),
            "β = 10": (2500, {"beta": 10}),
            "back": (3500, {"beta": 1}),
        },
    ),
    "one": ({"latent": 1}, {"2000": (2000, {})}),
    "four": ({"latent": 4}, {"2000": (2000, {})}),
    "eight": ({"latent": 8}, {"2000": (2000, {})}),
    "slow": ({"learningRate": 0.0001}, {"500": (500, {})}),
    "fast": ({"learningRate": 0.1}, {"500": (500, {})}),
    "faster": ({"learningRate": 0.3}, {"500": (500, {}), "mended": (1500, {"learningRate": 0.003})}),
}


# One worker for all that ask it, which would else be trained in each.
sees = pytest.mark.xdist_group("see")


@pytest.fixture(scope="module")
def see(engine: Any) -> Callable[[str], list[dict[str, Any]]]:
    """What an experiment shows: for each seed, the looks by name."""

    @cache
    def run(name: str) -> list[dict[str, Any]]:
        start, stops = EXPERIMENTS[name]
        settings = [{**DEFAULT, **start, "seed": seed} for seed in SEEDS]
        return [dict(zip(stops, engine.evaluate(PLAY, [one, list(stops.values())]), strict=True)) for one in settings]

    return run


def loss(look: dict[str, Any], part: str = "test") -> float:
    """−ELBO in nats per image."""
    return look[part]["rate"] + look[part]["distortion"]


@sees
def test_averages_come_first_then_codes(see: Any) -> None:
    for look in see("vae"):
        assert look["0"]["test"]["distortion"] - look["20"]["test"]["distortion"] > 10
        assert look["20"]["spread"] < 0.2 < 0.7 < look["300"]["spread"]
        assert look["20"]["copied"] < 0.5 * look["300"]["copied"]
        assert look["2000"]["test"]["rate"] > look["300"]["test"]["rate"]
        assert look["2000"]["test"]["distortion"] < look["300"]["test"]["distortion"]


@sees
def test_an_autoencoder_copies_better_and_cannot_be_sampled(see: Any) -> None:
    for plain, vae in zip(see("autoencoder"), see("vae"), strict=True):
        plain, vae = plain["2000"], vae["2000"]
        assert plain["test"]["distortion"] < vae["test"]["distortion"]
        assert plain["reach"] > 18 and plain["inside"] < 0.25
        assert vae["reach"] < 3.5 and vae["inside"] > 0.95
        assert plain["drawn"] < 0.7 * vae["drawn"]


@sees
def test_without_a_price_clouds_shrink_and_with_one_they_come_back(see: Any) -> None:
    for look, vae in zip(see("free"), see("vae"), strict=True):
        free, priced = look["free"], look["priced"]
        assert free["sigma"] < 0.02 and free["reach"] > 15
        assert free["test"]["distortion"] < vae["2000"]["test"]["distortion"]
        assert priced["sigma"] > 0.3 and priced["reach"] < 5


@sees
def test_a_high_price_empties_the_code_and_the_code_returns(see: Any) -> None:
    for look, vae in zip(see("dear"), see("vae"), strict=True):
        rates = [look[f"β = {beta}"]["test"]["rate"] for beta in (1, 2, 4, 10)]
        assert rates == sorted(rates, reverse=True)
        assert look["β = 10"]["active"] == 0 and look["β = 10"]["copied"] < 0.02
        assert abs(look["β = 10"]["sigma"] - 1) < 0.02
        assert look["back"]["active"] == 2
        assert abs(loss(look["back"]) - loss(vae["1000"])) < 0.6


@sees
def test_more_dimensions_help_up_to_a_point(see: Any) -> None:
    for one, two, four, eight in zip(see("one"), see("vae"), see("four"), see("eight"), strict=True):
        losses = [loss(look["2000"]) for look in (one, two, four, eight)]
        rates = [look["2000"]["test"]["rate"] for look in (one, two, four, eight)]
        assert losses[0] > losses[1] + 1 and losses[1] > losses[2] + 1
        assert abs(losses[3] - losses[2]) < 0.3
        assert rates == sorted(rates) and rates[3] < 1.5 * rates[2]
        assert [look["2000"]["active"] for look in (one, four, eight)] == [1, 4, 8]
        assert eight["2000"]["sigma"] > two["2000"]["sigma"]


@sees
def test_a_learning_rate_that_is_too_high_silences_units_for_good(see: Any) -> None:
    for slow, fast, faster, vae in zip(see("slow"), see("fast"), see("faster"), see("vae"), strict=True):
        assert loss(slow["500"]) > loss(vae["300"]) + 3
        assert fast["500"]["narrow"] < 0.05
        assert faster["500"]["copied"] < 0.05
        for look in (fast["500"], faster["500"]):
            assert look["silent"] > 48 > 32 > vae["2000"]["silent"]
        assert faster["mended"]["silent"] >= faster["500"]["silent"] and faster["mended"]["copied"] < 0.05


@sees
def test_an_autoencoder_that_trains_on_gets_worse_and_a_vae_does_not(see: Any) -> None:
    for plain, vae in zip(see("autoencoder"), see("vae"), strict=True):
        assert plain["6000"]["train"]["distortion"] < plain["2000"]["train"]["distortion"] - 1
        assert plain["6000"]["test"]["distortion"] > plain["2000"]["test"]["distortion"] + 0.3
        assert loss(vae["6000"]) < loss(vae["2000"])


# The numbers of the text: each is the mean over seeds of what an experiment shows.
NUMBERS: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "start": ("vae", lambda look: look["0"]["test"]["distortion"]),
    "early": ("vae", lambda look: look["20"]["test"]["distortion"]),
    "vae-loss": ("vae", lambda look: loss(look["2000"])),
    "vae-rate": ("vae", lambda look: look["2000"]["test"]["rate"]),
    "vae-distortion": ("vae", lambda look: look["2000"]["test"]["distortion"]),
    "ae-distortion": ("autoencoder", lambda look: look["2000"]["test"]["distortion"]),
    "ae-inside": ("autoencoder", lambda look: 100 * look["2000"]["inside"]),
    "free-rate": ("free", lambda look: look["free"]["test"]["rate"]),
    "free-loss": ("free", lambda look: loss(look["free"])),
    "priced-rate": ("free", lambda look: look["priced"]["test"]["rate"]),
    "dear-rate": ("dear", lambda look: look["β = 4"]["test"]["rate"]),
    "collapsed-distortion": ("dear", lambda look: look["β = 10"]["test"]["distortion"]),
    "back-loss": ("dear", lambda look: loss(look["back"])),
    "one-loss": ("one", lambda look: loss(look["2000"])),
    "four-loss": ("four", lambda look: loss(look["2000"])),
    "eight-loss": ("eight", lambda look: loss(look["2000"])),
    "one-rate": ("one", lambda look: look["2000"]["test"]["rate"]),
    "four-rate": ("four", lambda look: look["2000"]["test"]["rate"]),
    "eight-rate": ("eight", lambda look: look["2000"]["test"]["rate"]),
    "slow-loss": ("slow", lambda look: loss(look["500"])),
    "long-train": ("autoencoder", lambda look: look["6000"]["train"]["distortion"]),
    "long-test": ("autoencoder", lambda look: look["6000"]["test"]["distortion"]),
    "long-vae": ("vae", lambda look: loss(look["6000"])),
}
PAGE = Path(__file__).parents[2] / "book/playground.md"
MEASURED = re.compile(r"(?P<typed>[\d.]+)<!-- measured:(?P<key>[\w-]+)~(?P<percent>\d+)% -->")


@sees
def test_the_numbers_of_the_text_are_what_the_page_computes(see: Any) -> None:
    stated = {m["key"]: m for m in MEASURED.finditer(PAGE.read_text("utf8"))}
    assert stated.keys() == NUMBERS.keys()
    shown = {key: float(np.mean([of(look) for look in see(name)])) for key, (name, of) in NUMBERS.items()}
    wrong = {
        key: (m["typed"], round(shown[key], 2))
        for key, m in stated.items()
        if float(m["typed"]) != pytest.approx(shown[key], rel=int(m["percent"]) / 100)
    }
    assert wrong == {}


# Settings and facts that no run stands behind: what the controls offer, and how the model is built.
SETTINGS = (
    r"\b64 (hidden units|tosses|of the)",
    r"\b(1287 )?training images|the 510 held-out|The 510 held-out",
    r"learning rate of 0\.003|At 0\.[13] (the map|every image)",
    r"\b(2000|6000) steps",
    r"without a reset at 2, 4 and 10",
    r"move β to 1|β was 1",
    r"a 3 and a 7",
    r"rate of 0\.0001, then at 0\.1 and at 0\.3",
    r"chapter \d",
    r"\| latent size \| 1 \| 2 \| 4 \| 8 \|",
)


def test_no_other_number_is_in_the_text() -> None:
    text = MEASURED.sub("", PAGE.read_text("utf8"))
    typed = {m["key"]: m["typed"] for m in MEASURED.finditer(PAGE.read_text("utf8"))}
    text = re.sub(rf"\| ({typed['vae-loss']}|{typed['vae-rate']}) \|", "|", text)  # in the table of sizes, again
    for pattern in (r"```.*?```", r"\$[^$]+\$", r"`[^`]*`", r"<[^>]+>", r"(?<=\])\([^)\s]*\)", *SETTINGS):
        text = re.sub(pattern, "", text, flags=re.S)
    assert re.findall(r"[^\n]{0,30}\d[^\n]{0,30}", text) == []


# --- the page ---------------------------------------------------------------------------------------------------------

PATH = "book/playground.html"
STEP = "() => Number(document.getElementById('play-progress').textContent.match(/step (\\d+)/)?.[1] ?? -1)"
# The step at which it rests: what a screen reader is told there, as all reports while it runs are not, names it too.
STOPPED = f"""() => document.getElementById("play-run").textContent === "Start"
    && document.getElementById("play-status").textContent.startsWith(`Step ${{({STEP})()}}.`) ? ({STEP})() : -1"""
# How a browser may treat the worker: give one, have none, or refuse it after it was asked for.
WORKERS = {
    "given": "",
    "none": "delete window.Worker",
    "refused": """window.Worker = class {
        constructor() { setTimeout(() => this.onerror(new Event("error", { cancelable: true })), 50); }
        postMessage() {}
    }""",
}


def step(page: Any) -> int:
    return int(page.evaluate(STEP))


def ready(page: Any) -> Any:
    until(page, f"({STEP})() === 0")
    return page


@pytest.mark.parametrize("worker", WORKERS)
def test_it_trains_and_stops_with_and_without_a_worker(reader: Any, worker: str) -> None:
    window = reader()
    window.page.add_init_script(WORKERS[worker])
    page = ready(window.open(PATH))
    assert len(page.workers) == (worker == "given")
    page.click("#play-step")
    until(page, f"({STEP})() === 1")
    page.click("#play-run")
    until(page, f"({STEP})() > 60")
    page.click("#play-run")  # it answers while it trains
    until(page, f"({STOPPED})() > 60")
    stopped = step(page)
    page.wait_for_timeout(500)
    assert step(page) == stopped
    assert page.locator("#play-run").inner_text() == "Start"
    assert 5 < float(page.locator("#play-test-distortion").inner_text()) < 40


def test_it_is_played_by_keyboard(reader: Any) -> None:
    page = ready(reader().open(PATH))
    page.locator("#play-run").focus()
    page.keyboard.press("Enter")
    until(page, f"({STEP})() > 5")
    page.keyboard.press("Space")  # a report that is under way may still say that it runs
    until(page, "document.getElementById('play-status').textContent.match(/Step [1-9]/)")
    assert page.locator("#play-run").inner_text() == "Start"
    page.locator("input[name=latent]:checked").focus()
    page.keyboard.press("ArrowRight")  # another size is another network
    ready(page)
    assert page.locator("input[name=latent]:checked").get_attribute("value") == "4"
    assert "of 4 dimensions" in page.locator("#play-progress").inner_text()
    page.locator("#play-beta").focus()
    page.keyboard.press("End")
    assert page.locator("#play-beta-value").inner_text() == "20"
    assert page.locator("#play-beta").get_attribute("aria-valuetext") == "20"
    page.locator("#play-learning-rate").focus()
    page.keyboard.press("End")  # the rate of the page's last experiment
    assert page.locator("#play-learning-rate-value").inner_text() == "0.3"
    page.locator("input[value=vae]").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#play-beta").is_disabled()  # an autoencoder has no rate to be priced


def test_every_control_has_a_name_and_every_picture_says_what_it_shows(reader: Any) -> None:
    page = ready(reader().open(PATH))
    for name in ("Start", "One step", "Reset"):
        assert page.get_by_role("button", name=name, exact=True).count() == 1
    for name in ("β, the price of rate", "Learning rate"):
        assert page.get_by_role("slider", name=name).count() == 1
    for name in ("Objective", "Latent size"):
        assert page.get_by_role("group", name=name).count() == 1
    page.click("#play-run")
    until(page, f"({STEP})() > 40")
    page.click("#play-run")
    until(page, "document.getElementById('play-map').ariaLabel.includes('step ')")
    words = page.eval_on_selector_all(".play canvas", "all => all.map(e => e.getAttribute('aria-label'))")
    assert len(set(words)) == len(words) == 8
    assert not [one for one in words if "not drawn" in one or len(one.split()) < 4]


def count_changes(page: Any, name: str) -> None:
    """Let ``changes`` in the page count how often the element of that name gets new text."""
    page.evaluate(
        """(name) => {
            window.changes = 0;
            new MutationObserver(() => (window.changes += 1))
                .observe(document.getElementById(name), {childList: true});
        }""",
        name,
    )


def test_it_tells_a_screen_reader_now_and_then(reader: Any) -> None:
    page = ready(reader().open(PATH))
    count_changes(page, "play-status")
    page.click("#play-run")
    page.wait_for_timeout(3000)
    assert page.evaluate("changes") <= 1
    page.click("#play-run")
    until(page, "changes >= 1")


def test_it_keeps_still_where_that_is_wished(reader: Any) -> None:
    page = ready(reader(reduced_motion="reduce").open(PATH))
    count_changes(page, "play-progress")
    page.click("#play-run")
    page.wait_for_timeout(3000)
    assert 1 <= page.evaluate("changes") <= 3


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_and_everything_fits(reader: Any, width: int) -> None:
    page = ready(reader(width=width).open(PATH))
    boxes = "all => all.map(e => [e.offsetTop, e.offsetHeight, e.offsetWidth])"
    before = page.eval_on_selector_all(".play canvas, .play button, .play table", boxes)
    page.click("#play-run")
    until(page, f"({STEP})() > 100")
    page.get_by_role("radio", name="Autoencoder").check()
    ready(page)
    page.get_by_role("radio", name="8", exact=True).check()
    ready(page)
    page.click("#play-step")
    until(page, f"({STEP})() === 1")
    assert page.eval_on_selector_all(".play canvas, .play button, .play table", boxes) == before
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.eval_on_selector_all(
        ".play button, .play-choice label, .play-check", "all => all.filter(e => e.offsetHeight < 24).length"
    )
    assert small == 0  # a finger finds them


def test_the_pictures_follow_the_theme(reader: Any) -> None:
    page = ready(reader().open(PATH))
    picture = "document.getElementById('play-grid').toDataURL()"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_timeout(100)
    light = page.evaluate(picture)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(100)
    assert page.evaluate(picture) != light


def test_without_javascript_there_is_a_picture_and_a_reason(reader: Any) -> None:
    page = reader(java_script_enabled=False).open(PATH)
    assert page.locator(".play-without").is_visible()
    assert page.locator(".play-still").is_visible()
    assert page.locator(".play-still").evaluate("e => e.naturalWidth") > 0
    assert not page.locator("#play-controls").is_visible()


def test_only_its_own_page_loads_it(html: Path) -> None:
    loading = [p.name for p in html.glob("book/*.html") if "playground/engine.js" in p.read_text("utf8")]
    assert loading == ["playground.html"]
