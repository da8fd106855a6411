# %% [markdown]
"""
Title: Find wrong labels with cleanlab
Author: The keras-noisy authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: List wrong labels with cleanlab and a network that resists label noise.
Accelerator: None

## Introduction

Which labels of a data set are wrong? [cleanlab](https://docs.cleanlab.ai) compares each label with
the prediction of a network that was trained without this sample, and lists the labels that look
wrong. It works with any classifier: the better its predictions in spite of the wrong labels, the
better the list. This example compares cross-entropy with the MAE and a logit bias.

## Setup

This example needs cleanlab: `pip install cleanlab`.
"""

# %%
import csv
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray

import keras_noisy
from keras_noisy.datasets import ShuffledBatches, glyphs

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
NUM_CLASSES = 10 if QUICK else 100
FOLDS = 3
EPOCHS = 3 if QUICK else 12
BATCH_SIZE = 64

# %% [markdown]
"""
## The data

These are images of printed characters, 30 % of them with a wrong label. Replace `x` and `labels`
by yours. You then have no `true_labels`, which are only used to evaluate the list at the end.
"""

# %%
(x, true_labels), _ = glyphs.load_data(NUM_CLASSES, train_per_class=40, test_per_class=1, verbose=0)
noise = keras_noisy.noise.symmetric(NUM_CLASSES, rate=0.3)
labels = keras_noisy.noise.corrupt(true_labels, noise, seed=0)
is_wrong = labels != true_labels
print(f"{len(x):,} images of {NUM_CLASSES} classes, {is_wrong.sum():,} labels wrong")

# %% [markdown]
"""
## Predictions out of sample

The images are split into three parts. The predictions for each part come from a network that was
trained on the other two.
"""


# %%
def train(
    x: NDArray, labels: NDArray, loss: keras_noisy.losses.RobustLoss, with_bias: bool
) -> keras.Model:
    keras.utils.set_random_seed(0)
    batches = ShuffledBatches(x, labels, BATCH_SIZE)
    steps = EPOCHS * len(batches)
    model = keras_noisy.models.small_cnn(NUM_CLASSES, input_shape=x.shape[1:])
    if with_bias:
        bias = keras_noisy.LogitBias()
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    rate = keras.optimizers.schedules.CosineDecay(0.1, steps)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=5.0)
    model.compile(optimizer, loss=loss)
    model.fit(batches, shuffle=False, epochs=EPOCHS, verbose=0)
    return model


fold = np.random.default_rng(0).permutation(len(x)) % FOLDS


def predict_out_of_sample(loss: keras_noisy.losses.RobustLoss, with_bias: bool) -> NDArray:
    """Predicts probabilities (samples, classes) with networks that have not seen the sample."""
    probabilities = np.zeros((len(x), NUM_CLASSES))
    for part in range(FOLDS):
        model = train(x[fold != part], labels[fold != part], loss, with_bias)
        logits = model.predict(x[fold == part], batch_size=256, verbose=0)
        probabilities[fold == part] = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    return probabilities


predictions = {
    "cross-entropy": predict_out_of_sample(keras_noisy.CE(from_logits=True), with_bias=False),
    "MAE, class-wise bias": predict_out_of_sample(
        keras_noisy.MAE(from_logits=True), with_bias=True
    ),
}

# %% [markdown]
"""
## The list

cleanlab ranks the labels that it considers wrong, the most suspicious one first. Precision is the
share of the listed labels that are wrong; recall is the share of the wrong labels that are listed.
"""

# %%
print(f"{'':<20}{'accuracy':>10}{'listed':>8}{'precision':>11}{'recall':>9}")
for name, probabilities in predictions.items():
    accuracy = np.mean(probabilities.argmax(axis=-1) == true_labels)
    ranked = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    precision, recall = is_wrong[ranked].mean(), is_wrong[ranked].sum() / is_wrong.sum()
    print(f"{name:<20}{accuracy:>10.1%}{len(ranked):>8,}{precision:>11.1%}{recall:>9.1%}")

# %% [markdown]
"""
Check the list from the top, correct the wrong labels and train again. If the labels can't be
checked, train without the listed samples.
"""

# %%
Path("results").mkdir(exist_ok=True)
with open("results/suspicious_labels.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["sample", "label", "looks_like", "probability_of_the_label"])
    for i in ranked:
        guess, doubt = probabilities[i].argmax(), probabilities[i, labels[i]]
        table.writerow([i, labels[i], guess, f"{doubt:.3g}"])
print(f"results/suspicious_labels.csv has {len(ranked):,} samples")
