"""Imports of optional dependencies, with an error that says how to install a missing one."""

import importlib
from typing import Any


def require(module: str, extra: str) -> Any:
    """Imports a module of an optional dependency.

    Args:
        module: Name of the module, such as `"matplotlib.figure"`.
        extra: The extra of this package that installs it.

    Returns:
        The module.

    Raises:
        ImportError: If the dependency is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise  # The package is installed, but one of its own imports fails.
        raise ImportError(
            f'{package} is not installed. Install it with: pip install "keras-noisy[{extra}]"'
        ) from error
