"""`explain` names the cause of a loss that is NaN, raises or stalls, and the samples."""

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy import explain
from keras_noisy.layers import ClassHead

CLASSES, SAMPLES = 4, 12
RNG = np.random.default_rng(0)
X = RNG.normal(size=(SAMPLES, 6)).astype("float32")
Y = np.arange(SAMPLES) % CLASSES
ROWS = np.eye(CLASSES, dtype="float32")[Y]
LOSS = keras_noisy.CE(from_logits=True)
KERAS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
Dense, Rescaling = keras.layers.Dense, keras.layers.Rescaling


def build(*layers, loss=LOSS, size=6):
    """Returns a compiled model, by default with logits of a dense layer."""
    layers = layers or (Dense(CLASSES, name="head"),)
    model = keras.Sequential([keras.Input((size,)), *layers])
    model.compile("sgd", loss=loss)
    return model


def replaced(array, samples, value):
    array = np.array(array)
    array[samples] = value
    return array


def find(*arguments, **options):
    """Returns the causes as pairs of the part and the samples, and all messages as a text."""
    causes = explain(*arguments, **options).causes
    return [(cause.part, cause.samples) for cause in causes], "\n".join(
        cause.message for cause in causes
    )


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("labels", "causes", "words"),
    [
        (Y + 1, [("y", (3, 7, 11)), ("y", ())], "from 1 to 4, but classes are counted from 0"),
        (replaced(Y, 5, -1), [("y", (5,))], r"`y` must hold integers in [0, 4)"),
        (replaced(ROWS[:, 0], [2, 9], np.nan), [("y", (2, 9))], "all of them NaN"),
        (replaced(ROWS[:, 0], 4, 1.5), [("y", (4,))], "from 1.5 to 1.5"),
        (replaced(ROWS, 7, 0.4), [("y", (7,))], "rows of non-negative numbers that sum to 1"),
        (np.eye(5)[Y], [("y", ())], "for predictions of shape (…, K)"),
        (Y.astype("float16"), [("y", ())], "half precision"),
        (np.array(list("abcd"))[Y], [("y", ())], "text, such as a: number the classes with"),
        ([*"abcd"] * 3, [("y", ())], "text, such as a"),
        ([[0]] * 11 + [[0, 1]], [("y", ())], "ragged"),
    ],
    ids=range(10),
)
def test_labels(labels, causes, words):
    found, text = find(build(), X, labels)
    assert found == causes
    assert words in text


def test_labels_of_another_loss():
    assert find(build(loss=KERAS_LOSS), X, replaced(Y, 5, -1))[0] == [("y", (5,))]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    assert find(build(loss=loss), X, replaced(ROWS, 7, 0.4))[0] == [("y", (7,))]


def test_ignored_labels_are_valid():
    loss = LOSS.with_options(ignore_class=-1)
    assert find(build(loss=loss), X, replaced(Y, 5, -1))[0] == []
    text = "all labels are the `ignore_class` of the loss"
    assert find(build(loss=loss), X, Y * 0 - 1) == ([("y", ())], text)


@pytest.mark.parametrize("sparse", ["csr_matrix", "coo_array"])
def test_sparse_labels_are_valid(sparse):
    labels = getattr(pytest.importorskip("scipy.sparse"), sparse)(ROWS)
    assert find(build(), X, labels)[0] == []


def test_inputs_and_weights_of_samples():
    x = replaced(X, ([3, 8], [2, 5]), [np.nan, np.inf])
    found, text = find(build(), x, Y, sample_weight=replaced(ROWS[:, 0], 1, np.nan))
    assert found == [("x", (3, 8)), ("sample_weight", (1,))]
    assert "Received: nan at position (2,) of the sample" in text


def own_softmax(logits):
    exp = keras.ops.exp(logits)
    return exp / keras.ops.sum(exp, axis=-1, keepdims=True)


def log(logits):
    return keras.ops.log(logits - 9)


def own_sigmoid(logits):
    return 1 / (1 + keras.ops.exp(-logits))


HEAD = {"logits_in_training": False, "name": "big"}


