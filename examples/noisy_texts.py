# %% [markdown]
"""
Title: Texts with wrong labels that are names
Author: The keras-noisy authors
Date created: 2026/11/29
Last modified: 2026/11/29
Description: Classify a table of support tickets, 40 % of them in a wrong queue, and find those.
Accelerator: None

## Introduction

You have a table with a column of texts and a column of labels, which are names. They were clicked
in a hurry, and many are wrong. This example

1. turns the names into numbers, and the texts into inputs,
2. trains a network that does not memorise the wrong labels,
3. estimates how many labels are wrong, and lists them,
4. saves the network with the names of its classes, loads both and predicts.

## Setup

`TextVectorization` needs TensorFlow on every backend. Without TensorFlow, use scikit-learn's
`HashingVectorizer`: `x = HashingVectorizer(n_features=4096).transform(texts).toarray()`. It gives
each text the length 1, which here raised the test accuracy of the robust loss from 90.2 % to
94.8 %, and of cross-entropy from 41.7 % to 65.7 %, and it has no vocabulary to save.
"""

# %%
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import numpy as np
import pandas as pd

import keras_noisy
from keras_noisy import cleaning

QUICK = bool(os.environ.get("KERAS_NOISY_QUICK"))  # a trial of some seconds
SEED = int(os.environ.get("KERAS_NOISY_SEED", "0"))
EPOCHS = 2 if QUICK else 25
BATCH_SIZE = 64
HERE = Path("results/noisy_texts")

# %% [markdown]
"""
## The table

You need a table with the columns `text` and `label`, for example
`train = pd.read_csv("tickets.csv").dropna()`, and another one, `test`, with labels that somebody
has checked. Replace the last two lines of this cell by yours.

This example writes tickets of an online shop: 12 products and 5 requests make 60 queues, such as
"printer: refund". Each ticket mentions its product and request in some of many words, and often
others as well. The column `true_label` is only used to evaluate the list of wrong labels.
"""

# %%
PRODUCTS = {
    "printer": "paper toner cartridge tray scanner ink nozzle print pages duplex copies smudges",
    "router": "wifi signal cable modem port network speed antenna firmware connection reboot LED",
    "phone": "screen battery charger call sim camera touch ringtone unlock contacts speaker case",
    "laptop": "keyboard screen battery fan charger hinge touchpad memory windows webcam case boot",
    "television": "remote screen channel sound hdmi picture stand pixels streaming antenna volume",
    "camera": "lens flash zoom tripod shutter memory focus picture battery strap viewfinder video",
    "headphones": "sound ear bluetooth cable bass cushion microphone volume left case pairing",
    "washing machine": "drum spin water door laundry program hose leak filter detergent rinse",
    "vacuum cleaner": "dust bag hose suction brush carpet filter cord noise wheel floor nozzle",
    "coffee machine": "beans water milk espresso filter cup foam grinder steam descale leak pump",
    "electric bike": "wheel brake battery chain saddle pedal motor charger lamp tyre gear frame",
    "smart watch": "strap screen battery steps pulse bluetooth charger alarm pairing sleep touch",
}
REQUESTS = {
    "repair": "broken stopped dead crack repair warranty fix defective fault fell technician spare",
    "delivery": "parcel courier late tracking address shipped arrived depot driver box lost",
    "refund": "money return receipt paid invoice cancel credit charged back twice account bank",
    "setup": "install manual connect configure app password start update instructions login reset",
    "advice": "compare compatible buy price colour size model discount available recommend stock",
}
SENTENCES = (  # {p}: a word about the product, {r}: about the request, {o}: about anything
    ("Hello, it is about the {p}: {r}.", "Dear team, {r}, please, and {p}.", "{r}! {p}!"),
    ("I wrote about {p} and {r} last week.", "I like my {p}.", "Still {r}, still {p}."),
    ("Nobody told me about {r}.", "As for {r}: see the {p}.", "Please answer today: {r}, {p}."),
    ("My neighbour says {o}.", "The {o} is fine.", "Not {o}, as you wrote.", "", "", ""),
    ("Or is it {o}?", "{o} and {o} were another ticket.", "", "", ""),
    ("Kind regards, customer {n}", "Thanks! Order {n}", "Sent from number {n}"),
)


