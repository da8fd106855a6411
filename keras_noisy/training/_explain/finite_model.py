"""Calls a model whose weights may be NaN, with finite weights in their place."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_noisy.calibration.initial_logits import call_in_training
from keras_noisy.training._explain.batches import to_float


class FiniteModel:
    """A model that is called with random weights in place of those that are not finite.

    Args:
        model: The model. Its weights do not change.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.bad_weights = [v for v in model.weights if not _is_finite(v)]
        self._replacements = {id(v): _draw(v) for v in self.bad_weights}

    def __call__(self, x: Any) -> Any:
        """Returns the outputs for a batch in training; builds the model if it is not built."""
        if not self.model.built:
            self.model(x)
        return call_in_training(self.model, x, self._replacements)

    def find_bad_layer(self, x: Any) -> str | None:
        """Returns the name of the first layer of a functional model whose output is not finite."""
        try:
            outputs = call_in_training(self._all_layers, x, self._replacements)
        except Exception:  # A subclassed model has no graph of layers.
            return None
        for layer in self.model.layers:
            arrays = map(to_float, keras.tree.flatten(outputs[layer.name]))
            if not all(np.isfinite(array).all() for array in arrays):
                return layer.name
        return None

    @functools.cached_property
    def _all_layers(self) -> keras.Model:
        """The model with the outputs of all layers."""
        # A Sequential model has no `input`.
        given = getattr(self.model, "input", self.model.inputs[0])
        return keras.Model(given, {layer.name: layer.output for layer in self.model.layers})


def _is_finite(weight: keras.Variable) -> bool:
    if not keras.backend.is_float_dtype(weight.dtype):
        return True
    return bool(np.isfinite(to_float(weight)).all())


def _draw(weight: keras.Variable) -> Any:
    """Returns random values for a weight."""
    if len(weight.shape) < 2:
        return ops.ones(weight.shape, weight.dtype)
    return keras.initializers.GlorotUniform(seed=0)(weight.shape, weight.dtype)
