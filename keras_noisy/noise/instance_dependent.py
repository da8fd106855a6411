from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes, check_number
from keras_noisy._random import stream, uniform
from keras_noisy.noise.arguments import noisy_type, read_indices, read_labels
from keras_noisy.noise.normal import normal, truncated_normal

# Numbers of `x`, or of scores, that are worked on at a time: 64 MiB of float64.
_CHUNK = 1 << 23
# Independent streams of random numbers.
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
    """Draws noisy labels that depend on the sample itself: part-dependent noise.

    Formula: sample `x_n` with true label `i` is wrong with a probability of its own, `q_n`, and then
    labelled as a random linear classifier sees it,

    ```
    q_n ~ Normal(rate, rate_std^2), truncated to [0, 1]
    P(noisy = j) = q_n exp(a_j) / sum_{k != i} exp(a_k) for j != i,   a = x_n W_i
    P(noisy = i) = 1 - q_n
    ```

    with an (m, K) matrix `W_i` of standard normal numbers for each true class, m being the size of a
    sample. What a sample draws depends on `seed`, its index, its true label and `x_n` alone: it is the
    same in every order and subset. The truncation moves the mean of `q_n` towards 0.5: to 0.129 for a
    `rate` of 0.1, while 0.3 stays 0.300.

    `x` is used as it is. Normalise images first (to mean 0 and standard deviation 1 for each channel):
    the larger its values, the more a single class takes all of a sample's probability. With the
    784 or 3072 numbers of an image that is nearly so anyhow (0.96 to 0.98 of it, on average).

    Takes time and memory for one `W_i` at a time: m x K numbers. `keras_noisy.noise.corrupt_dataset`
    applies the labels to a `tf.data.Dataset`.

    Args:
        x: Array (samples, …) of real numbers, the inputs.
        labels: Integer array (samples,) or (samples, 1) with values in [0, K), the true labels.
        num_classes: Integer K, at least 2.
        rate: Mean share of wrong labels before truncation, a number in [0, 1].
        seed: Non-negative integer below 2^63.
        rate_std: Standard deviation of the samples' rates before truncation, a number in [0, 1].
            Defaults to `0.1`. With `0` all have `rate`.
        indices: Integer array of the shape of `labels`, the samples' indices in the whole data set;
            needed for a part of it. Defaults to 0, 1, 2, …

    Returns:
        Array of the shape and type of `labels`, or of a larger integer type if K needs it.

    Raises:
        ValueError: If an argument is none of the above.

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
    labels = read_labels("labels", labels, num_classes)
    indices = read_indices(indices, labels).ravel()
    inputs = _read_inputs(x, labels)
    noisy = labels.ravel().astype(noisy_type(labels.dtype, num_classes - 1))
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
            # In float32 the size of a chunk would show in the scores' last digits, and so, once in
            # a hundred thousand samples, in a label.
            scores = inputs[part].astype("float64") @ weights
            noisy[part] = _sample(scores, true, draws[part])
    return noisy.reshape(labels.shape)


def _sample(scores: NDArray[np.float64], true: int, draws: NDArray[np.float64]) -> NDArray[Any]:
    """Inverts the cumulative softmax of each row, without the true class."""
    scores[:, true] = -np.inf
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    table = np.cumsum(probabilities, axis=1)
    table /= table[:, -1:]  # now 1 from the last possible class on, and no draw reaches 1
    return np.count_nonzero(table <= draws[:, np.newaxis], axis=1)


def _read_inputs(x: Any, labels: NDArray[Any]) -> NDArray[Any]:
    """`x` as an array (samples, m)."""
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
