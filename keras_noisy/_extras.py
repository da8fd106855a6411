"""Imports of optional dependencies, with an error that says how to install a missing one."""

import importlib
import importlib.util
from typing import Any

_BACKENDS = ("tensorflow", "jax", "torch")


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


def require_backend() -> None:
    """Imports Keras, whose backend is an optional dependency.

    Raises:
        ImportError: If the backend is not installed, with the setting for one that is.
    """
    try:
        importlib.import_module("keras")
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in _BACKENDS:
            raise
        installed = [name for name in _BACKENDS if importlib.util.find_spec(name)]
        remedies = [f"set the environment variable KERAS_BACKEND={each}" for each in installed[:1]]
        remedies.append(f'install it with: pip install "keras-noisy[{missing}]"')
        raise ImportError(
            f"The backend of Keras, {missing}, is not installed: {', or '.join(remedies)}"
        ) from None
