import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from keras_noisy._arguments import check_integer


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A `tf.data.Dataset` for `fit`, on any backend, and its numbers of classes, samples and steps.

    Attributes:
        dataset: `tf.data.Dataset` of batches `(images, labels)`: images `uint8` (batch, height,
            width, channels), labels `int32` (batch,), or `{"noisy": labels, "clean": labels}` with
            `keep_clean=True`. Each iteration is one epoch.
        num_classes: Number of classes.
        num_samples: Number of images in an epoch of this worker; there are fewer if some files
            turn out to be bad.
        batch_size: Number of images in a batch; the last one of an epoch may have fewer, and so may
            others if some files turn out to be bad.
        class_names: Class names in the order of the labels, or `None` if the data set has none.
        skipped: What a data set of image files does not use, by reason, such as `{"hidden or
            system file": ["cat/._1.jpg"]}`: files, folders (which end in `/`) and lines of a list
            (`list:line`), and classes without an image. `"bad image"` grows when an epoch finds
            more of them. Empty for other data sets.
    """

    dataset: Any
    num_classes: int
    num_samples: int
    batch_size: int
    class_names: tuple[str, ...] | None = None
    skipped: Mapping[str, Sequence[str]] = dataclasses.field(
        default_factory=dict, repr=False, compare=False
    )
    _list_paths: Callable[[], list[str]] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @property
    def paths(self) -> list[str] | None:
        """The paths of the images, relative to the folder, in the order of an unshuffled epoch.

        The row of `model.predict(pipeline.dataset)` with the same index belongs to each. An image
        that an epoch finds to be bad is missing from then on. `None` for data sets that are not
        image files, and if several workers share the images.
        """
        return None if self._list_paths is None else self._list_paths()[: self.num_samples]

    @property
    def element_spec(self) -> Any:
        """Shapes and dtypes of a batch, as `tf.TensorSpec`."""
        return self.dataset.element_spec

    @property
    def steps(self) -> int:
        """Number of batches in an epoch, as in `LogitBias(training_steps=epochs * steps)`.

        It stays the same if files turn out to be bad.
        """
        return -(-self.num_samples // self.batch_size)

    def take(self, steps: int) -> Self:
        """Returns a pipeline that ends each epoch after `steps` batches.

        The order of the samples does not change: with `shuffle`, epochs hold different samples.

        Args:
            steps: Positive integer, the largest number of batches in an epoch.

        Returns:
            A `keras_noisy.datasets.Pipeline` whose `steps` and `num_samples` are those that are
            left.

        Raises:
            ValueError: If `steps` is not a positive integer.

        Example:

        >>> import numpy as np
        >>> from keras_noisy.datasets import arrays
        >>> x, y = np.zeros((10, 8, 8, 3), "uint8"), np.arange(10) % 2
        >>> train = arrays.pipeline(x, y, num_classes=2, batch_size=4)
        >>> short = train.take(2)
        >>> short.steps, short.num_samples, len(list(short.dataset))
        (2, 8, 2)
        """
        steps = min(check_integer("steps", steps, 1), self.steps)
        return dataclasses.replace(
            self,
            dataset=self.dataset.take(steps),
            num_samples=min(self.num_samples, steps * self.batch_size),
        )
