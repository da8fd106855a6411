"""Records of trainings, written as JSON files."""

import json
import math
from pathlib import Path
from typing import Any

from keras_noisy.training import write_atomically


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file atomically; NaN and infinities, which JSON lacks, become null."""
    text = json.dumps(replace_non_finite(content), indent=1, allow_nan=False)
    write_atomically(path, text + "\n")


def replace_non_finite(content: Any) -> Any:
    """Replaces all NaN and infinities in nested dictionaries and lists by None."""
    if isinstance(content, dict):
        return {key: replace_non_finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [replace_non_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
