"""A bias for each class, which falls as the class is learnt: `LogitBias(adaptive="class")`."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import BACKEND, tensor, to_numpy

import keras_noisy
from keras_noisy import LogitBias
from keras_noisy.layers import ClassHead

CLASSES, BIAS = 20, 3.0
RATE, LEARNT = 0.1, 0.3


def share(class_probs):
    """Computes the share of the bias that each class receives, in float64."""
    shares = np.log(np.asarray(class_probs, "float64") / LEARNT) / np.log(1 / (LEARNT * CLASSES))
    return np.clip(shares, 0.0, 1.0)


def update(class_probs, labels, probs):
    """Updates averages sample by sample, with the batch's mean probability of each class."""
    after = np.array(class_probs, "float64")
    for label in set(labels):
        chosen = np.equal(labels, label)
        for _ in range(chosen.sum()):
            after[label] += RATE * (probs[chosen].mean() - after[label])
    return after


def softmax(logits):
    exp = np.exp(np.asarray(logits, "float64"))
    return exp / exp.sum(axis=-1, keepdims=True)


def expected_loss(labels, logits, biases):
    """Computes MAE after the bias of its class was added to each label's logit."""
    biased = np.array(logits, "float64")
    rows = np.arange(len(labels))
    biased[rows, labels] += biases[labels]
    return float(np.mean(2.0 * (1.0 - softmax(biased)[rows, labels])))


def make_batch(seed=0, size=40):
    rng = np.random.default_rng(seed)
    return rng.integers(0, CLASSES, size), (2 * rng.normal(size=(size, CLASSES))).astype("float32")


def make_layer(class_probs=None, **options):
    layer = LogitBias(BIAS, adaptive="class", **options)
    layer.build((None, CLASSES))
    if class_probs is not None:
        layer.class_probs.assign(class_probs)
    return layer


def some_class_probs():
    return np.geomspace(1e-3, 0.9, CLASSES).astype("float32")


def test_it_is_the_default():
    assert LogitBias().adaptive == "class"
    assert LogitBias(training_steps=9).adaptive == "sample"
    assert LogitBias(2.0).adaptive is None
    assert LogitBias(adaptive=False).adaptive is None


def test_untrained_network_receives_the_full_bias():
    labels, logits = make_batch()
    layer = make_layer()
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=True)
    constant = keras_noisy.MAE(logit_bias=BIAS, from_logits=True)
    value = to_numpy(loss(labels, layer(tensor(logits), training=True)))
    assert value == pytest.approx(float(constant(labels, logits)), rel=1e-6)


@pytest.mark.parametrize("form", ["integers", "column", "one-hot", "probabilities", "head"])
def test_loss_and_state_agree_with_float64(form):
    labels, logits = make_batch()
    layer = make_layer(some_class_probs())
    from_logits = form != "probabilities"
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=from_logits)
    y_true = labels
    if form == "column":
        y_true = labels[:, np.newaxis]
    elif form == "one-hot":
        y_true = np.eye(CLASSES, dtype="float32")[labels]
    y_pred = tensor(logits) if from_logits else tensor(softmax(logits).astype("float32"))
    if form == "head":
        head = ClassHead(CLASSES, logits_in_training=False, chunk_size=7)
        head.build((None, CLASSES))
        head.kernel.assign(np.eye(CLASSES, dtype="float32"))
        y_pred = head(y_pred, training=True)
    value = float(to_numpy(loss(y_true, layer(y_pred, training=True))))
    expected = expected_loss(labels, logits, BIAS * share(some_class_probs()))
    assert value == pytest.approx(expected, rel=1e-5)
    probs = softmax(logits)[np.arange(len(labels)), labels]
    after = update(some_class_probs(), labels, probs)
    np.testing.assert_allclose(to_numpy(layer.class_probs), after, rtol=1e-4)


def test_layer_that_gets_labels_agrees():
    labels, logits = make_batch()
    layer, other = make_layer(some_class_probs()), make_layer(some_class_probs())
    ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    value = float(ce(labels, layer(tensor(logits), labels, training=True)))
    loss = keras_noisy.CE(logit_bias=other, from_logits=True)
    assert value == pytest.approx(float(loss(labels, other(tensor(logits), training=True))), 1e-5)
    np.testing.assert_allclose(to_numpy(layer.class_probs), to_numpy(other.class_probs), rtol=1e-5)


