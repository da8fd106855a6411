"""The loss classes of the package that have a formula of their own, which benchmarks share."""

import inspect

import keras_noisy

LOSS_CLASSES = [
    member
    for _, member in inspect.getmembers(keras_noisy, inspect.isclass)
    if issubclass(member, keras_noisy.losses.RobustLoss)
]
