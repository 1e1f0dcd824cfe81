# Two commands do everything; both install what they need into .venv, and may be repeated:
#
#     make book     build the book: _build/html/index.html
#     make test     test the package on three back ends, and the book

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JUPYTER_BOOK := $(BIN)/jupyter-book build . -W -n --keep-going
ENVIRONMENT := _build/.doctrees/environment.pickle
BACKENDS := jax tensorflow torch
UNITS := tests --ignore=tests/book --ignore=tests/cross
PAGES ?= book
IN_BLOCKS := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)  # macOS has a make of 2006

export TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_ENABLE_ONEDNN_OPTS ?= 0
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

say = @printf '\n\033[1m── %s\033[0m\n' "$(1)"  # without commas: they would end the argument

.DEFAULT_GOAL := help
.PHONY: help book test lint units $(BACKENDS:%=units-%) cross notebooks strict-book book-tests mutants kills soak \
	oldest newest pairs lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  The MNIST edition:   VAE_TUTORIAL_DATASET=mnist make book"
	@echo "  Another back end:    KERAS_BACKEND=jax make book    (after make test, which installs all three)"

# --- the two commands --------------------------------------------------------------------------------------

book: $(VENV)/.book node_modules/.package-lock.json  ## run every chapter and write _build/html/index.html
	$(call say,The book: every chapter is run unless its last run still holds)
	@$(JUPYTER_BOOK) || { rm -f $(ENVIRONMENT); exit 1; }  # a warning must be seen again next time

# The build runs every page, and book-tests compare what it printed with what the notebooks store. So `notebooks`, which
# runs them all once more, is for other back ends; one chapter shows here that nbval can run what is committed.
test: $(VENV)/.test  ## lint, unit tests on three back ends, every page of the book, in a browser too
	@$(MAKE) --no-print-directory -j2 $(IN_BLOCKS) lint units-tensorflow units-jax cross units-torch
	@$(MAKE) --no-print-directory notebooks PAGES=book/03_elbo.ipynb
	@$(MAKE) --no-print-directory strict-book
	@$(MAKE) --no-print-directory book-tests
	$(call say,Everything passed)

# --- its parts ---------------------------------------------------------------------------------------------

lint: $(VENV)/.test  ## ruff, mypy, and notebooks in step with their sources
	$(call say,Lint)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python tools/pairs.py --check

units: $(BACKENDS:%=units-%)  ## the package's tests, each back end in its own process

$(BACKENDS:%=units-%): units-%: $(VENV)/.test
	$(call say,Unit tests on $*)
	@KERAS_BACKEND=$* $(BIN)/python -m pytest $(UNITS) -q

cross: $(VENV)/.test  ## tests that compare back ends, or install the wheel
	$(call say,Tests across back ends)
	@$(BIN)/python -m pytest tests/cross -q

notebooks: $(VENV)/.test  ## run every notebook and compare its exact numbers (KERAS_BACKEND=jax, PAGES=book/03_elbo.ipynb)
	$(call say,Notebooks on $(or $(KERAS_BACKEND),tensorflow))
	@KERAS_BACKEND=$(or $(KERAS_BACKEND),tensorflow) VAE_TUTORIAL_DATASET=$(or $(VAE_TUTORIAL_DATASET),digits) \
		OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 \
		$(BIN)/python -m pytest --nbval-lax --nbval-current-env $(PAGES) -q -n 2 --dist loadfile  # two kernels

strict-book: $(VENV)/.test node_modules/.package-lock.json  ## the book again, all pages, any warning an error
	$(call say,The book: all pages)
	@$(JUPYTER_BOOK) --all

book-tests: $(VENV)/.test  ## the built pages, in a browser too
	$(call say,The built book)
	@$(BIN)/python -m pytest tests/book -q -n 2 --dist loadgroup  # two browsers

