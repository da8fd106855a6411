"""Every loss of the package with its definition, a function of p_y in float64."""

from typing import NamedTuple

import numpy as np

import keras_noisy


class Case(NamedTuple):
    name: str
    loss: type
    arguments: dict
    of_probability: object

    def make(self, **options):
        return self.loss(**{**self.arguments, "from_logits": True, "reduction": None, **options})


CASES = [
    Case("CE", keras_noisy.CE, {}, lambda p: -np.log(p)),
    Case("MAE", keras_noisy.MAE, {}, lambda p: 2 * (1 - p)),
    Case("GCE", keras_noisy.GCE, {}, lambda p: (1 - p**0.7) / 0.7),
    Case("GCE(q=0.2)", keras_noisy.GCE, {"q": 0.2}, lambda p: (1 - p**0.2) / 0.2),
    Case("GCE(q=1)", keras_noisy.GCE, {"q": 1.0}, lambda p: 1 - p),
]
