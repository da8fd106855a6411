"""What a loss does to the label's logit of a freshly initialised network, on average."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from keras_noisy.calibration.gradient import gradient
from keras_noisy.losses import LabelLoss, RobustLoss, WeightedSum
from keras_noisy.theory.arguments import check_classes, check_logit_std
from keras_noisy.theory.fresh_logits import fresh_logits
from keras_noisy.theory.log_sum import log_sum

# Logits of one average, of a loss that needs whole rows of them, and of those held at once.
_SAMPLED = 2**18
_AT_ONCE = 2**21


def average_error(
    loss: keras.losses.Loss, logits: ArrayLike, num_classes: int, logit_std: float = 1.0
) -> NDArray:
    """Average error of a fresh network at the label's logit, for any loss.

    Formula:

    ```
    <delta_y>(z) = E[dL / dz_y]   at z_y = z,   other logits z_j ~ N(0, logit_std^2), independent
    ```

    Where it is large and negative, the loss pulls the label's logit up and learning is possible; where
    it is all but 0, the network stalls. A logit bias of the loss is part of it. Losses that are a
    function of the label's probability are averaged by quadrature, to the digits of float32; those that
    need the whole row over a Latin hypercube of about 2^18 logits, the same in every call, to about
    0.1 %. The derivative itself is that of the backend's automatic differentiation.

    Args:
        loss: A loss of this package, or any other `keras.losses.Loss` for one-hot or integer labels,
            per sample and without weights. It is called with logits if it has an attribute
            `from_logits` that is true, else with probabilities; with integer labels if it treats all
            classes alike then, else with one-hot ones; and the label is class 0.
        logits: Array of any shape, the label's logit `z` (dimensionless).
        num_classes: Number of classes, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to `1.0`.

    Returns:
        Float64 array of the shape of `logits`, negative where the loss pulls.

    Raises:
        ValueError: If an argument is none of the above.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).

    Example:

    >>> import keras_noisy
    >>> from keras_noisy.calibration import average_error
    >>> [round(float(average_error(keras_noisy.MAE(), 0.0, k)), 4) for k in (10, 1000)]
    [-0.1329, -0.0012]
    >>> round(float(average_error(keras_noisy.MAE(logit_bias="auto"), 0.0, 1000)), 4)
    -0.1329

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figures 1 and 2.
    """
    check_classes("num_classes", num_classes)
    check_logit_std(logit_std)
    if not isinstance(loss, keras.losses.Loss):
        raise ValueError(f"`loss` must be a keras.losses.Loss. Received: loss={loss!r}")
    z = np.asarray(logits, dtype="float64")
    return _error(loss, z.ravel(), int(num_classes), float(logit_std)).reshape(z.shape)


def _error(loss: keras.losses.Loss, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    if isinstance(loss, WeightedSum):
        parts = zip(loss.losses, loss.weights, strict=True)
        return np.sum([w * _error(part, z, num_classes, logit_std) for part, w in parts], axis=0)
    if isinstance(loss, LabelLoss) and loss.logit_bias != "adaptive":
        return _error_of_label(loss, z, num_classes, logit_std)
    return _error_of_row(loss, z, num_classes, logit_std)


def _error_of_label(loss: LabelLoss, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    """dL/dz_y = L'(u) (1 - p_y) for the label's log-probability u, averaged over its margin."""
    loss = loss.for_classes(num_classes)
    log_sums, weights = log_sum(num_classes - 1, logit_std)
    margin = z[:, np.newaxis] - log_sums + loss.epsilon(num_classes)
    slope = gradient(loss.of_log_prob, -np.logaddexp(0.0, -margin))
    return (slope * np.exp(-np.logaddexp(0.0, margin))) @ weights


def _error_of_row(
    loss: keras.losses.Loss, z: NDArray, num_classes: int, logit_std: float
) -> NDArray:
    samples = 2 ** int(np.clip(np.log2(_SAMPLED / num_classes), 4, 14))
    others = fresh_logits(samples, num_classes - 1, logit_std)
    losses = _losses_of_logits(loss, num_classes)
    at_once = max(1, _AT_ONCE // (samples * num_classes))
    errors = []
    for some in np.split(z, range(at_once, len(z), at_once)):
        label = np.broadcast_to(some[:, np.newaxis, np.newaxis], (len(some), samples, 1))
        rows = np.concatenate(
            [label, np.broadcast_to(others, (len(some), *others.shape))], axis=-1
        ).reshape(-1, num_classes)
        errors.append(gradient(losses, rows)[:, 0].reshape(len(some), samples).mean(axis=1))
    return np.concatenate(errors)


def _losses_of_logits(loss: keras.losses.Loss, num_classes: int) -> Any:
    """A function from logits (n, K) to the losses of class 0 as the label, that add up to n means."""
    if isinstance(loss, RobustLoss):
        loss = loss.with_options(from_logits=True, ignore_class=None)
    from_logits = getattr(loss, "from_logits", False)

    def of_label(labels: NDArray, logits: Any) -> Any:
        y_true = ops.convert_to_tensor(labels)  # as Keras does before the call
        losses = loss.call(y_true, logits if from_logits else ops.softmax(logits))
        # Some average over the batch themselves.
        return losses if len(losses.shape) else losses * len(labels)

    def with_integers(logits: Any, label: int = 0) -> Any:
        return of_label(np.full(logits.shape[0], label, dtype="int32"), logits)

    def with_one_hot(logits: Any) -> Any:
        return of_label(
            np.eye(num_classes, dtype="float32")[np.zeros(logits.shape[0], int)], logits
        )

    if isinstance(loss, RobustLoss) or _treats_classes_alike(with_integers, num_classes):
        return with_integers
    return with_one_hot


def _treats_classes_alike(losses: Any, num_classes: int) -> bool:
    """Whether a function of logits and an integer label gives the classes' logits one meaning.

    A loss for one-hot labels does not, if it does not refuse integers in the first place.
    """
    logits = np.random.default_rng(0).normal(size=(2, num_classes)).astype("float32")
    try:
        as_first, as_last, other = (
            ops.convert_to_numpy(losses(ops.convert_to_tensor(x), label=label))
            for x, label in (
                (logits, 0),
                (np.roll(logits, -1, axis=-1), num_classes - 1),
                (logits, num_classes - 1),
            )
        )
    except Exception:  # each backend has its own
        return False
    return np.allclose(as_first, as_last, rtol=1e-3) and not np.allclose(as_first, other, rtol=1e-3)
