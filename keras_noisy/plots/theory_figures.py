import io
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from keras_noisy._extras import require
from keras_noisy.plots.bias_by_classes import bias_by_classes
from keras_noisy.plots.errors_by_classes import errors_by_classes
from keras_noisy.plots.errors_by_loss import errors_by_loss
from keras_noisy.plots.gce_exponent import gce_exponent
from keras_noisy.plots.logit_distributions import logit_distributions
from keras_noisy.plots.measured_logits import measured_logits
from keras_noisy.plots.theme import THEMES
from keras_noisy.plots.update_sizes import update_sizes

_DRAW: dict[int, Callable[..., Any]] = {
    1: errors_by_classes,
    2: errors_by_loss,
    3: gce_exponent,
    4: bias_by_classes,
    6: update_sizes,
}


def theory_figures(
    folder: str | os.PathLike[str],
    figures: Sequence[int] = (1, 2, 3, 4, 5, 6),
    themes: Sequence[str] = ("light", "dark"),
    report: Callable[[str], object] = print,
) -> list[Path]:
    """Writes the figures of the theory as PNG files, which takes one to two minutes for all.

    Figures 1 to 5 show the same quantities as those of the source, computed by this package:
    1 `errors_by_classes`, 2 `errors_by_loss`, 3 `gce_exponent`, 4 `bias_by_classes`,
    5 `logit_distributions` of `measured_logits`. Figure 6, `update_sizes`, is not in the source.
    All functions are in `keras_noisy.plots`.

    Args:
        folder: Folder of the files, which is created if it is missing. The files are called
            `figure1.png`, or `figure1-dark.png`, and replace existing ones. Each is written
            atomically.
        figures: Numbers of figures, from 1 to 6. Defaults to all.
        themes: `"light"`, `"dark"` or both. Defaults to both.
        report: Function that is called with a line of text for each file. Defaults to `print`.

    Returns:
        List of the paths of the files.

    Raises:
        ValueError: If an argument is invalid.
        OSError: If the folder can't be written to.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).
        ImportError: If matplotlib is not installed.

    Example:

    >>> import tempfile
    >>> from keras_noisy.plots import theory_figures
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = theory_figures(folder, figures=[1], report=lambda line: None)
    >>> [path.name for path in paths]
    ['figure1.png', 'figure1-dark.png']

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figures 1 to 5.
    """
    if not figures or not all(number in (*_DRAW, 5) for number in figures):
        raise ValueError(f"`figures` must be some of 1 to 6. Received: figures={figures!r}")
    if isinstance(themes, str) or not themes or not all(theme in THEMES for theme in themes):
        raise ValueError(f"`themes` must be some of {[*THEMES]}. Received: themes={themes!r}")
    require("matplotlib", extra="recipes")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in dict.fromkeys(figures):
        draw = _DRAW.get(number) or partial(logit_distributions, measured_logits(report=report))
        for theme in dict.fromkeys(themes):
            path = target / f"figure{number}{'' if theme == 'light' else '-' + theme}.png"
            _write_png(draw(theme=theme), path)
            report(f"figure {number}, {theme}: {path}")
            paths.append(path)
    return paths


def _write_png(figure: Any, path: Path) -> None:
    """Writes a figure atomically, with 256 colours, which saves two thirds of the bytes."""
    image = require("PIL.Image", extra="recipes")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        draft = Path(temporary) / path.name
        image.open(drawn).convert("RGB").quantize(256).save(draft, optimize=True)
        draft.replace(path)
