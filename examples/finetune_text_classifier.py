# %% [markdown]
"""
Title: Fine-tune a text classifier on wrong labels
Author: The keras-noisy authors
Date created: 2026/11/29
Last modified: 2026/11/29
Description: Fine-tune a classifier of keras-hub on short texts, 40 % of them with a wrong intent.
Accelerator: GPU

## Introduction

You have short texts, such as requests to an assistant, and the name of an intent for each. Many of
the names are wrong. You fine-tune a pre-trained network of keras-hub. This example

1. fine-tunes it with a robust loss, and with cross-entropy for comparison,
2. lists the labels that are probably wrong,
3. saves the classifier with its tokenizer, loads both and predicts names.

## Setup

`pip install "keras-noisy[hub]" pandas`. The tokenizers of keras-hub need TensorFlow on every
backend.
"""

# %%
import itertools
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import keras_hub
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

import keras_noisy
from keras_noisy import cleaning

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
SEED = int(os.environ.get("KERAS_NOISY_SEED", "0"))
EPOCHS = 1 if QUICK else 12
BATCH_SIZE = 60  # without a smaller last batch here, for which JAX would compile each step again
LEARNING_RATE = 1e-3  # take 5e-5 for a preset of keras-hub
SEQUENCE_LENGTH = 12  # tokens; longer texts are cut off
HERE = Path("results/finetune_text_classifier")

# %% [markdown]
"""
## The texts

You need a table with the columns `text` and `label`, for example
`train = pd.read_csv("questions.csv").dropna()`, and another one, `test`, with labels that somebody
has checked. Replace the last lines of this cell by yours.

This example writes texts with 12 actions and 12 things. 60 of the 144 pairs of them are the
intents. A text may mention another action or thing as well, so the order of its words matters. The
column `true_label` is only used to evaluate the list of wrong labels.
"""

# %%
ACTIONS = {
    "book": "book reserve order arrange request",
    "cancel": "cancel drop withdraw abandon stop",
    "change": "change move modify switch alter",
    "find": "find show search locate display",
    "pay": "pay settle fund clear cover",
    "rate": "rate review score judge praise",
    "share": "share send forward post mail",
    "renew": "renew extend prolong continue repeat",
    "explain": "explain describe clarify interpret outline",
    "compare": "compare contrast match weigh rank",
    "lock": "lock block freeze secure suspend",
    "translate": "translate convert render rephrase rewrite",
}
THINGS = {
    "flight": "flight plane airline jet departure",
    "hotel": "hotel room hostel lodging suite",
    "card": "card visa mastercard chip plastic",
    "insurance": "insurance policy coverage protection warranty",
    "meal": "meal dinner lunch pizza restaurant",
    "ticket": "ticket concert show theatre seat",
    "bill": "bill invoice receipt statement fee",
    "car": "car vehicle van taxi ride",
    "doctor": "doctor dentist clinic appointment checkup",
    "letter": "letter message email note document",
    "phone": "phone mobile tablet handset sim",
    "course": "course lesson class lecture training",
}
TEMPLATES = (
    "{a} my {t}",
    "could you {a} the {t} please",
    "i want to {a} a {t}",
    "about the {t} , please {a} it",
    "not the {u} , {a} the {t}",
    "{a} the {t} , not the {u}",
    "do not {b} the {t} , {a} it",
    "{a} the {t} , but do not {b} it",
    "after the {u} is done , {a} the {t}",
)
INTENTS = [f"{action} {thing}" for action, thing in itertools.product(ACTIONS, THINGS)]
OURS = sorted(np.random.default_rng(0).permutation(INTENTS)[:60].tolist())


