"""Build the Kaggle notebooks from their scripts, and a folder that is ready to upload.

    python recipes/kaggle/build.py                                    # writes the notebooks
    python recipes/kaggle/build.py --check                            # checks the notebooks
    python recipes/kaggle/build.py --user NAME --out build/kaggle     # writes the folder to upload

The first two need jupytext; the third builds the wheel of keras-noisy, for which pip downloads
hatchling.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KERNELS = [path.parent for path in sorted(HERE.glob("*/kernel-metadata.json"))]
# The placeholder for a user name that the command `kaggle` writes.
USER = "INSERT_KAGGLE_USERNAME"


def main(arguments: list[str] | None = None) -> None:
    """Writes or checks the notebooks, or writes the folder to upload."""
    options = parse(arguments)
    if options.user:
        write_upload(options.user, options.out, options.with_keras)
        return
    for kernel in KERNELS:
        script, notebook = (kernel / f"{kernel.name}.{suffix}" for suffix in ("py", "ipynb"))
        content = build_notebook(script.read_text())
        if not options.check:
            notebook.write_text(content)
        elif notebook.read_text() != content:
            sys.exit(f"{notebook} does not match {script.name}: run build.py")


def build_notebook(script: str) -> str:
    """Builds a notebook from a script in jupytext's percent format, always with the same bytes."""
    import jupytext

    notebook = jupytext.reads(script, fmt="py:percent")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    notebook.cells[0].source = format_header(notebook.cells[0].source)
    return str(jupytext.writes(notebook, fmt="ipynb")).rstrip() + "\n"


def format_header(text: str) -> str:
    """Formats the header of a script in the style of keras.io's notebooks."""
    header, _, rest = text.partition("\n\n")
    title, *lines = header.splitlines()
    facts = [re.sub(r"^(.+?):", r"**\1:**", line) for line in lines]
    return "\n\n".join([title.replace("Title:", "#", 1), "<br>\n".join(facts), rest])


def write_upload(user: str, folder: Path, with_keras: bool) -> None:
    """Writes the folder to upload: a data set with the wheel, and the notebooks of the user."""
    build_wheel(folder / "wheel", user, with_keras)
    for kernel in KERNELS:
        copy = folder / kernel.name
        copy.mkdir(parents=True, exist_ok=True)
        metadata = (kernel / "kernel-metadata.json").read_text().replace(USER, user)
        (copy / "kernel-metadata.json").write_text(metadata)
        shutil.copy(kernel / f"{kernel.name}.ipynb", copy)
    print(f"kaggle datasets create -p {folder / 'wheel'}")
    for kernel in KERNELS:
        print(f"kaggle kernels push -p {folder / kernel.name}")


def build_wheel(folder: Path, user: str, with_keras: bool) -> None:
    """Writes the data set with the wheel of keras-noisy and, on request, that of Keras."""
    for older in folder.glob("*.whl"):
        older.unlink()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", f"--wheel-dir={folder}", str(ROOT)], check=True)
    if with_keras:
        constraint = f"--constraint={ROOT / 'constraints.txt'}"
        subprocess.run(
            [*pip, "download", "--no-deps", f"--dest={folder}", constraint, "keras"], check=True
        )
    metadata = {
        "title": "keras-noisy wheel",
        "id": f"{user}/keras-noisy-wheel",
        "licenses": [{"name": "apache-2.0"}],
    }
    (folder / "dataset-metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False
    )
    add = parser.add_argument
    add("--check", action="store_true", help="only check that the notebooks agree with the scripts")
    add("--user", help="your Kaggle user name; writes a folder to upload")
    add("--out", type=Path, default=Path("build/kaggle"), help="folder to upload")
    add(
        "--with-keras",
        action="store_true",
        help="add the wheel of Keras, in case that of Kaggle is older",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
