"""Behaviour that all pipelines share: options, order, noise and attributes."""

import re
import sys
import time
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_noisy
from keras_noisy.datasets import Options
from keras_noisy.datasets._pipeline.from_arrays import build_from_arrays, build_from_splits
from keras_noisy.datasets._pipeline.labels import apply_noise
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.datasets._pipeline.sharding import order_samples

pytestmark = pytest.mark.backend_free

tf = pytest.importorskip("tensorflow")

N, K = 103, 7
# The pixels of each image are the number of the sample.
IMAGES = np.broadcast_to(np.arange(N, dtype="uint8")[:, None, None], (N, 4, 5))
LABELS = np.random.default_rng(0).integers(0, K, N)


def build(augmentation=None, is_training=True, **options):
    resolved = resolve_options(options, is_training=is_training)
    return build_from_arrays(IMAGES, LABELS, K, resolved, augmentation)


def samples(dataset):
    """Returns the numbers of the samples in one iteration."""
    return [int(image[0, 0, 0]) for x, _ in dataset.as_numpy_iterator() for image in x]


def labels(dataset):
    return np.concatenate([y for _, y in dataset.as_numpy_iterator()]).tolist()


# Options


@pytest.mark.parametrize("name", ["batch_size", "seed", "worker", "num_workers", "first_epoch"])
@pytest.mark.parametrize("value", [-1, 1.0, "1", None, True, np.float32(2)])
def test_integers_are_checked(name, value):
    least = 1 if name in ("batch_size", "num_workers") else 0
    with pytest.raises(
        ValueError, match=f"^`{name}` must be an integer of at least {least}. "
    ) as error:
        Options(**{name: value})
    assert str(error.value).endswith(f" Received: {name}={value!r}")


@pytest.mark.parametrize("name", ["batch_size", "num_workers"])
def test_there_is_at_least_one(name):
    with pytest.raises(
        ValueError, match=f"`{name}` must be an integer of at least 1. Received: {name}=0"
    ):
        Options(**{name: 0})


def test_seed_is_one_that_noise_takes():
    Options(seed=2**63 - 1)
    with pytest.raises(
        ValueError, match=r"^`seed` must be less than 2\^63\. Received: seed=9223372036854775808$"
    ):
        Options(seed=2**63)


@pytest.mark.parametrize("name", ["shuffle", "augment", "keep_clean"])
@pytest.mark.parametrize("value", [1, "yes", 0.5])
def test_switches_are_checked(name, value):
    allowed = "True or False" if name == "keep_clean" else "None, True or False"
    with pytest.raises(
        ValueError, match=f"^`{name}` must be {allowed}. Received: {name}={value!r}$"
    ):
        Options(**{name: value})


def test_only_the_split_can_answer_for_a_switch_that_is_not_given():
    with pytest.raises(
        ValueError, match=r"^`keep_clean` must be True or False\. Received: keep_clean=None$"
    ):
        Options(keep_clean=None)
    training, evaluation = (resolve_options({}, is_training=flag) for flag in (True, False))
    assert (training.shuffle, training.augment) == (True, True)
    assert (evaluation.shuffle, evaluation.augment) == (False, False)
    given = {"shuffle": False, "augment": True}
    assert resolve_options(given, is_training=True) == resolve_options(given, is_training=False)


def test_worker_is_one_of_the_workers():
    with pytest.raises(
        ValueError,
        match=r"^`worker` must be less than `num_workers`\. Received: worker=2, num_workers=2$",
    ):
        Options(worker=2, num_workers=2)


def test_unknown_options_are_named():
    with pytest.raises(
        TypeError, match=re.escape("Unknown arguments: ['bath_size']. There are ['augment', 'batch")
    ):
        resolve_options({"bath_size": 3}, is_training=True)


@pytest.mark.parametrize("split", ["valid", "", None, 1])
def test_splits_are_checked(split):
    expected = f"`split` must be 'train' or 'test'. Received: split={split!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        build_from_splits(lambda: None, split, {}, num_classes=10)


def test_missing_tensorflow_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(
        ImportError, match=r'^tensorflow is not installed. .*"keras-noisy\[datasets\]"$'
    ):
        build()


# Order


