import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_flag, check_integer, check_number
from keras_noisy._inputs import count_samples, is_several, read_inputs, to_array
from keras_noisy._labels import read_labels
from keras_noisy.cleaning._results import Results, name_classes, name_samples, write_results
from keras_noisy.training._batches import is_data_set, iterate_batches

_NOTE = (
    "These doubts come from a network that was trained with the same labels. They are optimistic: "
    "wrong labels that it has memorised are missing."
)


class AuditLabels(keras.callbacks.Callback):
    """Lists the suspicious labels of the training data at the end of a training.

    It writes `suspicious.csv`, `noise.json` and, for images, `report.html`, as
    `keras_noisy.cleaning.audit` does, from the predictions of the network in training. It costs one
    more prediction of the training data, and no other training. But the network has seen the
    labels: those that it has memorised are not found, and the estimates are too low. The files say
    so. `keras_noisy.cleaning.out_of_fold` avoids that.

    Args:
        x: The training samples in a fixed order, without augmentation: an array, a dictionary or a
            list of arrays, or a data set of batches `(x, labels)`, such as a
            `keras_noisy.datasets.Pipeline` with `shuffle=False, augment=False`.
        labels: The labels of an array: integers (n,) or one-hot rows (n, K). Defaults to `None`:
            those of the batches.
        output: Folder to write to. Defaults to `"audit"`.
        paths: Names of the samples, such as the paths of images relative to `root`. Defaults to
            `None`: those of the pipeline, or numbers.
        class_names: Names of the classes. Defaults to `None`: those of the pipeline, or numbers.
        root: Folder of the images, for `report.html`. Defaults to `None`: no page is written.
        from_logits: Whether the network returns logits. Defaults to `False`.
        threshold: Number in [0, 1], the doubt from which on a label is listed. Defaults to `0.5`.
        batch_size: Positive integer, for an array. Defaults to `256`.

    Attributes:
        results: What was found: `suspicious` and `noise`, as the functions of `cleaning` return
            them, and `files`. `None` before the end of the training.

    Raises:
        ValueError: If an argument is out of its range, or if the numbers of samples, labels, paths
            and outputs differ.

    Example:

    >>> import tempfile
    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> y = np.arange(60) % 3
    >>> x = np.eye(3)[y]
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    >>> model.compile("adam", keras_noisy.MAE(from_logits=True))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     audit = keras_noisy.cleaning.AuditLabels(x, y, folder, from_logits=True)
    ...     _ = model.fit(x, y, callbacks=[audit], verbose=0)
    ...     [path.name for path in audit.results.files]
    ['suspicious.csv', 'noise.json']
    """

    def __init__(
        self,
        x: Any,
        labels: Any = None,
        output: str | os.PathLike = "audit",
        *,
        paths: Sequence[str | os.PathLike] | None = None,
        class_names: Sequence[str] | None = None,
        root: str | os.PathLike | None = None,
        from_logits: bool = False,
        threshold: float = 0.5,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        # A list may hold batches or, with labels, samples.
        has_batches = is_data_set(x) and not hasattr(x, "shape") and not is_several(x)
        if has_batches != (labels is None) and not (has_batches and isinstance(x, list)):
            raise ValueError(
                "`labels` must be given for an array `x`, and must be `None` for a data set, whose "
                f"batches have them. Received: x of type {type(x).__name__}, labels of type "
                f"{type(labels).__name__}"
            )
        self.x = x if labels is None else read_inputs("x", x)
        self.labels = None if labels is None else read_labels("labels", labels).classes
        self.output = Path(output)
        self.paths = paths
        if self.labels is not None:
            # Complains before the training, not after it.
            name_samples(paths, len(self.labels))
            if count_samples(self.x) != len(self.labels):
                raise ValueError(
                    "`x` must have a sample for each label. Received: "
                    f"{count_samples(self.x)} samples, and {len(self.labels)} labels"
                )
        self.class_names = getattr(x, "class_names", None) if class_names is None else class_names
        self.root = None if root is None else Path(root)
        self.from_logits = check_flag("from_logits", from_logits)
        self.threshold = check_number("threshold", threshold, "[0, 1]")
        self.batch_size = check_integer("batch_size", batch_size, 1)
        self.results: Results | None = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Predicts the training data, and writes the files."""
        labels, outputs = self._predict()
        # Read now, because an epoch may have found damaged images.
        paths = getattr(self.x, "paths", None) if self.paths is None else self.paths
        self.results = write_results(
            self.output,
            name_samples(paths, len(labels)),
            labels,
            outputs,
            name_classes(self.class_names, outputs.shape[-1]),
            from_logits=self.from_logits,
            threshold=self.threshold,
            root=self.root,
            note=_NOTE,
        )

    def _predict(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns the labels (n,) and the outputs (n, K)."""
        if self.labels is not None:
            return self.labels, self.model.predict(self.x, batch_size=self.batch_size, verbose=0)
        labels, outputs = [], []
        for x, batch_labels, _ in iterate_batches("x", self.x):
            outputs.append(self.model.predict_on_batch(read_inputs("x", x)))
            labels.append(read_labels("x", to_array(batch_labels)).classes)
        return np.concatenate(labels), np.concatenate(outputs)
