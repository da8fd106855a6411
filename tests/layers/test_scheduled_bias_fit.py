"""The losses of a model with a `LogitBias` layer follow its schedule during training."""

import keras
import numpy as np
import pytest
from biased_model import (
    BATCH,
    CLASSES,
    COSINE,
    STEPS,
    BatchLogs,
    count_steps,
    expected_losses,
    fit,
    make_data,
    make_model,
)
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule, PolynomialDecay
from support import BACKEND, compiled, tensor, to_numpy

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.training import CurrentLogitBias

with_and_without_jit = pytest.mark.parametrize("jit", [False, True], indirect=True, ids=str)


class Sawtooth(LearningRateSchedule):
    """A user-defined schedule that does not decrease."""

    def __call__(self, step):
        return keras.ops.cast(step % 3, "float32")

    def get_config(self):
        return {}


# The arguments `logit_bias` and `training_steps` of the layer, and the bias of each step.
SCHEDULES = {
    "cosine": ("auto", STEPS, COSINE),
    "number": (3.0, 4, CosineDecay(3.0, 4)),
    "linear": (PolynomialDecay(2.0, 5, 0.5), None, PolynomialDecay(2.0, 5, 0.5)),
    "own": (Sawtooth(), None, Sawtooth()),
    "constant": (1.5, None, lambda step: 1.5),
}


# PyTorch's compiler reads this attribute where the graph ends between the layer and the loss.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@with_and_without_jit
@pytest.mark.parametrize("name", SCHEDULES)
def test_losses_follow_the_schedule_and_val_loss_is_unbiased(name, jit):
    if jit and name != "cosine":
        pytest.skip("compiling is slow, and one schedule is enough")
    epsilon, training_steps, schedule = SCHEDULES[name]
    model = make_model(epsilon, training_steps, jit_compile=jit)
    x, y = make_data()
    logs = BatchLogs()
    history = fit(model, validation_data=(x, y), callbacks=[logs]).history
    np.testing.assert_allclose(logs.losses, expected_losses(model, schedule), rtol=1e-5)
    expected_bias = [float(schedule(step)) for step in range(STEPS)]
    np.testing.assert_allclose(logs.biases, expected_bias, rtol=1e-5, atol=1e-6)
    epochs = np.mean(np.reshape(expected_bias, (-1, 4)), axis=1)
    np.testing.assert_allclose(history["logit_bias"], epochs, rtol=1e-5, atol=1e-6)
    assert history["val_logit_bias"] == [0.0, 0.0]
    plain = keras_noisy.MAE(from_logits=True)
    unbiased = float(plain(y, model.predict(x, verbose=0)))
    np.testing.assert_allclose(history["val_loss"], [unbiased] * 2, rtol=1e-5)
    # The loss is also unbiased for predictions outside `fit`.
    for predictions in (model.predict(x, verbose=0), model(x)):
        assert to_numpy(model.loss(y, predictions)) == pytest.approx(unbiased, rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_losses_follow_the_schedule_in_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = make_model()
    logs = BatchLogs()
    fit(model, callbacks=[logs])
    np.testing.assert_allclose(logs.losses, expected_losses(model, COSINE), 2e-2)
    # The bias itself is not rounded to the compute dtype.
    np.testing.assert_allclose(logs.biases[0], logit_bias(CLASSES), rtol=1e-6)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX enables float64 only at startup")
def test_losses_follow_the_schedule_in_float64():
    x, y = make_data()
    keras.config.set_floatx("float64")
    model = make_model()
    logs = BatchLogs()
    model.fit(x, y, batch_size=BATCH, verbose=0, shuffle=False, callbacks=[logs])
    np.testing.assert_allclose(logs.losses, expected_losses(model, COSINE)[:4], rtol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras 3.15 has 1 step per execution on PyTorch")
@with_and_without_jit
def test_steps_per_execution_do_not_change_training(jit):
    weights, histories = [], []
    for steps in (1, 2):
        model = make_model(rate=0.5, steps_per_execution=steps, jit_compile=jit)
        histories.append(fit(model).history)
        weights.append(model.get_weights())
        assert count_steps(model) == STEPS
    for key in ("loss", "logit_bias"):
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_gradient_accumulation_counts_every_batch():
    """The learning-rate schedules of Keras count every batch, too."""
    model = make_model()
    rates = PolynomialDecay(1e-9, STEPS, 0.0)
    optimizer = keras.optimizers.SGD(rates, gradient_accumulation_steps=2)
    model.compile(optimizer, loss=model.loss, metrics=[CurrentLogitBias(model.loss)])
    logs = BatchLogs()
    fit(model, callbacks=[logs])
    np.testing.assert_allclose(logs.losses, expected_losses(model, COSINE), rtol=1e-5)
    assert float(optimizer.learning_rate) == pytest.approx(0.0, abs=1e-15)
    assert count_steps(model) == STEPS


def test_nested_model_run_eagerly_follows_the_schedule():
    x, y = make_data()
    inner = make_model()
    inputs = keras.Input((6,))
    model = keras.Model(inputs, inner(inputs))
    model.compile(keras.optimizers.SGD(0.0), loss=inner.loss, run_eagerly=True)
    expected = expected_losses(inner, COSINE)[:4]
    logs = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, validation_data=(x, y))
    assert logs.history["loss"][0] == pytest.approx(np.mean(expected), rel=1e-5)
    plain = float(keras_noisy.MAE(from_logits=True)(y, model.predict(x, verbose=0)))
    assert logs.history["val_loss"][0] == pytest.approx(plain, rel=1e-5)


def test_custom_training_loop_follows_the_schedule():
    """The steps are written and compiled as in Keras's guides to custom training loops."""
    x, y = make_data()
    model = make_model()
    expected = expected_losses(model, COSINE)[:2]
    batches = [(x[i : i + BATCH], tensor(y[i : i + BATCH])) for i in (0, BATCH)]
    if BACKEND == "jax":
        import jax

        @jax.jit
        def step(trainable_variables, state, x, y):
            def compute_loss(weights, state):
                y_pred, state = model.stateless_call(weights, state, x, training=True)
                return model.loss(y, y_pred), state

            grad_fn = jax.value_and_grad(compute_loss, has_aux=True)
            (loss, state), _ = grad_fn(trainable_variables, state)
            return loss, state

        state = [v.value for v in model.non_trainable_variables]
        losses = []
        for batch in batches:
            loss, state = step([v.value for v in model.trainable_variables], state, *batch)
            losses.append(float(loss))
    else:
        step = (
            (lambda x, y: model.loss(y, model(x, training=True)))
            if BACKEND == "torch"
            else compiled(lambda x, y: model.loss(y, model(x, training=True)))
        )
        losses = [to_numpy(step(*batch)) for batch in batches]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
