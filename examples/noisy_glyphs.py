# %% [markdown]
"""
Title: Image classification with wrong labels
Author: The keras-noisy authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: Train with wrong labels on 200 printed characters, with and without memorising them.
Accelerator: None

## Introduction

Large data sets have wrong labels, and a network that is trained with cross-entropy memorises them.
Bounded losses such as the mean absolute error (MAE) are robust to wrong labels. With many classes,
however, they hardly learn at all, unless a *logit bias* is added to the label's logit in training
([Staats, Thamm, Rosenow, AAAI-25](https://arxiv.org/abs/2306.05497)).

This example shows both, in two minutes on a CPU. It draws its images and downloads nothing.

## Setup
"""

# %%
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import matplotlib.pyplot as plt

import keras_noisy
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.training import LabelNoiseMonitor

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
NUM_CLASSES = 20 if QUICK else 200
NOISE = 0.4
EPOCHS = 2 if QUICK else 15
BATCH_SIZE = 128

# %% [markdown]
"""
## The data

The images show printed characters, and each character is a class. 40 % of the training labels are
replaced by others at random, such as the red ones below. We keep the correct labels as well, not
for training, but to measure what happens to the wrong ones. The labels of the test images are
correct.
"""

# %%
(x, true_labels), test = glyphs.load_data(NUM_CLASSES, train_per_class=40, verbose=0)
noise = keras_noisy.noise.symmetric(NUM_CLASSES, NOISE)
labels = keras_noisy.noise.corrupt(true_labels, noise, seed=0)
print(keras_noisy.noise.describe(true_labels, labels))

names = glyphs.class_names(NUM_CLASSES)
figure, axes = plt.subplots(1, 8, figsize=(7, 1.2), layout="constrained")
for i, each in enumerate(axes):
    each.imshow(x[i], cmap="gray")
    each.set_title(
        f"label {names[labels[i]]}", color="black" if labels[i] == true_labels[i] else "C3"
    )
    each.set_axis_off()
Path("results").mkdir(exist_ok=True)
figure.savefig("results/noisy_labels.png")

# %% [markdown]
"""
## Will it learn?

`diagnose` answers this before the training. The MAE alone learns slowly here, and not at all with
1000 classes:
"""

# %%
keras.utils.set_random_seed(0)
model = keras_noisy.models.small_cnn(NUM_CLASSES, input_shape=(28, 28))
print(keras_noisy.diagnose(model, x[:512], keras_noisy.MAE(from_logits=True)))

# %% [markdown]
"""
## Three losses

We train the same network with the same optimizer and three losses. The best of them, with a
*class-wise bias*, needs a layer at the end of the model: the bias of each class falls as the
network learns the class.

A `LabelNoiseMonitor` adds two values to the logs: the share of the wrong labels that the network
has memorised, and the share of these images for which it predicts the correct class.
"""

# %%
STEPS = EPOCHS * len(ShuffledBatches(x, labels, BATCH_SIZE))


def train(
    loss: keras.losses.Loss, bias: keras_noisy.LogitBias | None = None
) -> dict[str, list[float]]:
    keras.utils.set_random_seed(0)
    model = keras_noisy.models.small_cnn(NUM_CLASSES, input_shape=(28, 28))
    if bias is not None:
        model = keras.Model(model.input, bias(model.output))
    rate = keras.optimizers.schedules.CosineDecay(0.1, STEPS)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=5.0)
    model.compile(optimizer, loss=loss)
    return model.fit(
        ShuffledBatches(x, labels, BATCH_SIZE),
        shuffle=False,  # the batches are shuffled already
        epochs=EPOCHS,
        callbacks=[LabelNoiseMonitor((x, labels, true_labels), test, max_samples=2000)],
        verbose=0,
    ).history


bias = keras_noisy.LogitBias()
histories = {
    "cross-entropy": train(keras_noisy.CE(from_logits=True)),
    "MAE": train(keras_noisy.MAE(from_logits=True)),
    "MAE, class-wise bias": train(keras_noisy.MAE(logit_bias=bias, from_logits=True), bias),
}

# %% [markdown]
"""
## Results
"""

# %%
print(f"{'':<20}{'test accuracy':>15}{'memorised':>12}{'recognised':>12}")
for name, history in histories.items():
    last = [history[key][-1] for key in ("test_accuracy", "memorised", "recognised")]
    print(f"{name:<20}{last[0]:>15.1%}{last[1]:>12.1%}{last[2]:>12.1%}")

# %%
figure = keras_noisy.plots.curve_panels(
    {
        panel: {name: history[key] for name, history in histories.items()}
        for key, panel in (("test_accuracy", "test accuracy"), ("memorised", "memorised"))
    }
)
figure.savefig("results/noisy_glyphs.png")
figure

# %% [markdown]
"""
## Where to go next

Replace `x` and `labels` by your own data, or continue with another example: `labels_from_csv.py`
reads images and labels from a CSV file, `find_label_errors.py` finds the wrong labels, and
`finetune_backbone.py` fine-tunes a larger network.
"""
