"""The losses that docs/losses.md lists under other names, by the formulas of the other names."""

import runpy
from pathlib import Path

import numpy as np
from support import to_numpy, value_and_gradient

import keras_noisy

ROOT = Path(__file__).parents[2]
P = np.array([[0.01, 0.9, 0.09], [0.3, 0.5, 0.2], [0.97, 0.02, 0.01]])
Y = np.zeros(3, int)
p = P[:, 0]
VALUES = {"alpha": 3.0, "eps": 1.5, "a": 1.7, "q": 0.4, "r": 0.3, "K": 3}


def smoothed():
    """Label smoothing of `1 - p_k`."""
    return 0.7 * (1 - p) + 0.1 * np.sum(1 - P, axis=-1)


# Our loss is -log p and so on in plain NumPy; the blurry loss is known by its gradient.
FORMULAS = {
    "α-loss, for alpha > 1": lambda: 3 / 2 * (1 - p ** (2 / 3)),
    "Poly-1": lambda: -np.log(p) + 1.5 * (1 - p),
    "VEL": lambda: np.exp(-p / 1.7),
    "VMSE": lambda: (1.7 - p) ** 2,
    "blurry loss": None,
    "label smoothing of a symmetric loss": smoothed,
}


def evaluate(text, **names):
    """Evaluates Python of the page; it writes a power as ^."""
    return eval(text.replace("^", "**"), {**vars(keras_noisy), **VALUES, **names})


def test_other_names_are_the_same_losses(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    rows = runpy.run_path(str(ROOT / "docs" / "generate_losses.py"))["OTHER_NAMES"]
    assert {row.name for row in rows} == set(FORMULAS)
    for row in rows:
        loss = evaluate(row.loss, loss=0.5 * keras_noisy.MAE()).with_options(
            from_logits=True, reduction=None
        )
        values, slopes = value_and_gradient(lambda z, f=loss: f(Y, z), np.log(P))
        if row.name == "blurry loss":
            expected = p[:, np.newaxis] ** 0.4 * (P - np.eye(3)[Y])
            np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-7)
            continue
        sum_of_losses = 2.0  # of 1 - p_k over three classes
        text = row.constant.replace("sum_k loss_k", "* sum_of_losses") or "0"
        constant = evaluate(text, sum_of_losses=sum_of_losses)
        np.testing.assert_allclose(
            values + constant, FORMULAS[row.name](), rtol=1e-5, err_msg=row.name
        )


def test_label_smoothing_of_every_symmetric_loss_only_scales_it():
    targets = np.full((3, 3), 0.1, "float32")
    targets[:, 0] += 0.7
    for kind in ("MAE", "RCE", "NCE", "NFL", "NGCE", "NNCE", "NNFL"):
        loss = getattr(keras_noisy, kind)(reduction=None)
        total = sum(to_numpy(loss(np.full(3, k), P)) for k in range(3))
        expected = 0.7 * to_numpy(loss(Y, P)) + 0.1 * total
        np.testing.assert_allclose(to_numpy(loss(targets, P)), expected, rtol=1e-5, err_msg=kind)
