# %% [markdown]
"""
Title: Images and wrong labels from a CSV file of your own
Author: The keras-noisy authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: Train on a folder of images and a table of labels, some wrong, and save the model.
Accelerator: None

## Introduction

You have a folder of images and a CSV file with their labels, which were written by many people,
collected from the web or predicted by another program. Some labels are wrong, and a person has
checked a few of them. This example

1. uses the checked labels to estimate how many labels are wrong, and which classes are confused,
2. trains a network that does not memorise the wrong labels,
3. measures its accuracy on the checked labels,
4. saves it, loads it and predicts with it.

## Setup
"""

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import csv
import random
from pathlib import Path

import keras
import numpy as np

import keras_noisy
from keras_noisy.datasets import glyphs, image_folder, image_list, read_table

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
EPOCHS = 2 if QUICK else 15
BATCH_SIZE = 64
IMAGE_SIZE = 32  # height and width; take 224 for photographs

# %% [markdown]
"""
## The images and the table

You need a folder of images and a table with the columns `image` (a path in that folder), `label` (a
name) and `checked` (the correct label if a person has checked it, else nothing). The table is a CSV
file in UTF-8, as spreadsheets export it. Change these two lines to your folder and file:
"""

# %%
FOLDER = Path("results/labels_from_csv")
TABLE = FOLDER / "labels.csv"

# %% [markdown]
"""
If the file does not exist, this example creates such a folder with images of printed characters.
About a third of them get the label of the next character.
"""


# %%
def create_data(num_classes: int, images_per_class: int) -> None:
    (x, y), _ = glyphs.load_data(num_classes, images_per_class, test_per_class=1, verbose=0)
    given = keras_noisy.noise.corrupt(
        y, keras_noisy.noise.pair_flip(num_classes, rate=0.35), seed=0
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(TABLE, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "checked"])
        for i, image in enumerate(x):
            keras.utils.save_img(FOLDER / f"{i:05}.png", image[..., np.newaxis], scale=False)
            checked = f"character {y[i]}" if i % 10 == 0 else ""
            table.writerow([f"{i:05}.png", f"character {given[i]}", checked])


if not TABLE.exists():
    create_data(num_classes=10 if QUICK else 50, images_per_class=20 if QUICK else 60)

rows = read_table(TABLE, ["image", "label"], optional=["checked"]).to_dict("records")
random.Random(0).shuffle(rows)
checked = [row for row in rows if row["checked"]]
if not checked or len(checked) == len(rows):
    raise ValueError(f"Some images must be checked, but not all: {len(checked)} of {len(rows)} are")
class_names = sorted({row["label"] for row in rows} | {row["checked"] for row in checked})
number_of = {name: number for number, name in enumerate(class_names)}
print(f"{len(rows):,} images of {len(class_names)} classes, {len(checked):,} checked")

# %% [markdown]
"""
## How many labels are wrong?

The checked labels are a sample of all labels.
"""

# %%
correct = np.array([number_of[row["checked"]] for row in checked])
given = np.array([number_of[row["label"]] for row in checked])
print(keras_noisy.noise.describe(correct, given))

# %% [markdown]
"""
## The input pipeline

`image_list` reads a list with a line `path label` for each image, with labels counted from 0. It
decodes and augments images in parallel, leaves out damaged files and lists them in a file. The
checked images are held out for the evaluation.
"""


# %%
def pipeline(
    rows: list[dict[str, str]], column: str, is_training: bool
) -> keras_noisy.datasets.Pipeline:
    lines = (f"{row['image']} {number_of[row[column]]}\n" for row in rows)
    (FOLDER / "list.txt").write_text("".join(lines))
    return image_list.pipeline(
        FOLDER,
        FOLDER / "list.txt",
        len(class_names),
        is_training=is_training,
        augment=False,  # a crop of a character may look like another character
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        bad_images=FOLDER / "bad_images.csv",
    )


train = pipeline([row for row in rows if not row["checked"]], "label", is_training=True)
test = pipeline(checked, "checked", is_training=False)

# %% [markdown]
"""
## Train

We train with cross-entropy for comparison, and with the MAE and a logit bias for each class, which
falls as the class is learnt. For photographs, use `keras_noisy.models.resnet` or any other model
that returns a logit for each class.
"""


# %%
def fit(loss: keras.losses.Loss, bias: keras_noisy.LogitBias | None = None) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras_noisy.models.small_cnn(len(class_names), (IMAGE_SIZE, IMAGE_SIZE, 3))
    if bias is not None:
        model = keras.Model(model.input, bias(model.output))
    rate = keras.optimizers.schedules.CosineDecay(0.1, EPOCHS * train.steps)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=5.0)
    model.compile(optimizer, loss=loss, metrics=["accuracy"])
    model.fit(train.dataset, shuffle=False, epochs=EPOCHS, verbose=0)
    accuracy = model.evaluate(test.dataset, verbose=0, return_dict=True)["accuracy"]
    print(f"{loss.name}: {accuracy:.1%} of the checked images")
    return model


fit(keras_noisy.CE(from_logits=True))
bias = keras_noisy.LogitBias()
model = fit(keras_noisy.MAE(logit_bias=bias, from_logits=True), bias)

# %% [markdown]
"""
## Save, load, predict

The saved model takes raw images and needs no labels, because its layer `LogitBias` does nothing in
prediction. Import `keras_noisy` before you load the model, so that Keras knows the layer.
"""

# %%
model.save(FOLDER / "model.keras")
loaded = keras.saving.load_model(FOLDER / "model.keras")
row = checked[0]
image = image_folder.load_image(FOLDER / row["image"], IMAGE_SIZE)  # as the pipeline evaluates it
logits = loaded.predict(image[np.newaxis], verbose=0)
print(f"{row['image']} is {class_names[logits.argmax()]}; a person said {row['checked']}")
