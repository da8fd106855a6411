import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes
from keras_noisy.noise._arguments import read_integers, read_labels


@dataclasses.dataclass(frozen=True, eq=False)  # The truth value of an array is ambiguous.
class NoiseReport:
    """A summary of the errors of noisy labels. `str` of it is a text of a few lines.

    Attributes:
        num_classes: Integer K.
        counts: Int64 array (K, K), the number of labels by true and noisy class.
        matrix: Float64 array (K, K), the share of each noisy label in each true class, which
            estimates the transition matrix. Rows of classes without labels are NaN.
        rate: Float, the share of wrong labels.
        class_rates: Float64 array (K,), the share of wrong labels in each true class, or NaN.
    """

    num_classes: int
    counts: NDArray[np.int64]
    matrix: NDArray[np.float64]
    rate: float
    class_rates: NDArray[np.float64]

    def __str__(self) -> str:
        lines = [
            f"{self.counts.sum():,} labels of {self.num_classes:,} classes, "
            f"{100 * self.rate:.1f} % are wrong"
        ]
        if self.rate > 0:
            worst = _largest(np.nan_to_num(self.class_rates))
            rates = [f"{true} ({100 * self.class_rates[true]:.1f} %)" for (true,) in worst]
            lines.append("most often wrong: class " + ", ".join(rates))
            wrong = self.counts - np.diag(np.diag(self.counts))
            confusions = [f"{i} -> {j} ({wrong[i, j]:,})" for i, j in _largest(wrong)]
            lines.append("most frequent confusions: " + ", ".join(confusions))
        if absent := np.count_nonzero(self.counts.sum(axis=1) == 0):
            lines.append(f"without labels: {absent:,} classes")
        return "\n".join(lines)


def describe(
    true_labels: ArrayLike, noisy_labels: ArrayLike, num_classes: int | None = None
) -> NoiseReport:
    """Compares noisy labels with the true ones.

    Args:
        true_labels: Integer array of any shape with at least one label, none below 0.
        noisy_labels: Integer array of the same shape.
        num_classes: Integer K, at least 2 and above all labels. Defaults to the smallest such
            integer.

    Returns:
        A `keras_noisy.noise.NoiseReport`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> labels = np.repeat(np.arange(10), 1000)
    >>> matrix = keras_noisy.noise.asymmetric("cifar10", rate=0.4)
    >>> noisy = keras_noisy.noise.corrupt(labels, matrix, seed=0)
    >>> report = keras_noisy.noise.describe(labels, noisy)
    >>> print(report)
    10,000 labels of 10 classes, 20.0 % are wrong
    most often wrong: class 4 (40.7 %), 2 (40.5 %), 3 (39.9 %)
    most frequent confusions: 4 -> 7 (407), 2 -> 0 (405), 3 -> 5 (399)
    """
    true_labels = read_integers("true_labels", true_labels)
    noisy_labels = read_integers("noisy_labels", noisy_labels)
    if true_labels.shape != noisy_labels.shape or true_labels.size == 0:
        raise ValueError(
            "`true_labels` and `noisy_labels` must have the same shape and at least one label. "
            f"Received: shapes {true_labels.shape} and {noisy_labels.shape}"
        )
    if num_classes is None:
        num_classes = max(2, int(max(true_labels.max(), noisy_labels.max())) + 1)
    check_classes("num_classes", num_classes)
    true = read_labels("true_labels", true_labels, num_classes).ravel().astype(np.int64)
    noisy = read_labels("noisy_labels", noisy_labels, num_classes).ravel().astype(np.int64)
    counts = np.bincount(true * num_classes + noisy, minlength=num_classes**2)
    counts = counts.reshape(num_classes, num_classes)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    matrix = np.divide(counts, totals, out=shares, where=totals > 0)
    return NoiseReport(
        num_classes=int(num_classes),
        counts=counts,
        matrix=matrix,
        rate=float(np.mean(true != noisy)),
        class_rates=1.0 - np.diag(matrix),
    )


def _largest(values: NDArray[Any]) -> list[tuple[int, ...]]:
    """Returns the indices of the three largest positive values, the largest first."""
    order = np.argsort(-values, axis=None, kind="stable")[:3]
    places = zip(*(axis.tolist() for axis in np.unravel_index(order, values.shape)), strict=True)
    return [place for place in places if values[place] > 0]
