import math
from typing import Any, NamedTuple, Self, Unpack

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._arguments import is_number
from keras_noisy._core.batch import Batch
from keras_noisy._core.tracing import constant_like
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss

# The configuration, and so a saved model, contains all numbers of the matrix: 2,000 classes are
# about 80 MB.
_MAX_CLASSES = 2000
_ROW_SUM_TOLERANCE = 1e-4
# Stands for log 0. Log-probabilities go down to -1e30, and their sum with it must be finite.
_LOG_ZERO = -1e35
# Below this probability, float32 may have lost a part of the sum over the classes.
_TINY = 1e-30


@register
class ForwardCE(LabelLoss):
    """Cross-entropy with forward correction, for noise that is known.

    Formula:

    ```
    loss = -log((1 - r - r / (K - 1)) p_y + r / (K - 1)),    r = transition

    loss = -log(sum_i p_i T[i, y])    for a matrix T = transition
    ```

    The loss compares the label with the distribution of noisy labels that follows from the
    predictions: class `i` is labelled as `j` with probability `T[i, j]`. If the matrix is right,
    the network learns the probabilities of the true classes. A number means symmetric noise, as in
    `keras_noisy.noise.symmetric`. Then the loss is a function of `p_y` alone, needs no matrix, and
    computes no logits of a `ClassHead`. `transition=0` and the identity matrix give the
    cross-entropy.

    A matrix of symmetric noise is treated like its rate. For any other matrix, the loss depends on
    all probabilities: it takes the memory of a second set of logits for integer labels, and a
    product with the matrix for targets. A logit bias and soft targets then act as in
    `keras_noisy.losses.RowLoss`. The matrix is saved with the model. `diagnose` and
    `average_error`, which treat all classes alike, need a number.

    Properties:

    - Range: [-log(1 - transition), -log(transition / (K - 1))].
    - Symmetric: no.
    - Use it: if you know the noise, or have estimated it. It learns with any number of classes. A
      rate that is too low memorises more wrong labels, one that is too high makes predictions too
      certain.

    Args:
        transition: Number in [0, 1), and below (K - 1) / K for K classes, the rate of symmetric
            noise; or a matrix (K, K) with the true class as the row and the label as the column,
            an array or a `keras_noisy.noise.TransitionMatrix`, for up to 2,000 classes. Its rows
            sum to 1, and every label must be possible for some class. Defaults to `0.2`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `transition` is neither such a number nor such a matrix; when called, if it
            does not fit the number of classes.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.ForwardCE(transition=0.4)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.9163
    >>> loss = keras_noisy.ForwardCE(keras_noisy.noise.pair_flip(num_classes=3, rate=0.4))
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.9163

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.ForwardCE(transition=0.4, from_logits=True))
    ```

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683).
    """

    hyperparameters = (Hyperparameter("transition", "[0, 1)", usual=(0.0, 0.8)),)
    transition: Any

    def __init__(self, transition: Any = 0.2, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        if is_number(transition):
            self.set_hyperparameters(transition=transition)
        else:
            self.transition = _read_matrix(transition)
        self._rate = _find_rate(self.transition)
        self._matrix = None if self._rate is not None else _Matrix.of(self.transition)
        self._wrong: float | None = None

    def for_classes(self, num_classes: int) -> Self:
        if isinstance(self.transition, np.ndarray) and len(self.transition) != num_classes:
            raise ValueError(
                f"`transition` must be a matrix ({num_classes}, {num_classes}) for predictions of "
                f"{num_classes} classes. Received: a matrix of shape {self.transition.shape}"
            )
        if self._rate is None:
            return _ForwardCEOfMatrix.of(self)
        if self._rate >= (num_classes - 1) / num_classes:
            raise ValueError(
                f"`transition` must be below (K - 1) / K = {(num_classes - 1) / num_classes:.4g} "
                f"for K={num_classes} classes: from there on, the label is not the most probable "
                f"one. Received: transition={self.transition!r}"
            )
        return self._copy(_wrong=self._rate / (num_classes - 1))

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        if self._rate is None or self._wrong is None:
            raise ValueError(
                "`of_log_prob` needs the number of classes; call it for the result of "
                f"`loss.for_classes(K)`. Received: {self!r}"
            )
        if self._rate == 0.0:
            return -log_prob
        slope = 1.0 - self._rate - self._wrong
        return -ops.logaddexp(log_prob + math.log(slope), math.log(self._wrong))

    def calibration(self, num_classes: int) -> Calibration:
        reason = "ForwardCE needs no change: it learns equally fast with any number of classes."
        return Calibration(is_needed=False, reason=reason)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if isinstance(self.transition, np.ndarray):
            config["transition"] = self.transition.tolist()
        return config

    def _own_arguments(self) -> dict[str, Any]:
        # The repr of a matrix could fill pages.
        is_matrix = isinstance(self.transition, np.ndarray)
        return {"transition": _Shape(self.transition) if is_matrix else self.transition}


class _ForwardCEOfMatrix(ForwardCE):
    """The loss of a matrix that is not that of symmetric noise, a function of the whole row."""

    treats_classes_alike = False

    @classmethod
    def of(cls, loss: ForwardCE) -> Any:
        """Returns a loss with the same attributes."""
        copy = object.__new__(cls)
        copy.__dict__.update(vars(loss))
        return copy

    def per_sample(self, batch: Batch) -> Tensor:
        _, log_probs = batch.label_and_class_log_probs
        index, targets = batch.labels.index, batch.labels.targets
        matrix: Any = self._matrix
        if index is not None:
            columns = ops.take(constant_like(matrix.log_columns, log_probs), index, axis=0)
            return -ops.logsumexp(log_probs + columns, axis=-1)
        return -ops.sum(targets * self._log_mixed(log_probs), axis=-1)

    def _log_mixed(self, log_probs: Tensor) -> Tensor:
        """Computes the log-probabilities of all labels at once."""
        matrix: Any = self._matrix
        probs = ops.matmul(ops.exp(log_probs), constant_like(matrix.entries, log_probs))
        # Where the probability of a label is tiny, the share of its own class is precise.
        is_tiny = probs < _TINY
        return ops.where(
            is_tiny,
            log_probs + constant_like(matrix.log_own, log_probs),
            ops.log(ops.where(is_tiny, 1.0, probs)),
        )


class _Matrix(NamedTuple):
    """A transition matrix T as the loss needs it.

    Attributes:
        entries: T, (K, K).
        log_columns: log T[i, j] with the label j first, (K, K).
        log_own: log T[j, j], (K,).
    """

    entries: NDArray[np.float64]
    log_columns: NDArray[np.float64]
    log_own: NDArray[np.float64]

    @classmethod
    def of(cls, matrix: NDArray[np.float64]) -> Self:
        is_positive = matrix > 0.0
        logs = np.where(is_positive, np.log(np.where(is_positive, matrix, 1.0)), _LOG_ZERO)
        own = np.maximum(np.diag(logs), math.log(_TINY))
        return cls(matrix.copy(), np.ascontiguousarray(logs.T), own)


class _Shape:
    """Stands for a matrix in a text."""

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        self._shape = matrix.shape

    def __repr__(self) -> str:
        return f"<matrix of shape {self._shape}>"


def _find_rate(transition: float | NDArray[np.float64]) -> float | None:
    """Returns the rate of symmetric noise, or `None` for other noise."""
    if not isinstance(transition, np.ndarray):
        return transition
    correct = np.diag(transition)
    wrong = transition[~np.eye(len(transition), dtype=bool)]
    is_symmetric = np.ptp(correct) < 1e-12 and np.ptp(wrong) <= 1e-12 * wrong.max()
    return float(1.0 - correct[0]) if is_symmetric and correct[0] > wrong[0] else None


def _read_matrix(value: Any) -> NDArray[np.float64]:
    """Returns a transition matrix as a read-only array, or raises a ValueError."""
    allowed = (
        "`transition` must be a number in [0, 1), the rate of symmetric noise, or a matrix (K, K) "
        "of probabilities, with the true class as the row and the label as the column"
    )
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) == 2 and shape[0] > _MAX_CLASSES:
        raise ValueError(
            f"{allowed}, for up to {_MAX_CLASSES} classes, because it is saved with the model. "
            f"Received: transition of shape {tuple(shape)}"
        )
    try:
        matrix = np.array(ops.convert_to_numpy(value) if ops.is_tensor(value) else value, "float64")
    except (TypeError, ValueError):
        raise ValueError(f"{allowed}. Received: transition={value!r}") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        received = f"={value!r}" if matrix.ndim < 2 else f" of shape {matrix.shape}"
        raise ValueError(f"{allowed}. Received: transition{received}")
    if not np.all(matrix >= 0.0):
        raise ValueError(
            f"{allowed}, none of them negative or NaN. Received: transition with the entry "
            f"{matrix.min():g}"
        )
    sums = matrix.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1.0)))
    if not abs(sums[worst] - 1.0) <= _ROW_SUM_TOLERANCE:
        raise ValueError(
            f"{allowed}, in rows that sum to 1. Received: transition[{worst}] with the sum "
            f"{sums[worst]:.6g}"
        )
    impossible = np.flatnonzero(~matrix.any(axis=0))
    if impossible.size:
        raise ValueError(
            f"{allowed}, in which every label is possible: a column of zeros makes the loss of "
            f"that label infinite. Received: transition[:, {impossible[0]}] of zeros"
        )
    matrix.setflags(write=False)
    return matrix
