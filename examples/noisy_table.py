# %% [markdown]
"""
Title: A table with wrong labels, with scikit-learn
Author: The keras-noisy authors
Date created: 2026/11/29
Last modified: 2026/11/29
Description: Cross-validate a robust loss on a table of strings and numbers, and find wrong labels.
Accelerator: None

## Introduction

You have a table with columns of strings and numbers, and a column of labels, which are names. Some
labels are wrong. This example

1. encodes the columns,
2. compares two losses by `cross_val_score` of scikit-learn, whose wrapper of Keras takes names as
   labels,
3. lists the labels that are probably wrong,
4. saves the network with its encoding and the names of its classes, loads them and predicts.

## Setup

`pip install scikit-learn pandas`. Keras's `FeatureSpace` needs TensorFlow on every backend.
"""

# %%
import functools
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras.utils import FeatureSpace
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

import keras_noisy
from keras_noisy import cleaning

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
SEED = 0
HERE = Path("results/noisy_table")

# %% [markdown]
"""
## The table

You need a table with the columns of strings and numbers that are named here and a column `kind`
with the labels, for example `train = pd.read_csv("parts.csv").dropna()`, and another one, `test`,
with labels that somebody has checked. Change the names of the columns and the last lines of this
cell to yours.

This example draws a catalogue of spare parts of 40 kinds. Each kind has its usual materials,
suppliers and surfaces, and its usual weight, length and price. 40 % of the labels are wrong. The
column `true_kind` is only used to evaluate the list of wrong labels.
"""

# %%
STRINGS = {
    "material": ["steel", "brass", "copper", "rubber", "nylon", "glass", "aluminium", "ceramic"],
    "supplier": ["Adler", "Brandt", "Costa", "Dubois", "Ek", "Fischer", "Gomez", "Haas", "Ivanov"],
    "surface": ["raw", "zinc", "chrome", "paint", "oil", "polish"],
}
NUMBERS = ["weight", "length", "price"]
GROUPS = {
    "fastener": "bolt nut washer rivet screw pin clip spring",
    "drive": "bearing bushing gear chain belt pulley shaft wheel",
    "pipework": "seal gasket hose valve pump filter pipe elbow",
    "electric": "switch fuse relay plug cable lamp sensor motor",
    "fitting": "magnet handle hinge lock lever cover hook bracket",
}
KINDS = [kind for kinds in GROUPS.values() for kind in kinds.split()]


def draw_parts(parts_per_kind: int, seed: int) -> pd.DataFrame:
    profiles, rng = np.random.default_rng(0), np.random.default_rng(seed)
    kinds = np.tile(np.arange(len(KINDS)), parts_per_kind)
    columns: dict[str, Any] = {}
    for name, values in STRINGS.items():
        shares = profiles.dirichlet(np.full(len(values), 0.3), len(KINDS))
        columns[name] = [rng.choice(values, p=shares[kind]) for kind in kinds]
    for name in NUMBERS:
        means = profiles.normal(size=len(KINDS))
        columns[name] = np.exp(means[kinds] + 0.35 * rng.normal(size=len(kinds))).round(3)
    return pd.DataFrame({**columns, "true_kind": np.array(KINDS)[kinds]})


def mislabel(labels: pd.Series, rate: float = 0.4) -> NDArray:
    names, y = np.unique(labels.to_numpy(str), return_inverse=True)
    noise = keras_noisy.noise.symmetric(len(names), rate)
    return names[keras_noisy.noise.corrupt(y, noise, seed=SEED)]


train = draw_parts(10 if QUICK else 60, SEED + 1)
train["kind"] = mislabel(train["true_kind"])
test = draw_parts(5 if QUICK else 25, SEED + 1001).rename(columns={"true_kind": "kind"})
labels = train["kind"].to_numpy(str)
print(train.head(3).to_string(index=False))

# %% [markdown]
"""
## Encode the columns

`FeatureSpace` looks up the strings and normalises the numbers, here the logarithms of sizes and
prices. It learns both from the table, without the labels.
"""


# %%
def read_columns(table: pd.DataFrame) -> dict[str, NDArray]:
    strings = {name: table[name].to_numpy(object) for name in STRINGS}
    return strings | {name: np.log(table[name].to_numpy("float32")) for name in NUMBERS}


space = FeatureSpace(
    {name: FeatureSpace.string_categorical(output_mode="one_hot") for name in STRINGS}
    | {name: FeatureSpace.float_normalized() for name in NUMBERS},
    output_mode="concat",
)
space.adapt(tf.data.Dataset.from_tensor_slices(read_columns(train)))
x, x_test = (np.asarray(space(read_columns(table))) for table in (train, test))
print(f"{x.shape[0]:,} parts of {len(np.unique(labels))} kinds, {x.shape[1]} numbers for each")

