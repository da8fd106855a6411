"""What a training leaves behind, as JSON."""

import json
import math
from pathlib import Path
from typing import Any

from keras_noisy.training import write_atomically


def write_json(path: Path, content: Any) -> None:
    """Writes a file whole or not at all; what is no number in JSON, such as NaN, as null."""
    write_atomically(path, json.dumps(without_nan(content), indent=1, allow_nan=False) + "\n")


def without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
