"""A continued training, here with a fresh model, gives the result of an uninterrupted one."""

import re

import keras
import numpy as np
import pytest
from support import to_numpy

import keras_noisy
from keras_noisy.datasets import ShuffledBatches
from keras_noisy.training import Checkpoint

CLASSES, STEPS = 3, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype("float32")
Y = RNG.integers(0, CLASSES, 12)


def build(optimizer=None, units=5, more=()):
    """Returns a model with normalisation, dropout, an annealed bias, momenta and a schedule."""
    bias = keras_noisy.LogitBias(2.0, training_steps=4 * STEPS)
    layers = [
        keras.layers.Dense(units, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=1),
        *more,
        keras.layers.Dense(CLASSES),
        bias,
    ]
    model = keras.Sequential([keras.Input((4,)), *layers])
    rate = keras.optimizers.schedules.CosineDecay(0.1, 4 * STEPS)
    loss = keras_noisy.MAE(from_logits=True, logit_bias=bias)
    model.compile(optimizer or keras.optimizers.Adam(rate), loss)
    return model


def fit(model, epochs, done=0, callbacks=()):
    batches = ShuffledBatches(X, Y, batch_size=4, first_epoch=done)
    options = {"shuffle": False, "verbose": 0, "callbacks": list(callbacks)}
    model.fit(batches, epochs=epochs, initial_epoch=done, **options)
    return model


def state(model):
    """Returns the values of all variables in their order, because names are numbered globally."""
    return [to_numpy(each) for each in [*model.variables, *model.optimizer.variables]]


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fresh_model_continues_the_training(tmp_path):
    saving = Checkpoint(tmp_path / "a" / "b")
    assert saving.epochs == 0
    first = fit(build(), 2, callbacks=[saving])
    assert names(saving.folder) == ["epoch-00002.weights.h5"]

    keras.utils.set_random_seed(99)
    second, restoring = build(), Checkpoint(str(saving.folder))
    assert not np.allclose(state(second)[0], state(first)[0])
    assert restoring.epochs == restoring.restore(second) == 2
    assert_equal(state(second), state(first))
    assert int(second.optimizer.iterations) == 2 * STEPS
    for model in (first, second):
        fit(model, 3, done=2)
    assert_equal(state(second), state(first))


def test_nothing_to_restore(tmp_path):
    model = build()
    before = state(model)
    assert Checkpoint(tmp_path / "none").restore(model) == 0
    assert_equal(state(model), before)
    assert not (tmp_path / "none").exists()


def test_restores_without_saving(tmp_path):
    silent = Checkpoint(tmp_path / "states", save=False)
    fit(build(), 1, callbacks=[silent])
    assert not silent.folder.exists()
    first = fit(build(), 1, callbacks=[Checkpoint(silent.folder)])
    second = build()
    assert silent.restore(second) == 1
    assert_equal(state(second), state(first))


def test_killed_while_it_writes(tmp_path):
    """A file that is half-written is ignored and overwritten."""
    checkpoint = Checkpoint(tmp_path)
    first = fit(build(), 1, callbacks=[checkpoint])
    (tmp_path / "draft.weights.h5").write_bytes(b"half of it")
    second = build()
    assert checkpoint.epochs == checkpoint.restore(second) == 1
    assert_equal(state(second), state(first))
    fit(second, 2, done=1, callbacks=[checkpoint])
    assert names(tmp_path) == ["epoch-00002.weights.h5"]


class Killed(Exception):
    pass


@pytest.mark.parametrize(("killed", "left"), [("replace", [1]), ("unlink", [1, 2])])
def test_killed_between_two_steps(killed, left, tmp_path, monkeypatch):
    """A complete state exists before the new file is renamed and before the old one is removed."""
    checkpoint = Checkpoint(tmp_path)
    model = fit(build(), 1, callbacks=[checkpoint])

    def kill(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), killed, kill)
        with pytest.raises(Killed):
            fit(model, 2, done=1, callbacks=[checkpoint])
    states = [f"epoch-{epoch:05}.weights.h5" for epoch in left]
    assert [name for name in names(tmp_path) if name.startswith("epoch")] == states
    again = build()
    assert checkpoint.restore(again) == left[-1]
    if killed == "unlink":
        assert_equal(state(again), state(model))
    fit(again, 3, done=left[-1], callbacks=[checkpoint])
    assert names(tmp_path) == ["epoch-00003.weights.h5"]


def test_a_full_disk_keeps_the_previous_state(tmp_path, monkeypatch):
    fit(build(), epochs=1, callbacks=[Checkpoint(tmp_path)])

    def fail(self, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", fail)
        with pytest.raises(OSError, match=r"weights\.h5 can't be written: .*No space left"):
            fit(build(), epochs=2, done=1, callbacks=[Checkpoint(tmp_path)])
    assert names(tmp_path) == ["epoch-00001.weights.h5"]


def test_new_training_in_the_same_folder(tmp_path):
    """Without `restore`, a training replaces states of later epochs and of the same epoch."""
    checkpoint = Checkpoint(tmp_path)
    fit(build(), 2, callbacks=[checkpoint])
    for _ in range(2):
        model = fit(build(), 1, callbacks=[checkpoint])
        assert names(tmp_path) == ["epoch-00001.weights.h5"]
        again = build()
        checkpoint.restore(again)
        assert_equal(state(again), state(model))


def test_epochs_are_compared_as_numbers(tmp_path):
    for epochs in (3, 20, 100_000, 99_999):
        (tmp_path / f"epoch-{epochs:05}.weights.h5").touch()
    (tmp_path / "draft.weights.h5").touch()
    assert Checkpoint(tmp_path).epochs == 100_000


@pytest.mark.parametrize(
    "other",
    [
        {"units": 6},
        {"more": [keras.layers.Dense(5)]},
        {"optimizer": "sgd"},
    ],
    ids=lambda other: next(iter(other)),
)
@pytest.mark.filterwarnings("default::UserWarning")  # Keras only warns in some cases.
def test_another_model_is_refused(other, tmp_path):
    checkpoint = Checkpoint(tmp_path)
    fit(build(), 1, callbacks=[checkpoint])
    path = tmp_path / "epoch-00001.weights.h5"
    message = re.escape(f"{path} does not hold the state of this model: ")
    with pytest.raises(ValueError, match=f"^{message}."):
        checkpoint.restore(build(**other))


def test_model_must_be_ready(tmp_path):
    not_built = keras.Sequential([keras.layers.Dense(3)], name="mine")
    not_built.compile("sgd", "mse")
    not_compiled = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="mine")
    for model, is_built in ((not_built, False), (not_compiled, True)):
        expected = f"`model` must be built and compiled. Received: 'mine' with built={is_built}, "
        with pytest.raises(ValueError, match=re.escape(expected)):
            Checkpoint(tmp_path).restore(model)