@given(st.floats(1e-9, 1.0), st.floats(1e-9, 1.0))
def test_bias_falls_as_a_class_is_learnt(low, high):
    low, high = sorted((low, high))
    shares = share([low, high])
    assert 0.0 <= shares[1] <= shares[0] <= 1.0
    layer = make_layer(np.array([low, high] * (CLASSES // 2), "float32"))
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=True)
    y_pred = layer(tensor(np.zeros((1, CLASSES), "float32")), training=True)
    found = to_numpy(loss.read_predictions(y_pred).bias)[:2]
    np.testing.assert_allclose(found, BIAS * shares, atol=1e-4)


def test_evaluation_has_no_bias_and_changes_nothing():
    labels, logits = make_batch()
    layer = make_layer(some_class_probs())
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=True)
    value = float(loss(labels, layer(tensor(logits), training=False)))
    assert value == pytest.approx(float(keras_noisy.MAE(from_logits=True)(labels, logits)), 1e-6)
    np.testing.assert_array_equal(to_numpy(layer.class_probs), some_class_probs())


def test_ignored_and_broken_samples_do_not_count():
    labels, logits = make_batch()
    layer, other = make_layer(some_class_probs()), make_layer(some_class_probs())
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=True, ignore_class=-1)
    more = np.concatenate([labels, [-1, -1, 0]])
    noise = np.zeros((3, CLASSES), "float32")
    noise[2] = np.nan
    loss(more, layer(tensor(np.concatenate([logits, noise])), training=True))
    keras_noisy.MAE(logit_bias=other, from_logits=True)(
        labels, other(tensor(logits), training=True)
    )
    np.testing.assert_allclose(to_numpy(layer.class_probs), to_numpy(other.class_probs), rtol=1e-5)


def make_model(**options):
    keras.utils.set_random_seed(3)
    layer = LogitBias(name="bias")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(CLASSES), layer])
    loss = keras_noisy.GCE(logit_bias=layer, from_logits=True)
    metrics = ["accuracy", keras_noisy.training.CurrentLogitBias(loss)]
    model.compile(keras.optimizers.Adam(0.05), loss=loss, metrics=metrics, **options)
    return model


def make_data():
    rng = np.random.default_rng(0)
    y = np.arange(10 * CLASSES) % CLASSES
    centres = 3 * rng.normal(size=(CLASSES, 8))
    return (centres[y] + rng.normal(size=(len(y), 8))).astype("float32"), y


@pytest.mark.parametrize("options", [{"jit_compile": BACKEND != "torch"}, {"run_eagerly": True}])
def test_bias_falls_in_fit(options):
    model = make_model(**options)
    history = model.fit(*make_data(), epochs=8, verbose=0, batch_size=40).history
    assert history["accuracy"][-1] > 0.6
    assert history["logit_bias"][-1] < 0.5 * history["logit_bias"][0]
    assert to_numpy(model.get_layer("bias").class_probs).mean() > 0.25


def test_state_is_saved_and_restarted(tmp_path):
    model = make_model()
    x, y = make_data()
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    probs = [to_numpy(m.get_layer("bias").class_probs) for m in (model, loaded)]
    np.testing.assert_array_equal(*probs)
    histories = [m.fit(x, y, epochs=1, shuffle=False, verbose=0).history for m in (model, loaded)]
    assert histories[0]["loss"] == pytest.approx(histories[1]["loss"], rel=1e-4)
    loaded.get_layer("bias").restart()
    np.testing.assert_allclose(to_numpy(loaded.get_layer("bias").class_probs), 1 / CLASSES)


def test_two_classes_have_no_bias():
    layer = LogitBias()
    layer.build((None, 2))
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=True)
    y_pred = layer(tensor(np.zeros((3, 2), "float32")), training=True)
    np.testing.assert_array_equal(to_numpy(loss.read_predictions(y_pred).bias), 0.0)


@pytest.mark.skipif(BACKEND != "jax", reason="other backends assign weights in place")
def test_training_step_of_ones_own_on_jax_is_told_what_to_call():
    import jax

    labels, logits = make_batch()
    layer = make_layer()
    loss = keras_noisy.MAE(logit_bias=layer, from_logits=True)
    with pytest.raises(ValueError, match=r"`model.stateless_compute_loss`"):
        jax.jit(lambda z: loss(labels, layer(z, training=True)))(logits)
    assert not isinstance(layer.class_probs._value, jax.core.Tracer)


@pytest.mark.parametrize("adaptive", ["label", 1.0, ""])
def test_bad_adaptive(adaptive):
    with pytest.raises(ValueError, match=r'`adaptive` must be "class", "sample", False or None'):
        LogitBias(adaptive=adaptive)


def test_explain_and_diagnose_change_nothing():
    model = make_model()
    x, y = make_data()
    model.fit(x, y, epochs=1, verbose=0)
    before = to_numpy(model.get_layer("bias").class_probs)
    keras_noisy.explain(model, x, y)
    keras_noisy.diagnose(model, x, model.loss)
    np.testing.assert_array_equal(to_numpy(model.get_layer("bias").class_probs), before)