@pytest.mark.parametrize(
    ("layers", "loss", "words"),
    [
        (lambda: [], keras_noisy.MAE(), "`y_pred` must be probabilities"),
        (lambda: [], "sparse_categorical_crossentropy", "`y_pred` must be probabilities"),
        (lambda: [Dense(CLASSES, "sigmoid")], keras_noisy.MAE(), "sigmoid are not possible"),
        (lambda: [Dense(CLASSES, "softmax")], LOSS, "must be logits"),
        (lambda: [Dense(CLASSES, own_softmax)], LOSS, "like those of a softmax"),
        (lambda: [Dense(CLASSES, own_sigmoid)], LOSS, "like those of a sigmoid"),
        (lambda: [Dense(CLASSES, log, name="log"), Rescaling(2.0)], LOSS, "output is 'log'"),
        (lambda: [Dense(CLASSES, log, name="log")], LOSS, "such an output is 'log'"),
        (lambda: [ClassHead(CLASSES, **HEAD)], KERAS_LOSS, "layer 'big' is NaN in training"),
        (lambda: [ClassHead(CLASSES, **HEAD), Rescaling(2.0)], LOSS, "layer 'big' is NaN"),
        (lambda: [ClassHead(CLASSES, **HEAD)], keras_noisy.NCE(from_logits=True), "ClassHead"),
    ],
    ids=range(11),
)
def test_outputs(layers, loss, words):
    found, text = find(build(*layers(), loss=loss), X, Y)
    assert [part for part, _ in found] == ["loss"]
    assert words in text


def test_a_head_without_logits_is_fine():
    assert find(build(ClassHead(CLASSES, logits_in_training=False)), X, Y)[0] == []


def test_a_loss_that_is_infinite_for_a_sample():
    def loss(y_true, y_pred):
        return keras.ops.log(keras.ops.abs(y_true[:, 0]))

    found, text = find(build(loss=loss), X, replaced(ROWS + 1, ([6], [0]), 0.0))
    assert found == [("loss", (6,))]
    assert "the loss must be finite" in text


@pytest.mark.parametrize("loss", [LOSS, keras_noisy.CE()], ids=["right", "wrong from_logits"])
def test_weights_of_nan_are_replaced(loss):
    """A training has left them: the labels and outputs are examined all the same."""
    model = build(loss=loss)
    weights = [np.full(v.shape, np.nan) for v in model.get_weights()]
    model.set_weights(weights)
    found, text = find(model, X, Y)
    if loss is LOSS:
        assert found == [("weights", ())]
        assert "head/kernel and 1 more are NaN or infinite. The training has diverged" in text
    else:
        assert found == [("loss", ()), ("weights", ())]
        assert "They probably follow from the other causes" in text
    assert find(model, X, replaced(Y, 2, 9))[0] == [("y", (2,)), *found]
    assert np.isnan(model.get_weights()[0]).all()  # the model has not changed


def test_several_inputs_and_outputs():
    inputs = {name: keras.Input((6,), name=name) for name in ("left", "right")}
    both = keras.layers.Add()(list(inputs.values()))
    model = keras.Model(inputs, [Dense(CLASSES, name="a")(both), Dense(2, name="b")(both)])
    x = {"left": X, "right": replaced(X, 3, np.inf)}
    expected = [("x['right']", (3,)), ("y['b']", (2, 6, 10))]
    model.compile("sgd", loss={"a": LOSS, "b": KERAS_LOSS})
    assert find(model, x, {"a": Y, "b": np.minimum(Y, 2) * (Y != 3)})[0] == expected
    model.compile("sgd", loss=[None, LOSS + keras_noisy.NCE(from_logits=True)])
    assert find(model, x, [Y + 1, np.minimum(Y, 2) * (Y != 3)])[0] == expected


