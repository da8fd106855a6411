import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer
from keras_noisy._inputs import count_samples, read_inputs, take_samples, to_array
from keras_noisy.training._batches import is_data_set, iterate_batches
from keras_noisy.training._predictions import compute_accuracy, predict_classes, read_classes

# Inputs, and two labels for each sample with which predictions are compared.
_Batch = tuple[Any, NDArray, NDArray]


class LabelNoiseMonitor(keras.callbacks.Callback):
    """Measures after each epoch how a training resists its wrong labels.

    It adds these values to the logs, and so to the progress bar, `History`, `CSVLogger` and
    `TensorBoard`:

    - `test_accuracy`: accuracy on samples with correct labels, `mean(argmax model(x) = label)`;
    - `memorised`: share of the training samples with a wrong label for which that label is
      predicted;
    - `recognised`: share of the same samples for which the true class is predicted.

    Without `train` or `test`, their values are left out. Callbacks that write logs must come after
    this one in the list of callbacks. If the loss of an epoch is NaN, the callback warns once and
    names `keras_noisy.explain`, which tells the cause.

    Labels are integers (samples,) or (samples, 1), or one-hot rows (samples, K), which may be
    sparse. Of soft labels (samples, K), the most probable class counts. A data set is anything
    that yields batches, such as a `tf.data.Dataset`, a `keras_noisy.datasets.Pipeline`, a
    `keras.utils.PyDataset` or a `DataLoader`. Its batches may contain weights, too: samples of
    weight 0, such as padding, are left out, and all others count alike. `copy.deepcopy` of the
    callback shares its data.

    Args:
        train: Training samples: arrays `(x, noisy_labels, true_labels)`, or a data set of batches
            `(x, {"noisy": labels, "clean": labels})`, as pipelines with `keep_clean=True` return it
            (use `shuffle=False, augment=False`). Defaults to `None`.
        test: Samples with correct labels: arrays `(x, labels)`, or a data set of batches of them.
            If the labels are `{"noisy": …, "clean": …}`, the clean ones count. Defaults to `None`.
        max_samples: Positive integer, the number of samples that are evaluated: the first ones of
            `test`, and the first ones of `train` with a wrong label. Defaults to `None`: all.
        batch_size: Positive integer, the number of samples of a batch that is predicted. Defaults
            to `256`.

    Raises:
        ValueError: If there is neither `train` nor `test`, if one of them is no data, if arrays
            differ in length, or if a number is out of its range. Also if labels have another
            format, are NaN, or lie outside [0, K): at once for arrays, and after the first epoch
            for data sets.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.training import LabelNoiseMonitor
    >>> x, true_labels = np.eye(3)[[0, 1, 2, 1]], np.array([0, 1, 2, 1])
    >>> noisy_labels = np.array([0, 1, 2, 0])
    >>> layer = keras.layers.Dense(3, kernel_initializer="identity")
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(True))
    >>> monitor = LabelNoiseMonitor((x, noisy_labels, true_labels), test=(x, true_labels))
    >>> logs = model.fit(x, noisy_labels, callbacks=[monitor], verbose=0).history
    >>> {name: logs[name][0] for name in ("test_accuracy", "memorised", "recognised")}
    {'test_accuracy': 1.0, 'memorised': 0.0, 'recognised': 1.0}

    References:

    - Liu, Niles-Weed, Razavian, Fernandez-Granda, 2020, "Early-Learning Regularization Prevents
      Memorization of Noisy Labels", [NeurIPS 2020](https://arxiv.org/abs/2007.00151): the two
      shares.
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
            if data is not None:
                _check_data(argument, data, parts)
        self.train, self.test = train, test
        self._has_warned = False
        self.max_samples = check_integer("max_samples", max_samples, 1, or_none=True)
        self.batch_size = check_integer("batch_size", batch_size, 1)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A tf.data.Dataset can't be copied, and arrays need not be.
        memo.update({id(data): data for data in (self.train, self.test)})
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the values to the logs."""
        logs = {} if logs is None else logs
        self._warn_of_nan(logs.get("loss", 0.0))
        if self.test is not None:
            logs["test_accuracy"], _ = self._compute_shares("test", _test_batches(self.test))
        if self.train is not None:
            logs["memorised"], logs["recognised"] = self._compute_shares(
                "train", _mislabelled_batches(self.train)
            )

    def _warn_of_nan(self, loss: Any) -> None:
        if self._has_warned or not np.isnan(loss):
            return
        self._has_warned = True
        warnings.warn(
            "The loss is NaN. `print(keras_noisy.explain(model, x, y))` tells the cause; `x` and "
            "`y` are what you pass to `fit`.",
            stacklevel=2,
        )

    def _compute_shares(self, argument: str, batches: Iterator[_Batch]) -> tuple[float, float]:
        """Returns the share of predictions that equal the first label, and the second one."""
        seen = 0
        parts: list[tuple[NDArray, NDArray, NDArray]] = []
        for x, first, second in batches:
            left = len(first) if self.max_samples is None else self.max_samples - seen
            x = take_samples(x, slice(left))
            first, second = first[:left], second[:left]
            if len(first):
                labels = {f"{argument}: labels": np.concatenate([first, second])}
                predicted = predict_classes(self.model, x, self.batch_size, labels)
                parts.append((predicted, first, second))
            seen += len(first)
            if seen == self.max_samples:
                break
        if not parts:
            return float("nan"), float("nan")
        predicted, first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
        return compute_accuracy(predicted, first), compute_accuracy(predicted, second)


