"""`LogitBias` and a loss that takes its bias from it, through everything that `fit` does."""

import copy
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from cases import every_loss, some_batch
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule, PolynomialDecay
from support import (
    BACKEND,
    compiled,
    label_probability,
    softmax,
    tensor,
    to_numpy,
    value_and_gradient,
)

import keras_noisy
from keras_noisy._core import record
from keras_noisy.calibration import logit_bias
from keras_noisy.training import CurrentLogitBias

CLASSES, BATCH, STEPS = 50, 8, 8


@pytest.fixture
def jit(request, monkeypatch):
    """PyTorch's own compiler takes minutes; the stage that traces and differentiates does not."""
    if BACKEND == "torch" and request.param:
        import torch

        torch._dynamo.reset()
        compile_ = torch.compile
        monkeypatch.setattr(torch, "compile", lambda f, **_: compile_(f, backend="aot_eager"))
    return request.param


with_and_without_jit = pytest.mark.parametrize("jit", [False, True], indirect=True, ids=str)


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4 * BATCH, 6)).astype("float32")
    return x, rng.integers(0, CLASSES, len(x))


def trainable(
    epsilon="auto", training_steps=STEPS, adaptive=False, loss=keras_noisy.MAE, rate=0.0, **options
):
    """A small classifier with a bias, which does not move unless it is given a learning rate."""
    keras.utils.set_random_seed(1)
    bias = keras_noisy.LogitBias(epsilon, training_steps, adaptive, name="bias")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES, name="head"), bias])
    loss = loss(logit_bias=bias, from_logits=True)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, loss=loss, metrics=[CurrentLogitBias(loss)], **options)
    return model


def steps_taken(model):
    return int(to_numpy(model.get_layer("bias").step))


class Losses(keras.callbacks.Callback):
    """The loss of each batch, from the mean that Keras reports."""

    def __init__(self):
        super().__init__()
        self.of_batch, self.bias = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.of_batch.append(total - self.sum)
        self.bias.append(float(logs["logit_bias"]))
        self.sum = total


def fit(model, epochs=2, **options):
    x, y = data()
    options = {"shuffle": False, "verbose": 0, "batch_size": BATCH, **options}
    return model.fit(x, y, epochs=epochs, **options)


