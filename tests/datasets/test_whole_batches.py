"""Batches of one size, from all kinds of data: samples of each worker, weights, steps."""

import itertools
import re
from collections import Counter

import keras
import numpy as np
import pytest
from pictures import encode, plain

from keras_noisy.datasets import Options, ShuffledBatches, image_list, tfds
from keras_noisy.datasets._pipeline.from_arrays import build_from_arrays
from keras_noisy.datasets._pipeline.options import resolve_options

tf = pytest.importorskip("tensorflow")

N = 23  # good samples in each source
K = 5
LABELS = np.random.default_rng(0).integers(0, K, N)
# The pixels of each image are the number of the sample plus one; padding is black.
IMAGES = np.broadcast_to(np.arange(1, N + 1, dtype="uint8")[:, None, None, None], (N, 4, 4, 3))
BAD = (0, 3, 9, 25)  # positions of bad files in the list


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Writes a list of 27 files, and a list of the 4 bad ones of them."""
    folder = tmp_path_factory.mktemp("images")
    good = iter(range(N))
    lines = []
    for place in range(N + len(BAD)):
        label = K - 1
        if place in BAD:
            (folder / f"{place}.png").write_bytes(b"no image")
        else:
            number = next(good)
            (folder / f"{place}.png").write_bytes(
                encode(plain(int(IMAGES[number, 0, 0, 0]), 4, 4), "PNG")
            )
            label = LABELS[number]
        lines.append(f"{place}.png {label}\n")
    (folder / "list.txt").write_text("".join(lines))
    rows = "".join(f"{place}.png,not an image\r\n" for place in BAD)
    (folder / "bad.csv").write_bytes(f"path,reason\r\n{rows}".encode())
    return folder


class Source:
    """A kind of data, and how to build batches of it."""

    def __init__(self, kind, files):
        self.kind, self.files = kind, files

    def build(self, shuffle, **options):
        options |= {"shuffle": shuffle, "augment": False}
        if self.kind == "arrays":
            resolved = resolve_options(options, is_training=shuffle)
            return build_from_arrays(IMAGES, LABELS, K, resolved, None)
        if self.kind == "files":
            given = {"image_size": 4, "max_bad_share": 0.2, "bad_images": self.files / "bad.csv"}
            return image_list.pipeline(self.files, self.files / "list.txt", K, **given, **options)
        if self.kind == "stream":
            library = pytest.importorskip("tensorflow_datasets")
            with library.testing.mock_data(num_examples=N):
                return tfds.pipeline("food101", image_size=8, **options)
        del options["augment"]
        return ShuffledBatches(IMAGES, LABELS, **options)

    def batches(self, data):
        """Returns the batches of an epoch as arrays."""
        if self.kind == "own":
            found = [data[i] for i in range(len(data))]
            data.on_epoch_end()
            return found
        found = list(data.dataset.as_numpy_iterator())
        assert data.steps == data.dataset.cardinality()
        return found

    def steps(self, data):
        return len(data) if self.kind == "own" else data.steps

    def numbers(self, images):
        """Returns the numbers of the samples; -1 for padding."""
        if not hasattr(self, "known"):
            every = [x for x, _ in self.batches(self.build(False, batch_size=N))]
            self.known = {image.tobytes(): i for i, image in enumerate(np.concatenate(every))}
            assert len(self.known) == N
        return [self.known.get(image.tobytes(), -1) for image in images]

    def workers(self, num_workers, **options):
        return [
            self.build(worker=worker, num_workers=num_workers, whole_batches=True, **options)
            for worker in range(num_workers)
        ]


@pytest.fixture(scope="module", params=["arrays", "files", "stream", "own"])
def source(request, files):
    return Source(request.param, files)


# Training


@pytest.mark.backend_free
@pytest.mark.parametrize(("batch_size", "num_workers"), [(N, 1), (4, 2), (2, 3)])
def test_training_leaves_out_what_is_left_over(source, batch_size, num_workers):
    steps = N // (batch_size * num_workers)
    parts = source.workers(num_workers, shuffle=True, batch_size=batch_size)
    for _ in range(2):
        seen = []
        for part in parts:
            batches = source.batches(part)
            assert len(batches) == source.steps(part) == steps
            assert [x.shape[0] for x, _ in batches] == [batch_size] * steps
            seen += itertools.chain(*(source.numbers(x) for x, _ in batches))
        assert len(set(seen)) == len(seen) == steps * batch_size * num_workers
        assert -1 not in seen


@pytest.mark.backend_free
@pytest.mark.parametrize("num_workers", [2, 3])
@pytest.mark.parametrize("source", ["arrays", "files", "own"], indirect=True)
def test_workers_together_take_the_batches_that_one_takes(source, num_workers):
    """This excludes streams, which each worker shuffles on its own."""
    options = {"shuffle": True, "seed": 5}
    parts = source.workers(num_workers, batch_size=3, **options)
    (one,) = source.workers(1, batch_size=3 * num_workers, **options)
    for _ in range(2):
        epochs = [source.batches(part) for part in parts]
        expected = source.batches(one)
        assert len(expected) == N // (3 * num_workers)
        for (x, y), *shares in zip(expected, *epochs, strict=True):
            together = np.concatenate([share for share, _ in shares])
            labels = np.concatenate([share for _, share in shares])
            assert sorted(source.numbers(together)) == sorted(source.numbers(x))
            assert Counter(labels.tolist()) == Counter(y.tolist())


# Evaluation


@pytest.mark.backend_free
@pytest.mark.parametrize(("batch_size", "num_workers"), [(4, 1), (N, 1), (40, 2), (3, 3)])
def test_evaluation_has_every_sample_once(source, batch_size, num_workers):
    together = batch_size * num_workers
    steps = -(-N // together)
    plain_labels = np.concatenate([y for _, y in source.batches(source.build(False, batch_size=N))])
    seen = []
    for part in source.workers(num_workers, shuffle=False, batch_size=batch_size):
        batches = source.batches(part)
        assert len(batches) == source.steps(part) == steps
        for x, y, weights in batches:
            assert len(x) == len(y) == len(weights) == batch_size
            assert weights.dtype == np.float32
            counts = weights > 0
            np.testing.assert_allclose(weights[counts], steps * together / N, rtol=1e-6)
            numbers = np.array(source.numbers(x))[counts]
            assert y[counts].tolist() == plain_labels[numbers].tolist()
            seen += numbers.tolist()
    assert sorted(seen) == list(range(N))


@pytest.mark.backend_free
@pytest.mark.parametrize("source", ["arrays", "files", "stream"], indirect=True)
def test_both_labels_are_filled_up(source):
    options = {"batch_size": 10, "keep_clean": True, "whole_batches": True}
    *_, (_, y, weights) = source.batches(source.build(False, **options))
    assert {len(y["clean"]), len(y["noisy"]), len(weights)} == {10}
    assert y["clean"][weights > 0].tolist() == y["noisy"][weights > 0].tolist()
    assert np.count_nonzero(weights) == 3
    assert len(source.batches(source.build(True, **options))) == 2


@pytest.mark.backend_free
def test_images_that_turn_out_to_be_bad_leave_no_worker_behind(files, tmp_path):
    given = {"image_size": 4, "max_bad_share": 0.2, "bad_images": tmp_path / "bad.csv"}
    options = {"is_training": False, "batch_size": 2, "num_workers": 2, "whole_batches": True}
    seen, lengths = [], set()
    for data in [
        image_list.pipeline(files, files / "list.txt", K, worker=worker, **given, **options)
        for worker in range(2)
    ]:
        batches = list(data.dataset.as_numpy_iterator())
        lengths.add(len(batches))
        seen += [int(image[0, 0, 0]) for x, _, weights in batches for image in x[weights > 0]]
    assert lengths == {-(-(N + len(BAD)) // 4)}
    assert sorted(seen) == list(range(1, N + 1))


@pytest.mark.parametrize("kind", ["arrays", "own"])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_keras_evaluates_as_with_plain_batches(kind, num_workers, files):
    source = Source(kind, files)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Rescaling(1 / N),
            keras.layers.Flatten(),
            keras.layers.Dense(K, kernel_regularizer="l2", bias_initializer="normal"),
        ]
    )
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )

    def evaluate(data):
        return model.evaluate(data if kind == "own" else data.dataset, verbose=0, return_dict=True)

    expected = evaluate(source.build(False, batch_size=8))
    parts = source.workers(num_workers, shuffle=False, batch_size=8 // num_workers)
    found = [evaluate(part) for part in parts]
    assert np.mean([each["loss"] for each in found]) == pytest.approx(expected["loss"], rel=1e-5)
    sizes = [sum(np.count_nonzero(w) for _, _, w in source.batches(part)) for part in parts]
    accuracy = np.average([each["accuracy"] for each in found], weights=sizes)
    assert accuracy == pytest.approx(expected["accuracy"], rel=1e-6)
    assert 0 < accuracy < 1


# Errors


@pytest.mark.backend_free
@pytest.mark.parametrize(("batch_size", "num_workers", "size"), [(N + 1, 1, N), (12, 2, N // 2)])
def test_training_needs_a_whole_batch(source, batch_size, num_workers, size):
    expected = f"`batch_size` must be at most {size}, the number of images, for whole batches. "
    with pytest.raises(ValueError, match=re.escape(f"{expected}Received: batch_size={batch_size}")):
        source.workers(num_workers, shuffle=True, batch_size=batch_size)


@pytest.mark.backend_free
@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_the_switch_is_checked(value):
    expected = f"`whole_batches` must be True or False. Received: whole_batches={value!r}"
    for make in (Options, lambda **options: ShuffledBatches(IMAGES, LABELS, 4, **options)):
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            make(whole_batches=value)
