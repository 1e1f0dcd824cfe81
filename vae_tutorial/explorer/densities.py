"""Instruments without a network: the KL divergence of two Gaussians, and the ELBO of a model with one number."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

from vae_tutorial import plots
from vae_tutorial.explorer._checks import between, positive
from vae_tutorial.explorer._stage import Instrument, slider

BLUE, ORANGE = plots.PALETTE[:2]


class KLExplorer(Instrument):
    """A Gaussian beside the standard normal, the KL divergence between them in nats, and its slope.

    >>> KLExplorer(mu=1.0, sigma=0.5)

    ``½ (μ² + σ² − 1 − log σ²)``, whose derivatives are μ and σ − 1/σ: Kingma & Welling (2014), appendix B. μ lies in
    [−3, 3], σ in [0.05, 3]. Raises ValueError for start values outside.
    """

    script = "kl.js"

    def __init__(self, mu: float = 1.0, sigma: float = 0.5) -> None:
        mu, sigma = between("mu", mu, -3, 3), between("sigma", sigma, 0.05, 3)
        sliders = [slider("μ", mu, -3, 3, 0.05), slider("σ", sigma, 0.05, 3, 0.05)]
        super().__init__("KL divergence from the prior", sliders, {})

    def draw(self, figure: Figure) -> None:
        mu, sigma = (s.value for s in self.sliders)
        left, right = figure.subplots(1, 2)
        z = np.linspace(-4, 4, 401)
        left.plot(z, norm.pdf(z), ls="--", label="prior p")
        left.plot(z, norm.pdf(z, mu, sigma), label="q")
        left.set(xlabel="z", yticks=[])
        left.legend()
        m, s = np.meshgrid(np.linspace(-3, 3, 121), np.linspace(0.02, 3, 121))
        kl = 0.5 * (m**2 + s**2 - 1) - np.log(s)
        right.clabel(right.contour(m, s, kl, [0.1, 0.5, 1, 2, 4], colors=plots.INK, linewidths=1))
        right.plot(mu, sigma, "o", mfc="none", mec=ORANGE, ms=11, mew=2.5)
        right.set(xlabel="μ", ylabel="σ", title="KL in nats")

    def alt(self) -> str:
        mu, sigma = (s.value for s in self.sliders)
        return (
            f"KL divergence from the prior: left the standard normal and a Gaussian with mean {mu:g} and standard "
            f"deviation {sigma:g}, right level curves of the divergence over both, closed around mean 0 and deviation "
            "1, where it is zero. On the live page the Gaussian can be moved."
        )


class ELBOExplorer(Instrument):
    """One code, one datum: move q and see ELBO and gap share out log p(x), each by its own integral.

    >>> ELBOExplorer(x=0.5, slope=2.0, noise=0.3)

    The model is ``z ~ N(0, 1)``, ``x | z ~ N(tanh(slope · z), noise²)``; ``log p(x) = ELBO + KL(q ‖ p(z|x))``, in
    nats. Integrals are sums over 6001 points between −15 and 15: of no q that the sliders reach does more than 3e-10
    lie beyond. Raises ValueError for noise below 0.1, which that grid would miss, a slope that is not positive, or x
    beyond ±1.5.
    """

    script = "elbo.js"

    def __init__(self, x: float = 0.5, slope: float = 2.0, noise: float = 0.3) -> None:
        x = between("x", x, -1.5, 1.5)
        if positive("noise", noise) < 0.1:
            raise ValueError(f"noise: expected at least 0.1, got {noise!r}.")
        self.slope, self.noise = positive("slope", slope), noise
        sliders = [
            slider("x", x, -1.5, 1.5, 0.05),
            slider("μ of q", -0.5, -2.5, 2.5, 0.05),
            slider("σ of q", 0.5, 0.05, 2, 0.05),
        ]
        super().__init__("ELBO and gap", sliders, {"slope": slope, "noise": noise})

    def draw(self, figure: Figure) -> None:
        x, mu, sigma = (s.value for s in self.sliders)
        z, step = np.linspace(-15, 15, 6001, retstep=True)
        log_joint: NDArray[np.float64] = norm.logpdf(z) + norm.logpdf(x, np.tanh(self.slope * z), self.noise)
        evidence = np.log(np.exp(log_joint).sum() * step)
        q = norm.pdf(z, mu, sigma)
        elbo = (q * (log_joint - norm.logpdf(z, mu, sigma))).sum() * step
        left, right = figure.subplots(1, 2, width_ratios=(2, 1))
        left.plot(z, np.exp(log_joint - evidence), ls="--", label="posterior p(z|x)")
        left.plot(z, q, label="q(z)")
        left.set(xlabel="z", xlim=(-3, 3), yticks=[])
        left.legend()
        right.bar(0, evidence - elbo, bottom=elbo, color=ORANGE, alpha=0.35)
        right.axhline(evidence, color=BLUE, ls="--", label="log p(x)")
        right.axhline(elbo, color=ORANGE, label="ELBO")
        right.set(xticks=[], title="nats")
        right.legend(loc="lower right")

    def alt(self) -> str:
        x, mu, sigma = (s.value for s in self.sliders)
        return (
            f"ELBO and gap: left the posterior of a code, given x = {x:g}, and a Gaussian guess with mean {mu:g} and "
            f"deviation {sigma:g}; right the ELBO below log p(x), and the gap between them. On the live page the "
            "guess can be moved: the sum stays."
        )
