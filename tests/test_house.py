"""Imports between the rooms of the package follow CONTRIBUTING.md and have no cycles."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

PACKAGE = Path(__file__).parents[1] / "keras_noisy"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
SHARED = {"_arguments", "_extras", "_files", "_inputs", "_labels", "_random", "_typing"}
# The rooms that each room may import in addition to `SHARED`, as in CONTRIBUTING.md.
ALLOWED = {
    "theory": set(),
    "noise": set(),
    "models": set(),
    "datasets": {"noise"},
    "_core": {"theory"},
    "losses": {"_core", "theory"},
    "layers": {"_core"},
    "calibration": {"losses", "layers", "_core", "theory"},
    "training": {"calibration", "losses", "layers", "_core"},
    "cleaning": {"datasets", "layers", "losses", "models", "training"},
    "plots": {"calibration", "datasets", "losses", "models", "noise", "theory"},
    "cli": {"calibration", "cleaning", "datasets", "losses", "plots", "theory", "training"},
}


def find_imports(path):
    """Returns the modules of the package that a file imports, at the top or in functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    found = {name for name in found if name in MODULES}
    # `from room.module import name` does not count as an import of the room.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


IMPORTS = {name: find_imports(path) - {name} for name, path in MODULES.items()}


def get_room(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("name", [*sorted(SHARED), *ALLOWED])
def test_imports_are_allowed(name):
    allowed = SHARED | ALLOWED.get(name, set()) | {name}
    for module in MODULES:
        if get_room(module) == name:
            rooms = {get_room(other) for other in IMPORTS[module]}
            assert rooms <= allowed, f"{module} imports {rooms - allowed}"


def test_every_room_is_listed():
    assert {get_room(module) for module in MODULES} - {"", "__main__"} == SHARED | set(ALLOWED)


def test_imports_have_no_cycles():
    visited = set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path, module])
        if module not in visited:
            for other in IMPORTS[module]:
                visit(other, [*path, module])
            visited.add(module)

    for module in MODULES:
        visit(module, [])
