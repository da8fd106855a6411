"""Exports, references, pages and docstrings cover every loss."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import references
from loss_docstring import read_docstring

import keras_noisy
from keras_noisy import losses
from keras_noisy.losses import LOSSES, LabelLoss, RobustLoss, WeightedSum, _catalogue

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[2]
HINT = "see CONTRIBUTING.md, 'A new loss'"
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def find_losses():
    """Returns the classes with a formula in the modules of `keras_noisy.losses`."""
    modules = (
        importlib.import_module(f"{losses.__name__}.{module.name}")
        for module in pkgutil.iter_modules(losses.__path__)
    )
    return {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, RobustLoss)
        and not inspect.isabstract(value)
        and not value.__name__.startswith("_")
    } - {WeightedSum}


def test_every_class_is_registered_and_in_the_catalogue():
    assert find_losses() == set(LOSSES), f"decorate the class with @register; {HINT}"
    listed = vars(_catalogue).values()
    assert set(LOSSES) <= {value for value in listed if inspect.isclass(value)}, HINT


@every_loss
def test_loss_is_exported(loss):
    name = loss.__name__
    for room in (keras_noisy, losses):
        assert name in room.__all__
        assert getattr(room, name) is loss
    assert keras.saving.get_registered_name(loss) == f"keras_noisy>{name}"
    assert type(losses.get(name)) is loss


@every_loss
def test_file_is_named_as_the_class(loss):
    name = loss.__module__.rpartition(".")[2].replace("_", "")
    assert name == loss.__name__.lower()


@every_loss
def test_loss_has_a_reference_and_is_on_the_pages(loss):
    name = loss.__name__
    assert name in references.LOSSES, f"write it in tests/losses/references.py; {HINT}"
    assert f"\n   {name}\n" in (ROOT / "docs/api.md").read_text(), f"add it to docs/api.md; {HINT}"
    if issubclass(loss, LabelLoss):
        theory = (ROOT / "docs/interactive/theory.js").read_text()
        assert re.search(rf"^  {name}: \(", theory, re.M), f"add it to theory.js; {HINT}"


@every_loss
def test_docstring_states_the_ranges_of_hyperparameters(loss):
    documented = read_docstring(loss).arguments
    assert list(documented) == [each.name for each in loss.hyperparameters]
    for each in loss.hyperparameters:
        kind = "Integer" if each.is_integer else "Number"
        assert f"{kind} in {each.interval}" in documented[each.name]


@every_loss
def test_limits_of_hyperparameters_are_checked(loss):
    for each in loss.hyperparameters:
        low, high = each.limits
        step = 1 if each.is_integer else 1e-6 * max(abs(low), abs(high))
        is_open = each.interval.endswith(")") and each.largest is None
        for value in (low, high - step if is_open else high):
            value = int(value) if each.is_integer else value
            assert getattr(loss(**{each.name: value}), each.name) == value
        for value in (low - step, high + step, "a word", None, True, np.nan):
            with pytest.raises(ValueError, match=f"`{each.name}` must be "):
                loss(**{each.name: value})
        if each.usual is not None:
            assert low <= each.usual[0] < each.usual[1] <= high


@every_loss
def test_example_with_compile_trains(loss):
    """The example in the docstring trains a model."""
    code = re.search(
        r"Usage with `compile\(\)`:\n\n```python\n(.*?)```", inspect.getdoc(loss), re.S
    )
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    exec(code[1], {"keras_noisy": keras_noisy, "model": model})
    assert loss.__name__ in repr(model.loss)
    value = model.train_on_batch(np.ones((6, 4), "float32"), np.arange(6) % 3)
    assert np.isfinite(value)
