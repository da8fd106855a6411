"""Writes docs/losses.md from the docstrings of the losses and the table of published settings.

python docs/generate_losses.py
"""

import inspect
import re
from pathlib import Path

from keras_noisy.calibration import average_error, settings
from keras_noisy.losses import LOSSES, LabelLoss, RowLoss
from keras_noisy.losses.published import PUBLISHED

PAGE = Path(__file__).with_name("losses.md")
OPTIONS = ("logit_bias", "from_logits", "ignore_class", "reduction", "name", "dtype")

INTRODUCTION = """\
<!-- Made by docs/generate_losses.py from the docstrings: change those, then run `make docs`. -->

# The losses

All take `logit_bias=None | float | "auto" | "adaptive"` or a `LogitBias` layer, `from_logits=False`,
`ignore_class=None` and Keras's `reduction`, `name` and `dtype`. `p_j` is the predicted probability of
class j, `y` the label, `K` the number of classes. [Leaderboard](leaderboard.md) compares them all in
trainings.

## How to choose

- **Start with cross-entropy** (`CE`), to have something to compare with. It learns with any number of
  classes, and memorises wrong labels.
- **Up to about 10 classes** bounded losses learn as they are: `GCE(q=0.7)`, `MAE`, or a sum such as
  NCE+AGCE with the weights published for CIFAR-10.
- **With a few hundred classes** `MAE` and its relatives stall without a logit bias. Give them one that
  falls during training, `LogitBias(training_steps=…)`, which gave the best results
  ([Annealed bias](annealed_bias.md)), or, if you want no layer, `logit_bias="adaptive"`
  ([Adaptive bias](adaptive_bias.md)). `GCE(q=0.7)` needs none at 100 classes.
- **With a thousand classes and more** bounded losses need help to learn at all: a logit bias,
  `GCE(q="auto")`, or another hyperparameter [made for so many classes](#on-a-fresh-network). `BiTempered`
  learns with its defaults. [Theory](theory.md) explains why, and `keras_noisy.diagnose(model, x, loss)`
  tells whether a loss will learn on your model.

What the tables say of a loss:

- A **symmetric** loss, summed over all possible labels, is the same whatever the prediction. That makes
  it tolerate labels that are wrong at random (Ghosh et al., 2017), as long as no bias is added.
- The **range**: a loss with an upper bound limits what a single wrong label can do.

A logit bias costs a little of that tolerance. It hardly helps NCE, whose gradient is small however unlikely
the label is; in a sum such as NCE+AGCE it helps the other part.
"""

PULLS = """\
## On a fresh network

The average error is the mean of `dL/dz` at the label's logit `z = 0` in networks that have not been trained,
whose logits have standard deviation 1. Where it is close to 0, the loss can't learn. The last column says
what to set for 1000 classes: one of the two if there are two, nothing (–) if the loss learns as it is.
`keras-noisy calibrate --classes 1000` prints the same, for any number of classes.
[Diagnosis](diagnosis.md) compares it with trainings.
"""

COMBINATIONS = """\
## Sums

Losses can be added, with weights. The sum is a loss itself, which is saved with a model. Its parts share
one bias:

```python
import keras_noisy

loss = 10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0)
loss = loss.with_options(from_logits=True, logit_bias="auto")
```

## Published settings

`keras_noisy.losses.get("nce+agce", dataset="cifar100", from_logits=True)` makes a loss with the numbers
that were published for a data set. The table has them in the order of the letters in *loss*.
`webvision` stands for its first 50 classes. Public code takes 9.21 for A and leaves out the factor 2 of
the MAE; so do these.
"""

ANL = """\
"anl-ce" was published with an L1 penalty on all weights and no weight decay. The penalty is not a part
of the loss: `keras_noisy.training.penalise_weights(model, keras.regularizers.L1(5e-7))` adds it. The
published factors are 1e-6 for MNIST, 5e-5 for CIFAR-10, 5e-7 for CIFAR-100 and 5e-6 for WebVision.
"""


def page() -> str:
    label = [loss for loss in LOSSES if issubclass(loss, LabelLoss)]
    row = [loss for loss in LOSSES if issubclass(loss, RowLoss)]
    return "\n".join(
        [
            INTRODUCTION,
            *overview("Functions of the label's probability", label),
            *overview("Functions of all probabilities", row),
            PULLS,
            *pulls(),
            COMBINATIONS,
            *published(),
            ANL,
            "## One by one\n",
            *(entry(loss) for loss in [*label, *row]),
        ]
    )