mutants: $(VENV)/.test  ## plant faults in a copy of the package: does a test notice each?
	$(call say,Planted faults)
	@$(BIN)/python tests/mutants.py

kills: $(VENV)/.test  ## kill training and saving twenty times on each back end, and resume
	$(call say,Work that is killed)
	@KILLS=20 $(BIN)/python -m pytest tests/cross/test_interruption.py -q

soak: BACKEND ?= torch
soak: RUNS ?= 20
soak: SEED := $(shell date +%s)
soak: $(VENV)/.test  ## the unit tests twenty times, each time in another order and with other examples (BACKEND=torch, RUNS=20)
	$(call say,Unit tests on $(BACKEND) in random order)
	@$(BIN)/python -m pip install -q pytest-random-order
	@for seed in $$(seq $(SEED) $$(($(SEED) + $(RUNS) - 1))); do \
		KERAS_BACKEND=$(BACKEND) HYPOTHESIS_PROFILE=searching $(BIN)/python -m pytest $(UNITS) -q -x -n 2 \
			--random-order-bucket=global --random-order-seed=$$seed --hypothesis-seed=$$seed \
			|| { echo "To repeat it: make soak BACKEND=$(BACKEND) RUNS=1 SEED=$$seed"; exit 1; }; \
	done

oldest:  ## the unit tests on the lowest versions that pyproject.toml allows (BACKEND=jax)
newest:  ## the unit tests on the newest versions that there are (BACKEND=jax)
oldest newest: BACKEND ?= jax
oldest newest:
	$(call say,Unit tests on the $@ versions of $(BACKEND) and the rest)
	@$(PYTHON) -m venv --clear _build/$@
	@_build/$@/bin/python -m pip install -q uv
	@_build/$@/bin/uv pip install -q --no-config --python _build/$@ -e '.[$(BACKEND),widgets]' \
		--resolution $(if $(filter oldest,$@),lowest-direct,highest)
	@_build/$@/bin/uv pip freeze -q --no-config --python _build/$@ --exclude-editable | tee _build/$@/versions | paste -sd ' ' -
	@_build/$@/bin/uv pip install -q --no-config --python _build/$@ -c _build/$@/versions hypothesis pandas pytest pytest-timeout
	@KERAS_BACKEND=$(BACKEND) _build/$@/bin/python -m pytest $(UNITS) -q \
		$(if $(filter oldest,$@),-W ignore::DeprecationWarning)  # which tells old releases of what came after them

pairs: $(VENV)/.book  ## write the notebooks from the chapters, and refresh the typed numbers
	@$(BIN)/python tools/pairs.py

lock: | $(BIN)/python  ## resolve requirements.lock (UPGRADE=--upgrade takes the newest versions, save of PyTorch)
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q pyproject.toml -o requirements.lock $(UPGRADE)

clean:  ## remove everything that make has written, but not .venv
	rm -rf _build build dist node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# --- the environment ---------------------------------------------------------------------------------------

$(BIN)/python:
	$(call say,A Python environment in $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }  # Debian without python3-venv leaves one without pip

$(VENV)/.book: pyproject.toml requirements.lock | $(BIN)/python
	$(call say,What the book needs: TensorFlow and Jupyter Book)
	@$(BIN)/python -m pip install --progress-bar off -c requirements.lock -e '.[tensorflow,book]'
	@touch $@

$(VENV)/.test: pyproject.toml requirements.lock | $(BIN)/python
	$(call say,What book and tests need: the three back ends and the tools)
	@$(BIN)/python -m pip install --progress-bar off -c requirements.lock -e '.[tensorflow,jax,torch,book,dev]'
	@touch $(VENV)/.book $@

node_modules/.package-lock.json: package.json package-lock.json
	@if command -v npm >/dev/null; then \
		printf '\n── MathJax and fonts, for pages that need no network\n'; npm ci --no-audit --no-fund && touch $@; \
	else \
		echo "npm is missing: the pages will load mathematics from the network."; \
	fi
