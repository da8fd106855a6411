"""Draw the figures of the theory: why bounded losses stall with many classes, and what helps.

Nothing is downloaded and nothing trained; all five take one to two minutes. docs/figures.md shows them.

    python recipes/figures.py --figures 1 4 --themes light
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

from keras_noisy.plots import theory_figures


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--folder", type=Path, default=Path("results/figures"), help="folder to write to")
    add("--figures", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="numbers, from 1 to 5")
    add("--themes", nargs="+", default=["light", "dark"], help="light, dark")
    options = parser.parse_args(arguments)
    try:
        theory_figures(options.folder, options.figures, options.themes)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")


if __name__ == "__main__":
    main()