# %% [markdown]
"""
## Compare two losses

The wrapper calls `build` with the training data. It turns the labels, which may be names, into
one-hot rows, which all losses of keras-noisy accept. Arguments of `fit` are passed as `params`: a
clone of the wrapper, as `cross_val_score` makes, loses `fit_kwargs` (Keras 3.15).

The score is the agreement with the labels that were held out, of which 40 % are wrong. So it is at
most about 60 %, but it tells which network is better. The accuracy on the checked labels of `test`
confirms it.
"""


# %%
def build(X: NDArray, y: NDArray, robust: bool = True) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(y.shape[1]),
        ]
    )
    loss = keras_noisy.CE(from_logits=True)
    if robust:
        bias = keras_noisy.LogitBias()
        model.add(bias)
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    model.compile("adam", loss=loss, metrics=["accuracy"])
    model.predict = functools.partial(model.predict, verbose=0)  # the wrapper shows a bar
    return model


folds = StratifiedKFold(4, shuffle=True, random_state=SEED)
params = {"epochs": 2 if QUICK else 30, "batch_size": 64, "verbose": 0}
losses = ("cross-entropy", "MAE, class-wise bias")
for name in losses:
    keras.utils.set_random_seed(SEED)
    classifier = keras.wrappers.SKLearnClassifier(
        build, model_kwargs={"robust": name != "cross-entropy"}
    )
    scores = cross_val_score(classifier, x, labels, cv=folds, params=params)
    classifier.fit(x, labels, **params)
    accuracy = classifier.score(x_test, test["kind"])
    print(f"{name}: {scores.mean():.1%} ± {scores.std():.1%} of the labels held out, ", end="")
    print(f"{accuracy:.1%} of the checked ones")

# %% [markdown]
"""
## Which labels are wrong?

`cross_val_predict` returns the logits of each part by a network that has not seen its label. The
functions of `keras_noisy.cleaning` need numbers as labels, in the order of the logits, which is the
one of `np.unique`.
"""

# %%
logits = cross_val_predict(
    classifier, x, labels, cv=folds, method="decision_function", params=params
)
class_names, y = np.unique(labels, return_inverse=True)
estimate = cleaning.estimate_noise(y, logits, from_logits=True)
found = cleaning.suspicious_labels(y, logits, from_logits=True)
listed = train.iloc[found.suspicious].assign(
    looks_like=class_names[found.looks_like[found.suspicious]],
    doubt=found.doubts[found.suspicious],
)
HERE.mkdir(parents=True, exist_ok=True)
listed.drop(columns="true_kind").to_csv(HERE / "suspicious_labels.csv", index_label="row")
print(f"estimated noise: {estimate.rate:.1%} ± {estimate.rate_error:.1%}")
print(f"listed: {len(listed):,} in {HERE / 'suspicious_labels.csv'}")

wrong = (train["kind"] != train["true_kind"]).sum()
hits = (listed["kind"] != listed["true_kind"]).sum()
print(f"wrong: {wrong / len(train):.1%}; ", end="")
print(f"precision {hits / max(len(listed), 1):.1%}, recall {hits / wrong:.1%}")

# %% [markdown]
"""
## Save, load, predict

Import `keras_noisy` before you load the model, so that Keras knows its layer.
"""

# %%
(HERE / "class_names.json").write_text(json.dumps(classifier.classes_.tolist()))
classifier.model_.save(HERE / "model.keras")
space.save(HERE / "columns.keras")

# %%
loaded = keras.saving.load_model(HERE / "model.keras")
loaded_space = keras.saving.load_model(HERE / "columns.keras")
class_names = np.array(json.loads((HERE / "class_names.json").read_text()))
row = test.iloc[:1]
logits = loaded.predict(np.asarray(loaded_space(read_columns(row))), verbose=0)
predicted = class_names[logits.argmax(axis=-1)].item()
print(f"{row['material'].item()}, {row['weight'].item()} g is a {predicted}; ", end="")
print(f"a person said {row['kind'].item()}")

# %% [markdown]
"""
## Where cross-entropy is better

The labels are now the 5 groups of the same parts, 40 % of them wrong. With few classes, the robust
loss learns more slowly than cross-entropy, which memorises late. A few epochs of cross-entropy give
the best network, and no robust loss is needed.
"""

# %%
group_of = {kind: group for group, kinds in GROUPS.items() for kind in kinds.split()}
groups = mislabel(train["true_kind"].map(group_of))
for epochs in (2,) if QUICK else (5, 30):
    for name in losses:
        keras.utils.set_random_seed(SEED)
        classifier = keras.wrappers.SKLearnClassifier(
            build, model_kwargs={"robust": name != "cross-entropy"}
        )
        classifier.fit(x, groups, **{**params, "epochs": epochs})
        accuracy = classifier.score(x_test, test["kind"].map(group_of))
        print(f"5 groups, {epochs} epochs, {name}: {accuracy:.1%} of the checked ones")
