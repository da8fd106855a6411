# %% [markdown]
"""
Title: CIFAR-100 with wrong labels
Author: The keras-noisy authors
Date created: 2026/11/25
Description: Learn 100 classes with a robust loss, without memorising wrong labels.
Accelerator: GPU

## Introduction

Large data sets have wrong labels, and a network that is trained with cross-entropy memorises them.
The mean absolute error (MAE) is robust to wrong labels, but with many classes it hardly learns,
because its gradient almost vanishes at the logits of an untrained network. A *logit bias*, which
is a constant that the loss adds to the label's logit, solves this problem. It follows from the
number of classes alone ([Staats, Thamm, Rosenow, AAAI-25](https://arxiv.org/abs/2306.05497)).
keras-noisy can also let the bias fall to 0 during the training, so that the network memorises
hardly any wrong labels.

We make 40 % of the labels of CIFAR-100 wrong, train the same network with three losses, and
measure whether it has learnt the classes or memorised the wrong labels.

## Setup

The next cell installs keras-noisy from an attached data set, without the internet.
"""

# %%
import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported for the first time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # hides TensorFlow's start-up messages
os.environ.setdefault("KAGGLE_INPUT", "/kaggle/input")
# %pip install -qq --no-index --find-links $KAGGLE_INPUT/keras-noisy-wheel \
#     --find-links $KAGGLE_INPUT/datasets/*/keras-noisy-wheel keras-noisy

# %%
import pickle
from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_noisy
from keras_noisy.datasets import arrays

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
EPOCHS = 2 if QUICK else 30
BATCH_SIZE = 128
DEPTH = 18  # or 34, or 50

if tf.config.list_physical_devices("GPU"):
    keras.mixed_precision.set_dtype_policy("mixed_float16")

# %% [markdown]
"""
## The data and the wrong labels

The attached folder has the files of CIFAR-100's official Python version.
"""


# %%
def attached(name: str) -> Path:
    """Finds the folder of an attached data set or competition."""
    root = Path(os.environ["KAGGLE_INPUT"])
    places = [place for above in ("", "*/", "*/*/") for place in root.glob(above + name)]
    if not places:
        raise FileNotFoundError(f"There is no {name} in {root}. Attach it with 'Add Input'.")
    return places[0]


folder = attached("cifar100")


def read_file(file: str) -> dict[bytes, Any]:
    return pickle.loads((folder / file).read_bytes(), encoding="bytes")


def load_images(file: str) -> tuple[np.ndarray, np.ndarray]:
    content = read_file(file)
    images = content[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.array(content[b"fine_labels"])


x_train, true_labels = load_images("train")
x_test, y_test = load_images("test")
class_names = [name.decode().replace("_", " ") for name in read_file("meta")[b"fine_label_names"]]

# %% [markdown]
"""
We train with `noisy_labels` only. The true labels are used to measure what the network has learnt.
"""

# %%
noise = keras_noisy.noise.symmetric(num_classes=100, rate=0.4)
noisy_labels = keras_noisy.noise.corrupt(true_labels, noise, seed=0)
print(keras_noisy.noise.describe(true_labels, noisy_labels))

# %%
GREEN, RED = "#009E73", "#D55E00"


def show(images: Any, titles: list[str], colours: list[str]) -> None:
    axes = plt.figure(figsize=(12, 4.6), layout="compressed").subplots(2, 6).ravel()
    for each, image, title, colour in zip(axes, images, titles, colours, strict=False):
        each.imshow(image)
        each.set_title(title, color=colour)
        each.axis("off")
    plt.show()


show(
    x_train,
    [class_names[label] for label in noisy_labels[:12]],
    [GREEN if correct else RED for correct in noisy_labels == true_labels],
)

# %% [markdown]
"""
Green labels are correct, red ones are wrong.

## The network and its training

The network is a ResNet, and its images are randomly shifted, flipped and rotated. After each
epoch, `LabelNoiseMonitor` measures the share of the wrong labels that the network has memorised.
"""

# %%
train = arrays.pipeline(x_train, noisy_labels, 100, batch_size=BATCH_SIZE, augmentation="cifar100")
monitor = keras_noisy.training.LabelNoiseMonitor(
    (x_train, noisy_labels, true_labels), max_samples=5000
)


def build_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    if QUICK:
        return keras_noisy.models.small_cnn(100, (32, 32, 3))
    normalisation = keras_noisy.datasets.normalisation("cifar100")
    return keras_noisy.models.cifar_resnet(100, DEPTH, normalisation=normalisation)


def build_optimizer() -> keras.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(0.1, EPOCHS * train.steps)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, global_clipnorm=5.0)


def fit(model: keras.Model) -> dict[str, list[float]]:
    return model.fit(
        train.dataset,
        epochs=EPOCHS,
        shuffle=False,  # the batches are shuffled already
        validation_data=(x_test, y_test),  # with correct labels
        callbacks=[monitor],
        verbose=2,
    ).history


# %% [markdown]
"""
## A constant logit bias

Does the plain MAE learn 100 classes? `diagnose` answers this before the first step, and suggests
the bias that helps.
"""

# %%
model = build_network()
print(keras_noisy.diagnose(model, x_train[:256], keras_noisy.MAE(from_logits=True)))

# %% [markdown]
"""
The bias is an argument of the loss.
"""

# %%
histories = {}

loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
model.compile(build_optimizer(), loss=loss, metrics=["accuracy"])
histories["MAE, constant bias"] = fit(model)

# %% [markdown]
"""
## A bias for each class

A layer at the end of the model gives each class a bias of its own, which falls as the network
learns the class.
"""

# %%
bias = keras_noisy.LogitBias()
model = build_network()
model = keras.Model(model.input, bias(model.output))

loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
model.compile(build_optimizer(), loss=loss, metrics=["accuracy"])
histories["MAE, class-wise bias"] = fit(model)

# %% [markdown]
"""
## Cross-entropy, for comparison
"""

# %%
baseline = build_network()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
baseline.compile(build_optimizer(), loss=loss, metrics=["accuracy"])
histories["cross-entropy"] = fit(baseline)

# %% [markdown]
"""
## Results
"""

# %%
accuracy = {name: history["val_accuracy"] for name, history in histories.items()}
keras_noisy.plots.learning_curves(accuracy, title="Test images, correct labels")

# %%
memorised = {name: history["memorised"] for name, history in histories.items()}
keras_noisy.plots.learning_curves(
    memorised, ylabel="memorised", title="Training images with a wrong label"
)

# %%
for name in histories:
    print(
        f"{name:<20} test accuracy {accuracy[name][-1]:6.1%}, "
        f"wrong labels memorised {memorised[name][-1]:6.1%}"
    )

# %% [markdown]
"""
A network that has not memorised wrong labels can correct them. These are training images with a
wrong label and the class that the network with the class-wise bias predicts. The title is green if
the prediction is correct.
"""

# %%
wrong = np.flatnonzero(noisy_labels != true_labels)[:12]
predicted = model.predict(x_train[wrong], verbose=0).argmax(axis=-1)
show(
    x_train[wrong],
    [
        f"{class_names[label]}?\n{class_names[guess]}"
        for label, guess in zip(noisy_labels[wrong], predicted, strict=True)
    ],
    [GREEN if correct else RED for correct in predicted == true_labels[wrong]],
)

# %% [markdown]
"""
## Next

To train on your own images and labels, use *Your own image folder with noisy labels*. keras-noisy
has further losses, noise models and data sets.
"""
