from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes, check_number
from keras_noisy._labels import read_labels
from keras_noisy._random import stream, uniform
from keras_noisy.noise._arguments import noisy_dtype, read_indices
from keras_noisy.noise._normal import normal, truncated_normal

# Numbers of `x`, or of scores, that are processed at a time: 64 MiB of float64.
_CHUNK = 1 << 23
# Numbers of the independent random streams.
_RATES, _FLIPS, _TARGETS, _WEIGHTS = range(4)


def instance_dependent(
    x: Any,
    labels: ArrayLike,
    num_classes: int,
    rate: float,
    seed: int,
    rate_std: float = 0.1,
    indices: ArrayLike | None = None,
) -> NDArray:
    """Draws noisy labels that depend on the inputs: part-dependent label noise.

    Formula: the label `i` of a sample `x_n` becomes wrong with a probability `q_n` that is drawn
    for each sample. A random linear classifier then decides on the wrong label,

    ```
    q_n ~ Normal(rate, rate_std^2), truncated to [0, 1]
    P(noisy = j) = q_n exp(a_j) / sum_{k != i} exp(a_k) for j != i,   a = x_n W_i
    P(noisy = i) = 1 - q_n
    ```

    with an (m, K) matrix `W_i` of standard normal numbers for each true class, where m is the size
    of a sample. The draw of a sample depends only on `seed`, its index, its true label and `x_n`:
    it is the same in every order and subset. The truncation moves the mean of `q_n` towards 0.5:
    to 0.129 for a `rate` of 0.1, while 0.3 stays 0.300.

    `x` is not normalised here. Normalise images first (to mean 0 and standard deviation 1 for each
    channel): the larger the values are, the more of a sample's probability goes to a single wrong
    class. For images of 784 or 3072 numbers, this share is already 0.96 to 0.98 on average.

    One `W_i` of m x K numbers is kept in memory at a time. `keras_noisy.noise.corrupt_dataset`
    applies the labels to a `tf.data.Dataset`.

    Args:
        x: Array (samples, …) of real numbers, the inputs.
        labels: The true labels: an integer array (samples,) or (samples, 1) with values in [0, K),
            or one-hot rows (samples, K) of any type.
        num_classes: Integer K, at least 2.
        rate: Mean share of wrong labels before truncation, a number in [0, 1].
        seed: Non-negative integer below 2^63.
        rate_std: Standard deviation of the samples' rates before truncation, a number in [0, 1].
            Defaults to `0.1`. With `0`, all samples have `rate`.
        indices: Integer array of the shape of `labels`, or (samples,) for one-hot rows, the
            samples' indices in the full data set. Needed if `labels` are only a part of it.
            Defaults to 0, 1, 2, …

    Returns:
        Array of the shape and dtype of `labels`, or of a larger integer dtype if K needs it. The
        noisy labels of one-hot rows are one-hot rows.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> x = np.random.default_rng(0).normal(size=(5000, 8, 8, 1))
    >>> labels = np.arange(5000) % 10
    >>> noisy = keras_noisy.noise.instance_dependent(x, labels, num_classes=10, rate=0.4, seed=0)
    >>> float(np.round(np.mean(noisy != labels), 1))
    0.4

    References:

    - Xia, Liu, Han, Wang, Gong, Liu, Niu, Tao, Sugiyama, 2020, "Part-dependent Label Noise: Towards
      Instance-dependent Label Noise", [NeurIPS 2020](https://arxiv.org/abs/2006.07836).
    """
    check_classes("num_classes", num_classes)
    rate = check_number("rate", rate, "[0, 1]")
    rate_std = check_number("rate_std", rate_std, "[0, 1]")
    read = read_labels("labels", labels, num_classes, any_shape=True)
    labels = read.classes
    indices = read_indices(indices, labels).ravel()
    inputs = _read_inputs(x, labels)
    noisy = labels.ravel().astype(noisy_dtype(labels.dtype, num_classes - 1))
    rates = truncated_normal(seed, _RATES, indices, rate, rate_std)
    wrong = np.flatnonzero(uniform(stream(seed, _FLIPS), indices) < rates)
    draws = uniform(stream(seed, _TARGETS), indices)
    order = wrong[np.argsort(noisy[wrong], kind="stable")]
    true_classes, starts = np.unique(noisy[order], return_index=True)
    rows = max(1, _CHUNK // max(num_classes, inputs.shape[1]))
    for true, members in zip(true_classes.tolist(), np.split(order, starts[1:]), strict=False):
        size = inputs.shape[1] * num_classes
        weights = normal(stream(seed, _WEIGHTS, true), size).reshape(-1, num_classes)
        for first in range(0, len(members), rows):
            part = members[first : first + rows]
            # In float32, the last digits of the scores would depend on the size of a chunk. This
            # would change about one label in a hundred thousand.
            scores = inputs[part].astype("float64") @ weights
            noisy[part] = _sample(scores, true, draws[part])
    return read.restore(noisy.reshape(labels.shape))


def _sample(scores: NDArray[np.float64], true: int, draws: NDArray[np.float64]) -> NDArray[Any]:
    """Draws a wrong class for each row from the softmax of its scores without the true class."""
    scores[:, true] = -np.inf
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    table = np.cumsum(probabilities, axis=1)
    table /= table[:, -1:]  # The last possible class gets 1, which is above every draw.
    return np.count_nonzero(table <= draws[:, np.newaxis], axis=1)


def _read_inputs(x: Any, labels: NDArray[Any]) -> NDArray[Any]:
    """Returns `x` as an array (samples, m)."""
    array = np.asarray(x)
    if array.ndim < 2 or array.size == 0 or array.dtype.kind not in "fiub":
        raise ValueError(
            "`x` must be an array (samples, …) of real numbers. "
            f"Received: x of shape {array.shape} and type {array.dtype}"
        )
    if labels.shape not in ((len(array),), (len(array), 1)):
        raise ValueError(
            f"`labels` must have shape (samples,) or (samples, 1) with the {len(array)} samples of "
            f"`x`. Received: labels of shape {labels.shape}"
        )
    inputs = array.reshape(len(array), -1)
    rows = max(1, _CHUNK // inputs.shape[1])
    for first in range(0, len(inputs), rows):
        if not np.isfinite(inputs[first : first + rows]).all():
            raise ValueError("`x` must hold finite numbers. Received: x with NaN or infinity")
    return inputs
