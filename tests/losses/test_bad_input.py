"""Bad input raises an error in eager code and gives NaN in compiled graphs."""

import keras
import numpy as np
import pytest
from cases import every_family
from support import BACKEND, compiled, gradient, softmax, tensor, to_numpy

import keras_noisy
from keras_noisy._labels import TEXT_ADVICE

LOGITS = np.array([[3.0, -1.0, 0.5], [0.0, 2.0, -4.0], [1.0, 0.0, 1.0]], "float32")
LABELS = np.array([0, 1, 2])


@every_family
@pytest.mark.parametrize("label", [3, 1000, -1, -3, 2**31 - 1])
def test_label_out_of_range(case, label):
    labels = np.array([0, label, 2])
    with pytest.raises(ValueError, match=r"`y_true` must hold integers in \[0, 3\).*Received: .*"):
        case.make()(labels, LOGITS)
    losses = to_numpy(compiled(case.make(logit_bias=1.0))(tensor(labels), tensor(LOGITS)))
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])


@every_family
@pytest.mark.parametrize(
    "row", [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.5, -0.5, 0.0]], ids=["empty", "two", "negative"]
)
def test_invalid_soft_target(case, row):
    targets = np.array([[0.0, 1.0, 0.0], row, [0.0, 0.0, 1.0]], "float32")
    message = "`y_true` must hold rows of non-negative numbers.*several classes, .* not for this"
    with pytest.raises(ValueError, match=message):
        case.make()(targets, LOGITS)
    losses = to_numpy(compiled(case.make())(tensor(targets), tensor(LOGITS)))
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])


@every_family
def test_logits_passed_as_probabilities(case):
    loss = case.make(from_logits=False)
    mixed = np.array(softmax(LOGITS), "float32")
    mixed[1] = LOGITS[1]
    with pytest.raises(ValueError, match=r"`y_pred` must be probabilities.*from -4 to 2"):
        loss(LABELS, mixed)
    losses = to_numpy(compiled(loss)(tensor(LABELS), tensor(mixed)))
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])


@pytest.mark.parametrize(
    "outputs",
    [np.zeros((3, 3)), np.full((3, 3), 0.5), np.full((3, 3), 0.9)],
    ids=["zeros", "sigmoid of 0", "sigmoid"],
)
def test_probabilities_must_sum_to_1(outputs):
    """Logits and outputs of a sigmoid may lie in [0, 1] but are no probabilities."""
    loss = keras_noisy.MAE(reduction=None)
    with pytest.raises(ValueError, match="in rows that sum to 1"):
        loss(LABELS, outputs.astype("float32"))
    losses = to_numpy(compiled(loss)(tensor(LABELS), tensor(outputs.astype("float32"))))
    assert np.all(np.isnan(losses))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_softmax_in_half_precision_is_accepted(dtype):
    logits = tensor(np.random.default_rng(0).normal(size=(8, 20_000)), dtype)
    probabilities = keras.ops.softmax(logits)
    assert np.all(np.isfinite(to_numpy(keras_noisy.MAE()(np.arange(8), probabilities))))


def test_nan_predictions_stay_nan():
    """A diverged network is no usage error; callbacks such as TerminateOnNaN look for NaN."""
    loss = keras_noisy.MAE(reduction=None)
    assert np.all(np.isnan(to_numpy(loss(LABELS, np.full((3, 3), np.nan, "float32")))))


@pytest.mark.skipif(BACKEND == "jax", reason="JAX arrays do not store the logits of a softmax")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_probabilities_passed_as_logits(dtype):
    probabilities = keras.activations.softmax(tensor(LOGITS, dtype))
    with pytest.raises(ValueError, match="output of a softmax"):
        keras_noisy.MAE(from_logits=True)(LABELS, probabilities)


def test_64_bit_labels_do_not_wrap():
    loss = keras_noisy.CE(from_logits=True)
    for label in (2**32 + 1, -(2**32) + 1, 2**62):
        with pytest.raises(ValueError, match="`y_true` must hold integers"):
            loss(np.array([0, label, 2]), LOGITS)


@pytest.mark.parametrize("labels", [None, "cat", {"a": 1}])
def test_labels_must_be_an_array(labels):
    with pytest.raises(ValueError, match=r"`y_true` must be an array of labels: .* Received: "):
        keras_noisy.CE(from_logits=True)(labels, LOGITS)


def test_error_counts_nan_labels():
    with pytest.raises(ValueError, match=r"values of shape \(3,\), all of them NaN"):
        keras_noisy.CE(from_logits=True)(np.full(3, np.nan, "float32"), LOGITS)
    with pytest.raises(ValueError, match="from 0 to 2, 1 of them NaN"):
        keras_noisy.CE(from_logits=True)(np.array([0, np.nan, 2], "float32"), LOGITS)


