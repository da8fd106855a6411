"""The average error agrees with float64 references, closed forms and simulations."""

import math

import keras
import numpy as np
import pytest
from cases import every_loss, every_variant
from keras import ops

import keras_noisy
from keras_noisy.calibration import average_error, logit_bias
from keras_noisy.theory import initial_pull

# |dL/dz| of 1 - p for logits z, computed independently by simulation with 2e5 draws.
KNOWN = {
    10: {-2: 0.01043, 0: 0.06644, 1: 0.1400, 2: 0.2217, 3: 0.2330, 4: 0.160, 5: 0.080, 6: 0.034},
    100: {-2: 0.00084, 0: 0.006152, 1: 0.0164, 2: 0.0420, 3: 0.0985, 4: 0.188, 5: 0.2485, 6: 0.204},
    1000: {-2: 0.00008, 0: 0.0006074, 2: 0.0045, 3: 0.0119, 5: 0.076, 6: 0.158, 7: 0.240, 8: 0.229},
}


@pytest.mark.parametrize("num_classes", KNOWN)
def test_known_values_of_the_mae(num_classes):
    logits, pulls = zip(*KNOWN[num_classes].items(), strict=True)
    errors = average_error(keras_noisy.MAE(), logits, num_classes)
    # The tolerances are the precision of the simulation.
    np.testing.assert_allclose(-errors / 2, pulls, rtol=1e-2, atol=6e-6)


@pytest.mark.parametrize("num_classes", [2, 10, 1000, 100_000])
def test_agrees_with_initial_pull_for_the_mae(num_classes):
    z = np.array([-20.0, -2.0, 0.0, 3.0, 8.0, 20.0])
    errors = average_error(keras_noisy.MAE(), z, num_classes)
    np.testing.assert_allclose(errors, -2 * initial_pull(z, num_classes), rtol=1e-5)


# Most tests have the same shapes, because JAX compiles every new shape for seconds.
CLASSES, LOGITS = 12, np.array([-3.0, 0.0, 4.0])


@every_variant
def test_without_spread_it_equals_the_gradient(case):
    """If all other logits are equal, there is nothing to average."""
    rows = np.zeros((3, CLASSES))
    rows[:, 0] = LOGITS
    _, gradients = case.reference(np.zeros(3, int), rows)
    errors = average_error(case.loss(**case.arguments), LOGITS, CLASSES, logit_std=0.0)
    np.testing.assert_allclose(errors, gradients[:, 0], rtol=2e-4, atol=1e-7)


@every_loss
def test_agrees_with_simulation(case):
    errors = average_error(case.loss(**case.arguments), LOGITS, CLASSES)
    for z, error in zip(LOGITS, errors, strict=True):
        rows = np.random.default_rng(3).normal(size=(200, CLASSES))
        rows[:, 0] = z
        _, gradients = case.reference(np.zeros(200, int), rows)
        simulated = gradients[:, 0]
        # Its gradient jumps where the label stops to be the most probable class. What did not occur
        # in 200 rows has a probability below 3/200.
        rare = 3 / 200 if case.loss is keras_noisy.EpsSoftmaxCE else 0.0
        assert abs(error - simulated.mean()) < 4.5 * simulated.std() / math.sqrt(200) + rare


def test_agrees_with_simulation_with_many_classes():
    """Tests a label loss, a row loss and a bias by vectorised formulas."""
    rows = np.random.default_rng(4).normal(size=(2000, 1000))
    rows[:, 0] = 0.0

    def softmax(rows):
        exp = np.exp(rows)
        return exp / exp.sum(axis=1, keepdims=True)

    p = softmax(rows)[:, 0]
    biased = softmax(rows + 4.842 * np.eye(1000)[0])[:, 0]
    log_p = np.log(softmax(rows))
    a, b = -log_p[:, 0], -log_p.sum(axis=1)
    expected = {
        keras_noisy.GCE(q=0.7): -(p**0.7) * (1 - p),
        keras_noisy.MAE(logit_bias=4.842): -2 * biased * (1 - biased),
        keras_noisy.NCE(): -((1 - p) * b + a * (1000 * p - 1)) / b**2,
    }
    for loss, simulated in expected.items():
        error = average_error(loss, 0.0, 1000)
        tolerance = 4.5 * simulated.std() / math.sqrt(2000) + 1e-3 * abs(simulated.mean())
        assert abs(error - simulated.mean()) < tolerance, loss