def _check_data(argument: str, data: Any, parts: int) -> None:
    """Raises a ValueError unless data are a data set, or arrays of inputs and labels."""
    if not isinstance(data, (tuple, list)):
        if not is_data_set(data):
            raise ValueError(
                f"`{argument}` must be a data set or {parts} arrays. "
                f"Received: {type(data).__name__}"
            )
        return
    x, *labels = data
    lengths = [
        count_samples(read_inputs(f"{argument}: x", x)),
        *(len(read_classes(f"{argument}: labels", each)) for each in labels),
    ]
    if len(lengths) != parts or len(set(lengths)) != 1:
        raise ValueError(
            f"`{argument}` must be a data set or {parts} arrays of the same length. "
            f"Received: {len(lengths)} arrays of lengths {lengths}"
        )


def _iterate(argument: str, data: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the inputs and labels of each batch, without the samples of weight 0."""
    for x, labels, weights in iterate_batches(argument, data):
        if weights is not None:
            present = np.flatnonzero(np.ravel(to_array(weights)))
            x = take_samples(read_inputs(argument, x), present)
            labels = keras.tree.map_structure(
                lambda y: to_array(y)[present],  # noqa: B023
                labels,
            )
        yield x, labels


def _test_batches(data: Any) -> Iterator[_Batch]:
    """Yields the test samples; both labels are the correct one."""
    for x, labels in [data] if isinstance(data, (tuple, list)) else _iterate("test", data):
        labels = labels["clean"] if isinstance(labels, Mapping) and "clean" in labels else labels
        classes = read_classes("test: labels", labels)
        yield read_inputs("test", x), classes, classes


def _mislabelled_batches(data: Any) -> Iterator[_Batch]:
    """Yields the training samples with a wrong label, with the noisy and the clean label."""
    if isinstance(data, (tuple, list)):
        x, noisy, clean = data
        batches = iter([(x, {"noisy": noisy, "clean": clean})])
    else:
        batches = _iterate("train", data)
    for x, labels in batches:
        if not isinstance(labels, Mapping) or not {"noisy", "clean"} <= set(labels):
            raise ValueError(
                '`train` must have labels {"noisy": …, "clean": …}, as pipelines with '
                f"keep_clean=True have them. Received: {type(labels).__name__}"
            )
        noisy, clean = (read_classes(f"train: {key}", labels[key]) for key in ("noisy", "clean"))
        wrong = np.flatnonzero(noisy != clean)
        yield take_samples(read_inputs("train", x), wrong), noisy[wrong], clean[wrong]
