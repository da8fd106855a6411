import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow")

import tensorflow as tf

from keras_noisy.noise import (
    add_index,
    asymmetric,
    corrupt,
    corrupt_dataset,
    instance_dependent,
    pair_flip,
    superclass,
    symmetric,
)

pytestmark = pytest.mark.backend_free

N, K = 200, 20
LABELS = np.random.default_rng(0).integers(0, K, N)
IDS = np.arange(N)  # They replace x, so that each sample can be identified.
MATRIX = symmetric(K, 0.4)
NOISY = corrupt(LABELS, MATRIX, seed=7)


def slices(labels=LABELS, x=IDS):
    return tf.data.Dataset.from_tensor_slices((x, labels))


def noisy_labels(dataset, epochs=1):
    """Returns the label of each sample in each epoch, or -1 if the sample is missing."""
    result = np.full((epochs, N), -1)
    for epoch in range(epochs):
        for x, y in dataset.as_numpy_iterator():
            assert np.all(result[epoch, x] == -1)
            result[epoch, x] = y
    return result


PIPELINES = {
    "plain": lambda d: corrupt_dataset(d, MATRIX, 7),
    "batch after": lambda d: corrupt_dataset(d, MATRIX, 7).shuffle(50).batch(7).prefetch(2),
    "numbered": lambda d: corrupt_dataset(add_index(d), MATRIX, 7),
    "shuffle": lambda d: corrupt_dataset(add_index(d).shuffle(N), MATRIX, 7),
    "batch": lambda d: corrupt_dataset(add_index(d).batch(7), MATRIX, 7),
    "shuffle, batch": lambda d: corrupt_dataset(add_index(d).shuffle(50).batch(7), MATRIX, 7),
    "batch, shuffle": lambda d: corrupt_dataset(add_index(d).batch(7).shuffle(9), MATRIX, 7),
    "fixed batch": lambda d: corrupt_dataset(add_index(d).batch(8, True), MATRIX, 7),
    "prefetch, cache": lambda d: corrupt_dataset(add_index(d).prefetch(3).cache(), MATRIX, 7),
    "unbatch": lambda d: corrupt_dataset(add_index(d).batch(7).unbatch(), MATRIX, 7),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_same_labels_as_corrupt_in_each_epoch(name):
    for epoch in noisy_labels(PIPELINES[name](slices()), epochs=2):
        np.testing.assert_array_equal(epoch, NOISY)


@pytest.mark.parametrize("k", range(3))
def test_shards(k):
    expected = np.where(k == IDS % 3, NOISY, -1)
    for dataset in (
        corrupt_dataset(slices(), MATRIX, 7).shard(3, k),
        corrupt_dataset(add_index(slices()).shard(3, k).shuffle(20).batch(7), MATRIX, 7),
    ):
        np.testing.assert_array_equal(noisy_labels(dataset)[0], expected)


def test_repeat():
    dataset = corrupt_dataset(add_index(slices()).repeat(3).batch(7), MATRIX, 7)
    seen = [(i, j) for x, y in dataset.as_numpy_iterator() for i, j in zip(x, y, strict=True)]
    assert seen == list(zip(IDS, NOISY, strict=True)) * 3


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**63 - 1),
    num_classes=st.integers(2, 40),
    zeros=st.floats(0, 1),
    data=st.integers(0, 99),
)
def test_any_matrix(seed, num_classes, zeros, data):
    """Some rows have classes of probability 0: the last class, the first, all but one."""
    rng = np.random.default_rng(data)
    matrix = rng.random((num_classes, num_classes)) * (rng.random((num_classes, 1)) > zeros)
    matrix[np.arange(num_classes), rng.integers(0, num_classes, num_classes)] += 1e-3
    matrix /= matrix.sum(axis=1, keepdims=True)
    labels = rng.integers(0, num_classes, N)
    dataset = corrupt_dataset(add_index(slices(labels)).batch(N), matrix, seed)
    np.testing.assert_array_equal(noisy_labels(dataset)[0], corrupt(labels, matrix, seed))


