import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_choice, check_classes, check_flag, check_number
from keras_noisy.noise.arguments import read_matrix, read_square
from keras_noisy.noise.cifar100 import superclass
from keras_noisy.noise.class_flips import class_flips

# Digits that look alike: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1.
_DIGITS = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
# Bird -> airplane, cat <-> dog, deer -> horse, truck -> automobile.
_CIFAR10 = {2: 0, 3: 5, 4: 7, 5: 3, 9: 1}
_ASYMMETRIC = {"cifar10": _CIFAR10, "mnist": _DIGITS, "fashion_mnist": _DIGITS}


def symmetric(num_classes: int, rate: float, include_self: bool = False) -> NDArray[np.float64]:
    """Transition matrix of symmetric (uniform) label noise.

    Formula: a label is wrong with probability `rate`, and then any other class with equal
    probability,

    ```
    T[i, j] = P(noisy = j | true = i) = (1 - rate) [i = j] + rate / (K - 1) [i != j]
    ```

    or, with `include_self`, drawn anew from all K classes with probability `rate`, which may give the
    true class again:

    ```
    T[i, j] = (1 - rate) [i = j] + rate / K
    ```

    Then only `rate (K - 1) / K` of the labels are wrong: 72 % of those of 10 classes for a `rate` of
    0.8. Compare results only with papers that draw in the same way. The true class is excluded by
    Patrini et al., GCE (Truncated Loss), SCE, APL, PHuber, ALFs (AGCE, AUL, AEL), ANL, LogitClip and
    ε-softmax, and included by DivideMix, ELR and GJS.

    Args:
        num_classes: Integer K, at least 2.
        rate: Share of the labels that are drawn, a number in [0, 1]. If the true class is excluded,
            it is the share of wrong labels.
        include_self: Whether the draw includes the true class. Defaults to `False`.

    Returns:
        Float64 array (K, K) whose rows sum to 1.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import keras_noisy
    >>> keras_noisy.noise.symmetric(num_classes=3, rate=0.4)
    array([[0.6, 0.2, 0.2],
           [0.2, 0.6, 0.2],
           [0.2, 0.2, 0.6]])
    >>> keras_noisy.noise.symmetric(num_classes=4, rate=0.4, include_self=True)[0]
    array([0.7, 0.1, 0.1, 0.1])

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683).
    """
    check_classes("num_classes", num_classes)
    rate = check_number("rate", rate, "[0, 1]")
    check_flag("include_self", include_self)
    drawn_from = num_classes if include_self else num_classes - 1
    matrix = np.full((num_classes, num_classes), rate / drawn_from)
    np.fill_diagonal(matrix, 1.0 - rate + (rate / drawn_from if include_self else 0.0))
    return matrix


def pair_flip(num_classes: int, rate: float) -> NDArray[np.float64]:
    """Transition matrix of pair-flip noise: each class is mistaken for the next.

    Formula: with probability `rate`, class `i` becomes `(i + 1) mod K`.

    Args:
        num_classes: Integer K, at least 2.
        rate: Share of wrong labels, a number in [0, 1]. From 0.5 on, most labels of a class are wrong
            in the same way, and no loss can tell which class is meant.

    Returns:
        Float64 array (K, K) whose rows sum to 1.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import keras_noisy
    >>> keras_noisy.noise.pair_flip(num_classes=3, rate=0.25)
    array([[0.75, 0.25, 0.  ],
           [0.  , 0.75, 0.25],
           [0.25, 0.  , 0.75]])

    References:

    - Han, Yao, Yu, Niu, Xu, Hu, Tsang, Sugiyama, 2018, "Co-teaching: Robust Training of Deep Neural
      Networks with Extremely Noisy Labels", [NeurIPS 2018](https://arxiv.org/abs/1804.06872).
    """
    check_classes("num_classes", num_classes)
    return class_flips((np.arange(num_classes) + 1) % num_classes, rate)


def asymmetric(dataset: str, rate: float) -> NDArray[np.float64]:
    """Transition matrix of a data set's usual class-dependent noise: similar classes are confused.

    Formula: with probability `rate`,

    - `"cifar10"`: truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog; the other five
      classes stay.
    - `"mnist"` and, by the same numbers, `"fashion_mnist"`: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1; the other
      five classes stay.
    - `"cifar100"`: each class becomes the next of its superclass; see `keras_noisy.noise.superclass`.
      Most published tables use `keras_noisy.noise.index_block` instead.

    So of balanced labels of CIFAR-10 half of `rate` are wrong: 20 % for a `rate` of 0.4. (The code of
    many papers flips cats first and then, among others, these cats back: it has 18.4 %, and cats that
    are wrong in only 24 % of the cases.)

    Args:
        dataset: `"cifar10"`, `"cifar100"`, `"mnist"` or `"fashion_mnist"`, with classes numbered as
            `keras.datasets` does.
        rate: Share of wrong labels in the classes that don't stay, a number in [0, 1].

    Returns:
        Float64 array (K, K) whose rows sum to 1.

    Raises:
        ValueError: If an argument is none of the above.

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
    return class_flips(targets, rate)


def from_matrix(matrix: ArrayLike, normalise: bool = False) -> NDArray[np.float64]:
    """Transition matrix from one of your own, or from counts.

    Formula: with `normalise`, `T[i, j] = counts[i, j] / sum_j counts[i, j]`.

    Args:
        matrix: Array (K, K) with K at least 2, or what NumPy makes one of: `T[true, noisy]`, or a
            confusion matrix with rows of true classes.
        normalise: Whether to divide each row by its sum. Defaults to `False`: rows must sum to 1.

    Returns:
        Float64 array (K, K) whose rows sum to 1, a copy.

    Raises:
        ValueError: If `matrix` has another shape, negative numbers, or rows that don't sum to 1 (with
            `normalise`: that sum to 0).

    Example:

    >>> import keras_noisy
    >>> keras_noisy.noise.from_matrix([[90, 10], [30, 70]], normalise=True)
    array([[0.9, 0.1],
           [0.3, 0.7]])
    """
    check_flag("normalise", normalise)
    if not normalise:
        return read_matrix("matrix", matrix)
    counts = read_square("matrix", matrix)
    if not np.all((counts >= 0) & (counts < np.inf)):
        raise ValueError(
            "`matrix` must hold finite, non-negative numbers. "
            f"Received: values from {counts.min()} to {counts.max()}"
        )
    if empty := np.flatnonzero(counts.sum(axis=1) == 0).tolist():
        raise ValueError(
            "`matrix` must have a positive number in each row. Received: nothing but zeros in "
            f"row{'s' * (len(empty) > 1)} {', '.join(map(str, empty[:10]))}{', …' * (len(empty) > 10)}"
        )
    return read_matrix("matrix", counts / counts.sum(axis=1, keepdims=True))