def write_texts(intents: list[str], texts_per_intent: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for intent in intents * texts_per_intent:
        action, thing = intent.split()
        words = {
            "a": ACTIONS[action],
            "b": ACTIONS[rng.choice([each for each in ACTIONS if each != action])],
            "t": THINGS[thing],
            "u": THINGS[rng.choice([each for each in THINGS if each != thing])],
        }
        chosen = {slot: rng.choice(choices.split()) for slot, choices in words.items()}
        rows.append((rng.choice(TEMPLATES).format(**chosen), intent))
    return pd.DataFrame(rows, columns=["text", "true_label"])


train = write_texts(OURS, 10 if QUICK else 20, SEED)
noise = keras_noisy.noise.symmetric(len(OURS), rate=0.4)
y_true = np.unique(train["true_label"], return_inverse=True)[1]
train["label"] = np.array(OURS)[keras_noisy.noise.corrupt(y_true, noise, seed=SEED)]
test = write_texts(OURS, 2 if QUICK else 10, SEED + 1000).rename(columns={"true_label": "label"})
print(train[["text", "label"]].head(3).to_string(index=False))

# %% [markdown]
"""
## Batches and learning rate

The preprocessor of a classifier turns texts into tokens. (`fit` of a classifier of keras-hub takes
texts as well, but does not shuffle them.) A BERT needs a learning rate that is small in the first
steps.
"""


# %%
def read_batches(
    texts: NDArray, y: NDArray, preprocessor: keras_hub.models.Preprocessor, shuffle: bool = True
) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices((texts, y))
    if shuffle:
        data = data.shuffle(len(texts), SEED)
    return data.batch(BATCH_SIZE).map(preprocessor)


def build_optimizer(steps: int) -> keras.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=LEARNING_RATE, warmup_steps=max(1, steps // 8)
    )
    return keras.optimizers.Adam(rate)


# %% [markdown]
"""
## The pre-trained network

Name a preset of keras-hub, which is then downloaded, and delete the rest of this cell, for example
`PRESET = "bert_tiny_en_uncased"`.

This example downloads nothing. It makes a preset of its own: a BERT with two layers that has learnt
the other 84 intents, from texts with correct labels.
"""

# %%
PRESET = str(HERE / "tiny_bert")


def create_preset() -> None:
    keras.utils.set_random_seed(SEED)
    others = sorted({*INTENTS} - {*OURS})
    table = write_texts(others, 5 if QUICK else 40, SEED + 2000)
    texts = table["text"].to_numpy(object)
    vocabulary = keras_hub.tokenizers.compute_word_piece_vocabulary(
        tf.data.Dataset.from_tensor_slices(texts), vocabulary_size=2000
    )
    tokenizer = keras_hub.models.BertTokenizer(vocabulary)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, SEQUENCE_LENGTH)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(vocabulary),
        num_layers=2,
        num_heads=4,
        hidden_dim=128,
        intermediate_dim=256,
        max_sequence_length=SEQUENCE_LENGTH,
    )
    classifier = keras_hub.models.BertTextClassifier(backbone, num_classes=len(others))
    y = np.unique(table["true_label"], return_inverse=True)[1]
    batches = read_batches(texts, y, preprocessor)
    epochs = 1 if QUICK else 8
    optimizer = build_optimizer(epochs * len(batches))
    classifier.compile(optimizer, loss=keras_noisy.CE(from_logits=True))
    classifier.fit(batches, shuffle=False, epochs=epochs, verbose=0)
    backbone.save_to_preset(PRESET)
    tokenizer.save_to_preset(PRESET)


create_preset()

# %% [markdown]
"""
## Names become numbers

`np.unique` numbers the classes, and returns their names in the order of the numbers.
"""

# %%
class_names, y = np.unique(train["label"], return_inverse=True)
y_test = np.searchsorted(class_names, test["label"])
texts, texts_test = (table["text"].to_numpy(object) for table in (train, test))
preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(
    PRESET, sequence_length=SEQUENCE_LENGTH
)
train_batches = read_batches(texts, y, preprocessor)
test_batches = read_batches(texts_test, y_test, preprocessor, shuffle=False)

# %% [markdown]
"""
## Fine-tune

The robust loss is the MAE with a logit bias for each class, which falls as the class is learnt. The
bias is a layer at the end of a second model, which shares its weights with the classifier.
"""


