from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer
from keras_noisy.training.memorisation import predicted_classes, share_of

# Samples, their labels in training, and their correct ones.
_Batch = tuple[Any, NDArray, NDArray]


class LabelNoiseMonitor(keras.callbacks.Callback):
    """Shows after each epoch whether a training resists its wrong labels.

    It adds to the logs, and so to the progress bar, `History`, `CSVLogger` and `TensorBoard`:

    - `test_accuracy`: accuracy on samples with correct labels, `mean(argmax model(x) = label)`;
    - `memorised`: of the training samples with a wrong label, the share for which it is predicted;
    - `recognised`: of the same samples, the share for which the true class is predicted.

    Without `train` or `test`, their values are left out. Callbacks that write logs see these values if they
    come after this one in the list of callbacks.

    Args:
        train: Training samples: arrays `(x, noisy_labels, true_labels)`, or a data set of batches
            `(x, {"noisy": labels, "clean": labels})`, as pipelines with `keep_clean=True` give it
            (with `shuffle=False, augment=False`). Defaults to `None`.
        test: Samples with correct labels: arrays `(x, labels)`, or a data set of batches of them.
            Defaults to `None`.
        max_samples: Positive integer, how many samples of each are looked at, the first ones; of arrays
            for `train`, the first with a wrong label. Defaults to `None`: all.
        batch_size: Integer, for arrays. Defaults to `256`.

    Raises:
        ValueError: If there is neither `train` nor `test`, if arrays differ in length, or if a number is out
            of its range.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.training import LabelNoiseMonitor
    >>> x, true_labels = np.eye(3)[[0, 1, 2, 1]], np.array([0, 1, 2, 1])
    >>> noisy_labels = np.array([0, 1, 2, 0])
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="identity")])
    >>> model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(True))
    >>> monitor = LabelNoiseMonitor((x, noisy_labels, true_labels), test=(x, true_labels))
    >>> logs = model.fit(x, noisy_labels, callbacks=[monitor], verbose=0).history
    >>> {name: logs[name][0] for name in ("test_accuracy", "memorised", "recognised")}
    {'test_accuracy': 1.0, 'memorised': 0.0, 'recognised': 1.0}

    References:

    - Liu, Niles-Weed, Razavian, Fernandez-Granda, 2020, "Early-Learning Regularization Prevents
      Memorization of Noisy Labels", [NeurIPS 2020](https://arxiv.org/abs/2007.00151): the shares.
    """

    def __init__(
        self,
        train: Any = None,
        test: Any = None,
        max_samples: int | None = None,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        if train is None and test is None:
            raise ValueError("`train` or `test` must be given. Received: neither")
        for argument, data, parts in (("train", train, 3), ("test", test, 2)):
            if isinstance(data, (tuple, list)):
                lengths = [len(part) for part in data]
                if len(lengths) != parts or len(set(lengths)) != 1:
                    raise ValueError(
                        f"`{argument}` must be a data set or {parts} arrays of the same length. "
                        f"Received: {len(lengths)} arrays of lengths {lengths}"
                    )
        self.train, self.test = train, test
        self.max_samples = check_integer("max_samples", max_samples, 1, or_none=True)
        self.batch_size = check_integer("batch_size", batch_size, 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if self.test is not None:
            logs["test_accuracy"], _ = self._shares(_test_batches(self.test))
        if self.train is not None:
            logs["memorised"], logs["recognised"] = self._shares(_wrong_batches(self.train))

    def _shares(self, batches: Iterator[_Batch]) -> tuple[float, float]:
        """Share of the samples that are predicted to have the one label, and the other."""
        seen = 0
        parts: list[tuple[NDArray, NDArray, NDArray]] = []
        for x, first, second in batches:
            left = len(first) if self.max_samples is None else self.max_samples - seen
            x, first, second = x[:left], first[:left], second[:left]
            if len(first):
                predicted = predicted_classes(self.model, x, self.batch_size)
                parts.append((predicted, first, second))
            seen += len(first)
            if seen == self.max_samples:
                break
        if not parts:
            return float("nan"), float("nan")
        predicted, first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
        return share_of(predicted, first), share_of(predicted, second)


def _test_batches(data: Any) -> Iterator[_Batch]:
    for x, labels in [data] if isinstance(data, (tuple, list)) else data:
        labels = np.ravel(labels)
        yield x, labels, labels


def _wrong_batches(data: Any) -> Iterator[_Batch]:
    """Of training data, the samples with a wrong label."""
    if isinstance(data, (tuple, list)):
        x, noisy, clean = data
        batches = iter([(x, {"noisy": noisy, "clean": clean})])
    else:
        batches = iter(data)
    for x, labels in batches:
        noisy, clean = np.ravel(labels["noisy"]), np.ravel(labels["clean"])
        wrong = np.flatnonzero(noisy != clean)
        yield np.asarray(x)[wrong], noisy[wrong], clean[wrong]
