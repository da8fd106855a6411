"""Every example in a docstring runs and prints the output that it shows."""

import dataclasses
import doctest
import importlib
import inspect
import pkgutil

import pytest

import keras_noisy

MODULES = [each.name for each in pkgutil.walk_packages(keras_noisy.__path__, "keras_noisy.")]
NEEDS = {"keras_noisy.models.resnet": "keras_cv"}


@pytest.mark.shared
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in map(importlib.import_module, MODULES)
    for name in getattr(module, "__all__", [])
    if callable(getattr(module, name))
}
LOSSES = keras_noisy.losses
BASES = {LOSSES.RobustLoss, LOSSES.LabelLoss, LOSSES.RowLoss}  # abstract


@pytest.mark.backend_free
@pytest.mark.parametrize("name", PUBLIC)
def test_public_objects_are_documented(name):
    documentation = inspect.getdoc(PUBLIC[name]) or ""
    if hasattr(PUBLIC[name], "_fields") or dataclasses.is_dataclass(PUBLIC[name]):
        # Records are returned by functions, so they need no example.
        assert "Attributes:" in documentation or "Args:" in documentation
        return
    for part in ("\n\n", "Args:", "Raises:", ">>> "):
        if PUBLIC[name] in BASES or (part == "Raises:" and isinstance(PUBLIC[name], type)):
            continue  # RobustLoss documents the errors of all losses
        if part in ("Args:", "Raises:") and not inspect.signature(PUBLIC[name]).parameters:
            continue
        assert part in documentation, part


def test_public_objects_are_found():
    assert len(PUBLIC) >= 15
