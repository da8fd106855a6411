"""Draw the figures of the theory: why bounded losses stall with many classes, and what helps.

Downloads nothing and trains nothing; all six figures take one to two minutes. docs/figures.md
shows them.

    python recipes/figures.py --figures 1 4 --themes light
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

from command_line import OneLineParser

from keras_noisy.plots import theory_figures


def main(arguments: list[str] | None = None) -> None:
    """Draws the figures that the command line asks for."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--folder", type=Path, default=Path("results/figures"), help="folder to write to")
    add("--figures", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6], help="numbers, from 1 to 6")
    add("--themes", nargs="+", default=["light", "dark"], help="light, dark, or both")
    options = parser.parse_args(arguments)
    try:
        theory_figures(options.folder, options.figures, options.themes)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
