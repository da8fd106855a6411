"""Attaches a Keras mask to losses."""

from typing import Any

import keras

from keras_noisy._typing import Tensor


class AttachMask(keras.layers.Layer):
    """Attaches a mask to losses, so that Keras averages over the valid ones only.

    A layer is the only public way to set a mask.
    """

    def __init__(self) -> None:
        super().__init__(dtype="float32", autocast=False)
        self.supports_masking = True

    def call(self, inputs: list) -> Tensor:
        losses, _ = inputs
        return losses

    def compute_mask(self, inputs: list, previous_mask: Any = None) -> Tensor:
        _, valid = inputs
        return valid
