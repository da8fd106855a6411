"""Convert the examples to notebooks.

    python examples/notebooks.py --out build/notebooks

Needs jupytext. The Kaggle notebooks are made in the same way, see recipes/kaggle.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> None:
    """Writes a notebook for each example."""
    sys.path.append(str(HERE.parent / "recipes" / "kaggle"))
    from build import build_notebook

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("build/notebooks"), help="folder to write to"
    )
    folder = parser.parse_args(arguments).out
    folder.mkdir(parents=True, exist_ok=True)
    for script in sorted(HERE.glob("*.py")):
        if script.read_text().startswith("# %% [markdown]"):
            notebook = folder / f"{script.stem}.ipynb"
            notebook.write_text(build_notebook(script.read_text()))
            print(notebook)


if __name__ == "__main__":
    main()
