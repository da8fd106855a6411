from itertools import chain

import keras
import numpy as np
import pytest
from support import to_numpy

from keras_noisy.datasets import ShuffledBatches


class Recorder(keras.Model):
    """A model that records the inputs of each training batch."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.batches = []

    def call(self, inputs, training=False):
        if training:
            self.batches.append(to_numpy(inputs)[:, 0].astype(int).tolist())
        return self.dense(inputs)


def fit(data, epochs=3):
    keras.utils.set_random_seed(0)
    model = Recorder()
    model(np.zeros((1, 1), "float32"))
    model.compile("sgd", "mse", run_eagerly=True, jit_compile=False)
    model.fit(data, epochs=epochs, shuffle=False, verbose=0)
    return [batch for batch in model.batches if max(batch) > 0 or len(batch) > 1]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX trains in a graph only")
def test_every_epoch_has_its_own_order():
    x = np.arange(10, dtype="float32")[:, np.newaxis]
    batches = fit(ShuffledBatches(x, x, batch_size=4))
    assert [len(batch) for batch in batches] == [4, 4, 2] * 3
    epochs = [list(chain(*batches[start : start + 3])) for start in (0, 3, 6)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


@pytest.mark.parametrize(
    ("steps", "options"),
    [(1, {}), (2, {}), (3, {}), (3, {"workers": 2}), (6, {"workers": 2})],
)
def test_steps_per_epoch_split_a_pass(steps, options):
    """Each sample comes once in a pass of six batches, however many epochs it takes."""
    given = []

    class Recorded(ShuffledBatches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            given.append((index, batch[0][:, 0].astype(int).tolist()))
            return batch

    x = np.arange(12, dtype="float32")[:, np.newaxis]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Recorded(x, x, 2, **options, use_multiprocessing=bool(options))
    data.workers *= 2
    model.fit(data, epochs=12 // steps, steps_per_epoch=steps, shuffle=False, verbose=0)
    passes = []
    for index, batch in given:
        passes = [*passes, []] if index == 0 else passes
        passes[-1].extend(batch)
    whole = [samples for samples in passes if len(samples) == 12]  # Keras looks at a batch first.
    assert [sorted(samples) for samples in whole] == [list(range(12))] * 2
    assert whole == [np.random.default_rng([0, epoch]).permutation(12).tolist() for epoch in (1, 2)]


@pytest.mark.backend_free
def test_order_is_a_function_of_seed_and_epoch():
    x, y = np.arange(50), np.arange(50) * 2
    orders = {}
    for seed in (0, 1):
        for _ in range(2):
            data = ShuffledBatches(x, y, batch_size=50, seed=seed)
            for epoch in range(3):
                inputs, labels = data[0]
                np.testing.assert_array_equal(labels, 2 * inputs)
                orders.setdefault((seed, epoch), set()).add(tuple(inputs.tolist()))
                data.on_epoch_end()
    assert all(len(found) == 1 for found in orders.values())
    assert len(set.union(*orders.values())) == 6


@pytest.mark.backend_free
def test_bad_input():
    with pytest.raises(ValueError, match="Received: 3 and 2 samples"):
        ShuffledBatches(np.zeros(3), np.zeros(2), batch_size=1)
    with pytest.raises(ValueError, match=r"`x` must be an array.*Received: dict with 2 and 3"):
        ShuffledBatches({"a": np.zeros(3), "b": np.zeros(2)}, np.zeros(3), batch_size=1)
    with pytest.raises(ValueError, match=r"`x` must be an array.*Received: ndarray with 0 samples"):
        ShuffledBatches(np.zeros(0), np.zeros(0), batch_size=1)
    with pytest.raises(
        ValueError, match=r"`batch_size` must be an integer of at least 1. Received: batch_size=0"
    ):
        ShuffledBatches(np.zeros(3), np.zeros(3), batch_size=0)