def test_invalid_float_labels():
    loss = keras_noisy.CE(from_logits=True)
    with pytest.raises(ValueError, match="`y_true` must hold integers"):
        loss(np.array([0.0, 1.5, 2.0], "float32"), LOGITS)
    with pytest.raises(ValueError, match="dtype=float16"):
        loss(np.array([0, 1, 2], "float16"), LOGITS)


@pytest.mark.parametrize(
    ("labels_shape", "logits_shape"),
    [((2,), (3, 4)), ((3, 2), (3, 4)), ((3, 4, 1), (3, 4)), ((3, 1), (3, 2, 4)), ((), (3, 4))],
    ids=str,
)
def test_incompatible_shapes(labels_shape, logits_shape):
    loss = keras_noisy.CE(from_logits=True)
    labels, logits = np.zeros(labels_shape, "int32"), np.zeros(logits_shape, "float32")
    with pytest.raises(ValueError, match=r"`y_true` must hold.*y_true\.shape=") as error:
        loss(labels, logits)
    assert str(labels_shape) in str(error.value)
    assert str(logits_shape) in str(error.value)


@pytest.mark.parametrize("shape", [(3, 1), (3, 0), ()], ids=str)
def test_fewer_than_two_classes(shape):
    advice = r" .* use two outputs .*`Dense\(2\)`.*" if shape == (3, 1) else " "
    with pytest.raises(ValueError, match=rf"K of at least 2\.{advice}Received: y_pred\.shape="):
        keras_noisy.CE(from_logits=True)(np.zeros(shape[:-1], int), np.zeros(shape, "float32"))


@pytest.mark.parametrize(
    "value", ["Auto", "adapt", np.nan, np.inf, 61, -61.0, True, [1.0], np.ones(2)]
)
def test_invalid_logit_bias(value):
    with pytest.raises(ValueError, match=r"`logit_bias` must be None, \"auto\", .* Received: "):
        keras_noisy.MAE(logit_bias=value)


@pytest.mark.parametrize(
    ("loss", "argument", "allowed", "values"),
    [
        (keras_noisy.GCE, "q", "(0, 1]", [0, 1e-300, -0.5, 1.01, np.nan, "auto?"]),
        (keras_noisy.NGCE, "q", "(0, 1]", [0, 1.01]),
        (keras_noisy.RCE, "A", "(0, 1e6]", [0, -4.0, np.inf]),
        (keras_noisy.SCE, "A", "(0, 1e6]", [0.0, 1e7]),
        (keras_noisy.SCE, "alpha", "[0, 1e6]", [-0.1, np.inf]),
        (keras_noisy.SCE, "beta", "[0, 1e6]", [-0.1, np.nan]),
        (keras_noisy.TaylorCE, "order", "from 1 to 100000", [0, -1, 2.0, 2.5, 10**6]),
        (keras_noisy.PHuberCE, "tau", "[1, 1e30]", [0.99, 0, -1, np.inf]),
        (keras_noisy.FocalCE, "gamma", "[0, 50]", [-0.1, 51, np.nan]),
        (keras_noisy.NFL, "gamma", "[0, 50]", [-0.1, 51]),
        (keras_noisy.AGCE, "a", "(0, 1000]", [0, -1, 1001]),
        (keras_noisy.AGCE, "q", "(0, 10]", [0, -1, 11]),
        (keras_noisy.AUL, "a", "(1, 1000]", [1, 1.0, 0.5, 1.0001, 1001]),
        (keras_noisy.AUL, "q", "(0, 10]", [0, -1, 11]),
        (keras_noisy.AEL, "a", "(0, 1000]", [0, -1, 1e-4, 1001]),
        (keras_noisy.JS, "weight", "(0, 1)", [0, 1, 1.0, 1e-7, 1 - 1e-7, -0.5]),
        (keras_noisy.NNCE, "min_prob", "(0, 0.5)", [0, 0.5, -1e-7]),
        (keras_noisy.NNFL, "gamma", "[0, 50]", [-0.1, 51]),
        (keras_noisy.MAERescale, "scale", "(0, 10]", [0, 0.001, 10.1, "Auto"]),
        (keras_noisy.ForwardCE, "transition", "[0, 1)", [-0.1, 1.0, np.nan, "auto"]),
        (keras_noisy.AMSE, "a", "[1, 1000]", [0.9, 1001]),
        (keras_noisy.EpsSoftmaxCE, "m", "[0, 1e9]", [-1, np.inf]),
        (keras_noisy.EpsSoftmaxCE, "floor", "[0, 0.5]", [-1e-8, 0.6]),
        (keras_noisy.BiTempered, "t1", "[0, 1]", [1.01, -0.1, np.nan]),
        (keras_noisy.BiTempered, "t2", "[1, 5]", [0.99, 5.1, np.inf]),
    ],
)
def test_hyperparameter_out_of_range(loss, argument, allowed, values):
    for value in (*values, None, True, "0.5", [0.5]):
        with pytest.raises(
            ValueError, match=f"`{argument}` must be .*Received: {argument}="
        ) as error:
            loss(**{argument: value})
        assert allowed in str(error.value)


