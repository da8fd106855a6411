"""A bias belongs to the predictions of one training step, and a loss that misses it is an error."""

import keras
import pytest
from biased_model import CLASSES, STEPS, count_steps, fit, make_data, make_model
from keras.optimizers.schedules import CosineDecay
from support import BACKEND, compiled, tensor, to_numpy

import keras_noisy
from keras_noisy._core import record


def test_cloned_model_has_its_own_bias():
    """A loss that was made for the layer of the original model also serves the clone."""
    x, y = make_data()
    model = make_model()
    unbiased = model.evaluate(x, y, verbose=0)[0]
    biased = model.train_on_batch(x, y)[0]
    fit(model)
    keras_noisy.diagnose(model, x, model.loss)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    clone.get_layer("bias").step.assign(0)
    clone.compile(keras.optimizers.SGD(0.0), loss=model.loss)
    assert clone.evaluate(x, y, verbose=0)[0] == pytest.approx(unbiased, rel=1e-5)
    assert clone.train_on_batch(x, y)[0] == pytest.approx(biased, rel=1e-5)
    assert clone.evaluate(x, y, verbose=0)[0] == pytest.approx(unbiased, rel=1e-5)
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(unbiased, rel=1e-5)
    assert (count_steps(clone), count_steps(model)) == (1, 1 + STEPS)


@pytest.mark.parametrize("epsilon", [3.0, CosineDecay(3.0, 100)], ids=["constant", "scheduled"])
def test_predictions_keep_their_bias_after_other_predictions(epsilon):
    x, y = make_data()
    model = make_model(epsilon, None)
    clone = keras.models.clone_model(model)
    plain = keras_noisy.MAE(from_logits=True)
    unbiased = float(plain(y, model.predict(x, verbose=0)))
    biased = float(
        keras_noisy.MAE(logit_bias=3.0, from_logits=True)(y, model.predict(x, verbose=0))
    )
    # The other predictions come from a teacher, or from the model itself as pseudo-labels.
    for other in (clone, model):
        if model.get_layer("bias").is_scheduled:
            model.get_layer("bias").step.assign(0)
        y_pred = model(x, training=True)
        other(x)
        predicted = other.predict(x, verbose=0)
        for _ in range(2):  # Losses of mixed labels use the same predictions twice.
            assert to_numpy(model.loss(y, y_pred)) == pytest.approx(biased, rel=1e-5)
        assert float(plain(y, predicted)) == pytest.approx(
            float(model.loss(y, predicted)), rel=1e-6
        )
    fit(model)  # Compiled, and without validation data.
    assert float(model.loss(y, model.predict(x, verbose=0))) == pytest.approx(unbiased, rel=1e-5)
    assert to_numpy(model.loss(y, model(x))) == pytest.approx(unbiased, rel=1e-5)


def put_a_layer_after_the_bias(x, y):
    model = make_model()
    longer = keras.Sequential([*model.layers, keras.layers.ReLU()])
    longer.compile("sgd", loss=model.loss)
    longer.train_on_batch(x, y)


def train_without_the_layer(x, y):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES)])
    model.compile("sgd", loss=keras_noisy.MAE(logit_bias="layer", from_logits=True))
    model.train_on_batch(x, y)


def cast_the_predictions(x, y):
    model = make_model()
    y_pred = keras.ops.cast(model(x, training=True), "float64" if BACKEND != "jax" else "float16")
    model.loss(tensor(y), y_pred)


def compile_the_model_without_the_loss(x, y):
    model = make_model()
    model.loss(tensor(y), compiled(lambda x: model(x, training=True))(tensor(x)))


ONLY_TENSORFLOW = pytest.mark.skipif(
    BACKEND != "tensorflow",
    reason="JAX can't assign weights in a graph, PyTorch runs the layer outside of the graph",
)


@pytest.mark.parametrize(
    "misuse",
    [
        put_a_layer_after_the_bias,
        train_without_the_layer,
        cast_the_predictions,
        pytest.param(compile_the_model_without_the_loss, marks=ONLY_TENSORFLOW),
    ],
    ids=lambda function: function.__name__,
)
def test_losing_the_bias_is_an_error(misuse, monkeypatch):
    x, y = make_data()
    if misuse is train_without_the_layer:
        # This error needs a process without any LogitBias layer, but layers of other tests may
        # still be alive. A new process would take seconds.
        monkeypatch.setattr(record, "_built", {"bias": set(), "chunks": set()})
    with pytest.raises(
        ValueError, match=r"`y_pred` must be the output of the model's LogitBias layer"
    ):
        misuse(x, y)
    # The error does not affect the next training step.
    make_model(loss=keras_noisy.CE).train_on_batch(x, y)


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX has tracers")
def test_training_step_leaks_no_tracers():
    import jax

    x, y = make_data()
    model = make_model()
    model.train_on_batch(x, y)
    with jax.checking_leaks():
        model.train_on_batch(x[:8], y[:8])
