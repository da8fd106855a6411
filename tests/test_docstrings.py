"""Every example in a docstring runs and shows what it says."""

import dataclasses
import doctest
import importlib
import inspect
import pkgutil

import pytest

import keras_noisy

MODULES = [m.name for m in pkgutil.walk_packages(keras_noisy.__path__, "keras_noisy.")]
NEEDS = {"keras_noisy.models.resnet": "keras_cv"}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


PUBLIC = {
    f"{room.__name__}.{name}": getattr(room, name)
    for room in map(importlib.import_module, MODULES)
    for name in getattr(room, "__all__", [])
    if callable(getattr(room, name))
}
LOSSES = keras_noisy.losses
BASES = {LOSSES.RobustLoss, LOSSES.LabelLoss, LOSSES.RowLoss}  # nothing to call


@pytest.mark.backend_free
@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_documented(name):
    documentation = inspect.getdoc(PUBLIC[name]) or ""
    if hasattr(PUBLIC[name], "_fields") or dataclasses.is_dataclass(PUBLIC[name]):
        # A record: it is returned, not called.
        assert "Attributes:" in documentation or "Args:" in documentation
        return
    for part in ("\n\n", "Args:", "Raises:", ">>> "):
        if PUBLIC[name] in BASES or (part == "Raises:" and isinstance(PUBLIC[name], type)):
            continue  # what a loss raises is told by RobustLoss, to which it points
        if part in ("Args:", "Raises:") and not inspect.signature(PUBLIC[name]).parameters:
            continue
        assert part in documentation, part


def test_there_is_something_public():
    assert len(PUBLIC) >= 15