def test_incompatible_hyperparameters():
    with pytest.raises(ValueError, match="`alpha` or `beta` must be positive"):
        keras_noisy.SCE(alpha=0, beta=0)
    with pytest.raises(ValueError, match=r"`min_prob` must be below 1/K.*min_prob=0.4, K=3"):
        keras_noisy.NNCE(min_prob=0.4, from_logits=True)(LABELS, LOGITS)


def test_unknown_reduction():
    with pytest.raises(ValueError, match="reduction"):
        keras_noisy.CE(reduction="average")


@pytest.mark.parametrize("value", ["false", 1, None])
def test_invalid_from_logits(value):
    with pytest.raises(ValueError, match=r"`from_logits` must be True or False. Received"):
        keras_noisy.CE(from_logits=value)


def test_options_are_keyword_only():
    """A positional value could be mistaken for a hyperparameter, a bias or `from_logits`."""
    with pytest.raises(TypeError):
        keras_noisy.MAE("auto")


@pytest.mark.parametrize(
    ("labels", "ignore_class"),
    [
        (np.array([2.7, 0.0, 1.0], "float32"), 2),
        (np.array([np.nan, 0.0, 1.0], "float32"), 0),
        (np.array([2**32 - 1, 0, 1], "uint32"), -1),
        (np.array([2**40, 0, 1]), 2**31 - 1),
        (np.array([2**40, 0, 1]), -1),
    ],
    ids=str,
)
def test_no_label_becomes_the_ignored_class(labels, ignore_class):
    """Labels are checked before they are cast to another type."""
    loss = keras_noisy.CE(ignore_class=ignore_class, from_logits=True, reduction=None)
    with pytest.raises(ValueError, match="`y_true` must hold integers"):
        loss(labels, LOGITS)
    if labels.dtype.kind == "f":  # the others would not survive as graph constants on JAX
        logits = tensor(LOGITS)
        losses = to_numpy(compiled(lambda y: loss(y, logits))(tensor(labels)))
        assert np.isnan(losses[0])


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog", "owl"],
        np.array(["cat", "dog", "owl"]),
        np.array([b"cat", b"dog", b"owl"]),
        np.array(["cat", "dog", "owl"], object),
        np.array(["cat", 1, 2.0], object),
        np.array([["cat"], ["dog"], ["owl"]]),
    ],
    ids=["list", "str", "bytes", "object", "mixed", "column"],
)
def test_text_labels_are_named(labels):
    with pytest.raises(ValueError, match="Received: text, such as cat: ") as error:
        keras_noisy.CE(from_logits=True)(labels, LOGITS)
    assert str(error.value).endswith(TEXT_ADVICE)


@pytest.mark.parametrize("kind", ["str", "object", "category", "frame"])
def test_text_of_pandas_is_named(kind):
    pandas = pytest.importorskip("pandas")
    names = ["cat", None, "owl"]
    labels = pandas.DataFrame({0: names}) if kind == "frame" else pandas.Series(names, dtype=kind)
    with pytest.raises(ValueError, match="such as cat, with 1 labels missing: drop") as error:
        keras_noisy.CE(from_logits=True)(labels, LOGITS)
    assert str(error.value).endswith(TEXT_ADVICE)


@pytest.mark.tensorflow
def test_text_in_a_data_set_is_named():
    import tensorflow as tf

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("adam", loss=keras_noisy.MAE(from_logits=True))
    data = tf.data.Dataset.from_tensors((np.zeros((2, 2), "float32"), ["cat", "owl"]))
    with pytest.raises(ValueError, match="Received: text, SymbolicTensor of type string") as error:
        model.fit(data, shuffle=False, verbose=0)
    assert TEXT_ADVICE in str(error.value)


def test_sigmoids_are_named():
    sigmoids = keras.activations.sigmoid(tensor(LOGITS))
    with pytest.raises(ValueError, match="The outputs of a sigmoid are not possible"):
        keras_noisy.GCE()(LABELS, sigmoids)
    with pytest.raises(ValueError, match="output of a softmax or a sigmoid"):
        keras_noisy.GCE(from_logits=True)(LABELS, sigmoids)


def test_errors_are_readable_while_a_gradient_is_computed():
    with pytest.raises(ValueError, match=r"must be probabilities.*Received: float32 values"):
        gradient(lambda z: keras_noisy.GCE()(LABELS, z), 3.0 * np.ones((3, 5), "float32"))
