"""The layers of the package: who may import whom, and no circles."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

PACKAGE = Path(__file__).parents[1] / "keras_noisy"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
SHARED = {"_arguments", "_extras", "_files", "_labels", "_random", "_typing"}
# The rooms that a room may import beside `SHARED`, as in CONTRIBUTING.md.
ALLOWED = {
    "theory": set(),
    "noise": set(),
    "models": set(),
    "datasets": {"noise"},
    "_core": {"theory"},
    "losses": {"_core", "theory"},
    "layers": {"_core"},
    "calibration": {"losses", "layers", "_core", "theory"},
    "training": {"losses", "_core"},
    "plots": {"calibration", "datasets", "losses", "models", "noise", "theory"},
    "cli": {"calibration", "datasets", "losses", "plots", "theory"},
}


def imported(path):
    """The modules of the package that a file imports, at the top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    found = {name for name in found if name in MODULES}
    # `from room.module import name` is no import of the room itself.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


IMPORTS = {name: imported(path) - {name} for name, path in MODULES.items()}


def room(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("name", [*SHARED, *ALLOWED])
def test_imports_run_downwards(name):
    allowed = SHARED | ALLOWED.get(name, set()) | {name}
    for module in MODULES:
        if room(module) == name:
            rooms = {room(other) for other in IMPORTS[module]}
            assert rooms <= allowed, f"{module} imports {rooms - allowed}"


def test_every_room_has_a_place():
    assert {room(module) for module in MODULES} - {"", "__main__"} == SHARED | set(ALLOWED)


def test_there_are_no_circles():
    done = set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for other in IMPORTS[module]:
                visit(other, [*path, module])
            done.add(module)

    for module in MODULES:
        visit(module, [])
