from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy import losses as robust_losses
from keras_noisy._arguments import check_classes, check_integer
from keras_noisy.calibration import average_error
from keras_noisy.calibration._optimizer import BATCH_SIZE, first_gradient
from keras_noisy.plots.theme import get_theme
from keras_noisy.theory import update_size

_POINTS = 121
# From names to arguments of `update_size`: the defaults of Keras's optimizers.
_OPTIMIZERS = {
    "SGD": ("proportional", 1e-7),
    "Adam": ("relative", 1e-7),
    "RMSprop": ("root", 1e-7),
    "Adagrad": ("accumulated", 0.1),
    "Lion": ("sign", 1e-7),
}


def update_sizes(
    losses: Mapping[str, keras.losses.Loss] | None = None,
    classes: Sequence[int] = (10, 1000, 100_000),
    batch_size: int = BATCH_SIZE,
    theme: str = "light",
) -> Any:
    """Draws how far optimizers move a weight for gradients of any size, and the sizes of losses.

    The upper panel shows `keras_noisy.theory.update_size` for optimizers of Keras with their
    default settings. The lower panel marks the first gradients of losses, with a mark for each
    number of classes: the size of the average error at logit 0 of an untrained network
    (`keras_noisy.calibration.average_error`), divided by `sqrt(K * batch_size)`. A weight of the
    last layer has a gradient of about this size. A loss that does not increase the label's logit
    there has no mark.

    Args:
        losses: Mapping from a name to a `keras.losses.Loss`. Defaults to CE, MAE, and MAE with its
            logit bias.
        classes: Numbers of classes `K`, each at least 2. Defaults to `(10, 1000, 100_000)`.
        batch_size: Integer, the number of samples in a batch. Defaults to `128`.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("updates.png")`.

    Raises:
        ValueError: If an argument is invalid.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).
        ImportError: If matplotlib is not installed.

    Example:

    >>> import keras_noisy
    >>> figure = keras_noisy.plots.update_sizes({"GCE": keras_noisy.GCE()}, classes=[10, 365])
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['SGD', 'Adam', 'RMSprop', 'Adagrad', 'Lion']
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['10', '365']

    References:

    - Kingma, Ba, 2015, "Adam: A Method for Stochastic Optimization",
      [ICLR 2015](https://arxiv.org/abs/1412.6980).
    - Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms",
      [NeurIPS 2023](https://arxiv.org/abs/2302.06675): Lion.
    """
    look = get_theme(theme)
    for name, entries in (("losses", losses), ("classes", classes)):
        if entries is not None and len(entries) == 0:
            raise ValueError(f"`{name}` must have at least one entry. Received: {name}={entries!r}")
    for number in classes:
        check_classes("classes", number)
    check_integer("batch_size", batch_size, 1)
    losses = _default_losses() if losses is None else losses
    marks = {name: _first_gradients(loss, classes, batch_size) for name, loss in losses.items()}
    drawn = [gradient for row in marks.values() for gradient in row.values()]
    gradients = _gradient_axis(drawn)

    figure = look.figure(height=4.4 + 0.4 * len(marks))
    above, below = figure.subplots(2, sharex=True, height_ratios=(3.4, 0.4 + 0.4 * len(marks)))
    for index, (name, (rule, constant)) in enumerate(_OPTIMIZERS.items()):
        sizes = update_size(gradients, rule, constant)
        # The rule of Adagrad does not hold for larger gradients.
        holds = gradients**2 <= constant if rule == "accumulated" else sizes > 0.0
        above.plot(gradients[holds], sizes[holds], label=name, **look.line(index))
    for height, row in enumerate(marks.values()):
        below.plot(list(row.values()), [height] * len(row), "o", markersize=6, color=look.text)
        for number, gradient in row.items():
            below.annotate(
                f"{number:,}",
                (gradient, height),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                va="bottom",
            )
    above.set(xscale="log", yscale="log", ylabel="update / learning rate")
    above.set(xlim=(gradients[0], gradients[-1]), ylim=(gradients[0], max(4.0, gradients[-1])))
    above.set_title("(a) updates of a weight")
    below.set_title(
        f"(b) first gradients of the last layer by number of classes, batches of {batch_size}"
    )
    below.set_xlabel("size of the gradient")
    below.set_yticks(range(len(marks)), list(marks))
    below.set_ylim(len(marks) - 0.6, -0.9)
    look.legend(figure, above)
    look.finish(figure)
    for axes in (above, below):
        axes.grid(axis="x", color=look.faint, alpha=0.35, linewidth=0.6)
    return figure


def _first_gradients(
    loss: keras.losses.Loss, classes: Sequence[int], batch_size: int
) -> dict[int, float]:
    """Returns the sizes of the first gradients for the numbers of classes with which it pulls."""
    errors = {number: float(average_error(loss, 0.0, number)) for number in classes}
    return {k: first_gradient(error, k, batch_size) for k, error in errors.items() if error < 0.0}


def _gradient_axis(marked: Sequence[float]) -> NDArray:
    """Returns gradients that cover the marked ones, from one power of ten to another."""
    low = np.floor(np.log10(min([1e-8, *marked])) - 0.3)
    high = np.ceil(np.log10(max([0.1, *marked])))
    return np.logspace(low, high, _POINTS)


def _default_losses() -> dict[str, keras.losses.Loss]:
    return {
        "CE": robust_losses.CE(),
        "MAE": robust_losses.MAE(),
        "MAE + bias": robust_losses.MAE(logit_bias="auto"),
    }
