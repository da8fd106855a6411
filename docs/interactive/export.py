"""Writes what the interactive page takes from the package: data.js and palette.css.

python docs/interactive/export.py
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

from loss_docstring import read_docstring

from keras_noisy.calibration import _verdict as verdict
from keras_noisy.losses import LOSSES, LabelLoss
from keras_noisy.losses._hyperparameter import Hyperparameter
from keras_noisy.losses.gce import auto_q
from keras_noisy.plots.theme import THEMES
from keras_noisy.theory import logit_bias
from keras_noisy.theory._log_sum import log_sum

FOLDER = Path(__file__).parent
MADE_BY = "Made by docs/interactive/export.py from the package: change that, then run `make docs`."

# The page interpolates between these. 10 is where the bias begins, and 30 where q="auto" does.
CLASSES = [2, 3, 4, 5, 6, 10, 18, 30, *(round(10 ** (i / 4)) for i in range(7, 25))]
STDS = [i / 10 for i in range(1, 31)]


def data() -> dict[str, Any]:
    """All that the page knows of the package."""
    label_losses = [kind for kind in LOSSES if issubclass(kind, LabelLoss)]
    return {
        "verdict": {
            "referenceClasses": verdict.REFERENCE_CLASSES,
            "learns": verdict.LEARNS,
            "stalls": verdict.STALLS,
        },
        "losses": {kind.__name__: described(kind) for kind in label_losses},
        "autoBias": table(logit_bias, first=10),
        "autoQ": table(auto_q, first=30),
        "classes": CLASSES,
        "stds": STDS,
        "laws": {str(std): [rule(count, std) for count in CLASSES] for std in STDS},
    }


def described(loss: type[LabelLoss]) -> dict[str, Any]:
    """Returns the description of a loss, and the ranges and defaults of its hyperparameters."""
    document = read_docstring(loss)
    defaults = loss()
    return {
        "summary": document.summary,
        "formula": re.sub(r"(?<=\S) {2,}", "  ", document.formula.split("\n\n")[0]),  # narrower
        "defaults": {each.name: getattr(defaults, each.name) for each in loss.hyperparameters},
        "parameters": {each.name: slider(each) for each in loss.hyperparameters},
    }


def slider(hyperparameter: Hyperparameter) -> dict[str, Any]:
    """Returns the range and the steps of a hyperparameter's slider.

    Raises:
        ValueError: If the loss does not state a usual range.
    """
    if hyperparameter.usual is None:
        raise ValueError(f"{hyperparameter.name} needs a usual range for the interactive page.")
    low, high = hyperparameter.usual
    is_logarithmic = low > 0 and high > 100 * low
    step = {"log": True} if is_logarithmic else {"step": 0.01 if high <= 1 else 0.1}
    integer = {"integer": True} if hyperparameter.is_integer else {}
    auto = {"auto": True} if hyperparameter.word == "auto" else {}
    return {"min": low, "max": high, **step, **integer, **auto}


def table(function: Any, first: int) -> dict[str, list]:
    """A function of the number of classes from `first` on, below which it is constant."""
    classes = [count for count in CLASSES if count >= first]
    return {"classes": classes, "values": [round(function(count), 5) for count in classes]}


def rule(num_classes: int, logit_std: float) -> list[list[float]]:
    """Nodes and weights of the log of the sum of the other classes' exponentials."""
    nodes, weights = log_sum(num_classes - 1, logit_std)
    counts = weights > 1e-7
    return [
        [round(node, 4) for node in nodes[counts].tolist()],
        [float(f"{weight:.4g}") for weight in weights[counts].tolist()],
    ]


def data_js() -> str:
    def dump(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    lines = []
    for key, value in data().items():
        if isinstance(value, dict):  # a line for each entry
            entries = (f"{dump(name)}:{dump(entry)}" for name, entry in value.items())
            lines.append(f'"{key}":{{\n' + ",\n".join(entries) + "\n}")
        else:
            lines.append(f'"{key}":{dump(value)}')
    return f"// {MADE_BY}\nconst DATA = {{\n" + ",\n".join(lines) + "\n};\n"


def palette_css() -> str:
    """The colours of the package's figures."""
    rules = {}
    for name, theme in THEMES.items():
        colours = {
            "background": theme.background,
            "text": theme.text,
            "faint": theme.faint,
            "accent": theme.accent,
            **dict(zip(("blue", "red", "green", "purple", "orange"), theme.colours, strict=False)),
        }
        values = "\n".join(f"  --{key}: {value};" for key, value in colours.items())
        rules[name] = f":root {{\n  color-scheme: {name};\n{values}\n}}\n"
    dark = f"@media (prefers-color-scheme: dark) {{\n{rules['dark']}}}\n"
    return f"/* {MADE_BY} */\n{rules['light']}{dark}"


if __name__ == "__main__":
    (FOLDER / "data.js").write_text(data_js())
    (FOLDER / "palette.css").write_text(palette_css())
