"""Test cases: every loss of the package with its reference in float64."""

from typing import NamedTuple

import numpy as np
import pytest
from references import batch_reference

import keras_noisy
from keras_noisy.losses import LOSSES, LabelLoss, RowLoss, WeightedSum


class Case(NamedTuple):
    """A loss class and its arguments."""

    loss: type
    arguments: dict

    @property
    def name(self):
        values = ", ".join(f"{key}={value:g}" for key, value in self.arguments.items())
        return f"{self.loss.__name__}({values})"

    def make(self, **options):
        return self.loss(**{**self.arguments, "from_logits": True, "reduction": None, **options})

    def reference(self, labels, logits, epsilon=0.0):
        """Returns values (B,) and gradients (B, K) with respect to the logits."""
        return batch_reference(self.loss.__name__, self.arguments, labels, logits, epsilon)


class SumCase(NamedTuple):
    """A weighted sum of other cases."""

    parts: list
    weights: list

    loss = WeightedSum
    name = "WeightedSum"

    @property
    def arguments(self):
        return {
            "losses": [part.loss(**part.arguments) for part in self.parts],
            "weights": self.weights,
        }

    make = Case.make

    def reference(self, labels, logits, epsilon=0.0):
        each = [part.reference(labels, logits, epsilon) for part in self.parts]
        return tuple(
            sum(weight * result[i] for weight, result in zip(self.weights, each, strict=True))
            for i in (0, 1)
        )


# Each loss with its defaults, and a sum.
DEFAULTS = [Case(loss, {}) for loss in LOSSES] + [
    SumCase([Case(keras_noisy.NCE, {}), Case(keras_noisy.AGCE, {"a": 1.8, "q": 3.0})], [10.0, 0.1])
]

# Other hyperparameters: published ones and limits of their ranges.
VARIANTS = [
    Case(keras_noisy.GCE, {"q": 0.2}),
    Case(keras_noisy.GCE, {"q": 1.0}),
    Case(keras_noisy.SCE, {"alpha": 6.0, "beta": 0.1}),
    Case(keras_noisy.RCE, {"A": 9.21}),
    Case(keras_noisy.TaylorCE, {"order": 6}),
    Case(keras_noisy.TaylorCE, {"order": 50}),
    Case(keras_noisy.PHuberCE, {"tau": 2.0}),
    Case(keras_noisy.FocalCE, {"gamma": 2.0}),
    Case(keras_noisy.AGCE, {"a": 1e-5, "q": 0.5}),
    Case(keras_noisy.AGCE, {"a": 6.0, "q": 1.5}),
    Case(keras_noisy.AUL, {"a": 1.1, "q": 5.0}),
    Case(keras_noisy.AUL, {"a": 3.0, "q": 0.1}),
    Case(keras_noisy.AEL, {"a": 0.5}),
    Case(keras_noisy.JS, {"weight": 0.1}),
    Case(keras_noisy.JS, {"weight": 0.9}),
    Case(keras_noisy.MAERescale, {"scale": 0.3}),
    Case(keras_noisy.MAERescale, {"scale": 2.0}),
    Case(keras_noisy.ForwardCE, {"transition": 0.4}),
    Case(keras_noisy.NFL, {"gamma": 2.0}),
    Case(keras_noisy.NGCE, {"q": 0.1}),
    Case(keras_noisy.NNCE, {"min_prob": 1e-4}),
    Case(keras_noisy.NNFL, {"gamma": 2.0, "min_prob": 1e-4}),
    Case(keras_noisy.AMSE, {"a": 1.0}),
    Case(keras_noisy.EpsSoftmaxCE, {"m": 10.0, "gamma": 0.1, "floor": 1e-20}),
    Case(keras_noisy.BiTempered, {"t1": 0.5, "t2": 1.5}),
    Case(keras_noisy.BiTempered, {"t1": 0.2, "t2": 4.0}),
    Case(keras_noisy.BiTempered, {"t1": 1.0, "t2": 1.3}),
    Case(keras_noisy.BiTempered, {"t1": 0.5, "t2": 1.0}),
]

LABEL_CASES = [case for case in DEFAULTS + VARIANTS if issubclass(case.loss, LabelLoss)]
ROW_CASES = [case for case in DEFAULTS + VARIANTS if issubclass(case.loss, RowLoss)]

# One loss of each kind, for tests that do not depend on the formula.
FAMILIES = [case for case in DEFAULTS if case.loss.__name__ in ("MAE", "NCE", "WeightedSum")]


def _parametrize(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


every_variant = _parametrize(DEFAULTS + VARIANTS)
every_loss = _parametrize(DEFAULTS)
every_family = _parametrize(FAMILIES)


def some_batch(num_classes=30, batch=6, scale=3.0, seed=0):
    """Returns integer labels (batch,) and normal logits (batch, num_classes) in float32."""
    rng = np.random.default_rng(seed)
    logits = (scale * rng.normal(size=(batch, num_classes))).astype("float32")
    return rng.integers(0, num_classes, batch), logits


def one_hot(labels, num_classes):
    return np.eye(num_classes, dtype="float32")[labels]
