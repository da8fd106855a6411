"""Predictions of networks that have not seen the sample."""

import keras
import numpy as np
import pytest

from keras_noisy.cleaning import out_of_fold
from keras_noisy.cleaning.out_of_fold import assign_folds
from keras_noisy.datasets import ShuffledBatches

Y = np.arange(24) % 3
X = np.eye(3, dtype="float32")[Y] + np.linspace(0, 0.1, 24, dtype="float32")[:, None]


def build(steps):
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(3)(keras.layers.Dropout(0.5, seed=1)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Memory:
    """A model that predicts 1 for each sample that it has been trained with, and 0 for others."""

    def __init__(self, seen):
        self.seen = seen

    def fit(self, batches, **arguments):
        for i in range(len(batches)):
            self.seen.update(np.asarray(batches[i][0])[:, 0].tolist())

    def predict(self, batches, verbose):
        x = np.concatenate([np.asarray(batches[i][0]) for i in range(len(batches))])
        known = [float(value in self.seen) for value in x[:, 0].tolist()]
        return np.stack([known, x[:, 0]], axis=-1)


def test_no_sample_is_predicted_by_a_network_that_was_trained_with_it():
    ids = np.arange(24, dtype="float32")[:, np.newaxis]
    trained = []

    def build_memory(steps):
        assert steps == 2 * 4  # epochs times batches
        trained.append(set())
        return Memory(trained[-1])

    outputs = out_of_fold(build_memory, ids, Y, folds=4, epochs=2, batch_size=5, verbose=0)
    np.testing.assert_array_equal(outputs[:, 0], 0.0)
    np.testing.assert_array_equal(outputs[:, 1], ids[:, 0])  # each in its place
    assert [len(seen) for seen in trained] == [18] * 4


@pytest.mark.backend_free
def test_each_fold_has_its_share_of_each_class():
    labels = np.repeat(np.arange(5), [40, 20, 20, 8, 12])
    folds = assign_folds(labels, 4, seed=0)
    counts = np.array([np.bincount(labels[folds == i], minlength=5) for i in range(4)])
    np.testing.assert_array_equal(counts, [[10, 5, 5, 2, 3]] * 4)
    assert (assign_folds(labels, 4, seed=1) != folds).any()


class Killed(Exception):
    pass


def test_an_interrupted_call_continues(tmp_path, monkeypatch):
    """Stops after an epoch of the first fold, and between folds."""
    whole = out_of_fold(build, X, Y, folds=2, epochs=2, batch_size=4, verbose=0)

    def run():
        return out_of_fold(
            build, X, Y, folds=2, epochs=2, batch_size=4, folder=tmp_path / "state", verbose=0
        )

    fit, predict = keras.Model.fit, keras.Model.predict

    def fit_one_epoch(self, *args, epochs, **kwargs):
        fit(self, *args, epochs=1, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", fit_one_epoch)
        with pytest.raises(Killed):
            run()
    calls = []

    def predict_once(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return predict(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "predict", predict_once)
        with pytest.raises(Killed):
            run()
    continued = run()
    np.testing.assert_allclose(continued, whole, atol=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", None)  # is not called any more
        np.testing.assert_array_equal(run(), continued)


def test_another_call_does_not_continue(tmp_path):
    out_of_fold(build, X, Y, folds=2, epochs=1, folder=tmp_path, verbose=0)
    with pytest.raises(ValueError, match=r"`folder` must be that of a call.*other epochs"):
        out_of_fold(build, X, Y, folds=2, epochs=2, folder=tmp_path, verbose=0)
    with pytest.raises(ValueError, match="with other labels"):
        out_of_fold(build, X, np.roll(Y, 1), folds=2, epochs=1, folder=tmp_path, verbose=0)


def test_a_function_may_return_the_batches():
    def batches(rows, is_training, first_epoch):
        assert first_epoch == 0
        return ShuffledBatches(X[rows], Y[rows], 64, shuffle=is_training)

    outputs = out_of_fold(build, batches, Y, folds=2, epochs=1, verbose=0)
    np.testing.assert_allclose(outputs, out_of_fold(build, X, Y, folds=2, epochs=1, verbose=0))


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X[:5], Y, {}, "`x` must have a sample for each label.*5 samples, and 24"),
        (X, Y, {"folds": 1}, "`folds` must be an integer of at least 2"),
        (X[:3], Y[:3], {"folds": 4}, "`folds` must be at most the number of samples"),
        (X, Y, {"epochs": 0}, "`epochs` must be an integer of at least 1"),
        (X, Y, {"verbose": 3}, "`verbose` must be 0, 1 or 2"),
        (X * np.nan, Y, {"folds": 2}, "must be finite.*keras_noisy.explain"),
        (
            lambda rows, is_training, first_epoch: ShuffledBatches(X[:4], Y[:4], 4),
            Y,
            {"folds": 2},
            r"one row of outputs.*\(4, 3\) for 12 samples",
        ),
    ],
)
def test_bad_input_is_named(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        out_of_fold(build, x, y, **{"epochs": 1, "verbose": 0, **options})