@pytest.mark.parametrize("num_classes", [CLASSES, 200])
def test_sampling_agrees_with_quadrature(num_classes):
    """The same loss is a function of the label's probability and a function of the row."""

    class RowMAE(keras_noisy.losses.RowLoss):
        def of_log_probs(self, log_prob, log_probs):
            return 2.0 * (1.0 - ops.exp(log_prob))

    exact = average_error(keras_noisy.MAE(), LOGITS, num_classes)
    np.testing.assert_allclose(average_error(RowMAE(), LOGITS, num_classes), exact, rtol=5e-3)


def test_bias_shifts_the_logit():
    z = np.array([-1.0, 0.5, 6.0])
    for eps in (2.5, -1.5):
        np.testing.assert_allclose(
            average_error(keras_noisy.GCE(logit_bias=eps), z, 50),
            average_error(keras_noisy.GCE(), z + eps, 50),
            rtol=1e-5,
        )
    auto, epsilon = keras_noisy.MAE(logit_bias="auto"), keras_noisy.calibration.logit_bias(50)
    expected = average_error(keras_noisy.MAE(), epsilon, 50)
    assert average_error(auto, 0.0, 50) == pytest.approx(expected, rel=1e-5)
    # The bias restores the average error of 10 classes.
    assert expected == pytest.approx(average_error(keras_noisy.MAE(), 0.0, 10), rel=1e-5)


def test_adaptive_bias_is_close_to_its_maximum():
    adaptive, full = (
        average_error(keras_noisy.MAE(logit_bias=bias), 0.0, 100)
        for bias in ("adaptive", 1.2 * logit_bias(100))
    )
    assert 0.8 * full > adaptive > 1.02 * full


def test_error_of_a_sum_is_the_sum_of_errors():
    nce, agce = keras_noisy.NCE(), keras_noisy.AGCE(a=1.8, q=3.0)
    nce_error, agce_error = (average_error(loss, LOGITS, CLASSES) for loss in (nce, agce))
    error = average_error(10.0 * nce + 0.1 * agce, LOGITS, CLASSES)
    np.testing.assert_allclose(error, 10.0 * nce_error + 0.1 * agce_error, rtol=1e-6)


class CustomMAE(keras.losses.Loss):
    """A user-defined loss of integer labels and probabilities."""

    def call(self, y_true, y_pred):
        label = ops.expand_dims(ops.cast(y_true, "int32"), axis=-1)
        return 1.0 - ops.squeeze(ops.take_along_axis(y_pred, label, axis=-1), axis=-1)