@pytest.mark.parametrize(
    "matrix",
    [
        asymmetric("cifar10", 0.4),
        superclass(0.3),
        np.asarray(symmetric(1000, 1.0)),
        np.eye(3)[[1, 1, 0]],
        symmetric(10**6, 0.4),
        pair_flip(10**6, 0.4),
        pair_flip(20, 1.0),
    ],
    ids=["asymmetric", "superclass", "1000", "certain", "million", "pairs", "all pairs"],
)
def test_other_matrices(matrix):
    labels = LABELS % len(matrix)
    dataset = corrupt_dataset(slices(labels), matrix, 1)
    np.testing.assert_array_equal(noisy_labels(dataset)[0], corrupt(labels, matrix, 1))


def test_large_indices():
    index = np.array([0, 2**31, 2**62 + 3, 2**63 - 1])
    numbered = {"label": np.full(4, 3), "index": index}
    dataset = corrupt_dataset(slices(numbered, IDS[:4]), MATRIX, 2**63 - 1)
    expected = corrupt(np.full(4, 3), MATRIX, 2**63 - 1, indices=index)
    np.testing.assert_array_equal(noisy_labels(dataset)[0, :4], expected)


@pytest.mark.parametrize("batch", [0, 7])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint32", "int32", "int64"])
def test_types_are_those_of_corrupt(dtype, batch):
    for matrix in (MATRIX, symmetric(1000, 0.9)):
        dataset = slices(LABELS.astype(dtype))
        dataset = add_index(dataset).batch(batch) if batch else dataset
        expected = corrupt(LABELS.astype(dtype), matrix, 7)
        dataset = corrupt_dataset(dataset, matrix, 7)
        assert dataset.element_spec[1].dtype == expected.dtype
        assert dataset.element_spec[1].shape.as_list() == ([None] if batch else [])
        np.testing.assert_array_equal(noisy_labels(dataset)[0], expected)


def test_columns_of_keras_datasets():
    column = LABELS[:, np.newaxis].astype("uint8")
    single = corrupt_dataset(slices(column), MATRIX, 7)
    assert single.element_spec[1].shape == (1,)
    batches = corrupt_dataset(add_index(slices(column)).batch(7), MATRIX, 7)
    assert batches.element_spec[1].shape.as_list() == [None, 1]
    for dataset in (single.batch(7), batches):
        labels = np.concatenate([y for _, y in dataset.as_numpy_iterator()])
        np.testing.assert_array_equal(labels, corrupt(column, MATRIX, 7))


def test_other_parts_are_unchanged():
    weights = np.arange(float(N))
    dataset = tf.data.Dataset.from_tensor_slices(({"a": IDS}, LABELS, weights))
    for n, (x, y, weight) in enumerate(corrupt_dataset(dataset, MATRIX, 7).as_numpy_iterator()):
        assert (x["a"], y, weight) == (n, NOISY[n], n)
    dataset = tf.data.Dataset.from_tensor_slices({"image": IDS, "label": LABELS, "id": weights})
    for numbered in (dataset, add_index(dataset).shuffle(9)):
        for element in corrupt_dataset(numbered, MATRIX, 7).as_numpy_iterator():
            assert list(element) == list(dataset.element_spec)
            n = element["image"]
            assert (element["label"], element["id"]) == (NOISY[n], n)


def test_keep_clean():
    labels = LABELS.astype("uint8")
    dataset = add_index(slices(labels)).shuffle(50).batch(7)
    for x, y in corrupt_dataset(dataset, MATRIX, 7, keep_clean=True).as_numpy_iterator():
        assert sorted(y) == ["clean", "noisy"]
        np.testing.assert_array_equal(y["clean"], labels[x])
        np.testing.assert_array_equal(y["noisy"], NOISY[x])
        assert y["clean"].dtype == "uint8"


