# %% [markdown]
"""
Title: Mini-WebVision with a robust loss
Author: The keras-noisy authors
Date created: 2026/11/25
Description: Learn 50 classes from the results of a search engine, some of which are wrong.
Accelerator: GPU

## Introduction

WebVision 1.0 consists of unchecked images that search engines found for the names of 1,000
classes. *Mini* has the 65,944 images that Google found for the first 50 classes; many of them do
not show the class. The 2,500 validation images were labelled by people.

The mean absolute error (MAE) is robust to wrong labels, but with many classes it hardly learns. A
*logit bias*, which is a constant that the loss adds to the label's logit, solves this problem
([Staats, Thamm, Rosenow, AAAI-25](https://arxiv.org/abs/2306.05497)). We train the same network
with a constant bias, with a class-wise bias, and with cross-entropy.

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
from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_noisy
from keras_noisy.datasets import webvision

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
EPOCHS = 2 if QUICK else 20
BATCH_SIZE = 128
IMAGE_SIZE = 32 if QUICK else 128

if tf.config.list_physical_devices("GPU"):
    keras.mixed_precision.set_dtype_policy("mixed_float16")

# %% [markdown]
"""
## The data

The data are in the official folders and lists. Files that are damaged or not images are left out
and listed in `bad_images.csv`.
"""


# %%
def attached(name: str) -> Path:
    """Finds the folder of an attached data set or competition."""
    root = Path(os.environ["KAGGLE_INPUT"])
    places = [place for above in ("", "*/", "*/*/") for place in root.glob(above + name)]
    if not places:
        raise FileNotFoundError(f"There is no {name} in {root}. Attach it with 'Add Input'.")
    return places[0]


folder = attached("mini-webvision")


def pipeline(split: str, **options: Any) -> keras_noisy.datasets.Pipeline:
    return webvision.pipeline(
        folder, split, "mini", image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, **options
    )


train = pipeline("train")
val = pipeline("val")
class_names = [name.split(",")[0] for name in train.class_names or map(str, range(50))]
print(f"{train.num_samples:,} images to train with, {val.num_samples:,} to validate")


def show(images: Any, titles: list[str]) -> None:
    axes = plt.figure(figsize=(12, 7), layout="compressed").subplots(3, 6).ravel()
    for each, image, title in zip(axes, images, titles, strict=False):
        each.imshow(image)
        each.set_title(title, fontsize=9)
    for each in axes:
        each.axis("off")
    plt.show()


x, y = next(iter(train.dataset))
show(x.numpy(), [class_names[label] for label in y])

# %% [markdown]
"""
## The network and its training

The network is the ResNet-50 of Keras with random weights, which needs no download. Published
results come from longer trainings with larger images.
"""


# %%
def build_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    if QUICK:
        return keras_noisy.models.small_cnn(train.num_classes, (IMAGE_SIZE, IMAGE_SIZE, 3))
    inputs = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    resnet = keras.applications.ResNet50V2(include_top=False, weights=None, pooling="avg")
    x = resnet(keras_noisy.datasets.normalisation("imagenet")(inputs))
    outputs = keras.layers.Dense(train.num_classes, dtype="float32")(x)
    return keras.Model(inputs, outputs)


def build_optimizer() -> keras.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(0.1, EPOCHS * train.steps)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, global_clipnorm=5.0)


def fit(model: keras.Model) -> dict[str, list[float]]:
    return model.fit(
        train.dataset,
        epochs=EPOCHS,
        shuffle=False,  # the batches are shuffled already
        validation_data=val.dataset,
        verbose=2,
    ).history


# %% [markdown]
"""
## A constant logit bias

The bias is 1.8 for 50 classes. It is an argument of the loss.
"""

# %%
histories = {}

model = build_network()
loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
model.compile(build_optimizer(), loss=loss, metrics=["accuracy"])
histories["MAE, constant bias"] = fit(model)

# %% [markdown]
"""
## A bias for each class

With a constant bias, the network memorises wrong labels late in the training. A layer at the end
of the model gives each class a bias of its own, which falls as the network learns the class.
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
keras_noisy.plots.learning_curves(
    {name: history["val_accuracy"] for name, history in histories.items()},
    ylabel="accuracy",
    title="Validation images, correct labels",
)

# %%
keras_noisy.plots.learning_curves(
    {name: history["accuracy"] for name, history in histories.items()},
    ylabel="agreement with the search engine",
    title="Training images",
)

# %%
for name, history in histories.items():
    print(f"{name:<20} validation accuracy {history['val_accuracy'][-1]:.1%}")

# %% [markdown]
"""
## Search results that look wrong

These are the images, of 12,800 search results, whose labels the network doubts the most: the logit
of another class exceeds that of the label by the largest difference. The titles are the search
term and the class that the network predicts.
"""

# %%
found: list[tuple[float, Any, str]] = []
for x, y in pipeline("train", augment=False).dataset.take(100).as_numpy_iterator():
    logits = model.predict_on_batch(x)
    doubt = logits.max(axis=-1) - logits[np.arange(len(y)), y]
    titles = [
        f"{class_names[label]}?\n{class_names[guess]}"
        for label, guess in zip(y, logits.argmax(axis=-1), strict=True)
    ]
    found += zip(doubt, x, titles, strict=True)
    found = sorted(found, key=lambda each: -each[0])[:18]

show([image for _, image, _ in found], [title for _, _, title in found])
