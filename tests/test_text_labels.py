"""Text labels: every function that receives them gives the same advice, and the advice works."""

import json

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy import cleaning, noise, training
from keras_noisy._labels import TEXT_ADVICE

NAMES = np.array(["owl", "cat", "newt", "cat"])
X = np.eye(3, dtype="float32")[[2, 0, 1, 0]]


def build(steps=0):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile("adam", loss=keras_noisy.MAE(from_logits=True))
    return model


CALLS = {
    "loss": lambda names: keras_noisy.MAE(from_logits=True)(names, X),
    "corrupt": lambda names: noise.corrupt(names, noise.symmetric(3, 0.4), seed=0),
    "describe": lambda names: noise.describe(names, names),
    "instance_dependent": lambda names: noise.instance_dependent(X, names, 3, 0.4, seed=0),
    "out_of_fold": lambda names: cleaning.out_of_fold(build, X, names, folds=2, epochs=1),
    "suspicious_labels": lambda names: cleaning.suspicious_labels(names, X),
    "estimate_noise": lambda names: cleaning.estimate_noise(names, X),
    "AuditLabels": lambda names: cleaning.AuditLabels(X, names),
    "memorised": lambda names: training.memorised(
        build(), X, noisy_labels=names, true_labels=names
    ),
    "LabelNoiseMonitor": lambda names: training.LabelNoiseMonitor((X, names, names)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["str", "object"])
def test_text_labels_get_the_same_advice(name, kind):
    with pytest.raises(ValueError, match="Received: text, such as owl: ") as error:
        CALLS[name](NAMES.astype(kind))
    assert str(error.value).endswith(TEXT_ADVICE)


def test_explain_gives_the_same_advice():
    (cause,) = keras_noisy.explain(build(), X, NAMES).causes
    assert cause.message.endswith(TEXT_ADVICE)


@pytest.mark.parametrize("kind", ["array", "list", "object", "str", "category"])
def test_advice_works(kind, tmp_path):
    """Runs the code of the advice: names become integers, and predictions become names."""
    labels = NAMES
    if kind == "list":
        labels = NAMES.tolist()
    elif kind != "array":
        labels = pytest.importorskip("pandas").Series(NAMES.tolist(), dtype=kind)
    numbering, naming = TEXT_ADVICE.split("`")[1::2]
    variables = {"np": np, "labels": labels, "x": X}
    exec(numbering, variables)
    assert variables["y"].tolist() == [2, 0, 1, 0]
    model = build()
    model.fit(X, variables["y"], verbose=0)
    model.layers[-1].set_weights([10.0 * np.eye(3), np.zeros(3)])  # predicts the right class
    model.save(tmp_path / "model.keras")
    path = tmp_path / "class_names.json"
    path.write_text(json.dumps(variables["class_names"].tolist()))

    variables["model"] = keras.saving.load_model(tmp_path / "model.keras")
    variables["class_names"] = np.array(json.loads(path.read_text()))
    assert eval(naming, variables).tolist() == NAMES.tolist()