@pytest.mark.parametrize("shape", [(N,), (N, 1)], ids=str)
def test_noisy_labels_as_noise(shape):
    x = np.random.default_rng(0).normal(size=(N, 5))
    noisy = instance_dependent(x, LABELS.reshape(shape), K, 0.4, seed=0)
    for dataset in (slices(), add_index(slices()).shuffle(50).batch(7)):
        for epoch in noisy_labels(corrupt_dataset(dataset, noisy), epochs=2):
            np.testing.assert_array_equal(epoch, noisy.ravel())
    rows = np.eye(K, dtype=int)[noisy.ravel()]
    np.testing.assert_array_equal(noisy_labels(corrupt_dataset(slices(), rows))[0], noisy.ravel())
    small = corrupt_dataset(slices(LABELS.astype("uint8")), noisy.ravel() + 300)
    assert small.element_spec[1].dtype == tf.uint16
    np.testing.assert_array_equal(noisy_labels(small)[0], noisy.ravel() + 300)


def test_trains_a_model():
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("one backend is enough")
    x = np.eye(K, dtype="float32")[LABELS]
    train = corrupt_dataset(add_index(slices(x=x)).shuffle(N, seed=0).batch(50), MATRIX, 7)
    model = keras.Sequential([keras.layers.Dense(K)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"])
    history = model.fit(train, epochs=5, shuffle=False, verbose=0).history
    # Inputs only reveal the class, so the accuracy is at most the share of correct labels.
    assert history["accuracy"][-1] == pytest.approx(np.mean(NOISY == LABELS), abs=0.03)


@pytest.mark.parametrize("label", [-1, 20, 2**40])
@pytest.mark.parametrize("batch", [1, 7])
def test_labels_out_of_range(label, batch):
    dataset = add_index(slices(np.where(IDS == 9, label, LABELS))).batch(batch)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s)lie in \[0, 20\).*\[{label}\]"):
        noisy_labels(corrupt_dataset(dataset, MATRIX, 7))


def test_too_few_labels():
    dataset = corrupt_dataset(slices(), NOISY[:-3])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)but has 197.*\[197\]"):
        noisy_labels(dataset)


NUMBERED = {"label": LABELS, "index": IDS}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": (IDS, LABELS)}, r"`dataset` must be a tf\.data\.Dataset"),
        ({"dataset": slices().batch(7)}, r"add_index before batch.*shape \(None,\)"),
        ({"dataset": slices().shuffle(9)}, "after shuffle: call"),
        ({"dataset": slices(LABELS / 2)}, "integer labels"),
        ({"dataset": slices({**NUMBERED, "label": LABELS / 2})}, "integer labels and indices"),
        ({"dataset": slices({**NUMBERED, "index": IDS / 2})}, "integer labels and indices"),
        ({"dataset": slices({**NUMBERED, "label": np.zeros((N, 3), int)})}, "one index for each"),
        ({"noise": np.ones((2, 3))}, r"`noise` must have shape \(K, K\)"),
        ({"noise": np.ones((3, 3))}, "`noise` must have rows .* sum to 1"),
        ({"noise": np.ones((3, 3, 3))}, r"`noise` must be a transition matrix .*\(3, 3, 3\)"),
        ({"noise": 0.4}, r"`noise` must be a transition matrix .*of shape \(\)"),
        ({"noise": LABELS / 2, "seed": None}, "`noise` must hold integers"),
        ({"noise": LABELS - 1, "seed": None}, "`noise` must hold .*none below 0"),
        ({"noise": LABELS[:0], "seed": None}, "`noise` must hold at least one label"),
        ({"noise": LABELS}, "`seed` must be None with an array of labels.*seed=7"),
        ({"seed": None}, "`seed` must be an integer with a transition matrix. Received: seed=None"),
        ({"seed": -1}, "`seed` must be an integer in"),
        ({"keep_clean": 1}, "`keep_clean` must be True or False"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrupt_dataset(**{"dataset": slices(), "noise": MATRIX, "seed": 7, **arguments})


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[datasets\]"'):
        corrupt_dataset(slices, MATRIX, 7)
