"""Reads pickled dicts of arrays without running code that the files contain.

Unpickling, as `torch.load` and `np.load(allow_pickle=True)` do it, calls any function that a file
names. Here a file can only name the functions that build an array. PyTorch is not needed.
"""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def read_label_file(path: Path) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a `.npy` or `.pt` file by their keys, each flattened to one axis."""
    try:
        with path.open("rb") as file:
            labels = _read_npy(file) if path.suffix == ".npy" else _read_pt(file)
        return {str(key): np.asarray(values).reshape(-1) for key, values in labels.items()}
    except Exception as error:  # A pickle with arbitrary content may raise anything.
        raise ValueError(
            "`path` must lead to a .pt or .npy file with a dict of arrays. (Is it complete? A "
            "browser may have saved a web page instead.) "
            f"Received: path={str(path)!r}, {type(error).__name__}: {error}"
        ) from error


def _read_npy(file: BinaryIO) -> dict[str, Any]:
    version = np.lib.format.read_magic(file)
    _, _, dtype = (
        np.lib.format.read_array_header_1_0(file)
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0(file)
    )
    if not dtype.hasobject:
        raise ValueError("an array of numbers, not a dict of arrays")
    content = _ArrayUnpickler(file).load()
    return _check_dict(content.item() if isinstance(content, np.ndarray) else content)


def _read_pt(file: BinaryIO) -> dict[str, Any]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as pickled:
                return _check_dict(_ArrayUnpickler(pickled).load())
    # Before PyTorch 1.6, a magic number, a version and the machine preceded the content.
    file.seek(0)
    for _ in range(3):
        _ArrayUnpickler(file).load()
    return _check_dict(_ArrayUnpickler(file).load())


def _check_dict(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"an object of type {type(content).__name__}, not a dict of arrays")
    return content


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that builds arrays and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        # NumPy 2 renamed numpy.core to numpy._core.
        allowed = _ALLOWED.get((module.replace("numpy._core", "numpy.core"), name))
        if allowed is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array of numbers")
        return allowed


def _encode(text: str, encoding: str) -> bytes:
    """Replaces `codecs.encode`, with which pickles of protocol 2 restore bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes written in {encoding!r}")
    return text.encode(encoding)


_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy.core.multiarray", "scalar"): np.int64(0).__reduce__()[0],
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
}
