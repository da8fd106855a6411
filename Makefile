# Everything lives in virtual environments inside this folder; a second call reuses them.
PYTHON ?= python3.11
export KERAS_BACKEND ?= tensorflow

ALL := .venv/.all
NO_TENSORFLOW := .venv-no-tensorflow/.ready
# The complete environment serves the quickstart too, where it is there already.
QUICKSTART := $(if $(wildcard $(ALL)),$(ALL),.venv/.$(KERAS_BACKEND))
# The versions that were tested together; /dev/null for the newest of everything.
CONSTRAINTS ?= constraints.txt
PIP = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check
INSTALL = $(PIP) -c $(CONSTRAINTS)

.PHONY: help quickstart test test-oldest test-nightly test-wheel docs notebooks build lint format clean
help:
	@echo "make quickstart   train with noisy labels on 400 classes, in about 4 minutes"
	@echo "                  (ARGS=\"--classes 100 --losses ce mae+bias\"; KERAS_BACKEND is followed)"
	@echo "make test         run the tests on TensorFlow, JAX and PyTorch, and without TensorFlow"
	@echo "make test-oldest  run those of the core with the oldest versions that are supported"
	@echo "make test-nightly run those of the core with tomorrow's Keras"
	@echo "make test-wheel   install what is in dist/ into empty environments, and try it"
	@echo "make docs         build the documentation, docs/_build/html/index.html"
	@echo "make notebooks    make notebooks of the examples, in build/notebooks"
	@echo "make build        build the wheel and the source distribution, in dist/"
	@echo "make lint         check style and types"
	@echo "make format       apply the style"
	@echo "make clean        remove the virtual environments"

quickstart: $(QUICKSTART)
	.venv/bin/python recipes/quickstart.py $(ARGS)

test: $(ALL) $(NO_TENSORFLOW)
	.venv/bin/python tests/matrix.py $(ARGS)

# The core on each backend; ARGS="oldest-jax" is one of them.
test-oldest: .venv-oldest/.ready
	.venv-oldest/bin/python tests/matrix.py $(or $(ARGS),oldest-tensorflow oldest-jax oldest-torch)

test-nightly: .venv-nightly/.ready
	.venv-nightly/bin/python tests/matrix.py $(or $(ARGS),nightly-tensorflow nightly-jax nightly-torch)

test-wheel:
	$(PYTHON) tests/wheel.py $(ARGS)

docs: $(ALL)
	.venv/bin/python docs/generate_losses.py
	.venv/bin/python docs/interactive/export.py
	.venv/bin/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

notebooks: $(ALL)
	.venv/bin/python examples/notebooks.py

build: $(ALL)
	rm -rf dist
	.venv/bin/python -m hatchling build --directory dist

lint: $(ALL)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: $(ALL)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv .venv-no-tensorflow .venv-oldest .venv-nightly

%/.pip:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	touch $@

.venv/.tensorflow .venv/.jax .venv/.torch: .venv/.%: .venv/.pip pyproject.toml constraints.txt
	$(INSTALL) -e ".[$*,recipes]"
	touch $@

$(ALL): .venv/.pip pyproject.toml constraints.txt
	$(INSTALL) -e ".[tensorflow,jax,torch,vision,hub,datasets,recipes]" --group test --group lint --group docs
	touch $@

$(NO_TENSORFLOW): .venv-no-tensorflow/.pip pyproject.toml constraints.txt
	$(INSTALL) -e ".[jax,recipes]" --group test
	touch $@

.venv-oldest/.ready: .venv-oldest/.pip pyproject.toml constraints-oldest.txt
	$(PIP) -c constraints-oldest.txt -e ".[tensorflow,jax,torch]" --group test-core
	touch $@

# Keras's nightly build is a package of its own, in the place of Keras.
.venv-nightly/.ready: .venv-nightly/.pip pyproject.toml
	$(PIP) -e ".[tensorflow,jax,torch]" --group test-core
	$(@D)/bin/python -m pip uninstall --quiet --yes keras
	$(PIP) --pre --no-deps keras-nightly
	touch $@
