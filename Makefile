# All targets install into virtual environments in this folder and reuse them.
# They are made with the first Python from 3.11 on; PYTHON= names another one.
PYTHON ?= $(or $(shell for each in python3.11 python3.12 python3.13 python3 python; do \
	$$each -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo $$each && break; \
	done),$(error Python 3.11 or later is needed. Install it, or name it: make PYTHON=/path/to/python))
export KERAS_BACKEND ?= tensorflow

ALL := .venv/.all
NO_TENSORFLOW := .venv-no-tensorflow/.ready
# The quickstart uses the complete environment if it exists.
QUICKSTART := $(if $(wildcard $(ALL)),$(ALL),.venv/.$(KERAS_BACKEND))
# Pins the versions that were tested together; /dev/null installs the newest ones.
CONSTRAINTS ?= constraints.txt
# uv installs faster than pip.
UV := $(shell command -v uv 2>/dev/null)
PIP = $(if $(UV),$(UV) pip install --quiet --python $(@D)/bin/python,\
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check)
INSTALL = $(PIP) -c $(CONSTRAINTS)

.PHONY: help quickstart test test-oldest test-nightly test-wheel docs notebooks build lint format clean
help:
	@echo "make quickstart   train with noisy labels on 400 classes, in about 4 minutes"
	@echo "                  (on KERAS_BACKEND; options in ARGS=\"--classes 100 --losses ce mae+bias\")"
	@echo "make test         run the tests on TensorFlow, JAX and PyTorch, and without TensorFlow"
	@echo "make test-oldest  run the core tests with the oldest supported versions"
	@echo "make test-nightly run the core tests with Keras's nightly build"
	@echo "make test-wheel   install the wheel in dist/ into empty environments and test it"
	@echo "make docs         build the documentation in docs/_build/html"
	@echo "make notebooks    convert the examples to notebooks in build/notebooks"
	@echo "                  (ARGS=--execute: with outputs, in docs/notebooks, for the site)"
	@echo "make build        build the wheel and the source distribution in dist/"
	@echo "make lint         check style and types"
	@echo "make format       format the code"
	@echo "make clean        remove the virtual environments"

quickstart: $(QUICKSTART)
	.venv/bin/python recipes/quickstart.py $(ARGS)

test: $(ALL) $(NO_TENSORFLOW)
	.venv/bin/python tests/matrix.py $(ARGS)

# ARGS="oldest-jax" runs one backend only.
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
	.venv/bin/python examples/notebooks.py $(ARGS)

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

# Keras's nightly build is a separate package that replaces Keras.
.venv-nightly/.ready: .venv-nightly/.pip pyproject.toml
	$(PIP) -e ".[tensorflow,jax,torch]" --group test-core
	$(@D)/bin/python -m pip uninstall --quiet --yes keras
	$(PIP) --pre --no-deps keras-nightly
	touch $@
