import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes
from keras_noisy._labels import Labels, read_labels


@dataclasses.dataclass(frozen=True, eq=False)  # The truth value of an array is ambiguous.
class NoiseReport:
    """A summary of the errors of noisy labels. `str` of it is a text of a few lines.

    It holds the pairs of classes that occur, and no K x K numbers. `counts` and `matrix` compute
    such an array when they are first asked for.

    Attributes:
        num_classes: Integer K.
        pairs: Int64 array (pairs, 3) with a row `true class, noisy class, number of labels` for
            each pair of classes that occurs, sorted by the classes.
        rate: Float, the share of wrong labels.
        class_rates: Float64 array (K,), the share of wrong labels in each true class, or NaN.
        counts: Int64 array (K, K), the number of labels by true and noisy class.
        matrix: Float64 array (K, K), the share of each noisy label in each true class, which
            estimates the transition matrix. Rows of classes without labels are NaN.
    """

    num_classes: int
    pairs: NDArray[np.int64]
    rate: float
    class_rates: NDArray[np.float64]

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        counts = np.zeros((self.num_classes, self.num_classes), np.int64)
        true, noisy, number = self.pairs.T
        counts[true, noisy] = number
        return counts

    @functools.cached_property
    def matrix(self) -> NDArray[np.float64]:
        totals = self.counts.sum(axis=1, keepdims=True)
        shares = np.full(self.counts.shape, np.nan)
        return np.divide(self.counts, totals, out=shares, where=totals > 0)

    def __str__(self) -> str:
        true, noisy, number = self.pairs.T
        lines = [
            f"{number.sum():,} labels of {self.num_classes:,} classes, "
            f"{100 * self.rate:.1f} % are wrong"
        ]
        if self.rate > 0:
            worst = _largest(np.nan_to_num(self.class_rates))
            rates = [f"{i} ({100 * self.class_rates[i]:.1f} %)" for i in worst]
            lines.append("most often wrong: class " + ", ".join(rates))
            most = _largest(np.where(true == noisy, 0, number))
            confusions = [f"{true[n]} -> {noisy[n]} ({number[n]:,})" for n in most]
            lines.append("most frequent confusions: " + ", ".join(confusions))
        if absent := self.num_classes - len(np.unique(true)):
            lines.append(f"without labels: {absent:,} classes")
        return "\n".join(lines)


def describe(
    true_labels: ArrayLike, noisy_labels: ArrayLike, num_classes: int | None = None
) -> NoiseReport:
    """Compares noisy labels with the true ones.

    Args:
        true_labels: Integer array of any shape with at least one label, none below 0, or one-hot
            rows (…, K) of any type.
        noisy_labels: Labels of the same samples, in either format.
        num_classes: Integer K, at least 2 and above all labels. Defaults to the smallest such
            integer, or the length of one-hot rows.

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
    if num_classes is not None:
        num_classes = check_classes("num_classes", num_classes)
    given = {"true_labels": true_labels, "noisy_labels": noisy_labels}
    read = {
        name: read_labels(name, labels, num_classes, any_shape=True)
        for name, labels in given.items()
    }
    shapes = [_get_shape(labels) for labels in read.values()]
    if shapes[0] != shapes[1] or 0 in shapes[0]:
        raise ValueError(
            "`true_labels` and `noisy_labels` must have the same shape and at least one label. "
            f"Received: shapes {shapes[0]} and {shapes[1]}"
        )
    if num_classes is None:
        widths = [rows.given.shape[-1] for rows in read.values() if rows.given is not None]
        largest = max(int(labels.classes.max()) for labels in read.values())
        num_classes = widths[0] if widths else max(2, largest + 1)
    true, noisy = (
        read_labels(name, labels.classes.ravel(), num_classes).classes.astype(np.int64)
        for name, labels in read.items()
    )
    # The pairs that occur are at most as many as labels, unlike K x K counts.
    pairs, number = np.unique(true * num_classes + noisy, return_counts=True)
    totals = np.bincount(true, minlength=num_classes)
    shares = np.full(num_classes, np.nan)
    correct = np.bincount(true[true == noisy], minlength=num_classes)
    np.divide(correct, totals, out=shares, where=totals > 0)
    return NoiseReport(
        num_classes=num_classes,
        pairs=np.stack([*np.divmod(pairs, num_classes), number], axis=1),
        rate=float(np.mean(true != noisy)),
        class_rates=1.0 - shares,
    )


def _get_shape(labels: Labels) -> tuple[int, ...]:
    """Returns the shape of labels, which is that of (samples,) for (samples, 1), too."""
    shape = labels.classes.shape
    return shape[:1] if shape[1:] == (1,) else shape


def _largest(values: NDArray[Any]) -> list[int]:
    """Returns the indices of the three largest positive values, the largest first."""
    order = np.argsort(-values, kind="stable")[:3]
    return [int(place) for place in order if values[place] > 0]