def expected_losses(model, schedule, loss=keras_noisy.MAE, steps=STEPS):
    x, y = data()
    logits = model.predict(x, verbose=0)
    batches = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
    return [
        float(loss(logit_bias=float(schedule(step)), from_logits=True)(y[batch], logits[batch]))
        for step, batch in enumerate(batches * (steps // len(batches)))
    ]


class Sawtooth(LearningRateSchedule):
    """No schedule of Keras's own, and none that falls."""

    def __call__(self, step):
        return keras.ops.cast(step % 3, "float32")

    def get_config(self):
        return {}


SCHEDULES = {
    "cosine": ("auto", STEPS, CosineDecay(logit_bias(CLASSES), STEPS)),
    "number": (3.0, 4, CosineDecay(3.0, 4)),
    "linear": (PolynomialDecay(2.0, 5, 0.5), None, PolynomialDecay(2.0, 5, 0.5)),
    "own": (Sawtooth(), None, Sawtooth()),
    "constant": (1.5, None, lambda step: 1.5),
}


# PyTorch's compiler asks for it itself, where the layer ends one graph and the loss begins another.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@with_and_without_jit
@pytest.mark.parametrize("name", SCHEDULES)
def test_losses_follow_the_schedule_and_val_loss_is_unbiased(name, jit):
    if jit and name != "cosine":
        pytest.skip("compiling takes long, and any schedule does")
    epsilon, training_steps, schedule = SCHEDULES[name]
    model = trainable(epsilon, training_steps, jit_compile=jit)
    x, y = data()
    seen = Losses()
    history = fit(model, validation_data=(x, y), callbacks=[seen]).history
    np.testing.assert_allclose(seen.of_batch, expected_losses(model, schedule), rtol=1e-5)
    expected_bias = [float(schedule(step)) for step in range(STEPS)]
    np.testing.assert_allclose(seen.bias, expected_bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(history["logit_bias"], expected_bias[3::4], rtol=1e-5, atol=1e-6)
    assert history["val_logit_bias"] == [0.0, 0.0]
    plain = keras_noisy.MAE(from_logits=True)
    unbiased = float(plain(y, model.predict(x, verbose=0)))
    np.testing.assert_allclose(history["val_loss"], [unbiased] * 2, rtol=1e-5)
    # By hand, too: predictions have no bias, however they were made.
    for predictions in (model.predict(x, verbose=0), model(x)):
        assert to_numpy(model.loss(y, predictions)) == pytest.approx(unbiased, rel=1e-5)


def test_each_sample_gets_a_share_of_an_adaptive_bias():
    """At the step t, the loss is the adaptive one with cos(...) of the bias."""
    labels, logits = some_batch(CLASSES, 8)
    logits = logits * np.linspace(0.0, 8.0, 8, dtype="float32")[:, np.newaxis]
    p = softmax(logits)
    share = np.minimum(1.0, -np.sum(p * np.log(p), axis=-1) / (np.log(CLASSES) - 0.5))
    bias = keras_noisy.LogitBias(training_steps=4)
    behind = keras_noisy.LogitBias(training_steps=4)
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True, reduction=None)
    probabilities = keras_noisy.MAE(logit_bias=behind, reduction=None)
    with_labels = keras_noisy.LogitBias(training_steps=4)
    plain = keras_noisy.MAE(from_logits=True, reduction=None)
    for step in range(5):
        full = 1.2 * logit_bias(CLASSES) * (1 + np.cos(np.pi * step / 4)) / 2
        expected = 2 * (1 - label_probability(labels, logits, (full * share)[:, np.newaxis]))
        for losses in (
            loss(labels, bias(logits, training=True)),
            probabilities(labels, behind(p.astype("float32"), training=True)),
            plain(labels, with_labels(logits, labels=labels, training=True)),
        ):
            np.testing.assert_allclose(to_numpy(losses), expected, rtol=1e-4, atol=1e-6)


@every_loss
def test_every_loss_takes_the_bias_of_the_layer(case):
    labels, logits = some_batch(CLASSES, 8)
    bias = keras_noisy.LogitBias(PolynomialDecay(2.5, 4, 0.0))
    scheduled = case.make(logit_bias=bias)
    for epsilon in (2.5, 1.875):
        constant = case.make(logit_bias=epsilon)
        for result, expected in zip(
            value_and_gradient(lambda z: scheduled(labels, bias(z, training=True)), logits),
            value_and_gradient(lambda z, loss=constant: loss(labels, z), logits),
            strict=True,
        ):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-7)
    unbiased = to_numpy(case.make()(labels, logits))
    np.testing.assert_allclose(to_numpy(scheduled(labels, bias(logits))), unbiased, rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = trainable()
    seen = Losses()
    fit(model, callbacks=[seen])
    np.testing.assert_allclose(seen.of_batch, expected_losses(model, SCHEDULES["cosine"][2]), 2e-2)
    np.testing.assert_allclose(seen.bias[0], logit_bias(CLASSES), rtol=1e-6)  # exact, not rounded


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 unless it is told so at its start")
def test_float64():
    x, y = data()
    keras.config.set_floatx("float64")
    model = trainable()
    seen = Losses()
    model.fit(x, y, batch_size=BATCH, verbose=0, shuffle=False, callbacks=[seen])
    np.testing.assert_allclose(
        seen.of_batch, expected_losses(model, SCHEDULES["cosine"][2])[:4], rtol=1e-5
    )


@pytest.mark.parametrize("label_format", ["integers", "one-hot"])
def test_probabilities_and_label_formats(label_format):
    x, y = data()
    bias = keras_noisy.LogitBias(3.0, training_steps=4, adaptive=False)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES, "softmax"), bias])
    loss = keras_noisy.GCE(logit_bias=bias)
    model.compile("sgd", loss=loss)
    y_true = y if label_format == "integers" else np.eye(CLASSES, dtype="float32")[y]
    expected = keras_noisy.GCE(logit_bias=3.0)(y, model.predict(x, verbose=0))
    assert model.train_on_batch(x, y_true) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras 3.15 has 1 step per execution on PyTorch")
