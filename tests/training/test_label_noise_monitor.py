"""Compares the logs of the monitor, for arrays and data sets, with counts by hand."""

import copy
import csv

import keras
import numpy as np
import pytest

from keras_noisy.training import LabelNoiseMonitor

CLASSES, SAMPLES = 4, 40


def data():
    """Returns inputs, labels, and the predictions of a model whose weights are the identity."""
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, CLASSES, SAMPLES)
    x = np.eye(CLASSES, dtype="float32")[predicted] + 0.1
    true = np.where(rng.random(SAMPLES) < 0.5, predicted, rng.integers(0, CLASSES, SAMPLES))
    noisy = np.where(rng.random(SAMPLES) < 0.5, true, rng.integers(0, CLASSES, SAMPLES))
    return x, noisy, true, predicted


def build_constant_model():
    """Returns a model that training does not change."""
    layer = keras.layers.Dense(CLASSES, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((CLASSES,)), layer])
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(True))
    return model


def expected(samples=slice(None)):
    _, noisy, true, predicted = data()
    wrong = np.flatnonzero(noisy != true)[samples]
    return {
        "test_accuracy": np.mean(predicted[samples] == true[samples]),
        "memorised": np.mean(predicted[wrong] == noisy[wrong]),
        "recognised": np.mean(predicted[wrong] == true[wrong]),
    }


def fit_and_log(monitor, epochs=1, callbacks=()):
    x, noisy, _, _ = data()
    model = build_constant_model()
    return model.fit(x, noisy, epochs=epochs, callbacks=[monitor, *callbacks], verbose=0).history


def check(logs, wanted):
    for name, value in wanted.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-6, err_msg=name)


def test_arrays():
    x, noisy, true, _ = data()
    logs = fit_and_log(LabelNoiseMonitor((x, noisy, true), test=(x, true)), epochs=2)
    check(logs, expected())
    assert len(logs["memorised"]) == 2
    column = LabelNoiseMonitor((x, noisy[:, None], true[:, None]), test=(x, true[:, None]))
    check(fit_and_log(column), expected())  # The shape of labels in keras.datasets.


def test_missing_data_have_no_logs():
    x, noisy, true, _ = data()
    assert "memorised" not in fit_and_log(LabelNoiseMonitor(test=(x, true)))
    assert "test_accuracy" not in fit_and_log(LabelNoiseMonitor((x, noisy, true)))


def test_only_the_first_samples():
    x, noisy, true, _ = data()
    monitor = LabelNoiseMonitor((x, noisy, true), test=(x, true), max_samples=7)
    check(fit_and_log(monitor), expected(slice(7)))


def test_data_sets():
    tf = pytest.importorskip("tensorflow")
    x, noisy, true, _ = data()
    labels = {"noisy": noisy, "clean": true}
    train = tf.data.Dataset.from_tensor_slices((x, labels)).batch(9)
    test = tf.data.Dataset.from_tensor_slices((x, true)).batch(9)
    check(fit_and_log(LabelNoiseMonitor(train, test)), expected())
    check(fit_and_log(LabelNoiseMonitor(train, test, max_samples=11)), expected(slice(11)))


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_one_hot_and_soft_labels(dtype):
    x, noisy, true, _ = data()
    rows = np.eye(CLASSES, dtype=dtype)
    monitor = LabelNoiseMonitor((x, rows[noisy], rows[true]), test=(x, rows[true]), max_samples=7)
    check(fit_and_log(monitor), expected(slice(7)))
    sparse = pytest.importorskip("scipy.sparse").csr_matrix
    monitor = LabelNoiseMonitor((x, sparse(rows[noisy]), true), test=(x, sparse(rows[true])))
    check(fit_and_log(monitor), expected())
    smooth = 0.9 * rows + 0.1 / CLASSES
    monitor = LabelNoiseMonitor((x, smooth[noisy], true), test=(x, smooth[true]))
    check(fit_and_log(monitor), expected())


class Batches(keras.utils.PyDataset):
    """Two batches, and perhaps padding of weight 0."""

    def __init__(self, labels, padding):
        super().__init__()
        self.labels, self.padding = labels, padding

    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(20 * index, 20 * index + 20)
        x = data()[0][part]
        labels = {name: values[part] for name, values in self.labels.items()}
        weights = np.repeat([1.5, 0.0], [20, self.padding])
        x, labels = keras.tree.map_structure(
            lambda values: np.concatenate([values, values[: self.padding]]), (x, labels)
        )
        return x, labels, weights[:, np.newaxis]


@pytest.mark.parametrize("padding", [0, 5])
def test_weighted_batches(padding):
    _, noisy, true, _ = data()
    batches = Batches({"noisy": noisy, "clean": np.eye(CLASSES)[true]}, padding)
    check(fit_and_log(LabelNoiseMonitor(batches, batches)), expected())
    check(fit_and_log(LabelNoiseMonitor(batches, batches, max_samples=31)), expected(slice(31)))


