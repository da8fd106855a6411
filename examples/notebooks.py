"""Convert the examples to notebooks.

    python examples/notebooks.py --out build/notebooks
    python examples/notebooks.py --execute                   # those of the site, docs/notebooks
    python examples/notebooks.py --execute noisy_texts       # one of them

Needs jupytext, and nbclient and ipykernel to execute them, which takes a minute or two for each and
uses the backend that KERAS_BACKEND names. The Kaggle notebooks are made in the same way, see
recipes/kaggle.
"""

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = {
    path.stem: path
    for path in sorted(HERE.glob("*.py"))
    if path.read_text().startswith("# %% [markdown]")
}


def main(arguments: list[str] | None = None) -> None:
    """Writes a notebook for each example."""
    sys.path.append(str(HERE.parent / "recipes" / "kaggle"))
    from build import build_notebook

    options = parse(arguments)
    folder = options.out or (
        HERE.parent / "docs" / "notebooks" if options.execute else Path("build/notebooks")
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.examples or SCRIPTS:
        content = build_notebook(SCRIPTS[name].read_text())
        notebook = folder / f"{name}.ipynb"
        notebook.write_text(execute(content) if options.execute else content)
        print(notebook)


def execute(content: str) -> str:
    """Executes a notebook in an empty folder, and returns it with what its cells print and show.

    Messages of libraries to the standard error output are left out. Errors are raised.
    """
    import jupytext
    import nbclient

    notebook = jupytext.reads(content, fmt="ipynb")
    metadata = dict(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(
            notebook,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        ).execute()
    notebook.metadata = metadata  # without the version of Python
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return str(jupytext.writes(notebook, fmt="ipynb")).rstrip() + "\n"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("examples", nargs="*", metavar="example", help="names of examples; all if none is given")
    add("--execute", action="store_true", help="execute the notebooks and keep the outputs")
    add(
        "--out",
        type=Path,
        help="folder to write to: build/notebooks or, with --execute, docs/notebooks by default",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.examples) - SCRIPTS.keys():
        parser.error(
            f"no such example: {', '.join(sorted(unknown))}; there are: {', '.join(SCRIPTS)}"
        )
    return options


if __name__ == "__main__":
    main()
