"""Saves a small model with each loss and layer, and what it does after it was saved.

    python tests/saved_models/make.py FOLDER

tests/test_saved_models.py loads the models that earlier versions saved, in the folders beside this
script. Each folder is named after the commit whose package made it.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

import keras_noisy

CLASSES = 12
MORE_EPOCHS = 2


def data():
    """Features (24, 4) and labels (24,), the same in every call."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(24, 4)).astype("float32"), rng.integers(0, CLASSES, 24)


def losses():
    """The losses by the name of their file."""
    made = {
        "ce": keras_noisy.CE(),
        "mae": keras_noisy.MAE(logit_bias="auto"),
        "gce": keras_noisy.GCE(q=0.5),
        "gce_auto": keras_noisy.GCE(q="auto"),
        "sce": keras_noisy.SCE(alpha=0.5, beta=0.5, A=5.0),
        "rce": keras_noisy.RCE(A=6.0, logit_bias=1.0),
        "taylor_ce": keras_noisy.TaylorCE(order=4),
        "phuber_ce": keras_noisy.PHuberCE(tau=5.0),
        "focal_ce": keras_noisy.FocalCE(gamma=2.0),
        "agce": keras_noisy.AGCE(a=0.1, q=0.5),
        "aul": keras_noisy.AUL(a=2.0, q=2.0),
        "ael": keras_noisy.AEL(a=1.5),
        "js": keras_noisy.JS(weight=0.3),
        "nce": keras_noisy.NCE(),
        "nfl": keras_noisy.NFL(gamma=1.0),
        "ngce": keras_noisy.NGCE(q=0.5),
        "nnce": keras_noisy.NNCE(min_prob=1e-5),
        "bi_tempered": keras_noisy.BiTempered(t1=0.7, t2=1.3),
        "adaptive": keras_noisy.MAE(logit_bias="adaptive"),
        "ignore_class": keras_noisy.MAE(ignore_class=3, logit_bias=0.5),
        "sum": 10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0),
    }
    return {name: loss.with_options(from_logits=True) for name, loss in made.items()}


def models():
    """Compiled models by the name of their file."""
    found = {name: dense(loss) for name, loss in losses().items()}
    decay = keras.optimizers.schedules.PolynomialDecay(2.0, 5, 0.5)
    layers = {
        "layer_annealed": keras_noisy.LogitBias(training_steps=8),
        "layer_schedule": keras_noisy.LogitBias(decay),
        "layer_constant": keras_noisy.LogitBias(1.5, adaptive=True),
    }
    for name, layer in layers.items():
        loss = keras_noisy.MAE(logit_bias=layer, from_logits=True)
        metric = keras_noisy.training.CurrentLogitBias(loss)
        found[name] = dense(loss, layer, metrics=[metric])
    head = keras_noisy.layers.ClassHead(CLASSES, chunk_size=5)
    model = keras.Sequential([keras.Input((4,)), head])
    found["class_head"] = compiled(model, keras_noisy.GCE(from_logits=True, logit_bias="auto"))
    return found


def dense(loss, *layers, **options):
    return compiled(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES), *layers]), loss, **options
    )


def compiled(model, loss, **options):
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=loss, **options)
    return model


def behaviour(model):
    """The loss of a model, and its losses in further training."""
    x, y = data()
    evaluated = model.evaluate(x, y, batch_size=12, verbose=0, return_dict=True)["loss"]
    history = model.fit(x, y, batch_size=12, epochs=MORE_EPOCHS, shuffle=False, verbose=0).history
    return {"evaluated": evaluated, "losses": history["loss"]}


def main(folder):
    folder.mkdir(parents=True)
    expected = {}
    x, y = data()
    for name, model in models().items():
        model.fit(x, y, batch_size=12, epochs=1, shuffle=False, verbose=0)
        model.save(folder / f"{name}.keras")
        expected[name] = behaviour(model)
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
