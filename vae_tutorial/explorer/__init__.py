"""Instruments for the page: drawings that a reader moves with sliders, without a kernel.

>>> from vae_tutorial.explorer import LatentExplorer
>>> LatentExplorer(vae, data.x_test, data.y_test, data.class_names)       # as the last line of a cell

Each is a box of ipywidgets. In a saved notebook, a built book or an exported page it runs in the browser alone; in
a live notebook the kernel sees every move, and can move the sliders itself. Needs ``vae-tutorial[widgets]``.
"""

from vae_tutorial.explorer.densities import ELBOExplorer, KLExplorer
from vae_tutorial.explorer.latent import Interpolation, LatentExplorer
from vae_tutorial.explorer.scores import ThresholdExplorer
from vae_tutorial.explorer.sweep import BetaExplorer

__all__ = ["BetaExplorer", "ELBOExplorer", "Interpolation", "KLExplorer", "LatentExplorer", "ThresholdExplorer"]
