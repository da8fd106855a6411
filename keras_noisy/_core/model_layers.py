"""The layers of a model, those of inner models and wrapper layers included."""

from typing import TypeVar

import keras

Layer = TypeVar("Layer", bound=keras.layers.Layer)


def find_layers(model: keras.Model, kind: type[Layer]) -> list[Layer]:
    """Returns the layers of a class, at any depth, each of them once."""
    # Keras has no public function that looks into wrapper layers.
    found = {id(layer): layer for layer in model._flatten_layers() if isinstance(layer, kind)}
    return list(found.values())
