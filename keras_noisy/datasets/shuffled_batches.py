from typing import Any

import keras
import numpy as np


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of arrays in a new random order in each epoch, the same on every backend.

    The order is a function of `seed` and the epoch alone, so that two runs, or two backends, see the
    same batches. `fit` on plain arrays does not give that: on TensorFlow, after
    `keras.utils.set_random_seed`, it repeats one order in every epoch. Then a batch always holds the
    same samples, and a network with batch normalisation learns a batch rather than its samples.

    Give it to `fit` with `shuffle=False`: it shuffles itself.

    Args:
        x: Array of inputs, samples first.
        y: Array of labels, samples first.
        batch_size: Integer, at least 1. The last batch of an epoch may be smaller.
        seed: Non-negative integer. Defaults to `0`.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size`; see `keras.utils.PyDataset`.

    Raises:
        ValueError: If `x` and `y` have different lengths or none, or if `batch_size` is below 1.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.datasets import ShuffledBatches
    >>> batches = ShuffledBatches(np.arange(10), np.arange(10), batch_size=4)
    >>> len(batches), [len(x) for x, y in (batches[i] for i in range(3))]
    (3, [4, 4, 2])
    """

    def __init__(self, x: Any, y: Any, batch_size: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(
                "`x` and `y` must have the same number of samples, at least one. "
                f"Received: {len(x)} and {len(y)} samples"
            )
        if batch_size < 1:
            raise ValueError(
                f"`batch_size` must be at least 1. Received: batch_size={batch_size!r}"
            )
        self.x, self.y = np.asarray(x), np.asarray(y)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self._order = self._draw_order()

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        batch = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[batch], self.y[batch]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._order = self._draw_order()

    def _draw_order(self) -> Any:
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.x))
