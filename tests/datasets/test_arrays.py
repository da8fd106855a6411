"""Pipelines of arrays: their batches, and the checks of arguments."""

import re

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf

from keras_noisy.datasets import arrays

pytestmark = pytest.mark.backend_free

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), "uint8")
LABELS = np.array([0, 1, 2, 0, 1, 2])


def all_of(pipeline):
    x, y = zip(*pipeline.dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(x), np.concatenate(y)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        LABELS[:, np.newaxis],
        LABELS.tolist(),
        np.eye(3)[LABELS],
        np.eye(3, dtype=int)[LABELS],
    ],
    ids=["integers", "column", "list", "one-hot floats", "one-hot integers"],
)
def test_evaluation_leaves_them_as_they_are(labels):
    pipeline = arrays.pipeline(
        IMAGES, labels, 3, is_training=False, augmentation="cifar10", batch_size=4
    )
    x, y = all_of(pipeline)
    np.testing.assert_array_equal(x, IMAGES)
    np.testing.assert_array_equal(y, LABELS)
    assert (pipeline.num_classes, pipeline.num_samples, pipeline.steps) == (3, 6, 2)


def test_training_shuffles_and_augments_on_request():
    x, y = all_of(arrays.pipeline(IMAGES, LABELS, 3))
    order = [int(np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))[0]) for image in x]
    assert sorted(order) == list(range(6))
    assert order != list(range(6))
    np.testing.assert_array_equal(y, LABELS[order])
    changed, same = all_of(arrays.pipeline(IMAGES, LABELS, 3, augmentation="cifar10"))
    np.testing.assert_array_equal(same, y)
    assert (changed != x).any()


@pytest.mark.parametrize("noise", [LABELS[::-1], np.eye(3, dtype=bool)[LABELS[::-1]]])
def test_noisy_labels(noise):
    _, y = all_of(arrays.pipeline(IMAGES, LABELS, 3, is_training=False, noise=noise))
    np.testing.assert_array_equal(y, LABELS[::-1])


def test_images_stay_in_the_memory_of_the_processor(monkeypatch):
    """The data set is not copied to the device on which TensorFlow computes, such as a GPU."""
    devices, make = [], tf.constant

    def make_and_record(*args, **kwargs):
        tensor = make(*args, **kwargs)
        devices.extend([tensor.device] if tensor.shape[:1] == (6,) else [])
        return tensor

    monkeypatch.setattr(tf, "constant", make_and_record)
    with tf.device(tf.config.list_logical_devices("CPU")[-1].name):
        arrays.pipeline(IMAGES, LABELS, 3)
    assert len(devices) == 3
    assert all(device.endswith("CPU:0") for device in devices)


def test_one_channel_gets_an_axis():
    x, _ = all_of(arrays.pipeline(IMAGES[..., 0], LABELS, 3, is_training=False))
    np.testing.assert_array_equal(x, IMAGES[..., :1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be an integer of at least 2. Received: "),
        ({"num_classes": 3.5}, "`num_classes` must be an integer of at least 2. Received: "),
        ({"num_classes": 2}, "`labels` must be 6 integers in [0, 2), one for each image. "),
        ({"labels": LABELS[:5]}, "`labels` must be 6 integers in [0, 3), one for each image. "),
        (
            {"labels": np.eye(4)[LABELS]},
            "`labels` must be 6 integers in [0, 3), one for each image. ",
        ),
        ({"labels": ["cat"] * 6}, "`labels` must be 6 integers in [0, 3), one for each image. "),
        ({"labels": LABELS / 2}, "`labels` must be 6 integers in [0, 3), one for each image. "),
        ({"images": IMAGES / 255}, "`images` must be uint8 of shape (samples, height, width) or "),
        ({"images": IMAGES[:0], "labels": []}, "`images` must have at least one image. "),
        ({"images": IMAGES[0, 0]}, "`images` must be uint8 of shape (samples, height, width) or "),
        ({"augmentation": "cifar"}, "`augmentation` must be None, 'cifar10', 'cifar100', "),
        ({"augmentation": ["cifar10"]}, "`augmentation` must be None, 'cifar10', 'cifar100', "),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"images": IMAGES, "labels": LABELS, "num_classes": 3}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        arrays.pipeline(**{**given, **arguments})