# %%
def build_classifier() -> keras_hub.models.TextClassifier:
    return keras_hub.models.TextClassifier.from_preset(
        PRESET, num_classes=len(class_names), preprocessor=preprocessor
    )


def add_loss(
    classifier: keras_hub.models.TextClassifier, steps: int, robust: bool = True
) -> keras.Model:
    if robust:
        bias = keras_noisy.layers.LogitBias()
        model = keras.Model(classifier.input, bias(classifier.output))
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    else:
        model = keras.Model(classifier.input, classifier.output)
        loss = keras_noisy.CE(from_logits=True)
    model.compile(build_optimizer(steps), loss=loss, metrics=["accuracy"])
    return model


for name in ("cross-entropy", "MAE, class-wise bias"):
    keras.utils.set_random_seed(SEED)
    classifier = build_classifier()
    model = add_loss(classifier, EPOCHS * len(train_batches), robust=name != "cross-entropy")
    history = model.fit(
        train_batches, validation_data=test_batches, shuffle=False, epochs=EPOCHS, verbose=0
    ).history
    agreement, accuracies = history["accuracy"][-1], history["val_accuracy"]
    print(f"{name}: agrees with {agreement:.1%} of the labels, ", end="")
    print(f"test accuracy {accuracies[-1]:.1%} (in the best epoch {max(accuracies):.1%})")

# %% [markdown]
"""
60 % of the labels are right. This small network memorises hardly any wrong ones in so few epochs,
with either loss, but they mislead it more with cross-entropy. The larger network of
`finetune_backbone.py` memorises nearly all with cross-entropy.

## Which labels are wrong?

Four networks predict the texts that they were not trained with. `read_rows` gives them the texts
with the numbers `rows`.
"""


# %%
def read_rows(rows: NDArray, is_training: bool, first_epoch: int) -> tf.data.Dataset:
    return read_batches(texts[rows], y[rows], preprocessor, shuffle=is_training)


logits = cleaning.out_of_fold(
    lambda steps: add_loss(build_classifier(), steps),
    read_rows,
    y,
    folds=2 if QUICK else 4,
    epochs=EPOCHS,
    batch_size=BATCH_SIZE,
    verbose=0,
)
estimate = cleaning.estimate_noise(y, logits, from_logits=True)
found = cleaning.suspicious_labels(y, logits, from_logits=True)
listed = train.iloc[found.suspicious].assign(
    looks_like=class_names[found.looks_like[found.suspicious]],
    doubt=found.doubts[found.suspicious],
)
HERE.mkdir(parents=True, exist_ok=True)
listed.drop(columns="true_label").to_csv(HERE / "suspicious_labels.csv", index_label="row")
print(f"estimated noise: {estimate.rate:.1%} ± {estimate.rate_error:.1%}")
print(f"listed: {len(listed):,} in {HERE / 'suspicious_labels.csv'}, of which the first are")
print(listed[["label", "looks_like", "text"]].head().to_string(index=False))

wrong = (train["label"] != train["true_label"]).sum()
hits = (listed["label"] != listed["true_label"]).sum()
print(f"wrong: {wrong / len(train):.1%}; ", end="")
print(f"precision {hits / max(len(listed), 1):.1%}, recall {hits / wrong:.1%}")

# %% [markdown]
"""
## Save, load, predict

The classifier has the weights that `model` has learnt, and its preprocessor. It does not need the
layer of the bias, which does nothing in prediction.
"""

# %%
(HERE / "class_names.json").write_text(json.dumps(class_names.tolist()))
classifier.save_to_preset(str(HERE / "classifier"))

# %%
loaded = keras_hub.models.TextClassifier.from_preset(str(HERE / "classifier"))
class_names = np.array(json.loads((HERE / "class_names.json").read_text()))
requests = ["could you cancel the lesson please", "not the lesson , translate the email"]
logits = loaded.predict(requests, verbose=0)
for request, name in zip(requests, class_names[logits.argmax(axis=-1)], strict=True):
    print(f"{name}: {request}")
