"""A small classifier with a `LogitBias` layer, its data, and the losses that it must have."""

import keras
import numpy as np
from keras.optimizers.schedules import CosineDecay
from support import to_numpy

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.training import CurrentLogitBias

CLASSES, BATCH, STEPS = 50, 8, 8
# The schedule of `make_model()` with its default arguments.
COSINE = CosineDecay(logit_bias(CLASSES), STEPS)


def make_data():
    """Returns the features and integer labels of four batches."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4 * BATCH, 6)).astype("float32")
    return x, rng.integers(0, CLASSES, len(x))


def make_model(
    epsilon="auto", training_steps=STEPS, adaptive=False, loss=keras_noisy.MAE, rate=0.0, **options
):
    """Returns a compiled classifier; with the default learning rate 0, its weights are fixed."""
    keras.utils.set_random_seed(1)
    bias = keras_noisy.LogitBias(epsilon, training_steps, adaptive, name="bias")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES, name="head"), bias])
    loss = loss(logit_bias=bias, from_logits=True)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, loss=loss, metrics=[CurrentLogitBias(loss)], **options)
    return model


def fit(model, epochs=2, **options):
    """Trains the model on `make_data()` in a fixed order, and returns the history."""
    x, y = make_data()
    options = {"shuffle": False, "verbose": 0, "batch_size": BATCH, **options}
    return model.fit(x, y, epochs=epochs, **options)


def count_steps(model):
    """Returns the number of training steps that the layer has counted."""
    return int(to_numpy(model.get_layer("bias").step))


def expected_losses(model, schedule, loss=keras_noisy.MAE, steps=STEPS):
    """Computes the loss of each step of `fit` with a constant bias, the schedule's at that step.

    The weights of the model must be fixed.
    """
    x, y = make_data()
    logits = model.predict(x, verbose=0)
    batches = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
    return [
        float(loss(logit_bias=float(schedule(step)), from_logits=True)(y[batch], logits[batch]))
        for step, batch in enumerate(batches * (steps // len(batches)))
    ]


class BatchLogs(keras.callbacks.Callback):
    """Collects the loss and the logit bias of each batch.

    Keras reports the means of the epoch so far, from which the values of the batch follow.
    """

    def __init__(self):
        super().__init__()
        self.losses, self.biases = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.sums = 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        sums = logs["loss"] * (batch + 1), float(logs["logit_bias"]) * (batch + 1)
        self.losses.append(sums[0] - self.sums[0])
        self.biases.append(sums[1] - self.sums[1])
        self.sums = sums
