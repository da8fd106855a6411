import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf

from keras_noisy.noise import add_index

pytestmark = pytest.mark.backend_free

X = np.arange(20) / 8
LABELS = (np.arange(20) * 7 % 10).astype("uint8")
DATASET = tf.data.Dataset.from_tensor_slices((X, LABELS))


def pairs(dataset):
    return [(int(y["index"]), int(y["label"])) for _, y in dataset.as_numpy_iterator()]


def test_numbers_in_order():
    dataset = add_index(DATASET)
    assert pairs(dataset) == list(enumerate(LABELS.tolist()))
    assert dataset.cardinality() == 20
    spec = dataset.element_spec[1]
    assert (spec["index"].dtype, spec["label"].dtype) == (tf.int64, tf.uint8)


def test_the_index_follows_its_sample():
    dataset = add_index(DATASET).shuffle(20, seed=1).shard(3, 1).repeat(2).batch(7)
    for x, y in dataset.as_numpy_iterator():
        np.testing.assert_array_equal(LABELS[y["index"]], y["label"])
        np.testing.assert_array_equal(X[y["index"]], x)


def test_other_parts_are_unchanged():
    weights = np.arange(20.0)
    dataset = tf.data.Dataset.from_tensor_slices(({"a": X}, LABELS, weights))
    for n, (x, y, weight) in enumerate(add_index(dataset).as_numpy_iterator()):
        assert (x["a"], int(y["label"]), int(y["index"]), weight) == (X[n], LABELS[n], n, n)
    dataset = tf.data.Dataset.from_tensor_slices({"image": X, "label": LABELS, "id": weights})
    for n, element in enumerate(add_index(dataset).as_numpy_iterator()):
        assert list(element) == list(dataset.element_spec)
        assert (element["image"], element["id"]) == (X[n], n)
        assert element["label"] == {"label": LABELS[n], "index": n}


def test_columns_of_keras_datasets():
    dataset = tf.data.Dataset.from_tensor_slices((X, LABELS[:, np.newaxis]))
    for n, (_, y) in enumerate(add_index(dataset).batch(1).as_numpy_iterator()):
        assert y["label"].tolist() == [[LABELS[n]]]
        assert y["index"].tolist() == [n]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ((X, LABELS), r"`dataset` must be a tf\.data\.Dataset. Received: dataset=\(array"),
        (tf.data.Dataset.from_tensor_slices(LABELS), r"elements \(x, label\)"),
        (tf.data.Dataset.from_tensor_slices((LABELS,)), r"elements \(x, label\)"),
        (tf.data.Dataset.from_tensor_slices({"x": X}), "a key 'label'. Received: elements of"),
        (tf.data.Dataset.from_tensor_slices((X, X)), "integer labels. Received: .*float64"),
        (tf.data.Dataset.from_tensor_slices((X, {"a": LABELS})), "integer labels. Received: .*'a'"),
        (DATASET.batch(4), r"add_index before batch.*Received: labels of shape \(None,\)"),
        (DATASET.batch(4, drop_remainder=True), r"labels of shape \(4,\)"),
        (add_index(DATASET), "must not be numbered already"),
        (DATASET.shuffle(20).map(lambda x, y: (x, y)), "after shuffle: call .*add_index before"),
        (DATASET.repeat(2).prefetch(1), "after repeat: call .*add_index before"),
    ],
)
def test_bad_dataset(dataset, message):
    with pytest.raises(ValueError, match=message):
        add_index(dataset)


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[datasets\]"'):
        add_index(DATASET)
