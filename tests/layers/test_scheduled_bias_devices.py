"""`LogitBias` in models with several outputs, and in training on several devices."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from biased_model import BATCH, CLASSES, STEPS, BatchLogs, make_data, make_model
from keras.optimizers.schedules import CosineDecay
from support import BACKEND

import keras_noisy


def test_each_output_follows_its_own_schedule():
    x, y = make_data()
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
@pytest.mark.parametrize("adaptive", [False, "class"])
def test_two_replicas_train_like_one_device(adaptive):
    import tensorflow as tf

    def train(strategy):
        with strategy.scope():
            model = make_model(rate=0.5, adaptive=adaptive)
        x, y = make_data()
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
        logs = BatchLogs()
        options = {"validation_data": batches, "callbacks": [logs], "shuffle": False}
        history = model.fit(batches, epochs=2, verbose=0, **options)
        return logs.biases, history.history, model

    one_biases, one, model = train(tf.distribute.get_strategy())
    two_biases, two, replicated = train(keras_noisy.training.use_devices(count=2).strategy)
    np.testing.assert_allclose(two_biases, one_biases, rtol=1e-6, atol=1e-7)
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

    def train(bias):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(50), bias])
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss=loss, metrics=[CurrentLogitBias(loss)])
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(32, 6)), rng.integers(0, 50, 32)
        fitted = model.fit(x, y, batch_size=8, epochs=2, verbose=0, validation_data=(x, y))
        return model.get_weights() + list(fitted.history.values())

    options = [{"training_steps": 8}, {"adaptive": "class"}]
    one = [train(keras_noisy.LogitBias(**each)) for each in options]
    assert len(keras.distribution.list_devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    for each, expected in zip(options, one, strict=True):
        for a, b in zip(expected, train(keras_noisy.LogitBias(**each)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.skipif(
    BACKEND != "jax", reason="the devices are JAX's; Keras 3.15 has none on PyTorch"
)
def test_two_devices_train_like_one(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    subprocess.run([sys.executable, "-c", textwrap.dedent(TWO_DEVICES)], check=True)