def test_pipelines_and_copies():
    """KerasTuner copies callbacks."""
    pytest.importorskip("tensorflow")
    from keras_noisy.datasets import arrays

    _, noisy, true, predicted = data()
    images = np.eye(CLASSES, dtype="uint8")[predicted][:, :, np.newaxis]
    options = {"num_classes": CLASSES, "is_training": False, "batch_size": 16, "noise": noisy}
    train, whole = (
        arrays.pipeline(images, true, **options, keep_clean=True, whole_batches=is_whole)
        for is_whole in (False, True)
    )
    monitor = LabelNoiseMonitor(train, test=whole)
    copied = copy.deepcopy(monitor)
    assert copied.train is train
    model = keras.Sequential([keras.Input((CLASSES, 1, 1)), keras.layers.Flatten()])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    for each in (monitor, copied, copy.deepcopy(copied)):
        each.set_model(model)
        logs = {}
        each.on_epoch_end(0, logs)
        check(logs, expected())


def test_without_wrong_labels_the_shares_are_nan():
    x, _, true, _ = data()
    logs = fit_and_log(LabelNoiseMonitor((x, true, true)))
    assert np.isnan(logs["memorised"]).all()
    assert np.isnan(logs["recognised"]).all()


def test_predictions_of_nan():
    x, noisy, true, _ = data()
    logs = fit_and_log(LabelNoiseMonitor((x * np.nan, noisy, true), test=(x * np.nan, true)))
    for name in ("test_accuracy", "memorised", "recognised"):
        assert np.isnan(logs[name]).all()


def test_warns_once_if_the_loss_is_nan():
    x, noisy, true, _ = data()
    model, monitor = build_constant_model(), LabelNoiseMonitor(test=(x, true))
    with pytest.warns(UserWarning, match=r"The loss is NaN.*keras_noisy.explain\(") as caught:
        model.fit(x * np.nan, noisy, epochs=2, callbacks=[monitor], verbose=0)
    assert sum("The loss is NaN" in str(each.message) for each in caught) == 1


def test_logs_reach_files(tmp_path):
    x, noisy, true, _ = data()
    monitor = LabelNoiseMonitor((x, noisy, true), test=(x, true))
    fit_and_log(monitor, callbacks=[keras.callbacks.CSVLogger(tmp_path / "log.csv")])
    with open(tmp_path / "log.csv") as file:
        (row,) = csv.DictReader(file)
    for name, value in expected().items():
        assert float(row[name]) == pytest.approx(value, rel=1e-6)


@pytest.mark.tensorflow
def test_logs_reach_tensorboard(tmp_path):
    from tensorflow.python.summary.summary_iterator import summary_iterator

    x, noisy, true, _ = data()
    monitor = LabelNoiseMonitor((x, noisy, true), test=(x, true))
    fit_and_log(monitor, callbacks=[keras.callbacks.TensorBoard(tmp_path)])
    tags = {
        value.tag
        for path in tmp_path.glob("train/*")
        for event in summary_iterator(str(path))
        for value in event.summary.value
    }
    assert tags >= {"epoch_test_accuracy", "epoch_memorised", "epoch_recognised"}


def test_logs_follow_the_training():
    x, noisy, true, _ = data()
    model = build_constant_model()
    model.optimizer.learning_rate = 5.0
    monitor = LabelNoiseMonitor((x, noisy, true), test=(x, true))
    logs = model.fit(x, true, epochs=3, callbacks=[monitor], verbose=0).history
    after = np.argmax(model.predict(x, verbose=0), axis=-1)
    assert logs["test_accuracy"][-1] == pytest.approx(np.mean(after == true), rel=1e-6)
    assert logs["test_accuracy"][-1] != expected()["test_accuracy"]  # That of the untrained model.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": 3}, "`test` must be a data set or 2 arrays. Received: int"),
        ({"test": (np.eye(3), [0.0, np.nan, 1.0])}, "`test: labels` must hold .*1 of them NaN"),
        ({"test": (np.eye(3), ["a", "b", "c"])}, "`test: labels` must hold .*text, such as a"),
        ({"train": (np.eye(2), [0, 1], [0.5, 1])}, "`train: labels` must hold .*float64"),
    ],
)
def test_other_data_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        LabelNoiseMonitor(**arguments)


def test_other_batches_are_refused():
    x, noisy, true, _ = data()
    for arguments, message in (
        ({"test": iter([(x, true + 1)])}, r"`test: labels` must lie in \[0, 4\), by the outputs"),
        ({"test": iter([x])}, r"`test` must have batches \(x, labels\) or .*Received: ndarray"),
        ({"train": iter([(x, noisy)])}, '`train` must have labels {"noisy": .*Received: ndarray'),
    ):
        with pytest.raises(ValueError, match=message):
            fit_and_log(LabelNoiseMonitor(**arguments))


def test_bad_input():
    x, noisy, true, _ = data()
    with pytest.raises(ValueError, match="`train` or `test` must be given"):
        LabelNoiseMonitor()
    with pytest.raises(ValueError, match=r"`train` must be a data set or 3 arrays.*2 arrays"):
        LabelNoiseMonitor((x, noisy))
    with pytest.raises(ValueError, match=r"`test` must be .*lengths \[40, 39\]"):
        LabelNoiseMonitor(test=(x, true[:-1]))
    with pytest.raises(ValueError, match="`max_samples` must be None or an integer of at least 1"):
        LabelNoiseMonitor(test=(x, true), max_samples=0)
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        LabelNoiseMonitor(test=(x, true), batch_size=0)
