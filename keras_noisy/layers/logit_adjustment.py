from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._arguments import check_number
from keras_noisy._core.labels import count_classes
from keras_noisy._core.record import carry_record, is_recorded
from keras_noisy._core.tracing import constant_like
from keras_noisy._typing import Tensor

# Error messages name this many classes at most.
_NAMED = 8


@keras.saving.register_keras_serializable(package="keras_noisy")
class LogitAdjustment(keras.layers.Layer):
    """Adjusts the logits to the sizes of the classes in training, for long-tailed data.

    A network that is trained on classes of very different sizes predicts the small ones too
    rarely. In training, this layer adds the logarithm of the share of each class to its logit, so
    that the network does not have to learn the sizes. At inference, it adds nothing, and the
    prediction is the class whose logit is largest without regard to the sizes. This is what counts
    for the *balanced accuracy*, the mean of the accuracies of the classes.

    Put the layer behind the last dense layer. It needs logits. A softmax may follow it, but not
    precede it.

    ```python
    counts = np.bincount(y_train, minlength=num_classes)
    bias = keras_noisy.LogitBias()
    model = keras.Sequential(
        [..., keras.layers.Dense(num_classes), keras_noisy.LogitAdjustment(counts), bias]
    )
    model.compile(optimizer, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    ```

    Formula, for the share `pi_k` of class k among the labels:

    ```
    z_k -> z_k + tau log pi_k    in training
    z_k -> z_k                   at inference
    ```

    The layer works with every loss, those of Keras too, with all label formats, and with
    `keras_noisy.LogitBias`, in front of it or behind it: the logit bias is added to the adjusted
    logit of the label, so the order makes no difference. A class-wise bias judges by the adjusted
    probabilities what has been learnt, as the loss does. The logits of a
    `keras_noisy.layers.ClassHead` are adjusted chunk by chunk. Training metrics see the adjusted
    logits, and so does a loss in training; validation does not. The layer has no weights, so
    weights of a model without it can be loaded into a model with it.

    Args:
        class_counts: Sequence of K positive numbers: how many training labels each class has, or
            shares in proportion to that. Count the labels that you train with, even if some are
            wrong.
        tau: Number in [0, 100], the strength. 1 aims at the balanced accuracy; 0 changes nothing.
            Defaults to `1.0`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        logits: Float tensor (…, K).
        training: Boolean, whether to adjust the logits. Keras sets it in `fit`. The `call` of a
            subclassed model must have the argument `training`, as for dropout.

    Returns:
        Float tensor (…, K), at least float32, under mixed precision too.

    Raises:
        ValueError: If an argument is not one of the above. The error names the classes whose count
            is not positive. When called, if there are not K counts, or if the input is the output
            of a softmax or a sigmoid.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> layer = keras_noisy.LogitAdjustment(class_counts=[90, 10])
    >>> logits = np.zeros((1, 2), "float32")
    >>> [round(float(z), 3) for z in layer(logits, training=True)[0]]
    [-0.105, -2.303]
    >>> [float(z) for z in layer(logits)[0]]  # at inference
    [0.0, 0.0]

    References:

    - Menon, Jayasumana, Rawat, Jain, Veit, Kumar, 2021, "Long-tail learning via logit adjustment",
      [ICLR 2021](https://arxiv.org/abs/2007.07314).
    """

    def __init__(
        self, class_counts: Sequence[float] | NDArray[Any], tau: float = 1.0, **kwargs: Any
    ) -> None:
        # Without autocast, float32 logits keep their precision under mixed precision.
        super().__init__(autocast=False, **kwargs)
        self.class_counts = _read_class_counts(class_counts)
        self.tau = check_number("tau", tau, "[0, 100]")
        self.supports_masking = True

    def build(self, logits_shape: Any) -> None:
        counts = self.class_counts.astype("float64")
        self._offsets = self.tau * np.log(counts / counts.sum())

    def call(self, logits: Tensor, training: bool | None = None) -> Tensor:
        self._check_logits(logits, logits.shape)
        offsets = None
        adjusted = ops.cast(logits, _at_least_float32(logits))
        if training:
            offsets = constant_like(self._offsets, adjusted)
            adjusted = adjusted + offsets
        if is_recorded("bias") or is_recorded("chunks"):
            carry_record(logits, adjusted, offsets)
        return adjusted

    def _check_logits(self, logits: Tensor, shape: Any) -> None:
        num_classes = count_classes("logits", shape)
        if num_classes != len(self.class_counts):
            raise ValueError(
                f"`class_counts` must have one number for each of {num_classes} classes. "
                f"Received: {len(self.class_counts)} numbers"
            )
        if _is_probability(logits):
            raise ValueError(
                "`logits` must be logits. Remove the activation of the layer before the "
                "LogitAdjustment, or put it behind. Received: the output of a softmax or a sigmoid"
            )

    def compute_output_spec(
        self, logits: Tensor, training: bool | None = None
    ) -> keras.KerasTensor:
        self._check_logits(logits, logits.shape)
        return keras.KerasTensor(logits.shape, dtype=_at_least_float32(logits))

    def compute_output_shape(self, logits_shape: Any) -> Any:
        return logits_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_counts": self.class_counts.tolist(),
            "tau": self.tau,
        }


def _read_class_counts(class_counts: Any) -> NDArray[Any]:
    """Returns a copy of the counts as an array of integers or float64."""
    try:
        counts = np.array(class_counts)
    except (TypeError, ValueError):  # rows of different lengths
        counts = np.array(None)
    if counts.ndim != 1 or len(counts) < 2 or counts.dtype.kind not in "iuf":
        raise ValueError(
            "`class_counts` must be a sequence of at least 2 positive numbers, one for each class. "
            f"Received: class_counts={class_counts!r}"
        )
    invalid = np.flatnonzero(~(np.isfinite(counts) & (counts > 0)))
    if len(invalid):
        some = ", ".join(f"{counts[k]:g} for class {k}" for k in invalid[:_NAMED])
        more = f" and {len(invalid) - _NAMED} more" if len(invalid) > _NAMED else ""
        raise ValueError(
            "`class_counts` must be positive numbers: the logarithm of 0 would exclude a class "
            "from the training. Check the counts. For classes without training samples, "
            f"`numpy.maximum(class_counts, 1)` counts one. Received: {some}{more}"
        )
    return counts


def _at_least_float32(logits: Tensor) -> str:
    return str(keras.backend.result_type(logits.dtype, "float32"))


def _is_probability(logits: Tensor) -> bool:
    """Returns whether logits are known to be the output of a softmax or a sigmoid."""
    if hasattr(logits, "_keras_logits"):  # set by Keras's activations, but not on JAX
        return True
    if not keras.utils.is_keras_tensor(logits):
        return False
    layer = logits._keras_history.operation
    activations = (keras.activations.softmax, keras.activations.sigmoid)
    return isinstance(layer, keras.layers.Softmax) or (
        getattr(layer, "activation", None) in activations
    )
