"""Run the chapters before Sphinx reads them, several at a time.

Sphinx reads one page after the other, and myst-nb runs a page's code when the page is read: so all processor cores but
one would wait. Here each page whose run is not yet in the cache is run first, in a kernel of its own, and reading finds
the runs there. A run that fails is not cached: then myst-nb runs the page again, in its turn, and reports the failure
as it reports all others.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from jupyter_cache import get_cache  # type: ignore[import-untyped]
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract  # type: ignore[import-untyped]
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution  # type: ignore[import-untyped]
from myst_nb.core.read import create_nb_reader  # type: ignore[import-untyped]
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from .execution import kernels
from .source import for_page

LOG = logging.getLogger(__name__)


class Page(NamedTuple):
    name: str
    path: Path
    notebook: NotebookNode


def page(env: BuildEnvironment, docname: str) -> Page | None:
    """The page as the notebook that myst-nb will make of it, if it has code."""
    path = Path(env.doc2path(docname))
    text = for_page(path.read_text("utf8"), lambda index, message: None)  # warnings come when Sphinx reads the page
    reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)  # type: ignore[attr-defined]
    return Page(docname, path, reader.read(text)) if reader else None


def is_cached(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def run_ahead(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    if app.config.nb_execution_mode != "cache":
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    pages = [found for name in sorted(docnames) if (found := page(env, name))]
    waiting = [one for one in pages if not is_cached(cache, one.notebook)]
    if not waiting:
        return
    LOG.info("running the code of %d pages, %d at a time", len(waiting), kernels())
    with ThreadPoolExecutor(kernels()) as pool:
        runs: dict[Future[ExecutionResult], Page] = {}
        for one in waiting:
            runs[
                pool.submit(
                    single_nb_execution,
                    one.notebook,
                    cwd=str(one.path.parent),
                    timeout=app.config.nb_execution_timeout,
                    allow_errors=False,
                )
            ] = one
        for done in as_completed(runs):
            one = runs[done]
            if trouble := done.exception():  # a kernel that died, say
                LOG.warning("%s failed: %s", one.name, trouble)
                continue
            result = done.result()
            if result.err is None:
                bundle = CacheBundleIn(one.notebook, str(one.path), data={"execution_seconds": result.time})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                LOG.info("%s: %.0f s", one.name, result.time)
            else:
                LOG.warning("%s failed after %.0f s", one.name, result.time)


def setup(app: Sphinx) -> None:
    app.connect("env-before-read-docs", run_ahead)