@with_and_without_jit
def test_steps_per_execution(jit):
    weights, histories = [], []
    for steps in (1, 2):
        model = trainable(rate=0.5, steps_per_execution=steps, jit_compile=jit)
        histories.append(fit(model).history)
        weights.append(model.get_weights())
        assert steps_taken(model) == STEPS
    for key in ("loss", "logit_bias"):
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_with_gradient_accumulation_batches_count():
    """As the learning-rate schedules of Keras do, so that both take the same number of steps."""
    schedule = CosineDecay(logit_bias(CLASSES), STEPS)
    model = trainable()
    rates = PolynomialDecay(1e-9, STEPS, 0.0)
    optimizer = keras.optimizers.SGD(rates, gradient_accumulation_steps=2)
    model.compile(optimizer, loss=model.loss, metrics=[CurrentLogitBias(model.loss)])
    seen = Losses()
    fit(model, callbacks=[seen])
    np.testing.assert_allclose(seen.of_batch, expected_losses(model, schedule), rtol=1e-5)
    assert float(optimizer.learning_rate) == pytest.approx(0.0, abs=1e-15)
    assert steps_taken(model) == STEPS


RESUME = """
    import sys
    import {module}
    import keras
    import numpy as np
    import keras_noisy
    model = keras.saving.load_model(sys.argv[1])
    data = np.load(sys.argv[2])
    history = model.fit(data["x"], data["y"], batch_size=8, epochs=4, initial_epoch=2, verbose=0,
                        shuffle=False, validation_data=(data["x"], data["y"])).history
    np.savez(sys.argv[3], *model.get_weights(), **history)
"""


def test_saved_in_mid_schedule_a_new_process_goes_on(tmp_path):
    x, y = data()
    options = {"epochs": 4, "validation_data": (x, y)}
    whole = trainable(training_steps=14, rate=0.5)
    expected = fit(whole, **options).history
    model = trainable(training_steps=14, rate=0.5)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(model, epochs=3, callbacks=[checkpoint], validation_data=(x, y))
    np.savez(tmp_path / "data.npz", x=x, y=y)
    module = "torch" if BACKEND == "torch" else "keras"  # before TensorFlow, if that is installed
    program = textwrap.dedent(RESUME.format(module=module))
    paths = [str(tmp_path / name) for name in ("2.keras", "data.npz", "resumed.npz")]
    subprocess.run([sys.executable, "-c", program, *paths], check=True)
    with np.load(tmp_path / "resumed.npz") as resumed:
        for key in ("loss", "val_loss", "logit_bias", "val_logit_bias"):
            np.testing.assert_allclose(resumed[key], expected[key][2:], rtol=1e-5, atol=1e-6)
        for i, weight in enumerate(whole.get_weights()):
            np.testing.assert_allclose(resumed[f"arr_{i}"], weight, rtol=1e-5, atol=1e-6)
    assert expected["logit_bias"][2] not in (0.0, expected["logit_bias"][1])