@given(
    n=st.integers(0, 200),
    num_workers=st.integers(1, 9),
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 10**6),
)
def test_workers_share_an_epoch(n, num_workers, seed, epoch):
    def orders(shuffle):
        options = {"shuffle": shuffle, "seed": seed, "num_workers": num_workers}
        return [
            order_samples(Options(worker=worker, **options), n, epoch)
            for worker in range(num_workers)
        ]

    in_evaluation = np.concatenate(orders(shuffle=False))
    assert sorted(in_evaluation) == list(range(n))
    in_training = orders(shuffle=True)
    together = np.concatenate(in_training)
    assert together.dtype == in_evaluation.dtype == np.int64
    assert len(set(together.tolist())) == len(together)
    assert set(together.tolist()) <= set(range(n))
    if n >= num_workers:  # equal shares; fewer than num_workers samples are left out
        assert {len(order) for order in in_training} == {n // num_workers}


def test_every_epoch_has_its_own_order():
    dataset = build(batch_size=10).dataset
    epochs = [samples(dataset) for _ in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(N))
    assert len({tuple(epoch) for epoch in [*epochs, list(range(N))]}) == 4


def test_order_is_a_function_of_seed_and_epoch():
    orders = {}
    for global_seed in (0, 1):
        keras.utils.set_random_seed(global_seed)
        for seed in (0, 1):  # the order must not depend on their sum only
            dataset = build(batch_size=10 + global_seed, seed=seed).dataset
            for epoch in range(2):
                orders.setdefault((seed, epoch), set()).add(tuple(samples(dataset)))
    assert all(len(found) == 1 for found in orders.values())
    assert len(set.union(*orders.values())) == 4


def test_first_epoch_goes_on_where_an_interrupted_training_was():
    uninterrupted = build(noisy_blocks, batch_size=16).dataset
    for epoch in range(3):
        resumed = build(noisy_blocks, batch_size=16, first_epoch=epoch).dataset
        for (x, y), (other_x, other_y) in zip(uninterrupted, resumed, strict=True):
            np.testing.assert_array_equal(x, other_x)
            np.testing.assert_array_equal(y, other_y)


def test_repeated_data_set_has_an_order_for_each_round():
    twice = samples(build().dataset.repeat(2))
    uninterrupted = build().dataset
    assert twice == samples(uninterrupted) + samples(uninterrupted)


def test_open_iterations_do_not_disturb_each_other():
    expected = build(batch_size=10).dataset
    first, second = samples(expected), samples(expected)
    dataset = build(batch_size=10).dataset
    pairs = list(zip(dataset, dataset, strict=True))
    for epoch, order in enumerate((first, second)):
        assert [int(image[0, 0, 0]) for pair in pairs for image in pair[epoch][0]] == order


@pytest.mark.parametrize("num_workers", [2, 3])
def test_datasets_of_workers_share_an_epoch(num_workers):
    for shuffle in (False, True):
        parts = [
            build(shuffle=shuffle, worker=worker, num_workers=num_workers)
            for worker in range(num_workers)
        ]
        found = [samples(part.dataset) for part in parts]
        assert [len(part) for part in found] == [part.num_samples for part in parts]
        counts = Counter(np.concatenate(found).tolist())
        assert set(counts.values()) == {1}
        assert len(counts) == (N - N % num_workers if shuffle else N)


def test_evaluation_has_the_order_of_the_data():
    dataset = build(is_training=False).dataset
    for _ in range(2):
        assert samples(dataset) == list(range(N))
        assert labels(dataset) == LABELS.tolist()


# Augmentation


def noisy_blocks(x, seed):
    """Fills all rows but the first with random pixels."""
    noise = tf.random.stateless_uniform(tf.shape(x[:, 1:]), seed, 0, 255)
    return tf.concat([tf.cast(x[:, :1], tf.float32), noise], axis=1)


def pixels(dataset):
    return np.concatenate([x for x, _ in dataset.as_numpy_iterator()])


def test_augmentation_is_a_function_of_seed_and_epoch():
    """Batches that were prefetched but not used, as when Keras peeks, have no effect."""
    images = {}
    for seed in (0, 1):
        for pause in (0.0, 0.05):
            # Without shuffling, which would make a difference too.
            dataset = build(noisy_blocks, batch_size=4, seed=seed, shuffle=False).dataset
            next(iter(dataset))
            time.sleep(pause)
            for epoch in (1, 2):
                images.setdefault((seed, epoch), set()).add(pixels(dataset).tobytes())
    assert all(len(found) == 1 for found in images.values())
    assert len(set.union(*images.values())) == 4


def test_every_batch_is_augmented_anew():
    x = pixels(build(noisy_blocks, batch_size=4).dataset)[:, 1:]
    assert len({image.tobytes() for image in x}) == N


def test_only_training_images_are_augmented():
    assert pixels(build(noisy_blocks, batch_size=8).dataset)[:, 1:].std(axis=(1, 2, 3)).min() > 0
    for options in ({"is_training": False}, {"augment": False}):
        assert pixels(build(noisy_blocks, **options).dataset)[:, 1:].std(axis=(1, 2, 3)).max() == 0


@pytest.mark.parametrize(("shift", "pixel"), [(0.4, 100), (0.6, 101), (-300.0, 0), (300.0, 255)])
def test_augmented_pixels_are_rounded_and_kept_in_range(shift, pixel):
    dataset = build(lambda x, seed: tf.cast(x, tf.float32) + shift, shuffle=False).dataset
    assert samples(dataset)[100] == pixel


# Noise

MATRIX = keras_noisy.noise.symmetric(K, rate=0.5)


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"worker": 1, "num_workers": 3}])
def test_noise_is_that_of_corrupt_on_all_labels(options):
    noisy = keras_noisy.noise.corrupt(LABELS, MATRIX, seed=9)
    assert 0.3 < np.mean(noisy != LABELS) < 0.7
    given = {"noise": MATRIX, "seed": 9, **options}
    plain, both = build(**given).dataset, build(**given, keep_clean=True).dataset
    for epoch in (0, 1):
        order = samples(build(**given, first_epoch=epoch).dataset)
        assert labels(plain) == noisy[order].tolist()
        found = list(both.as_numpy_iterator())
        for key, expected in (("noisy", noisy), ("clean", LABELS)):
            assert np.concatenate([y[key] for _, y in found]).tolist() == expected[order].tolist()


