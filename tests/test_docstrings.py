"""Every example in a docstring runs and shows what it says."""

import doctest
import importlib
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


@pytest.mark.parametrize("name", keras_noisy.__all__)
def test_everything_public_is_documented(name):
    thing = getattr(keras_noisy, name)
    documentation = thing.__doc__ or ""
    assert documentation.strip()
    if isinstance(thing, type):
        for part in ("Args:", "Formula:", ">>> "):
            assert part in documentation