class CustomConfiguredCE(keras.losses.Loss):
    """A loss of logits whose `from_logits` is only in its configuration."""

    def call(self, y_true, y_pred):
        label = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1])
        return -ops.sum(label * ops.log_softmax(y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "from_logits": True}


class CustomColumnCE(keras.losses.Loss):
    """A loss of integer labels of shape (batch, 1)."""

    def call(self, y_true, y_pred):
        label = ops.cast(y_true, "int32")
        return -ops.log(ops.take_along_axis(y_pred, label, axis=-1)[:, 0])


class CustomMeanCE(keras.losses.Loss):
    """A loss of one-hot labels and logits that averages over the batch."""

    from_logits = True

    def call(self, y_true, y_pred):
        return -ops.mean(ops.sum(y_true * ops.log_softmax(y_pred), axis=-1))


@pytest.mark.parametrize(
    ("theirs", "ours", "scale"),
    [
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras_noisy.CE(), 1.0),
        (keras.losses.SparseCategoricalCrossentropy(), keras_noisy.CE(), 1.0),
        (keras.losses.CategoricalCrossentropy(from_logits=True), keras_noisy.CE(), 1.0),
        (keras.losses.MeanAbsoluteError(), keras_noisy.MAE(), "1/K"),
        (CustomMAE(), keras_noisy.MAE(), 0.5),
        (CustomMeanCE(), keras_noisy.CE(), 1.0),
        (CustomColumnCE(), keras_noisy.CE(), 1.0),
        (CustomConfiguredCE(), keras_noisy.CE(), 1.0),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
            keras_noisy.CE(),
            1.0,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("num_classes", [2, CLASSES])
def test_losses_of_keras_and_of_users(theirs, ours, scale, num_classes):
    scale = 1.0 / num_classes if scale == "1/K" else scale
    errors = average_error(theirs, LOGITS, num_classes)
    expected = scale * average_error(ours, LOGITS, num_classes)
    np.testing.assert_allclose(errors, expected, rtol=5e-3)


def test_result_has_the_shape_of_the_logits():
    for loss in (keras_noisy.MAE(), keras_noisy.NCE()):
        errors = average_error(loss, LOGITS.reshape(1, 3, 1), CLASSES)
        assert errors.shape == (1, 3, 1)
        np.testing.assert_array_equal(errors[0, :, 0], average_error(loss, LOGITS, CLASSES))
    assert average_error(keras_noisy.MAE(), 0.0, CLASSES).shape == ()


def test_logits_do_not_depend_on_each_other():
    """Logits are computed in batches, which must not change the results."""
    z = np.linspace(-2.0, 2.0, 25)
    errors = average_error(keras_noisy.NCE(), z, CLASSES)
    np.testing.assert_allclose(
        errors[:3], average_error(keras_noisy.NCE(), z[:3], CLASSES), rtol=1e-6
    )


@pytest.mark.parametrize("loss", ["mae", None, keras_noisy.MAE, keras.losses.get("mae")])
def test_bad_loss(loss):
    with pytest.raises(
        ValueError, match=r"`loss` must be an instance of keras.losses.Loss.* Received"
    ):
        average_error(loss, 0.0, 10)


def test_class_weights_are_rejected():
    class Weighted(keras.losses.Loss):
        def call(self, y_true, y_pred):
            weights = ops.cast(ops.arange(1, y_pred.shape[-1] + 1), y_pred.dtype)
            return -ops.sum(weights * y_true * ops.log(y_pred), axis=-1)

    with pytest.raises(
        ValueError, match=r"`loss` must take labels .* without class weights. Received"
    ):
        average_error(Weighted(), 0.0, 10)


def test_subclass_may_override_per_sample():
    class Doubled(keras_noisy.CE):
        def per_sample(self, batch):
            return 2.0 * super().per_sample(batch)

    np.testing.assert_allclose(
        average_error(Doubled(), LOGITS, CLASSES),
        2.0 * average_error(keras_noisy.CE(), LOGITS, CLASSES),
        rtol=5e-3,
    )


@pytest.mark.parametrize("loss", [keras_noisy.MAE(), keras_noisy.NCE()], ids=repr)
def test_empty_logits_give_an_empty_result(loss):
    assert average_error(loss, np.zeros((0, 3)), CLASSES).shape == (0, 3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="`from_logits` must be None, True or False"):
        average_error(keras.losses.SparseCategoricalCrossentropy(), 0.0, 10, from_logits="no")
    with pytest.raises(ValueError, match="`num_classes` must be an integer of at least 2"):
        average_error(keras_noisy.MAE(), 0.0, 1)
    with pytest.raises(ValueError, match="`logit_std` must be a number from 0 to 5"):
        average_error(keras_noisy.MAE(), 0.0, 10, -1.0)