def test_another_seed_is_other_noise():
    first, second = (build(noise=MATRIX, seed=seed, shuffle=False).dataset for seed in (0, 1))
    assert labels(first) != labels(second)


@pytest.mark.parametrize("shape", [(N,), (N, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_noise_may_be_the_labels_themselves(shape, dtype):
    """Labels may have the shape (N, 1), which `instance_dependent` returns for CIFAR-10."""
    noisy = ((LABELS + 1) % K).astype(dtype).reshape(shape)
    assert labels(build(noise=noisy, shuffle=False).dataset) == noisy.ravel().tolist()


@pytest.mark.parametrize(
    "noise",
    [
        np.eye(K + 1),
        np.eye(K)[:-1],
        np.eye(K)[:, :-1],
        np.zeros(N - 1, "int64"),
        np.zeros((1, N), "int64"),
        np.zeros((N, 2), "int64"),
        np.zeros(N),
        np.full(N, K),
        np.full(N, -1),
        0.4,
        "symmetric",
    ],
)
def test_noise_of_another_form_is_refused(noise):
    allowed = (
        f"`noise` must be a transition matrix of {K} x {K}, or {N} integers in [0, {K}), one for "
        "each sample. "
    )
    with pytest.raises(ValueError, match=re.escape(f"{allowed}Received: ")):
        build(noise=noise)


def test_matrix_without_distributions_is_refused():
    with pytest.raises(ValueError, match="must have rows of non-negative numbers that sum to 1"):
        build(noise=np.ones((K, K)))


def test_labels_are_int32_whatever_they_were():
    for noise in (None, MATRIX, LABELS):
        for dtype in ("uint8", "int64"):
            assert apply_noise(LABELS.astype(dtype), noise, 0, K).dtype == np.int32


# Attributes


def test_element_spec():
    image, label = build().element_spec
    assert (image.shape.as_list(), image.dtype) == ([None, 4, 5, 1], tf.uint8)
    assert (label.shape.as_list(), label.dtype) == ([None], tf.int32)
    image, both = build(noisy_blocks, keep_clean=True).element_spec
    assert (image.shape.as_list(), image.dtype) == ([None, 4, 5, 1], tf.uint8)
    assert {key: (spec.shape.as_list(), spec.dtype) for key, spec in both.items()} == {
        "noisy": ([None], tf.int32),
        "clean": ([None], tf.int32),
    }


@pytest.mark.parametrize("batch_size", [1, 20, N, 500])
@pytest.mark.parametrize("num_workers", [1, 4, 200])
@pytest.mark.parametrize("shuffle", [False, True])
def test_steps_are_the_number_of_batches(batch_size, num_workers, shuffle):
    worker = num_workers - 1
    part = build(batch_size=batch_size, num_workers=num_workers, worker=worker, shuffle=shuffle)
    sizes = [len(y) for _, y in part.dataset]
    assert part.steps == len(sizes) == part.dataset.cardinality().numpy()
    assert part.num_samples == sum(sizes)
    assert all(size == batch_size for size in sizes[:-1])
    assert (part.batch_size, part.num_classes) == (batch_size, K)


# Shorter epochs


@pytest.mark.parametrize(("steps", "num_samples"), [(1, 20), (5, 100), (6, N), (7, N)])
def test_take_shortens_epochs(steps, num_samples):
    full, short = build(batch_size=20), build(batch_size=20).take(steps)
    for _ in range(2):
        assert samples(short.dataset) == samples(full.dataset)[:num_samples]
    assert short.num_samples == num_samples
    assert short.steps == short.dataset.cardinality().numpy() == min(steps, full.steps)
    assert short.element_spec == full.element_spec
    assert (short.batch_size, short.num_classes) == (20, K)
    assert full.num_samples == N


def test_take_of_whole_batches():
    options = {"batch_size": 10, "num_workers": 2, "whole_batches": True, "shuffle": False}
    short = build(**options).take(3)
    assert [len(x) for x, _, _ in short.dataset] == [10] * 3
    assert (short.steps, short.num_samples) == (3, 30)


def test_keras_sees_the_shorter_epoch():
    short = build(batch_size=8).take(3)
    model = keras.Sequential(
        [keras.layers.Rescaling(1 / N), keras.layers.Flatten(), keras.layers.Dense(K)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(batch)
    )
    model.fit(short.dataset, epochs=2, shuffle=False, verbose=0, callbacks=[count])
    assert batches == [0, 1, 2] * 2


@pytest.mark.parametrize("steps", [0, -1, 2.0, "2", None, True])
def test_steps_to_take_are_checked(steps):
    expected = f"`steps` must be an integer of at least 1. Received: steps={steps!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        build().take(steps)
