# %% [markdown]
"""
Title: Find and correct wrong labels
Author: The keras-noisy authors
Date created: 2026/11/25
Last modified: 2026/11/29
Description: List the labels that are probably wrong, and train again with corrected ones.
Accelerator: None

## Introduction

Which labels of a data set are wrong? A network that has not memorised them can tell: it disagrees
with them. This example trains such networks, lists the suspicious labels with the probability that
each is wrong, estimates the noise, and corrects the labels.

It works with any arrays. For a folder of images, the command `keras-noisy audit photos` does all of
this, and writes a page on which you can look at the images and mark the wrong labels.

## Setup
"""

# %%
import csv
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

import keras_noisy
from keras_noisy import cleaning
from keras_noisy.datasets import ShuffledBatches, glyphs

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
NUM_CLASSES = 10 if QUICK else 100
EPOCHS = 6 if QUICK else 12
BATCH_SIZE = 16 if QUICK else 64

# %% [markdown]
"""
## The data

These are images of printed characters, 30 % of them with a wrong label. Replace `x` and `labels`
by yours. You then have no `true_labels`, which are only used to evaluate the list, and no `test`.
"""

# %%
(x, true_labels), test = glyphs.load_data(
    NUM_CLASSES, train_per_class=40, test_per_class=10, verbose=0
)
noise = keras_noisy.noise.symmetric(NUM_CLASSES, rate=0.3)
labels = keras_noisy.noise.corrupt(true_labels, noise, seed=0)
is_wrong = labels != true_labels
print(f"{len(x):,} images of {NUM_CLASSES} classes, {is_wrong.sum():,} labels wrong")

# %% [markdown]
"""
## Predictions out of fold

The images are divided into four folds. The predictions for each fold come from a network that was
trained on the other three, with the MAE and a class-wise logit bias. `build` returns a new network
for a number of training steps.
"""


# %%
def build(steps: int) -> keras.Model:
    network = keras_noisy.models.small_cnn(NUM_CLASSES, input_shape=x.shape[1:])
    bias = keras_noisy.LogitBias()
    model = keras.Model(network.input, bias(network.output))
    rate = keras.optimizers.schedules.CosineDecay(0.1, steps)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=5.0)
    model.compile(optimizer, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    return model


logits = cleaning.out_of_fold(
    build, x, labels, folds=4, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0
)

# %% [markdown]
"""
## The list

`doubts` are probabilities that a label is wrong. The expected share of wrong labels in the list
needs no true labels; precision and recall, which do, show how good it is.
"""

# %%
found = cleaning.suspicious_labels(labels, logits, from_logits=True)
estimate = cleaning.estimate_noise(labels, logits, from_logits=True)
listed = found.suspicious
print(f"estimated noise: {estimate.rate:.1%} ± {estimate.rate_error:.1%}")
print(f"listed: {len(listed):,}, expected to be wrong: {found.doubts[listed].mean():.1%}")
print(
    f"precision {is_wrong[listed].mean():.1%}, recall {is_wrong[listed].sum() / is_wrong.sum():.1%}"
)

Path("results").mkdir(exist_ok=True)
with open("results/suspicious_labels.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["sample", "label", "looks_like", "doubt"])
    for i in listed:
        table.writerow([i, labels[i], found.looks_like[i], f"{found.doubts[i]:.3f}"])
print(f"results/suspicious_labels.csv has {len(listed):,} samples")

# %% [markdown]
"""
These are the first images of the list.
"""

# %%
names = glyphs.class_names(NUM_CLASSES)
figure, axes = plt.subplots(2, 7, figsize=(7, 2.8), layout="constrained")
for i, each in zip(listed, axes.flat, strict=False):
    each.imshow(x[i], cmap="gray")
    each.set_title(f"label {names[labels[i]]}\nlooks like {names[found.looks_like[i]]}", fontsize=9)
for each in axes.flat:
    each.set_axis_off()
figure.savefig("results/suspicious_labels.png")

# %% [markdown]
"""
## Training again

Look at the list from the top, correct the wrong labels and train again. If nobody can look at them,
replace the labels by what the images look like, or leave the images out.
"""


# %%
def train(x: NDArray, labels: NDArray) -> float:
    keras.utils.set_random_seed(0)
    batches = ShuffledBatches(x, labels, BATCH_SIZE)
    model = build(EPOCHS * len(batches))
    model.fit(batches, shuffle=False, epochs=EPOCHS, verbose=0)
    predicted = model.predict(test[0], batch_size=256, verbose=0).argmax(axis=-1)
    return float(np.mean(predicted == test[1]))


corrected = labels.copy()
corrected[listed] = found.looks_like[listed]
kept = np.setdiff1d(np.arange(len(x)), listed)
print(f"test accuracy with all labels:          {train(x, labels):.1%}")
print(f"test accuracy without the listed ones:  {train(x[kept], labels[kept]):.1%}")
print(f"test accuracy with labels replaced:     {train(x, corrected):.1%}")
