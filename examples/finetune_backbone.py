# %% [markdown]
"""
Title: Fine-tune a backbone on a noisy folder of images
Author: The keras-noisy authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: Fine-tune a pre-trained backbone of keras-cv on folders that contain wrong images.
Accelerator: GPU

## Introduction

You have a folder for each class with images that a search engine found, and some of them are in
the wrong folder. There are too few images to train a large network from scratch, so you fine-tune
a pre-trained one. A pre-trained network memorises wrong labels even faster than an untrained one.
A robust loss prevents this.

## Setup

keras-cv needs TensorFlow on every backend: `pip install "keras-noisy[vision,recipes]"`.
"""

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

from pathlib import Path
from typing import Any

import keras
import keras_cv
import numpy as np

import keras_noisy
from keras_noisy.datasets import ShuffledBatches, glyphs, image_folder

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
IMAGE_SIZE = 32  # height and width; take 224 for photographs
BATCH_SIZE = 64
EPOCHS = 1 if QUICK else 12

# %% [markdown]
"""
## The images and the weights

Change these lines to your data: a folder with a folder for each class, another one with checked
images for the evaluation, and a file with the weights of the backbone.
"""

# %%
HERE = Path("results/finetune_backbone")
TRAIN, TEST = HERE / "train", HERE / "test"
WEIGHTS = HERE / "backbone.weights.h5"


def build_backbone() -> keras.Model:
    """Builds a small backbone.

    For a larger one with weights from ImageNet, use
    `keras_cv.models.ResNetV2Backbone.from_preset("resnet50_v2_imagenet")`.
    """
    return keras_cv.models.ResNetV2Backbone(
        stackwise_filters=[64, 96, 128],
        stackwise_blocks=[2, 2, 2],
        stackwise_strides=[1, 2, 2],
        include_rescaling=True,
        block_type="basic_block",
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
    )


# %% [markdown]
"""
If they do not exist, this example creates the folders and the weights. The images are printed
characters, 30 for each of 40 classes, 40 % of them in a wrong folder. The weights come from a
training on 80 other characters.
"""

# %%
CLASSES, OTHER_CLASSES = (10, 10) if QUICK else (40, 80)


def build_classifier(num_classes: int, weights: Path | None) -> keras.Model:
    keras.utils.set_random_seed(0)
    features = build_backbone()
    if weights is not None:
        features.load_weights(weights)
    x = keras.layers.GlobalAveragePooling2D()(features.output)
    return keras.Model(features.input, keras.layers.Dense(num_classes, dtype="float32")(x))


def build_optimizer(rate: float, steps: int) -> keras.Optimizer:
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, clipnorm=5.0)


def create_folders() -> None:
    data = glyphs.load_data(CLASSES, train_per_class=30, verbose=0)
    noise = keras_noisy.noise.symmetric(CLASSES, rate=0.4)
    for folder, (x, y), rate in ((TRAIN, data[0], noise), (TEST, data[1], np.eye(CLASSES))):
        for i, label in enumerate(keras_noisy.noise.corrupt(y, rate, seed=0)):
            (folder / f"{label:03}").mkdir(parents=True, exist_ok=True)
            picture = x[i][..., np.newaxis]
            keras.utils.save_img(folder / f"{label:03}" / f"{i:05}.png", picture, scale=False)


def create_weights() -> None:
    (x, y), _ = glyphs.load_data(CLASSES + OTHER_CLASSES, 30, test_per_class=1, verbose=0)
    x, y = x[y >= CLASSES], y[y >= CLASSES] - CLASSES
    x = np.array(keras.ops.image.resize(x[..., np.newaxis], (IMAGE_SIZE, IMAGE_SIZE)))
    batches = ShuffledBatches(np.repeat(x, 3, axis=-1), y, BATCH_SIZE)
    model = build_classifier(OTHER_CLASSES, weights=None)
    model.compile(build_optimizer(0.1, EPOCHS * len(batches)), keras_noisy.CE(from_logits=True))
    model.fit(batches, shuffle=False, epochs=EPOCHS, verbose=0)
    trained = keras.Model(model.input, model.layers[-3].output)
    trained.save_weights(WEIGHTS)


HERE.mkdir(parents=True, exist_ok=True)
if not TRAIN.exists():
    create_folders()
if not WEIGHTS.exists():
    create_weights()

# %% [markdown]
"""
## The input pipeline

`image_folder` numbers the classes in the order of their folders. It decodes and augments images in
parallel, leaves out damaged files and lists them in a file.
"""

# %%
options: dict[str, Any] = {
    "image_size": IMAGE_SIZE,
    "batch_size": BATCH_SIZE,
    "augment": False,  # a crop of a character may look like another character
    "bad_images": HERE / "bad_images.csv",
}
train = image_folder.pipeline(TRAIN, "train", **options)
test = image_folder.pipeline(TEST, "test", class_names=train.class_names, **options)
steps = EPOCHS * train.steps
print(f"{train.num_classes} classes, {train.steps} batches")

# %% [markdown]
"""
## Fine-tune

We train with cross-entropy for comparison, and with the MAE and a logit bias for each class, which
falls as the class is learnt, and is a layer at the end of the model. The learning rate is smaller
than for a training from scratch.
"""

# %%
for name in ("cross-entropy", "MAE, class-wise bias"):
    model = build_classifier(train.num_classes, WEIGHTS)
    loss = keras_noisy.CE(from_logits=True)
    if name != "cross-entropy":
        bias = keras_noisy.LogitBias()
        model = keras.Model(model.input, bias(model.output))
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    model.compile(build_optimizer(0.05, steps), loss=loss, metrics=["accuracy"])
    history = model.fit(train.dataset, shuffle=False, epochs=EPOCHS, verbose=0).history
    accuracy = model.evaluate(test.dataset, verbose=0, return_dict=True)["accuracy"]
    agreement = history["accuracy"][-1]
    print(f"{name}: agrees with {agreement:.1%} of the folders, test accuracy {accuracy:.1%}")

# %% [markdown]
"""
60 % of the images are in the right folder. A network that agrees with more of the folders has
memorised wrong ones.
"""
