from typing import Any

import keras
import numpy as np

from keras_noisy._inputs import count_samples, read_inputs, take_samples
from keras_noisy.datasets._pipeline.options import Options
from keras_noisy.datasets._pipeline.sharding import (
    count_steps,
    order_samples,
    pads_batches,
    read_batch_size,
    weight_samples,
)


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of arrays in a new random order in each epoch, the same on every backend.

    The order is a function of `seed` and the epoch alone, so that two runs, or two backends, see
    the same batches. `fit` on plain arrays does not do that: on TensorFlow, after
    `keras.utils.set_random_seed`, it repeats one order in every epoch. Then a batch always holds
    the same samples, and a network with batch normalisation learns a batch rather than its samples.

    Pass it to `fit` with `shuffle=False`, since it shuffles already. With `steps_per_epoch`, a pass
    over the data takes several of Keras's epochs, and keeps its order until its last batch. Unlike
    the pipelines, it does not need TensorFlow; it shares some of their options.

    Args:
        x: Array of inputs, samples first. A table of pandas is read as an array, and the inputs of
            a model with several of them as a dictionary or a list of arrays.
        y: Array of labels, samples first; or a dictionary or a list of arrays.
        batch_size: Integer, at least 1. The last batch of an epoch may be smaller.
        seed: Non-negative integer. Defaults to `0`.
        shuffle: Whether to shuffle. Defaults to `True`.
        first_epoch: The first epoch, to continue an interrupted training. Defaults to `0`.
        worker: Index of this worker, counted from 0. Defaults to `0`.
        num_workers: Number of workers that share each epoch. Defaults to `1`.
        whole_batches: Whether every batch has `batch_size` samples; see
            `keras_noisy.datasets.Options`. Defaults to `False`.
        **kwargs: The arguments of `keras.utils.PyDataset`, without effect: a batch is a part of an
            array in memory, and is read when it is needed. Keras's workers read ahead, so that an
            epoch would get some batches twice and others never.

    Raises:
        ValueError: If `x` and `y` have different lengths or none, or if an argument is out of its
            range.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.datasets import ShuffledBatches
    >>> batches = ShuffledBatches(np.arange(10), np.arange(10), batch_size=4)
    >>> len(batches), [len(x) for x, y in (batches[i] for i in range(3))]
    (3, [4, 4, 2])
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        batch_size: int,
        seed: int = 0,
        *,
        shuffle: bool = True,
        first_epoch: int = 0,
        worker: int = 0,
        num_workers: int = 1,
        whole_batches: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.x, self.y = _read("x", x), _read("y", y)
        self._num_samples = count_samples(self.x)
        if count_samples(self.y) != self._num_samples:
            raise ValueError(
                "`x` and `y` must have the same number of samples. "
                f"Received: {self._num_samples} and {count_samples(self.y)} samples"
            )
        self.options = Options(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            worker=worker,
            num_workers=num_workers,
            first_epoch=first_epoch,
            whole_batches=whole_batches,
        )
        self.epoch = first_epoch
        self._order = order_samples(self.options, self._num_samples, self.epoch)
        self._last = -1  # Index of the batch that was read last in this order.
        self._has_ended = False  # Whether one of Keras's epochs has ended since then.
        self._steps = count_steps(self.options, len(self._order))

    @property
    def workers(self) -> int:
        """Number of Keras's threads or processes that read batches; always 1."""
        return 1

    @workers.setter
    def workers(self, value: int) -> None:
        pass

    @property
    def use_multiprocessing(self) -> bool:
        """Whether Keras reads batches in other processes; always `False`."""
        return False

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        pass

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if self._has_ended:
            self._has_ended = False
            if index != self._last + 1:  # Otherwise, `steps_per_epoch` has split a pass.
                self._begin_pass()
        self._last = index
        size = read_batch_size(self.options)
        batch = self._order[index * size : (index + 1) * size]
        if not pads_batches(self.options):
            return take_samples(self.x, batch), take_samples(self.y, batch)
        shard = np.arange(size).reshape(self.options.num_workers, -1)[self.options.worker]
        weights = np.where(shard < len(batch), weight_samples(self.options, self._num_samples), 0.0)
        batch = np.resize(batch, size)[shard]  # pads with samples whose weight is 0
        x, y = take_samples(self.x, batch), take_samples(self.y, batch)
        return x, y, weights.astype("float32")

    def on_epoch_end(self) -> None:
        if self._last < 0:
            self._begin_pass()
        else:
            self._has_ended = True

    def _begin_pass(self) -> None:
        self.epoch += 1
        self._last, self._has_ended = -1, False
        self._order = order_samples(self.options, self._num_samples, self.epoch)


def _read(argument: str, values: Any) -> Any:
    inputs = read_inputs(argument, values)
    return tuple(inputs) if isinstance(inputs, list) else inputs  # TensorFlow refuses lists
