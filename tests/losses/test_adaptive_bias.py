"""`logit_bias="adaptive"`: the bias is smaller for samples that are predicted confidently."""

import keras
import numpy as np
import pytest
from cases import every_loss, one_hot, some_batch
from support import compiled, softmax, tensor, to_numpy, value_and_gradient

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.theory import initial_entropy


def compute_bias(logits, num_classes):
    """Computes the bias of each sample by the formula of the docstring."""
    p = softmax(logits)
    entropy = np.array([-sum(x * np.log(x) for x in row if x > 0) for row in p])
    share = np.minimum(1.0, entropy / (np.log(num_classes) - 0.5))
    return 1.2 * logit_bias(num_classes) * share


def batch_of_increasing_confidence(num_classes=60):
    labels, logits = some_batch(num_classes, 8)
    return labels, logits * np.array([0, 0.1, 0.5, 1, 2, 4, 8, 40], "float32")[:, np.newaxis]


@every_loss
def test_value_and_gradient_agree_with_the_reference(case):
    """They are those of the loss with a constant bias for each sample."""
    labels, logits = batch_of_increasing_confidence()
    epsilon = compute_bias(logits, 60)
    each = [case.reference([y], [z], e) for y, z, e in zip(labels, logits, epsilon, strict=True)]
    values, gradients = (np.concatenate([result[i] for result in each]) for i in (0, 1))
    loss = case.make(logit_bias="adaptive")
    floor = 1e-6 * max(1.0, values.max())
    for y_true in (labels, one_hot(labels, 60)):
        result = value_and_gradient(lambda z, y=y_true: loss(y, z), logits)
        np.testing.assert_allclose(result[0], values, rtol=2e-5, atol=floor)
        np.testing.assert_allclose(result[1], gradients, rtol=2e-5, atol=floor)


@pytest.mark.parametrize("loss", [keras_noisy.MAE, keras_noisy.NCE])
def test_compiled_and_from_probabilities_agree_with_logits(loss):
    labels, logits = batch_of_increasing_confidence()
    from_logits = loss(logit_bias="adaptive", from_logits=True, reduction=None)
    expected = to_numpy(from_logits(labels, logits))
    graph = compiled(from_logits)
    np.testing.assert_allclose(
        to_numpy(graph(tensor(labels), tensor(logits))), expected, rtol=1e-5, atol=1e-6
    )
    from_probabilities = loss(logit_bias="adaptive", reduction=None)
    probabilities = softmax(logits).astype("float32")
    np.testing.assert_allclose(
        # In the last rows, small probabilities underflow in float32.
        to_numpy(from_probabilities(labels, probabilities))[:6],
        expected[:6],
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("num_classes", [100, 1000])
def test_untrained_network_has_the_full_bias_and_a_confident_one_has_none(num_classes):
    loss = keras_noisy.MAE(logit_bias="adaptive", from_logits=True)
    _, logits = some_batch(num_classes, 64, scale=1.0)
    epsilon = to_numpy(loss.read_predictions(tensor(logits)).bias)
    assert epsilon.mean() == pytest.approx(1.2 * logit_bias(num_classes), rel=0.01)
    confident = np.full((1, num_classes), -1e4, "float32")
    confident[0, 3] = 1e4
    assert to_numpy(loss.read_predictions(tensor(confident)).bias) == 0.0


def test_there_is_no_bias_up_to_ten_classes():
    labels, logits = some_batch(num_classes=10)
    plain = keras_noisy.MAE(from_logits=True, reduction=None)
    adaptive = plain.with_options(logit_bias="adaptive")
    np.testing.assert_array_equal(
        to_numpy(adaptive(labels, logits)), to_numpy(plain(labels, logits))
    )


def test_samples_do_not_depend_on_their_batch():
    labels, logits = batch_of_increasing_confidence()
    loss = keras_noisy.MAE(logit_bias="adaptive", from_logits=True, reduction=None)
    alone = [to_numpy(loss(labels[i : i + 1], logits[i : i + 1]))[0] for i in range(8)]
    np.testing.assert_allclose(to_numpy(loss(labels, logits)), alone, rtol=1e-5, atol=1e-6)


def test_model_trains_and_is_saved(tmp_path):
    labels, logits = some_batch(num_classes=50, batch=32)
    model = keras.Sequential([keras.Input((50,)), keras.layers.Dense(50)])
    loss = keras_noisy.MAE(logit_bias="adaptive", from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    history = model.fit(logits, labels, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.loss.logit_bias == "adaptive"
    assert restored.evaluate(logits, labels, verbose=0) == model.evaluate(logits, labels, verbose=0)


@pytest.mark.backend_free
@pytest.mark.parametrize(("num_classes", "rtol"), [(11, 0.07), (100, 0.007), (1000, 0.002)])
def test_initial_entropy_agrees_with_simulation(num_classes, rtol):
    p = softmax(np.random.default_rng(0).normal(size=(4000, num_classes)))
    sampled = -(p * np.log(p)).sum(axis=-1).mean()
    assert initial_entropy(num_classes) == pytest.approx(sampled, rel=rtol)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "message"), [((1,), "num_classes"), ((10, -1.0), "logit_std")]
)
def test_initial_entropy_bad_input(arguments, message):
    with pytest.raises(ValueError, match=f"`{message}` must be .* Received: {message}="):
        initial_entropy(*arguments)
