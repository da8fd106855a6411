"""Recipes, examples and benchmarks use only public names of the package, as users do."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

import keras_noisy
import keras_noisy.theory

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path
    for folder in ("recipes", "examples", "benchmarks")
    for path in ROOT.glob(f"{folder}/**/*.py")
)
# Further public names.
MORE_NAMES = {"keras_noisy": ["theory", "__version__"]}


def resolve(name):
    """Follows a dotted name through public modules; returns the object or None for attributes.

    Raises:
        LookupError: If a part of it is not public.
    """
    found, *parts = keras_noisy, *name.split(".")[1:]
    for part in parts:
        if not isinstance(found, ModuleType):  # an attribute of a class or of a function
            return None
        if part not in [*found.__all__, *MORE_NAMES.get(found.__name__, [])]:
            raise LookupError(f"{part} of {found.__name__} is not public")
        found = getattr(found, part)
    return found


def is_in_package(name):
    return name.split(".")[0] == "keras_noisy"


def list_names(tree):
    """Yields dotted names of the package, each with its line and whether it must be a module."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in filter(lambda each: is_in_package(each.name), node.names):
                aliases[each.asname or "keras_noisy"] = each.name if each.asname else "keras_noisy"
                yield each.name, node.lineno, True
        elif isinstance(node, ast.ImportFrom) and is_in_package(node.module or ""):
            yield node.module, node.lineno, True
            for each in node.names:
                aliases[each.asname or each.name] = f"{node.module}.{each.name}"
                yield f"{node.module}.{each.name}", node.lineno, False
    for node in ast.walk(tree):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in aliases:
            yield ".".join([aliases[inner.id], *parts]), node.lineno, False


def find_problems(source):
    """Describes all uses of names that are not public."""
    problems = []
    for name, line, must_be_module in list_names(ast.parse(source)):
        try:
            if not isinstance(resolve(name), ModuleType) and must_be_module:
                problems.append(f"line {line}: {name} is not a public module")
        except LookupError as error:
            problems.append(f"line {line}: {error.args[0]}")
    return list(dict.fromkeys(problems))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_public(path):
    problems = find_problems(path.read_text())
    assert problems == []


def test_scripts_are_found():
    assert {path.name for path in SCRIPTS} >= {"train.py", "noisy_glyphs.py", "glyph_runs.py"}


@pytest.mark.parametrize(
    "source",
    [
        "import keras_noisy.theory",
        "import keras_noisy.losses as ours\nours.get('mae')",
        "from keras_noisy import MAE, losses\nMAE.from_config({})\nlosses.MAE.call",
        "from keras_noisy.theory import gce_q",
        "from keras_noisy.datasets import glyphs as data\ndata.load_data(10)",
        "import keras_noisy\nkeras_noisy.datasets.cifar10.load_data\nkeras_noisy.__version__",
        "import keras_noisy_too\nfrom keras_noisy_too import x\nkeras_noisy_too.y",
    ],
)
def test_public_names_are_accepted(source):
    assert find_problems(source) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import keras_noisy._files", "line 1: _files of keras_noisy is not public"),
        ("from keras_noisy import _files", "line 1: _files of keras_noisy is not public"),
        ("from keras_noisy.losses import nope", "line 1: nope of keras_noisy.losses is not public"),
        (
            "from keras_noisy.losses.mae import MAE",
            "line 1: mae of keras_noisy.losses is not public",
        ),
        (
            "from keras_noisy.calibration.diagnose import Diagnosis",
            "line 1: keras_noisy.calibration.diagnose is not a public module",
        ),
        (
            "import keras_noisy\n\nkeras_noisy.losses.mae.MAE",
            "line 3: mae of keras_noisy.losses is not public",
        ),
        (
            "from keras_noisy import datasets\ndatasets.glyphs.np",
            "line 2: np of keras_noisy.datasets.glyphs is not public",
        ),
        (
            "def f():\n    from keras_noisy import losses as ours\n    return ours.mae",
            "line 3: mae of keras_noisy.losses is not public",
        ),
    ],
)
def test_other_names_are_reported(source, problem):
    assert problem in find_problems(source)
