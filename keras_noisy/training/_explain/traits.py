"""Notes what is true of labels and outputs in all batches, and tells what is wrong with it."""

import math

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._core.labels import is_invalid_distribution
from keras_noisy.training._explain.batches import to_float
from keras_noisy.training._explain.losses import has_logits
from keras_noisy.training._explain.outputs import Output


class Traits:
    """What is true of one output of a model, and of its labels, in all batches.

    Labels and outputs can be noted for a batch, and for some of its samples again. Nothing is true
    of what has not been noted.
    """

    def __init__(self) -> None:
        self._are_true: dict[str, bool] = {}
        self._lowest, self._highest = math.inf, -math.inf
        self._num_classes = 0

    @property
    def is_ignored(self) -> bool:
        """Whether all labels are ignored."""
        return self._is_true("ignored")

    @property
    def is_constant(self) -> bool:
        """Whether the outputs are the same for all samples of each batch."""
        return self._is_true("constant")

    def note_ignored(self, is_ignored: bool) -> None:
        """Notes whether all labels are ignored."""
        self._note(ignored=is_ignored)

    def note_integers(self, labels: NDArray, num_classes: int) -> None:
        """Notes the range of integer labels, which may be invalid."""
        self._lowest = min(self._lowest, labels.min())
        self._highest = max(self._highest, labels.max())
        self._num_classes = num_classes

    def note_output(self, output: Output) -> None:
        """Notes what the outputs look like."""
        values = to_float(output.predictions)
        if np.isnan(values).any():  # a ClassHead without logits
            return
        rows = values.reshape(-1, values.shape[-1])
        is_in_unit = values.min() >= 0.0 and 0.0 < values.max() <= 1.0
        self._note(
            probabilities=not bool(ops.any(is_invalid_distribution(ops.convert_to_tensor(rows)))),
            in_unit=bool(is_in_unit),
            constant=len(rows) == 1 or bool((np.ptp(rows, axis=0) == 0.0).all()),
            with_logits=has_logits(output.loss),
        )

    def describe_labels(self) -> str | None:
        """Returns what is wrong with the labels of all batches together, or `None`."""
        if self._lowest != 1 or self._highest != self._num_classes:
            return None
        return (
            f"the labels go from 1 to {self._highest}, but classes are counted from 0: subtract 1"
        )

    def describe_outputs(self) -> str | None:
        """Returns what is wrong with the outputs of all batches together, or `None`."""
        if not self._is_true("with_logits") or not self._is_true("in_unit"):
            return None
        is_softmax = self._is_true("probabilities")
        return (
            f"the outputs look like those of a {'softmax' if is_softmax else 'sigmoid'}, but the "
            "loss has from_logits=True: remove that activation"
            + (" or set `from_logits=False`" if is_softmax else "")
        )

    def _note(self, **traits: bool) -> None:
        for trait, is_true in traits.items():
            self._are_true[trait] = self._are_true.get(trait, True) and is_true

    def _is_true(self, trait: str) -> bool:
        return self._are_true.get(trait, False)