def write_tickets(tickets_per_class: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = {name: text.split() for name, text in (PRODUCTS | REQUESTS).items()}
    anything = [word for each in words.values() for word in each]
    rows = []
    for product, request in tickets_per_class * [(p, r) for p in PRODUCTS for r in REQUESTS]:
        ticket = " ".join(filter(None, map(rng.choice, SENTENCES)))
        for slot, choices in (("p", words[product]), ("r", words[request]), ("o", anything)):
            while f"{{{slot}}}" in ticket:
                ticket = ticket.replace(f"{{{slot}}}", rng.choice(choices), 1)
        rows.append((ticket.replace("{n}", f"{rng.integers(10_000)}"), f"{product}: {request}"))
    return pd.DataFrame(rows, columns=["text", "true_label"])


def mislabel(table: pd.DataFrame, rate: float) -> pd.DataFrame:
    names, y = np.unique(table["true_label"], return_inverse=True)
    noise = keras_noisy.noise.symmetric(len(names), rate)
    return table.assign(label=names[keras_noisy.noise.corrupt(y, noise, seed=SEED)])


train = mislabel(write_tickets(10 if QUICK else 60, SEED), rate=0.4)
test = write_tickets(2 if QUICK else 20, SEED + 1).rename(columns={"true_label": "label"})
print(train[["text", "label"]].head(3).to_string(index=False, max_colwidth=70))

# %% [markdown]
"""
## Names become numbers, texts become inputs

`np.unique` numbers the classes, and returns their names in the order of the numbers. The names turn
predictions into text again, so keep them with the model. (`keras.layers.StringLookup` numbers the
classes as well, but with TensorFlow only.)

`TextVectorization` notes which of the 2,000 most frequent words a text contains. For long texts, in
which the order of words matters, use `output_mode="int"` and an `Embedding`, or a pretrained
network.
"""


# %%
def build_vectorizer(vocabulary: list[str] | None = None) -> keras.layers.TextVectorization:
    return keras.layers.TextVectorization(
        max_tokens=2000, output_mode="multi_hot", vocabulary=vocabulary
    )


class_names, y = np.unique(train["label"], return_inverse=True)
vectorize = build_vectorizer()
vectorize.adapt(train["text"].to_numpy())
x = np.asarray(vectorize(train["text"].to_numpy()))
x_test = np.asarray(vectorize(test["text"].to_numpy()))
y_test = test["label"].map({name: number for number, name in enumerate(class_names)})
print(f"{len(x):,} texts, {x.shape[1]:,} words, {len(class_names)} classes")

# %% [markdown]
"""
## Train

We train with cross-entropy for comparison, and with the MAE and a logit bias for each class, which
is a layer at the end of the model and falls as the class is learnt.
"""


# %%
def build(steps: int = 0, robust: bool = True) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(len(class_names)),
        ]
    )
    loss = keras_noisy.CE(from_logits=True)
    if robust:
        bias = keras_noisy.LogitBias()
        model.add(bias)
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    model.compile("adam", loss=loss, metrics=["accuracy"])
    return model


for name in ("cross-entropy", "MAE, class-wise bias"):
    keras.utils.set_random_seed(SEED)
    model = build(robust=name != "cross-entropy")
    history = model.fit(
        x, y, BATCH_SIZE, EPOCHS, validation_data=(x_test, y_test), verbose=0
    ).history
    agreement, accuracies = history["accuracy"][-1], history["val_accuracy"]
    print(f"{name}: agrees with {agreement:.1%} of the labels, ", end="")
    print(f"test accuracy {accuracies[-1]:.1%} (in the best epoch {max(accuracies):.1%})")

# %% [markdown]
"""
60 % of the labels are right. A network that agrees with more of them has memorised wrong ones. In
its best epoch, cross-entropy has not yet done so, but only checked labels can tell which one that
is.

## Which labels are wrong?

Four networks predict the samples that they were not trained with. From their predictions follow the
share of wrong labels, and a list of those that are probably wrong, the most certain ones first.
"""

# %%
logits = cleaning.out_of_fold(build, x, y, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0)
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
columns = listed[["label", "looks_like", "text"]].head()
print(columns.to_string(index=False, max_colwidth=50))

wrong = (train["label"] != train["true_label"]).sum()
hits = (listed["label"] != listed["true_label"]).sum()
print(f"wrong: {wrong / len(train):.1%}; ", end="")
print(f"precision {hits / max(len(listed), 1):.1%}, recall {hits / wrong:.1%}")

# %% [markdown]
"""
## Save, load, predict

The model needs the names of its classes and the vocabulary, which a JSON file beside it holds.
Import `keras_noisy` before you load the model, so that Keras knows the layer.
"""

# %%
words = vectorize.get_vocabulary(include_special_tokens=False)
names = {"class_names": class_names.tolist(), "vocabulary": words}
(HERE / "names.json").write_text(json.dumps(names))
model.save(HERE / "model.keras")

# %%
loaded = keras.saving.load_model(HERE / "model.keras")
names = json.loads((HERE / "names.json").read_text())
class_names = np.array(names["class_names"])
vectorize = build_vectorizer(names["vocabulary"])
texts = ["Smudges on all pages, and the toner leaks. I want my money back!", test["text"].iloc[0]]
logits = loaded.predict(np.asarray(vectorize(texts)), verbose=0)
for text, name in zip(texts, class_names[logits.argmax(axis=-1)], strict=True):
    print(f"{name}: {text}")
