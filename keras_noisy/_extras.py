"""Optional dependencies: imported where they are used, and missed by name."""

import importlib
from typing import Any


def require(module: str, extra: str) -> Any:
    """Imports a module that only an extra of this package installs.

    Raises:
        ImportError: If it is not installed; one line that says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise  # it is installed, and something else is wrong with it
        raise ImportError(
            f'{package} is not installed. Install it with: pip install "keras-noisy[{extra}]"'
        ) from error
