"""The registry of losses, by which everything else knows them."""

from typing import TypeVar

import keras

from keras_noisy.losses.robust_loss import RobustLoss

Class = TypeVar("Class", bound=type[RobustLoss])

# The losses that have a formula, in the order of their import.
LOSSES: list[type[RobustLoss]] = []


def register(loss: Class) -> Class:
    """Registers a class of losses, here and for loading it with Keras."""
    LOSSES.append(loss)
    return keras.saving.register_keras_serializable(package="keras_noisy")(loss)
