"""Files that appear whole or not at all, whenever the process is killed."""

import os
from pathlib import Path


def write_whole(path: Path, content: str) -> None:
    """Writes a text file beside its place and then moves it there; several processes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(content, encoding="utf-8")
    draft.replace(path)