def overview(title: str, losses: list[type]) -> list[str]:
    lines = [f"## {title}\n", "| loss | formula | range | symmetric |", "| --- | --- | --- | --- |"]
    for loss in losses:
        first = "; ".join("\n".join(formula_of(loss)).split("\n\n")[0].splitlines())
        formula = " ".join(first.removeprefix("loss = ").split()).replace("|", "\\|")
        cells = [
            f"[`{call(loss)}`](#{loss.__name__.lower()})",
            f"`{formula}`",
            f"`{property_of(loss, 'Range')}`",
            property_of(loss, "Symmetric"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def pulls() -> list[str]:
    to_set: dict[str, list[str]] = {}
    for setting in settings(1000):
        what = f"`{setting.setting}`" if setting.setting else "–"
        to_set.setdefault(setting.loss, []).append(
            what if setting.verdict == "learns" else "nothing known"
        )
    header = "| loss | 10 classes | 100 | 1000 | to set for 1000 |"
    lines = [header, "| --- | --- | --- | --- | --- |"]
    for loss in (kind() for kind in LOSSES):
        errors = (f"{average_error(loss, 0.0, k):.2g}" for k in (10, 100, 1000))
        cells = [f"`{loss!r}`", *errors, " or ".join(to_set[repr(loss)])]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def published() -> list[str]:
    datasets = ("mnist", "cifar10", "cifar100", "webvision")
    lines = ["| " + " | ".join(("name", "loss", *datasets, "source")) + " |", "| --- " * 7 + "|"]
    for name, recipe in PUBLISHED.items():
        settings = [
            ", ".join(f"{value:g}" for value in recipe.settings.get(dataset, ())) or "–"
            for dataset in datasets
        ]
        lines.append(
            "| " + " | ".join((f"`{name}`", recipe.formula, *settings, recipe.source)) + " |"
        )
    return [*lines, ""]


def entry(loss: type) -> str:
    document = inspect.getdoc(loss) or ""
    return "\n".join(
        [
            f"### {loss.__name__}\n",
            f"`keras_noisy.{call(loss)}`: {document.splitlines()[0]}\n",
            "\n".join(f"    {line}".rstrip() for line in formula_of(loss)) + "\n",
            notes(document),
            f"Range {property_of(loss, 'Range')}; symmetric: {property_of(loss, 'Symmetric')}. "
            f"Use it {property_of(loss, 'Use it')}.\n",
            *hyperparameters(document),
            *(
                f"Source: {source.strip()}\n"
                for source in re.split(r"(?:^| )- ", section(document, "References"))[1:]
            ),
        ]
    )


def notes(document: str) -> str:
    """What the docstring says between formula and properties: limits, and what others do."""
    text = document.split("```\n", 2)[2].split("Properties:")[0].strip() + "\n"
    return re.sub(r"\bdocs/(\w+\.md)", lambda page: f"[{title_of(page[1])}]({page[1]})", text)


def title_of(page: str) -> str:
    return PAGE.with_name(page).read_text().splitlines()[0].removeprefix("# ")


def hyperparameters(document: str) -> list[str]:
    """The loss's own arguments, each a line of a list."""
    described = section(document, "Args").split("**options")[0]
    items = re.findall(r"(\w+): ((?:Number|Integer).*?)(?=\w+: (?:Number|Integer)|$)", described)
    return [f"- `{name}`: {text.strip()}" for name, text in items] + [""] * bool(items)


def call(loss: type) -> str:
    """The class with its own arguments and their defaults, such as `GCE(q=0.7)`."""
    parameters = inspect.signature(loss).parameters.values()
    own = [p for p in parameters if p.name not in OPTIONS and p.kind is not p.VAR_KEYWORD]
    return f"{loss.__name__}({', '.join(f'{p.name}={p.default}' for p in own)})"


def formula_of(loss: type) -> list[str]:
    document = inspect.getdoc(loss) or ""
    block = re.search(r"Formula:\n\n```\n(.*?)```", document, re.S)
    if block is None:
        raise ValueError(f"The docstring of {loss.__name__} has no formula.")
    return block.group(1).strip().splitlines()


def property_of(loss: type, name: str) -> str:
    text = re.search(rf"- {name}: (.*?)\.?\n(?=-|\n)", inspect.getdoc(loss) or "", re.S)
    if text is None:
        raise ValueError(f"The docstring of {loss.__name__} does not tell its property {name!r}.")
    return " ".join(text.group(1).split())


def section(document: str, title: str) -> str:
    """The text of a section of a docstring, on one line."""
    text = re.search(rf"^{title}:\n(.*?)(?=^\w[\w ]*:\n|\Z)", document, re.S | re.M)
    return " ".join(text.group(1).split()) if text else ""


if __name__ == "__main__":
    PAGE.write_text(page())
