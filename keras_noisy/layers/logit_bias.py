import math
from typing import Any

import keras
from keras import ops

from keras_noisy.losses.labels import class_count, holds_targets, read_labels
from keras_noisy.losses.logit_bias import check_logit_bias, resolve_logit_bias

Tensor = Any


@keras.saving.register_keras_serializable(package="keras_noisy")
class LogitBias(keras.layers.Layer):
    """Adds a constant to the label's logit in training, and does nothing at inference.

    Formula:

    ```
    z_j -> z_j + eps [j = y]      if labels are given and training=True
    z_j -> z_j                    otherwise
    ```

    Any loss that follows, also one of Keras's own, then is the biased loss. With a loss of this
    package, its `logit_bias` argument does the same, costs less, and shows no label to the metrics of
    the model's output.

    Args:
        epsilon: The bias in units of the logits, a number from -60 to 60; or `"auto"` (default),
            `keras_noisy.calibration.logit_bias(K)` for K classes.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        logits: Float tensor (…, K). Its type is kept, under mixed precision too.
        labels: Optional. Integers (…,) or (…, 1), or one-hot targets (…, K). A soft target gets its
            share of the bias in each class. Not read at inference.
        training: Whether the bias is added, if there are labels. Keras sets it in `fit`.

    Raises:
        ValueError: If `epsilon` is none of the above, if K < 2, if the shapes do not fit, and, in an
            eager call, if a label names no class. In a compiled graph, its row is NaN.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> layer = keras_noisy.LogitBias(epsilon=2.0)
    >>> np.asarray(layer(np.zeros((1, 3), "float32"), labels=np.array([1]), training=True)).tolist()
    [[0.0, 2.0, 0.0]]
    >>> np.asarray(layer(np.zeros((1, 3), "float32"))).tolist()
    [[0.0, 0.0, 0.0]]

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497).
    """

    def __init__(self, epsilon: float | str = "auto", **kwargs: Any) -> None:
        check_logit_bias(epsilon, argument="epsilon", words=("auto",))
        # A layer that passes logits through must not lower their precision.
        super().__init__(autocast=False, **kwargs)
        self.epsilon = epsilon if isinstance(epsilon, str) else float(epsilon)
        self.supports_masking = True

    def call(self, logits: Tensor, labels: Tensor = None, training: bool | None = None) -> Tensor:
        num_classes = class_count(logits)
        if labels is None or not training:
            return logits
        index, targets, valid, _ = read_labels(labels, logits, argument="labels")
        bias = ops.cast(resolve_logit_bias(self.epsilon, num_classes), logits.dtype)
        if targets is None:
            is_label = ops.arange(num_classes, dtype=index.dtype) == ops.expand_dims(index, -1)
            biased = ops.where(is_label, logits + bias, logits)
        else:
            biased = logits + bias * ops.cast(targets, logits.dtype)
        return ops.where(ops.expand_dims(valid, -1), biased, math.nan)

    def compute_output_spec(
        self, logits: Tensor, labels: Tensor = None, training: bool | None = None
    ) -> keras.KerasTensor:
        class_count(logits)
        if labels is not None:
            holds_targets(labels, logits, argument="labels")
        return keras.KerasTensor(logits.shape, dtype=logits.dtype)

    def compute_output_shape(self, logits_shape: Any, labels_shape: Any = None) -> Any:
        return logits_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
