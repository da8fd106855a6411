import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_choice, check_classes, check_flag, check_number
from keras_noisy.noise._arguments import read_square_matrix, read_transition_matrix
from keras_noisy.noise._transitions import build_flip_matrix
from keras_noisy.noise.cifar100 import superclass
from keras_noisy.noise.transition_matrix import PairFlipMatrix, SymmetricMatrix, TransitionMatrix

# Digits that look similar: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1.
_DIGITS = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
# Bird -> airplane, cat <-> dog, deer -> horse, truck -> automobile.
_CIFAR10 = {2: 0, 3: 5, 4: 7, 5: 3, 9: 1}
_ASYMMETRIC = {"cifar10": _CIFAR10, "mnist": _DIGITS, "fashion_mnist": _DIGITS}


def symmetric(num_classes: int, rate: float, include_self: bool = False) -> TransitionMatrix:
    """Returns the transition matrix of symmetric (uniform) label noise.

    Formula: with probability `rate`, a label becomes one of the other classes, each with equal
    probability,

    ```
    T[i, j] = P(noisy = j | true = i) = (1 - rate) [i = j] + rate / (K - 1) [i != j]
    ```

    or, with `include_self`, it is drawn from all K classes, which include the true one:

    ```
    T[i, j] = (1 - rate) [i = j] + rate / K
    ```

    With `include_self`, only `rate (K - 1) / K` of the labels are wrong: 72 % with 10 classes and a
    `rate` of 0.8. Compare results only with papers that draw in the same way. Patrini et al., GCE
    (Truncated Loss), SCE, APL, PHuber, ALFs (AGCE, AUL, AEL), ANL, LogitClip and ε-softmax exclude
    the true class. DivideMix, ELR and GJS include it.

    Args:
        num_classes: Integer K, at least 2.
        rate: Share of the labels that are drawn anew, a number in [0, 1]. If the true class is
            excluded, this is the share of wrong labels.
        include_self: Whether the draw includes the true class. Defaults to `False`.

    Returns:
        A `keras_noisy.noise.TransitionMatrix` (K, K) whose rows sum to 1. It behaves as a float64
        array, but takes no memory.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> np.asarray(keras_noisy.noise.symmetric(num_classes=3, rate=0.4))
    array([[0.6, 0.2, 0.2],
           [0.2, 0.6, 0.2],
           [0.2, 0.2, 0.6]])
    >>> keras_noisy.noise.symmetric(num_classes=4, rate=0.4, include_self=True)[0]
    array([0.7, 0.1, 0.1, 0.1])

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683).
    """
    num_classes = check_classes("num_classes", num_classes)
    rate = check_number("rate", rate, "[0, 1]")
    return SymmetricMatrix(num_classes, rate, check_flag("include_self", include_self))


def pair_flip(num_classes: int, rate: float) -> TransitionMatrix:
    """Returns the transition matrix of pair-flip noise, which confuses each class with the next.

    Formula: with probability `rate`, class `i` becomes `(i + 1) mod K`.

    Args:
        num_classes: Integer K, at least 2.
        rate: Share of wrong labels, a number in [0, 1]. From 0.5 on, most labels of a class are
            wrong in the same way, and no loss can recover the true class.

    Returns:
        A `keras_noisy.noise.TransitionMatrix` (K, K) whose rows sum to 1. It behaves as a float64
        array, but takes no memory.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> np.asarray(keras_noisy.noise.pair_flip(num_classes=3, rate=0.25))
    array([[0.75, 0.25, 0.  ],
           [0.  , 0.75, 0.25],
           [0.25, 0.  , 0.75]])

    References:

    - Han, Yao, Yu, Niu, Xu, Hu, Tsang, Sugiyama, 2018, "Co-teaching: Robust Training of Deep Neural
      Networks with Extremely Noisy Labels", [NeurIPS 2018](https://arxiv.org/abs/1804.06872).
    """
    num_classes = check_classes("num_classes", num_classes)
    return PairFlipMatrix(num_classes, check_number("rate", rate, "[0, 1]"))


def asymmetric(dataset: str, rate: float) -> NDArray[np.float64]:
    """Returns the transition matrix of the usual class-dependent noise of a data set.

    Similar classes are confused.

    Formula: with probability `rate`,

    - `"cifar10"`: truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog; the other five
      classes keep their labels.
    - `"mnist"` and, by the same numbers, `"fashion_mnist"`: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1; the
      other five classes keep their labels.
    - `"cifar100"`: each class becomes the next of its superclass; see
      `keras_noisy.noise.superclass`. Most published tables use `keras_noisy.noise.index_block`
      instead.

    For the balanced labels of CIFAR-10, the share of wrong labels is half of `rate`: 20 % for a
    `rate` of 0.4. (The code of many papers flips cats to dogs first, and then flips some of these
    back with the dogs. This gives 18.4 % wrong labels, and only 24 % for cats.)

    Args:
        dataset: `"cifar10"`, `"cifar100"`, `"mnist"` or `"fashion_mnist"`, with the class numbers
            of `keras.datasets`.
        rate: Share of wrong labels in the classes that are confused, a number in [0, 1].

    Returns:
        Float64 array (K, K) whose rows sum to 1.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.asymmetric("cifar10", rate=0.4)
    >>> cat, dog = 3, 5
    >>> float(matrix[cat, dog])
    0.4
    >>> round(float(1 - matrix.trace() / 10), 3)
    0.2

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683).
    """
    check_choice("dataset", dataset, (*_ASYMMETRIC, "cifar100"))
    if dataset == "cifar100":
        return superclass(rate)
    targets = np.arange(10)
    for true, wrong in _ASYMMETRIC[dataset].items():
        targets[true] = wrong
    return build_flip_matrix(targets, rate)


def from_matrix(matrix: ArrayLike, normalise: bool = False) -> NDArray[np.float64]:
    """Returns a transition matrix made from an array of probabilities or counts.

    Formula: with `normalise`, `T[i, j] = counts[i, j] / sum_j counts[i, j]`.

    Args:
        matrix: Array-like (K, K) with K at least 2: `T[true, noisy]`, or a confusion matrix whose
            rows are the true classes.
        normalise: Whether to divide each row by its sum. Defaults to `False`: rows must sum to 1.

    Returns:
        Float64 array (K, K) whose rows sum to 1, a copy.

    Raises:
        ValueError: If `matrix` has another shape, negative numbers, or rows that don't sum to 1
            (with `normalise`, rows that sum to 0).

    Example:

    >>> import keras_noisy
    >>> keras_noisy.noise.from_matrix([[90, 10], [30, 70]], normalise=True)
    array([[0.9, 0.1],
           [0.3, 0.7]])
    """
    check_flag("normalise", normalise)
    if not normalise:
        return read_transition_matrix("matrix", matrix)
    counts = read_square_matrix("matrix", matrix)
    if not np.all((counts >= 0) & (counts < np.inf)):
        raise ValueError(
            "`matrix` must hold finite, non-negative numbers. "
            f"Received: values from {counts.min()} to {counts.max()}"
        )
    if empty := np.flatnonzero(counts.sum(axis=1) == 0).tolist():
        rows = ", ".join(map(str, empty[:10])) + ", …" * (len(empty) > 10)
        raise ValueError(
            "`matrix` must have a positive number in each row. "
            f"Received: nothing but zeros in row{'s' * (len(empty) > 1)} {rows}"
        )
    return read_transition_matrix("matrix", counts / counts.sum(axis=1, keepdims=True))
