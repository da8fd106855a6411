"""`ForwardCE` with a matrix: references, special cases, saved models and errors."""

import json

import keras
import numpy as np
import pytest
from cases import one_hot, some_batch
from references import batch_reference
from support import compiled, tensor, to_numpy, value_and_gradient

import keras_noisy
from keras_noisy import ForwardCE, noise


def random_matrix(size):
    return 0.3 * np.eye(size) + 0.7 * np.random.default_rng(1).dirichlet(np.ones(size), size)


MATRICES = {
    "pair flip": noise.pair_flip(10, 0.4),
    "cifar10": noise.asymmetric("cifar10", 0.4),
    "random": random_matrix(10),
    "permutation": np.roll(np.eye(10), 1, axis=1),
}
every_matrix = pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)


def make(matrix, **options):
    return ForwardCE(matrix, **{"from_logits": True, "reduction": None, **options})


@every_matrix
@pytest.mark.parametrize(("scale", "bias"), [(1.0, None), (5.0, 2.5), (20.0, None)])
def test_value_and_gradient_agree_with_the_reference(matrix, scale, bias):
    """The probabilities of impossible labels do not round to 0 with integer labels."""
    labels, logits = some_batch(10, 12, scale)
    labels[::4] = logits[::4].argmax(axis=-1)
    arguments = {"transition": np.asarray(matrix).tolist()}
    values, slopes = batch_reference("ForwardCE", arguments, labels, logits, bias or 0.0)
    loss = make(matrix, logit_bias=bias)
    for y_true in (labels, one_hot(labels, 10)):
        for function in (loss, compiled(loss)):
            y = tensor(y_true)
            value, slope = value_and_gradient(lambda z, y=y, f=function: f(y, z), logits)
            np.testing.assert_allclose(value, values, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(slope, slopes, rtol=1e-5, atol=1e-6)


def test_extreme_logits():
    """From 1e-30 on, soft targets take the share of the label's own class."""
    logits = 100.0 * np.eye(10, dtype="float32")[:3]
    labels = np.array([5, 6, 2])
    for matrix in (MATRICES["pair flip"], MATRICES["random"], 0.5 * np.eye(10) + 0.05):
        arguments = {"transition": np.asarray(matrix).tolist()}
        values, _ = batch_reference("ForwardCE", arguments, labels, logits)
        for y_true in (labels, one_hot(labels, 10)):
            loss = make(matrix)
            value, slope = value_and_gradient(lambda z, y=y_true, f=loss: f(y, z), logits)
            np.testing.assert_allclose(value, values, rtol=1e-5, atol=0.6)
            assert np.all(np.isfinite(slope))
        np.testing.assert_allclose(to_numpy(loss(labels, logits)), values, rtol=1e-5)


def test_soft_targets_average_the_losses_of_their_labels():
    _, logits = some_batch(10, 4)
    targets = np.random.default_rng(1).dirichlet(np.ones(10), 4).astype("float32")
    loss = make(MATRICES["random"])
    expected = sum(targets[:, k] * to_numpy(loss(np.full(4, k), logits)) for k in range(10))
    np.testing.assert_allclose(to_numpy(loss(targets, logits)), expected, rtol=1e-5)


@pytest.mark.parametrize("include_self", [False, True])
def test_matrix_of_symmetric_noise_is_its_rate(include_self):
    labels, logits = some_batch(10)
    matrix = noise.symmetric(10, 0.4, include_self=include_self)
    rate = 0.36 if include_self else 0.4
    for bias in (None, 2.5):
        expected = to_numpy(make(rate, logit_bias=bias)(labels, logits))
        np.testing.assert_allclose(
            to_numpy(make(matrix, logit_bias=bias)(labels, logits)), expected, rtol=1e-6
        )
    head = keras_noisy.layers.ClassHead(10, logits_in_training=False)
    np.testing.assert_allclose(  # it needs no logits
        to_numpy(make(matrix)(labels, head(tensor(logits), training=True))),
        to_numpy(make(rate)(labels, head(tensor(logits), training=True))),
        rtol=1e-6,
    )


def test_network_trained_on_noisy_labels_predicts_the_true_classes(tmp_path):
    """The minimum of the loss is at the true probabilities, not at those of the noisy labels."""
    matrix = random_matrix(3)
    true = np.array([0.7, 0.2, 0.1])
    logits = np.log(true)[np.newaxis].astype("float32")
    targets = (true @ matrix)[np.newaxis].astype("float32")
    slope = value_and_gradient(lambda z: make(matrix)(targets, z), logits)[1]
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)

    labels, x = some_batch(3, 32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    loss = (ForwardCE(matrix) + keras_noisy.MAE()).with_options(from_logits=True)
    model.compile("adam", loss=loss, jit_compile=False)
    model.fit(x, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.evaluate(x, labels, verbose=0) == pytest.approx(
        model.evaluate(x, labels, verbose=0), rel=1e-5
    )


def test_configuration_has_the_matrix_and_the_text_its_shape():
    loss = ForwardCE(MATRICES["cifar10"], logit_bias=1.0, name="mine")
    assert repr(loss) == "ForwardCE(transition=<matrix of shape (10, 10)>, logit_bias=1.0)"
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    restored = keras.losses.deserialize(config)
    np.testing.assert_array_equal(restored.transition, MATRICES["cifar10"])
    assert restored.get_config() == loss.get_config()
    assert not loss.transition.flags.writeable


@pytest.mark.parametrize(
    ("transition", "message"),
    [
        (
            [[0.5, 0.5], [0.5, 0.6]],
            r"rows that sum to 1. Received: transition\[1\] with the sum 1.1",
        ),
        ([[1.5, -0.5], [0.0, 1.0]], "negative or NaN. Received: transition with the entry -0.5"),
        ([[1.0, 0.0], [1.0, 0.0]], r"infinite. Received: transition\[:, 1\] of zeros"),
        (np.ones((2, 3)) / 3, r"matrix \(K, K\).*Received: transition of shape \(2, 3\)"),
        ([[1.0], [0.5, 0.5]], r"matrix \(K, K\).*Received: transition="),
        (noise.symmetric(2001, 0.4), r"up to 2000 classes.* of shape \(2001, 2001\)"),
    ],
)
def test_invalid_matrices(transition, message):
    with pytest.raises(ValueError, match=f"`transition` must be .*{message}"):
        ForwardCE(transition)


def test_number_of_classes_must_fit():
    labels, logits = some_batch(5)
    with pytest.raises(ValueError, match=r"must be a matrix \(5, 5\).*of shape \(10, 10\)"):
        make(noise.symmetric(10, 0.4))(labels, logits)
    with pytest.raises(ValueError, match=r"below \(K - 1\) / K = 0.8 for K=5.*transition=0.8"):
        make(0.8)(labels, logits)
    with pytest.raises(ValueError, match="treat all classes alike; in ForwardCE, give the rate"):
        keras_noisy.calibration.average_error(make(MATRICES["cifar10"]), 0.0, 10)
    with pytest.raises(ValueError, match="needs the number of classes"):
        ForwardCE(0.4).of_log_prob(tensor([-1.0]))
