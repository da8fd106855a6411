"""The settings of work that may be interrupted, kept in a file."""

import json
from pathlib import Path
from typing import Any

from keras_noisy._files import write_atomically


def find_other_settings(path: Path, settings: dict[str, Any]) -> list[str]:
    """Returns the names of the settings with which the work was begun otherwise.

    The first call writes the file, and returns none.
    """
    if not path.exists():
        write_atomically(path, json.dumps(settings, indent=1))
        return []
    found = json.loads(path.read_text())
    return [name for name in {**found, **settings} if found.get(name) != settings.get(name)]
