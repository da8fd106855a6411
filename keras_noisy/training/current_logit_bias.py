from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses import RobustLoss


@keras.saving.register_keras_serializable(package="keras_noisy")
class CurrentLogitBias(keras.metrics.Mean):
    """Shows the mean logit bias of an epoch in the progress bar, the logs and TensorBoard.

    Formula: `mean_i eps_i`, first over the samples of a batch, between which `eps_i` differs if
    the bias is adaptive, and then over the batches of the epoch. In validation, a `LogitBias`
    layer has no bias, and `val_logit_bias` is 0. A metric does not see the loss; if that is NaN,
    `keras_noisy.explain` tells the cause.

    Args:
        loss: The loss of this package that the model is compiled with.
        name: Optional name. Defaults to `"logit_bias"`.
        dtype: As in `keras.metrics.Metric`.

    Raises:
        ValueError: If `loss` is not a loss of this package.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> bias = keras_noisy.LogitBias(2.0, training_steps=4, adaptive=False)
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), bias])
    >>> loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    >>> metrics = [keras_noisy.training.CurrentLogitBias(loss)]
    >>> model.compile("sgd", loss=loss, metrics=metrics)
    >>> history = model.fit(np.ones((4, 3)), np.zeros(4), batch_size=2, epochs=2, verbose=0).history
    >>> [round(eps, 2) for eps in history["logit_bias"]]
    [1.85, 0.65]
    """

    def __init__(self, loss: RobustLoss, name: str = "logit_bias", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        if not isinstance(loss, RobustLoss):
            raise ValueError(f"`loss` must be a loss of keras_noisy. Received: loss={loss!r}")
        self.loss = loss

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        super().update_state(ops.mean(self.loss.read_predictions(y_pred).bias))

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        loss = config["loss"]
        if isinstance(loss, Mapping):
            loss = keras.saving.deserialize_keras_object(loss)
        return cls(**{**config, "loss": loss})
