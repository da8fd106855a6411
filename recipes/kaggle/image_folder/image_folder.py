# %% [markdown]
"""
Title: Your own image folder with noisy labels
Author: The keras-noisy authors
Date created: 2026/11/25
Description: Train on a folder of images with a train.csv, and list the labels that look wrong.
Accelerator: GPU

## Introduction

You have a folder of images and a table with their labels, and some labels are wrong. Which ones? A
network that is trained with cross-entropy can't tell, because it memorises them. A network that is
trained with a robust loss disagrees with them.

This notebook trains such a network and writes `suspicious.csv`, which lists the labels that the
network disagrees with, the most suspicious ones first. The images are those of the competition
*Cassava Leaf Disease Classification*, which is known for its noisy labels. To use your own, attach
them and change two lines.

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
import csv
import json
import random
from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_noisy
from keras_noisy.datasets import image_list, read_bad_images, read_table

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
EPOCHS = 2 if QUICK else 15
BATCH_SIZE = 16 if QUICK else 64
IMAGE_SIZE = 32 if QUICK else 224
WEIGHTS = None  # for random ones; or an attached file for keras.applications.ResNet50V2

if tf.config.list_physical_devices("GPU"):
    keras.mixed_precision.set_dtype_policy("mixed_float16")

# %% [markdown]
"""
## The data

The data are a folder of images and a table with the columns `image_id` and `label`. To use your
own, change the lines with `folder` and `images`. A tenth of the images is held out; their labels
are as noisy as the others.
"""


# %%
def attached(name: str) -> Path:
    """Finds the folder of an attached data set or competition."""
    root = Path(os.environ["KAGGLE_INPUT"])
    places = [place for above in ("", "*/", "*/*/") for place in root.glob(above + name)]
    if not places:
        raise FileNotFoundError(f"There is no {name} in {root}. Attach it with 'Add Input'.")
    return places[0]


folder = attached("cassava-leaf-disease-classification")
images = folder / "train_images"

table = read_table(folder / "train.csv", ["image_id", "label"])
samples = list(table.drop_duplicates("image_id").itertuples(index=False, name=None))
random.Random(0).shuffle(samples)
labels = sorted(set(table["label"]))
held_out = len(samples) // 10

# Cassava has a file with names of the labels; your labels may be names already.
names = folder / "label_num_to_disease_map.json"
label_names = json.loads(names.read_text()) if names.exists() else {}
class_names = [label_names.get(label, label) for label in labels]


def pipeline(samples: list[tuple[str, str]], **options: Any) -> keras_noisy.datasets.Pipeline:
    """Builds batches of images and labels without damaged files, up to a tenth of all files."""
    lines = (f"{image} {labels.index(label)}\n" for image, label in samples)
    Path("images.txt").write_text("".join(lines))
    return image_list.pipeline(
        images,
        "images.txt",
        len(labels),
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        max_bad_share=0.1,
        **options,
    )


train = pipeline(samples[held_out:])
val = pipeline(samples[:held_out], is_training=False)
print(f"{train.num_samples:,} images of {len(labels)} classes, {val.num_samples:,} held out")


# %%
def show(pictures: Any, titles: list[str]) -> None:
    axes = plt.figure(figsize=(12, 9.6), layout="compressed").subplots(3, 4).ravel()
    for each, picture, title in zip(axes, pictures, titles, strict=False):
        each.imshow(picture)
        each.set_title(title, fontsize=9)
    for each in axes:
        each.axis("off")
    plt.show()


x, y = next(iter(train.dataset))
show(x.numpy(), [class_names[label] for label in y])

# %% [markdown]
"""
## The network and its training

The network is the ResNet-50 of Keras, which needs no download.
"""


# %%
def build_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    if QUICK:
        return keras_noisy.models.small_cnn(len(labels), (IMAGE_SIZE, IMAGE_SIZE, 3))
    inputs = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    resnet = keras.applications.ResNet50V2(include_top=False, weights=WEIGHTS, pooling="avg")
    x = resnet(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    outputs = keras.layers.Dense(len(labels), dtype="float32")(x)
    return keras.Model(inputs, outputs)


def build_optimizer() -> keras.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(0.05, EPOCHS * train.steps)
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
## A robust loss

We use the mean absolute error (MAE). With many classes it hardly learns without a *logit bias*,
which follows from their number ([Staats, Thamm, Rosenow,
AAAI-25](https://arxiv.org/abs/2306.05497)). The bias is 3.2 for 200 classes, and 0 for up to 10
classes, as here.
"""

# %%
histories = {}

model = build_network()
loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
model.compile(build_optimizer(), loss=loss, metrics=["accuracy"])
histories["MAE, constant bias"] = fit(model)

# %% [markdown]
"""
If there is a bias, let it fall for each class as the network learns the class, so that it
memorises hardly any wrong labels. This needs a layer at the end of the model.
"""

# %%
if keras_noisy.calibration.logit_bias(len(labels)) > 0:
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

# %%
keras_noisy.plots.learning_curves(
    {name: history["val_accuracy"] for name, history in histories.items()},
    ylabel="agreement with the labels",
    title="Held-out images",
)

# %%
keras_noisy.plots.learning_curves(
    {name: history["accuracy"] for name, history in histories.items()},
    ylabel="agreement with the labels",
    title="Training images",
)

# %% [markdown]
"""
If the agreement keeps rising for the training images, but not for the held-out ones, the network
memorises labels.

## Labels that look wrong

The doubt about a label is the estimated probability that it is wrong. The network has seen these
labels in training, so this is optimistic: wrong labels that it has memorised are not listed.
`keras_noisy.cleaning.audit` trains several networks, none of which judges an image that it has
seen, and writes a page to look at the images and to mark the wrong labels.
"""

# %%
bad = {image.path for image in read_bad_images("bad_images.csv")}
samples = [(image, label) for image, label in samples if image not in bad]
logits = model.predict(pipeline(samples, is_training=False).dataset, verbose=0)
given = np.array([labels.index(label) for _, label in samples])
found = keras_noisy.cleaning.suspicious_labels(given, logits, from_logits=True)
noise = keras_noisy.cleaning.estimate_noise(given, logits, from_logits=True)
suspicious = found.suspicious

with open("suspicious.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["image_id", "label", "looks_like", "doubt"])
    for i in suspicious:
        writer.writerow([*samples[i], labels[found.looks_like[i]], f"{found.doubts[i]:.3f}"])
print(f"{len(suspicious):,} of {len(samples):,} labels look wrong; suspicious.csv has them")
for name, rate in zip(class_names, noise.class_rates, strict=True):
    print(f"{rate:6.1%} of {name}")

# %% [markdown]
"""
If nearly all labels of a class look wrong, the network has not learnt this class. The MAE may
ignore classes with few images. Then `keras_noisy.GCE(from_logits=True)`, which is between the MAE
and cross-entropy, is the better choice.

These are the most suspicious images, with the label and the class that the network predicts.
"""

# %%
show(
    [plt.imread(images / samples[i][0]) for i in suspicious[:12]],
    [f"{class_names[given[i]]}?\n{class_names[found.looks_like[i]]}" for i in suspicious[:12]],
)