def test_other_forms_of_losses_and_labels():
    model = build(Dense(1, "sigmoid"), loss="binary_crossentropy")
    assert find(model, X, Y % 2)[0] == []
    assert find(build(), iter([])) == ([("x", ())], "the data set is empty")
    model = keras.Sequential([Dense(CLASSES)])  # not built, because `fit` failed
    model.compile("sgd", loss=LOSS)
    assert find(model, X, np.array(list("abcd"))[Y])[0] == [("y", ())]
    model = build(Dense(CLASSES, "softmax", name="only"), loss={"only": "crossentropy"})
    assert find(model, X, {"only": Y + 1})[0] == [("y", (3, 7, 11)), ("y", ())]
    assert find(model, X, ROWS)[0] == []
    outputs, text = find(model, X, {"left": Y, "right": Y})
    assert outputs == [("model", ())]
    assert "labels of ['left', 'right'] for" in text


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return X[part], replaced(Y, [6, 9], 7)[part], np.ones(4)


def test_data_sets():
    assert find(build(), Batches())[0] == [("y", (6, 9))]
    assert find(build(), Batches(), max_batches=2)[0] == [("y", (6,))]


@pytest.mark.tensorflow
def test_tensorflow_data_sets():
    import tensorflow as tf

    from keras_noisy.datasets import arrays

    data = tf.data.Dataset.from_tensor_slices((X, replaced(Y, 6, 7))).batch(4)
    assert find(build(), data.repeat(), max_batches=3)[0] == [("y", (6,))]
    text = tf.data.Dataset.from_tensor_slices((X, np.array(list("abcd"))[Y])).batch(4)
    assert find(build(), text)[0] == [("y", (0, 1, 2, 3, 4))]
    images = np.zeros((SAMPLES, 6, 1), "uint8")
    pipeline = arrays.pipeline(images, Y, CLASSES, is_training=False, batch_size=4)
    model = keras.Sequential([keras.Input((6, 1, 1)), keras.layers.Flatten(), Dense(3)])
    model.compile("sgd", loss=LOSS)
    assert find(model, pipeline)[0] == [("y", (3, 7, 11))]


def test_the_model_does_not_change():
    bias = keras_noisy.LogitBias(training_steps=5)
    model = build(Dense(CLASSES), bias, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    assert find(model, X, Y)[0] == []
    assert int(bias.step) == 0


@pytest.mark.backend_free
def test_a_loss_that_does_not_fall():
    labels = np.arange(SAMPLES)
    for loss, causes, words in (
        (keras_noisy.MAE, [("loss", ())], "this loss stalls with SGD: set logit_bias=4.84"),
        (keras_noisy.CE, [], ""),
    ):
        model = build(Dense(1000), loss=loss(from_logits=True))
        found, text = find(model, X, labels)
        assert found == causes
        assert words in text
    model = build(Dense(1000), loss=keras_noisy.MAE(from_logits=True))
    model.compile("adam", loss=model.loss)
    assert find(model, X, labels)[0] == []
    model.optimizer.learning_rate = 0.0
    assert find(model, X, labels) == ([("optimizer", ())], "the learning rate is 0")
    model.trainable = False
    assert ("model", ()) in find(model, X, labels)[0]


@pytest.mark.backend_free
def test_a_schedule_that_is_over():
    bias = keras_noisy.LogitBias(training_steps=5, name="bias")
    model = build(Dense(1000), bias, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    bias.step.assign(5)
    found, text = find(model, X, np.arange(SAMPLES))
    assert found == [("model", ())]
    assert "the schedule of the LogitBias layer 'bias' is over" in text


def test_prints_what_was_found():
    text = str(explain(build(), X, Y))
    assert text.startswith("CE(from_logits=True) on 12 samples: no cause found, the loss is ")
    text = str(explain(build(), X, Y + 1))
    assert text.startswith("CE(from_logits=True) on 12 samples: 2 causes found\n  y, samples 3, 7")
    found, message = find(build(), X[:, :5], Y)
    assert found == [("model", ())]
    assert "expected axis -1" in message


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((keras.Sequential([keras.Input((6,)), Dense(2)]), X, Y), "must be a .* compiled"),
        ((None, X, Y), "`model` must be a keras.Model"),
        ((build(), X, Y[1:]), r"arrays of the same length.*Received: lengths \[12, 11\]"),
        ((build(), 3), "`x` must be a data set of batches if `y` is None. Received: int"),
        ((build(), iter([X])), r"`x` must have batches \(x, labels\)"),
        ((build(), X, Y, None, 0), "`batch_size` must be"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        explain(*arguments)
