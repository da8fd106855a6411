# Everything lives in virtual environments inside this folder; a second call reuses them.
PYTHON ?= python3.11
export KERAS_BACKEND ?= tensorflow

ALL := .venv/.all
NO_TENSORFLOW := .venv-no-tensorflow/.ready
# The complete environment serves the quickstart too, where it is there already.
QUICKSTART := $(if $(wildcard $(ALL)),$(ALL),.venv/.$(KERAS_BACKEND))
# constraints.txt holds the versions that were tested together.
INSTALL = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help quickstart test docs lint format clean
help:
	@echo "make quickstart   train with noisy labels on 400 classes, in about 4 minutes"
	@echo "                  (ARGS=\"--classes 100 --losses ce mae+bias\"; KERAS_BACKEND is followed)"
	@echo "make test         run the tests on TensorFlow, JAX and PyTorch, and without TensorFlow"
	@echo "make docs         build the documentation, docs/_build/html/index.html"
	@echo "make lint         check style and types"
	@echo "make format       apply the style"
	@echo "make clean        remove the virtual environments"

quickstart: $(QUICKSTART)
	.venv/bin/python recipes/quickstart.py $(ARGS)

test: $(ALL) $(NO_TENSORFLOW)
	.venv/bin/python tests/matrix.py $(ARGS)

docs: $(ALL)
	.venv/bin/python docs/generate_losses.py
	.venv/bin/python docs/interactive/export.py
	.venv/bin/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: $(ALL)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: $(ALL)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv .venv-no-tensorflow

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
