"""Predictions of a network for many samples, read in parts that fit into memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_flag
from keras_noisy._labels import MAX_PROBABILITY_ERROR, MAX_ROW_SUM_ERROR, read_labels

_PART_SIZE = 2**22  # numbers that are held in memory at a time
_LEAST_PROBABILITY = 1e-30


class Predictions:
    """Checked logits or probabilities (n, K).

    They may be a `numpy.memmap`; they are neither copied nor converted as a whole.

    Attributes:
        num_samples: Number of samples n.
        num_classes: Number of classes K.
    """

    def __init__(self, values: Any, from_logits: bool) -> None:
        self._from_logits = check_flag("from_logits", from_logits)
        self._values = np.asanyarray(values)
        shape = self._values.shape
        if len(shape) != 2 or shape[0] < 1 or shape[1] < 2 or self._values.dtype.kind not in "fiu":
            raise ValueError(
                "`predictions` must be numbers of shape (samples, classes), with 2 classes or "
                f"more. Received: {self._values.dtype} of shape {shape}"
            )
        self.num_samples, self.num_classes = shape

    def iterate(self, rows: Any = slice(None)) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yields the log-probabilities (part, K) of parts of the rows, and where they are in it.

        Logits are returned as they are: they are log-probabilities plus a number for each row.

        Raises:
            ValueError: If predictions are not finite, or no probabilities without `from_logits`.
        """
        index = np.arange(self.num_samples)[rows]
        size = max(_PART_SIZE // self.num_classes, 1)
        for start in range(0, len(index), size):
            part = slice(start, min(start + size, len(index)))
            values = np.array(self._values[index[part]], dtype=np.float32)
            self._check(values, index[part])
            if not self._from_logits:
                np.log(np.maximum(values, _LEAST_PROBABILITY, out=values), out=values)
            yield part, values

    def _check(self, values: NDArray[np.float32], index: NDArray[np.int64]) -> None:
        ok = np.isfinite(values).all(axis=-1)
        must = "finite"
        if not self._from_logits:
            must = "probabilities, or logits with from_logits=True"
            low, high = -MAX_PROBABILITY_ERROR, 1.0 + MAX_PROBABILITY_ERROR
            ok &= np.abs(values.sum(axis=-1, dtype=np.float64) - 1.0) <= MAX_ROW_SUM_ERROR
            ok &= (values.min(axis=-1) >= low) & (values.max(axis=-1) <= high)
        if not ok.all():
            first = int(np.argmin(ok))
            raise ValueError(
                f"`predictions` must be {must}. Received: row {index[first]} with values from "
                f"{values[first].min():.4g} to {values[first].max():.4g} and sum "
                f"{values[first].sum():.4g}"
            )


def read_samples(
    labels: Any, predictions: Any, from_logits: bool
) -> tuple[NDArray[np.int64], Predictions]:
    """Returns labels (n,) and predictions of the same samples, both checked."""
    checked = Predictions(predictions, from_logits)
    classes = read_labels("labels", labels, checked.num_classes, source="`predictions`").classes
    if len(classes) != checked.num_samples:
        raise ValueError(
            "`labels` and `predictions` must hold the same samples. Received: "
            f"{len(classes)} labels and {checked.num_samples} predictions"
        )
    return classes.astype(np.int64), checked