def test_backup_and_restore_goes_on(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def train(folder, callbacks):
        model = trainable(rate=0.5)
        backup = keras.callbacks.BackupAndRestore(tmp_path / folder)
        return fit(model, callbacks=[backup, *callbacks]).history["logit_bias"], model

    expected, whole = train("whole", [])
    with pytest.raises(KeyboardInterrupt):
        train("stopped", [Stop()])
    resumed, model = train("stopped", [])
    np.testing.assert_allclose(resumed, expected[1:])
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_save_and_load_keeps_the_tie_of_every_part(tmp_path):
    model = trainable(loss=lambda **o: (keras_noisy.NCE() + keras_noisy.AGCE()).with_options(**o))
    fit(model, epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    assert again.loss.logit_bias == "layer"
    assert steps_taken(again) == 4
    x, y = data()
    assert again.train_on_batch(x, y) == pytest.approx(model.train_on_batch(x, y), rel=1e-6)
    assert again.get_layer("bias").get_config() == model.get_layer("bias").get_config()


def test_a_schedule_is_saved_with_the_layer():
    for epsilon in (PolynomialDecay(2.0, 5, 0.5), 2.5, "auto"):
        layer = keras_noisy.LogitBias(epsilon, adaptive=epsilon == 2.5, name="bias")
        again = keras.layers.deserialize(keras.layers.serialize(layer))
        assert again.get_config() == layer.get_config()
    scheduled = keras_noisy.LogitBias(training_steps=np.int64(7))
    again = keras.layers.deserialize(keras.layers.serialize(scheduled))
    assert (again.training_steps, again.adaptive) == (7, True)
    assert not keras_noisy.LogitBias().adaptive


def test_a_copy_of_the_model_has_a_bias_of_its_own():
    """And the loss of the one serves the other, with any name."""
    x, y = data()
    model = trainable()
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
    assert (steps_taken(clone), steps_taken(model)) == (1, 1 + STEPS)


@pytest.mark.parametrize("epsilon", [3.0, CosineDecay(3.0, 100)], ids=["constant", "scheduled"])
def test_predictions_keep_their_own_bias_whatever_else_is_predicted(epsilon):
    x, y = data()
    model = trainable(epsilon, None)
    copy_of_it = keras.models.clone_model(model)
    plain = keras_noisy.MAE(from_logits=True)
    unbiased = float(plain(y, model.predict(x, verbose=0)))
    biased = float(
        keras_noisy.MAE(logit_bias=3.0, from_logits=True)(y, model.predict(x, verbose=0))
    )
    for other in (copy_of_it, model):  # a teacher, and pseudo-labels of one's own
        if model.get_layer("bias").is_scheduled:
            model.get_layer("bias").step.assign(0)
        y_pred = model(x, training=True)
        other(x)
        predicted = other.predict(x, verbose=0)
        for _ in range(2):  # a mixture of labels asks twice
            assert to_numpy(model.loss(y, y_pred)) == pytest.approx(biased, rel=1e-5)
        assert float(plain(y, predicted)) == pytest.approx(
            float(model.loss(y, predicted)), rel=1e-6
        )
    fit(model)  # compiled, without validation
    assert float(model.loss(y, model.predict(x, verbose=0))) == pytest.approx(unbiased, rel=1e-5)
    assert to_numpy(model.loss(y, model(x))) == pytest.approx(unbiased, rel=1e-5)


def test_run_eagerly_and_a_nested_model():
    x, y = data()
    inner = trainable()
    inputs = keras.Input((6,))
    model = keras.Model(inputs, inner(inputs))
    model.compile(keras.optimizers.SGD(0.0), loss=inner.loss, run_eagerly=True)
    schedule = SCHEDULES["cosine"][2]
    expected = expected_losses(inner, schedule)[:4]
    logs = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, validation_data=(x, y))
    assert logs.history["loss"][0] == pytest.approx(np.mean(expected), rel=1e-5)
    plain = float(keras_noisy.MAE(from_logits=True)(y, model.predict(x, verbose=0)))
    assert logs.history["val_loss"][0] == pytest.approx(plain, rel=1e-5)


def misuses():
    """Of each, a function that must not train without its bias in silence."""
    x, y = data()
    labels = tensor(y)

    def something_stands_between():
        model = trainable()
        behind = keras.Sequential([*model.layers, keras.layers.ReLU()])
        behind.compile("sgd", loss=model.loss)
        behind.train_on_batch(x, y)

    def no_layer():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES)])
        model.compile("sgd", loss=keras_noisy.MAE(logit_bias="layer", from_logits=True))
        model.train_on_batch(x, y)

    def cast():
        model = trainable()
        y_pred = keras.ops.cast(
            model(x, training=True), "float64" if BACKEND != "jax" else "float16"
        )
        model.loss(labels, y_pred)

    def compiled_apart():
        model = trainable()
        model.loss(labels, compiled(lambda x: model(x, training=True))(tensor(x)))

    return [something_stands_between, no_layer, cast, compiled_apart]


@pytest.mark.parametrize("misuse", misuses(), ids=lambda function: function.__name__)
def test_a_bias_that_gets_lost_is_an_error(misuse, monkeypatch):
    if misuse.__name__ == "compiled_apart" and BACKEND != "tensorflow":
        pytest.skip("JAX can't change a weight in a graph, PyTorch leaves the layer out of it")
    if misuse.__name__ == "no_layer":
        monkeypatch.setattr(
            record, "_built", {"bias": set(), "chunks": set()}
        )  # without other tests' layers
    with pytest.raises(
        ValueError, match=r"`y_pred` must be the output of the model's LogitBias layer"
    ):
        misuse()
    x, y = data()
    trainable(loss=keras_noisy.CE).train_on_batch(x, y)  # and leaves nothing behind


@pytest.mark.skipif(BACKEND != "jax", reason="tracers of JAX")
def test_nothing_outlives_a_step():
    import jax

    x, y = data()
    model = trainable()
    model.train_on_batch(x, y)
    with jax.checking_leaks():
        model.train_on_batch(x[:8], y[:8])


