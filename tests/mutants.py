"""Plant faults in a copy of the package, one at a time, and see that a test notices: ``make mutants``.

Each fault is one that widely used code has had, or that a tired author might make. It is a replacement that must match
the source exactly once, so that a fault which no longer fits the code is an error and not a success. The suite must
pass on the copy before anything is planted; then, for each fault, some test must fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutant:
    fault: str
    file: str
    old: str
    new: str
    tests: str = "test_models.py"  # where it should be noticed: the whole suite would take minutes for each


MUTANTS = [
    Mutant("KL dropped", "models.py", "self.beta * ops.sum(ops.maximum(rates, self.free_bits))", "self.beta * 0.0"),
    Mutant("KL averaged over dimensions", "models.py", "self.beta * ops.sum(", "self.beta * ops.mean("),
    Mutant("KL with the wrong sign", "models.py", "return distortion + self.beta", "return distortion - self.beta"),
    Mutant(
        "rate averaged, not summed", "bounds.py", "ops.sum(rate_per_dimension", "ops.mean(rate_per_dimension",
        "test_bounds.py",
    ),
    Mutant("σ taken for log σ²", "models.py", "q.mean + ops.exp(0.5 * q.log_var) * eps", "q.mean + q.log_var * eps"),
    Mutant("variance taken for σ", "models.py", "ops.exp(0.5 * q.log_var) * eps", "ops.exp(q.log_var) * eps"),
    Mutant("mean taken for a draw", "models.py", "q.mean + ops.exp(0.5 * q.log_var) * eps", "q.mean + 0.0 * eps"),
    Mutant(
        "log-sum-exp not shifted", "bounds.py", "ops.logsumexp(log_w, axis=axis)",
        "ops.log(ops.sum(ops.exp(log_w), axis=axis))", "test_bounds.py",
    ),
    Mutant(
        "wrong axis", "bounds.py", "return ops.mean(_floating(log_w), axis=0)",
        "return ops.mean(_floating(log_w), axis=-1)",
        "test_bounds.py",
    ),
    Mutant("β ignored", "models.py", "distortion + self.beta * ops.sum", "distortion + ops.sum"),
    Mutant(
        "β ignored in validation", "models.py", "loss = sum(self.losses, start=self._objective(terms, weights))",
        "kept = self.beta\n        self.beta = kept if training else 1.0\n"
        "        loss = sum(self.losses, start=self._objective(terms, weights))\n        self.beta = kept",
    ),
    Mutant(
        "β frozen when the schedule sets it", "schedules.py",
        'self.model.beta.assign(_checks.number("beta", float(self.beta(epoch)), most=_checks.FAR))', "self.beta(epoch)",
        "test_schedules.py",
    ),
    Mutant(
        "one noise for the whole batch", "models.py", "shape = (self.samples, ops.shape(q.mean)[0], self.latent_dim)",
        "shape = (self.samples, 1, self.latent_dim)",
    ),
    Mutant(
        "the same noise at every step", "models.py", "Draw(self.streams[0], self.step)", "Draw(self.streams[0], 0)",
    ),
    Mutant("steps not counted", "models.py", "self.step.assign_add(1)", "self.step.assign_add(0)"),
    Mutant("sample weights ignored", "models.py", "self.nats.update_state(self._measured(terms), weights)",
           "self.nats.update_state(self._measured(terms), ops.ones_like(weights))"),
    Mutant(
        "pixels averaged, not summed", "likelihoods.py", "return ops.sum(self._log_prob(x, *parts), axis=-1)",
        "return ops.mean(self._log_prob(x, *parts), axis=-1)", "test_likelihoods.py",
    ),
    Mutant(
        "the Gaussian's constant dropped", "likelihoods.py", "-0.5 * (LOG_2PI + log_var +", "-0.5 * (log_var +",
        "test_likelihoods.py",
    ),
    Mutant(
        "λ taken for the continuous Bernoulli's mean", "likelihoods.py",
        "return 0.5 + ops.where(small, series, 0.5 / ops.tanh(0.5 * safe) - 1.0 / safe)", "return ops.sigmoid(logits)",
        "test_likelihoods.py",
    ),
    Mutant(
        "log q left out of the weights", "models.py", "bounds.gaussian_log_prob(z) - log_q",
        "bounds.gaussian_log_prob(z)",
    ),
    Mutant("importance weights averaged in logarithms", "bounds.py", "return log_mean_exp(log_w, axis=0)",
           "return ops.mean(log_w, axis=0)", "test_bounds.py"),
    Mutant("scores depend on the place", "_randomness.py", "hashlib.shake_128((row + 0.0).tobytes())",
           "hashlib.shake_128(bytes([len(x)]) + np.random.bytes(4))", "test_randomness.py"),
    Mutant("order not from the seed", "_randomness.py", "np.random.default_rng(self.epoch_seed())",
           "np.random.default_rng()", "test_randomness.py"),
    Mutant(
        "β ignored in training", "models.py", "loss = sum(self.losses, start=self._objective(terms, weights))",
        "kept = self.beta\n        self.beta = 1.0 if training else kept\n"
        "        loss = sum(self.losses, start=self._objective(terms, weights))\n        self.beta = kept",
    ),
    Mutant("importance weights without a gradient", "models.py", "bounds.iwae(terms.log_weights))",
           "bounds.iwae(ops.stop_gradient(terms.log_weights)))"),
    Mutant("the worst draw weighs most", "models.py", "-ops.mean(weights * bounds.iwae(terms.log_weights))",
           "ops.mean(weights * bounds.iwae(-terms.log_weights))"),
    Mutant("the same order in each epoch", "models.py", "[self.seed, int(self.step)]", "[self.seed, 0]"),
    Mutant("Keras shuffles the batches too", "models.py", "super().fit(batches, shuffle=False,",
           "super().fit(batches, shuffle=True,"),
    Mutant("the same noise for every batch of an evaluation", "models.py", "Draw(self.streams[1], self.nats.seen)",
           "Draw(self.streams[1], 0)"),
    Mutant("networks not told that they train", "models.py", "encoder(x, training=training))",
           "encoder(x, training=False))"),
    Mutant("images rounded to half precision", "models.py", "super().__init__(autocast=False, **kwargs)",
           "super().__init__(**kwargs)"),
    Mutant("free bits on the sum of the dimensions", "models.py", "ops.sum(ops.maximum(rates, self.free_bits))",
           "ops.maximum(ops.sum(rates), self.free_bits)"),
    Mutant("execution settings saved", "models.py", "def compile_from_config(self, config: dict[str, Any]) -> None:",
           "def compile_from_config(self, config: dict[str, Any]) -> None:\n"
           "        return super().compile(config['optimizer'], steps_per_execution=5)"),
    Mutant("log-variance not limited", "models.py", "ops.clip(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT)", "log_var"),
    Mutant("a limit of steps overrun", "models.py", "fitting = math.gcd(usual, *(", "fitting = max(usual, *("),
    Mutant("a restarted optimizer remembers", "models.py", "variable.assign(first)", "pass"),
    Mutant("a restarted model keeps its seed", "models.py", "self.seed = fresh.seed", "pass"),
]  # fmt: skip


def main() -> None:
    backend = os.environ.get("KERAS_BACKEND", "jax")
    print(f"{len(MUTANTS)} planted faults, {backend}")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "vae_tutorial"
        shutil.copytree(ROOT / "vae_tutorial", package)
        for tests in sorted({m.tests for m in MUTANTS}):
            if killer := first_failure(tests, folder, backend):
                sys.exit(f"{tests} fails before anything is planted: {killer}")
        survivors = 0
        for mutant in MUTANTS:
            file = package / mutant.file
            source = file.read_text("utf8")
            if source.count(mutant.old) != 1:
                sys.exit(f"{mutant.fault}: {mutant.file} holds {source.count(mutant.old)} times {mutant.old!r}")
            file.write_text(source.replace(mutant.old, mutant.new), "utf8")
            killer = first_failure(mutant.tests, folder, backend)
            file.write_text(source, "utf8")
            survivors += not killer
            print(f"  {mutant.fault:45} {killer or 'SURVIVED'}", flush=True)
    print(f"{len(MUTANTS) - survivors} caught, {survivors} survived")
    sys.exit(survivors > 0)


def first_failure(tests: str, folder: str, backend: str) -> str:
    """The first test that fails with the package in ``folder``, or nothing."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", str(ROOT / "tests" / tests), "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"pytest could not run {tests}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = re.search(r"^(?:FAILED|ERROR) \S*?(test_\w+\.py::\S+)", done.stdout, re.MULTILINE)
    return (found.group(1) if found else "failed") if done.returncode else ""


if __name__ == "__main__":
    main()
