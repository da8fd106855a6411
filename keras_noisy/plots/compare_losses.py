import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from keras_noisy.plots.theme import get_theme

# The markers of the noises, which differ because the colours repeat.
MARKERS = "osD^vPX<>*ph"


def compare_losses(
    accuracies: Mapping[str, Mapping[str, Sequence[float]]], title: str = "", theme: str = "light"
) -> Any:
    """Draws the test accuracies of several losses with several label noises.

    Each loss has a row, and each noise a mark in it: the mean over trainings, with error bars of
    one standard error. The losses are sorted by the mean of their marks, with the best one on top.

    Args:
        accuracies: Mapping from the name of a loss to a mapping from the name of a noise to shares
            in [0, 1], one for each training. An empty sequence has no mark. At most
            `keras_noisy.plots.MAX_NOISES` (12) noises.
        title: Title of the figure. Defaults to no title.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("losses.png")`.

    Raises:
        ValueError: If there is no training, if there are too many noises, or if the theme is
            unknown.
        ImportError: If matplotlib is not installed.

    Example:

    >>> from keras_noisy.plots import compare_losses
    >>> results = {"CE": {"none": [0.97, 0.98], "40 %": [0.71]}, "MAE": {"none": [0.3], "40 %": []}}
    >>> figure = compare_losses(results)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['MAE', 'CE']
    """
    look = get_theme(theme)
    trained = {
        loss: {noise: values for noise, values in by_noise.items() if len(values)}
        for loss, by_noise in accuracies.items()
    }
    trained = {loss: by_noise for loss, by_noise in trained.items() if by_noise}
    noises = list(dict.fromkeys(noise for row in accuracies.values() for noise in row))
    if not trained or len(noises) > len(MARKERS):
        raise ValueError(
            f"`accuracies` must have at least one training and at most {len(MARKERS)} noises. "
            f"Received: {len(trained)} losses with trainings and the noises {noises}"
        )
    means = {
        loss: {noise: statistics.fmean(values) for noise, values in by_noise.items()}
        for loss, by_noise in trained.items()
    }
    order = sorted(means, key=lambda loss: statistics.fmean(means[loss].values()))
    figure = look.figure(height=1.4 + 0.26 * len(order))
    axes = figure.subplots()
    for index, noise in enumerate(noises):
        rows = [row for row, loss in enumerate(order) if noise in trained[loss]]
        if not rows:
            continue
        values = [trained[order[row]][noise] for row in rows]
        errors = [
            100 * statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else 0.0
            for each in values
        ]
        axes.errorbar(
            [100 * statistics.fmean(each) for each in values],
            rows,
            xerr=errors,
            fmt=MARKERS[index],
            color=look.colours[index % len(look.colours)],
            ms=5,
            elinewidth=1.2,
            label=noise,
        )
    axes.set(xlabel="test accuracy [%]", xlim=(0, 100), ylim=(-0.7, len(order) - 0.3), title=title)
    axes.set_yticks(range(len(order)), order)
    look.legend(figure, axes)
    return look.finish(figure)