def test_two_outputs_with_a_schedule_each():
    x, y = data()
    inputs = keras.Input((6,))
    first = keras_noisy.LogitBias(1.0, training_steps=4, adaptive=False)
    second = keras_noisy.LogitBias(3.0)
    heads = [bias(keras.layers.Dense(CLASSES)(inputs)) for bias in (first, second)]
    model = keras.Model(inputs, heads)
    losses = [keras_noisy.MAE(logit_bias=bias, from_logits=True) for bias in (first, second)]
    model.compile(keras.optimizers.SGD(0.0), loss=losses)
    logits = model.predict(x, verbose=0)
    for step in range(2):
        epsilons = (float(CosineDecay(1.0, 4)(step)), 3.0)
        expected = sum(
            float(keras_noisy.MAE(logit_bias=epsilon, from_logits=True)(y, z))
            for epsilon, z in zip(epsilons, logits, strict=True)
        )
        assert model.train_on_batch(x, [y, y])[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.tensorflow
def test_two_replicas_train_as_one_device():
    import tensorflow as tf

    def train(strategy):
        with strategy.scope():
            model = trainable(rate=0.5)
        x, y = data()
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
        seen = Losses()
        options = {"validation_data": batches, "callbacks": [seen], "shuffle": False}
        history = model.fit(batches, epochs=2, verbose=0, **options)
        return seen, history.history, model

    one_seen, one, model = train(tf.distribute.get_strategy())
    two_seen, two, replicated = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    np.testing.assert_allclose(two_seen.bias, one_seen.bias, rtol=1e-6, atol=1e-7)
    for key in one:
        np.testing.assert_allclose(two[key], one[key], rtol=1e-5, atol=1e-6)
    for weights in zip(model.get_weights(), replicated.get_weights(), strict=True):
        np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)
    for replica in replicated.get_layer("bias").step.value.values:
        assert int(replica) == STEPS


TWO_DEVICES = """
    import keras
    import numpy as np
    import keras_noisy
    from keras_noisy.training import CurrentLogitBias

    def train():
        keras.utils.set_random_seed(1)
        bias = keras_noisy.LogitBias(training_steps=8)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(50), bias])
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss=loss, metrics=[CurrentLogitBias(loss)])
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(32, 6)), rng.integers(0, 50, 32)
        fitted = model.fit(x, y, batch_size=8, epochs=2, verbose=0, validation_data=(x, y))
        return model.get_weights() + list(fitted.history.values())

    one = train()
    assert len(keras.distribution.list_devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    for a, b in zip(one, train(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.skipif(BACKEND != "jax", reason="devices of JAX; on PyTorch, Keras 3.15 has none")
def test_two_devices_train_as_one(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    subprocess.run([sys.executable, "-c", textwrap.dedent(TWO_DEVICES)], check=True)


def test_a_loop_of_ones_own():
    """A step as Keras's guides write it, compiled where they compile it."""
    x, y = data()
    model = trainable()
    expected = expected_losses(model, SCHEDULES["cosine"][2])[:2]
    batches = [(x[i : i + BATCH], tensor(y[i : i + BATCH])) for i in (0, BATCH)]
    if BACKEND == "jax":
        import jax

        @jax.jit
        def step(trainable_variables, state, x, y):
            def loss_of(weights, state):
                y_pred, state = model.stateless_call(weights, state, x, training=True)
                return model.loss(y, y_pred), state

            (loss, state), _ = jax.value_and_grad(loss_of, has_aux=True)(trainable_variables, state)
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


def test_the_deployed_model_has_no_trace_of_it():
    x, y = data()
    model = trainable(rate=0.5)
    fit(model)
    deployed = keras.Model(model.inputs[0], model.get_layer("bias").input)
    assert [type(layer).__name__ for layer in deployed.layers] == ["InputLayer", "Dense"]
    assert len(deployed.weights) == 2
    predicted = model.predict(x, verbose=0)
    np.testing.assert_array_equal(deployed.predict(x, verbose=0), predicted)
    plain = float(keras_noisy.MAE(from_logits=True)(y, predicted))
    assert float(model.loss(y, deployed.predict(x, verbose=0))) == pytest.approx(plain, rel=1e-6)
    steps = steps_taken(model)
    model.evaluate(x, y, verbose=0)
    model(x)
    assert steps_taken(model) == steps  # inference counts nothing


@pytest.mark.tensorflow
def test_the_exported_graph_has_no_trace_of_it(tmp_path):
    import tensorflow as tf

    def operations(model, name):
        model.export(tmp_path / name, verbose=False)
        served = tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"]
        return sorted(op.type for op in served.graph.get_operations())

    model = trainable()
    fit(model)
    deployed = keras.Model(model.inputs[0], model.get_layer("bias").input)
    assert operations(model, "with") == operations(deployed, "without")


@pytest.mark.tensorflow
def test_tensorboard_shows_it(tmp_path):
    from tensorflow.python.summary.summary_iterator import summary_iterator

    fit(trainable(), callbacks=[keras.callbacks.TensorBoard(tmp_path)])
    tags = {
        value.tag
        for path in tmp_path.glob("train/*")
        for event in summary_iterator(str(path))
        for value in event.summary.value
    }
    assert "epoch_logit_bias" in tags


def test_adaptive_and_constant_biases_can_be_watched():
    x, y = data()
    for given, low, high in (("adaptive", 0.1, 1.2 * logit_bias(CLASSES)), (1.5, 1.5, 1.5)):
        loss = keras_noisy.MAE(logit_bias=given, from_logits=True)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES)])
        model.compile("sgd", loss=loss, metrics=[CurrentLogitBias(loss, name="eps")])
        assert low <= model.fit(x, y, verbose=0).history["eps"][0] <= high * (1 + 1e-6)
    metric = CurrentLogitBias(loss)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
    with pytest.raises(ValueError, match=r"`loss` must be a loss of keras_noisy.*Received"):
        CurrentLogitBias("mae")


def test_copies_of_a_loss_keep_the_tie():
    bias = keras_noisy.LogitBias(name="bias")
    loss = keras_noisy.MAE(logit_bias=bias)
    assert repr(loss) == "MAE(logit_bias='layer')"
    config = keras.losses.serialize(loss)
    for other in (copy.copy(loss), loss.with_options(name="x"), keras.losses.deserialize(config)):
        assert other.logit_bias == "layer"
    named = keras_noisy.MAE(logit_bias="layer", name=loss.name)
    assert named.get_config() == loss.get_config()


def test_diagnose_takes_the_bias_of_the_first_step():
    x, _ = data()
    model = trainable(3.0)
    before = steps_taken(model)
    found = keras_noisy.diagnose(model, x, model.loss)
    expected = keras_noisy.diagnose(model, x, model.loss.with_options(logit_bias=3.0))
    assert found == expected
    assert steps_taken(model) == before
    adaptive = trainable(adaptive=True)
    assert "logit_bias='adaptive'" in str(keras_noisy.diagnose(adaptive, x, adaptive.loss))
    without = keras.Model(model.inputs[0], model.get_layer("bias").input)
    with pytest.raises(ValueError, match=r"`model` must have one LogitBias layer.*with 0 of them"):
        keras_noisy.diagnose(without, x, model.loss)


def test_bad_input():
    steps = r"`training_steps` must be None or an integer of at least 1.*Received: training_steps="
    for bad in (0, -3, 2.5, True, "10"):
        with pytest.raises(ValueError, match=steps):
            keras_noisy.LogitBias(training_steps=bad)
    with pytest.raises(ValueError, match=r"`training_steps` must be None for an `epsilon` that is"):
        keras_noisy.LogitBias(CosineDecay(1.0, 5), training_steps=5)
    for options in ({"training_steps": 5}, {"adaptive": True}):
        with pytest.raises(
            ValueError, match=r"`epsilon` must not be negative.*Received: epsilon=-1"
        ):
            keras_noisy.LogitBias(-1.0, **options)
    with pytest.raises(ValueError, match=r"`adaptive` must be None, True or False.*Received"):
        keras_noisy.LogitBias(adaptive="auto")
    with pytest.raises(ValueError, match=r"`logit_bias` must be .*a LogitBias layer.*Received"):
        keras_noisy.MAE(logit_bias=keras.layers.Dense(3))
    loss = keras_noisy.MAE(logit_bias="layer")
    with pytest.raises(ValueError, match="one number is needed"):
        loss.logit_bias_for(10)


def test_a_schedule_may_miss_0_by_rounding():
    labels, logits = some_batch(CLASSES, 4)
    bias = keras_noisy.LogitBias(PolynomialDecay(1e-4, 1, -1e-6))
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    unbiased = to_numpy(loss(labels, bias(logits)))
    for _ in range(3):
        assert to_numpy(loss(labels, bias(logits, training=True))) == pytest.approx(unbiased, 1e-3)


@pytest.mark.parametrize("start", [-1.0, 61.0])
def test_a_schedule_out_of_range_is_nan_not_a_plausible_number(start):
    labels, logits = some_batch(CLASSES, 4)
    bias = keras_noisy.LogitBias(PolynomialDecay(start, 4, 0.0))
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    assert np.isnan(float(loss(labels, bias(logits, training=True))))
