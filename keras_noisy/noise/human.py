from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_choice
from keras_noisy._labels import read_labels
from keras_noisy.noise._label_files import read_label_file

# The kinds of noisy labels, the default first, each with its correct labels and number of classes.
_KINDS = {
    "cifar10_n": {
        "worse_label": ("clean_label", 10),
        "aggre_label": ("clean_label", 10),
        "random_label1": ("clean_label", 10),
        "random_label2": ("clean_label", 10),
        "random_label3": ("clean_label", 10),
    },
    "cifar100_n": {
        "noisy_label": ("clean_label", 100),
        "noisy_coarse_label": ("clean_coarse_label", 20),
    },
}
_FILES = {
    "cifar10_n": ("CIFAR-10_human.pt", "image_order_c10.npy"),
    "cifar100_n": ("CIFAR-100_human.pt", "image_order_c100.npy"),
}
_SOURCE = "https://github.com/UCSC-REAL/cifar-10-100n"


def from_human(
    name: str,
    path: str | PathLike[str],
    kind: str | None = None,
    true_labels: ArrayLike | None = None,
    order: str = "keras",
) -> NDArray[np.int64]:
    """Reads the labels that people gave to the training images: CIFAR-10N and CIFAR-100N.

    The labels are not part of this package. Download `CIFAR-10_human.pt` or `CIFAR-100_human.pt` (a
    few megabytes) from the folder `data` of https://github.com/UCSC-REAL/cifar-10-100n, or the full
    archive from http://noisylabels.com, and pass the path. Code in these pickle files is never run,
    unlike with `torch.load` and `np.load`. PyTorch is not needed.

    The `.pt` files have the order of `keras.datasets` and torchvision. The `.npy` files named
    `…_ordered.npy` have the different order of `tfds.load`. To convert between them, put
    `image_order_c10.npy` or `image_order_c100.npy`, from the same source, into the same folder.
    Labels in the wrong order look like 90 % noise: pass `true_labels` to detect this mistake.

    Args:
        name: `"cifar10_n"` or `"cifar100_n"`, as in TensorFlow Datasets.
        path: Path of the file, or of its folder.
        kind: For CIFAR-10N `"worse_label"` (40 % wrong), `"aggre_label"` (9 %) or
            `"random_label1"`, `"random_label2"`, `"random_label3"` (17 to 18 %); for CIFAR-100N
            `"noisy_label"` (40 %) or `"noisy_coarse_label"`, of the 20 superclasses. Defaults to
            `"worse_label"` and `"noisy_label"`.
        true_labels: The correct labels as you have loaded them, an integer array (samples,) or
            (samples, 1), or one-hot rows (samples, K). They are compared with those of the file.
            Defaults to `None`: no comparison.
        order: `"keras"`, the order of `keras.datasets`, or `"tfds"`, the order of `tfds.load`
            without shuffling. Defaults to `"keras"`.

    Returns:
        Int64 array (samples,): a label for each of the 50,000 training images.

    Raises:
        FileNotFoundError: If there is no such file. The message says where to download it.
        ValueError: If an argument is invalid, if the file has other content, or if `true_labels`
            differ from those of the file.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import keras_noisy
    >>> with tempfile.TemporaryDirectory() as folder:  # a file of three images, not of 50,000
    ...     path = pathlib.Path(folder) / "CIFAR-10_human.npy"
    ...     np.save(path, {"clean_label": [6, 9, 9], "worse_label": [6, 9, 1]})
    ...     keras_noisy.noise.from_human("cifar10_n", path, true_labels=[6, 9, 9])
    array([6, 9, 1])

    References:

    - Wei, Zhu, Cheng, Liu, Niu, Liu, 2022, "Learning with Noisy Labels Revisited: A Study Using
      Real-World Human Annotations", [ICLR 2022](https://openreview.net/forum?id=TBWA6PLJZQm).
    """
    check_choice("name", name, _KINDS)
    kinds = _KINDS[name]
    kind = next(iter(kinds)) if kind is None else kind
    check_choice("kind", kind, kinds)
    check_choice("order", order, ("keras", "tfds"))
    file = _find_file(name, path)
    content = read_label_file(file)
    if "noise_label" in content:  # The .npy file of CIFAR-100N has this key.
        content.setdefault("noisy_label", content["noise_label"])
    clean_kind, num_classes = kinds[kind]
    noisy = _select(content, kind, num_classes, file)
    clean = _select(content, clean_kind, num_classes, file)
    if len(noisy) != len(clean):
        raise ValueError(
            f"`path` must lead to a file with as many {kind!r} as {clean_kind!r}. "
            f"Received: {len(noisy)} and {len(clean)} in {str(file)!r}"
        )
    file_order = "tfds" if file.stem.endswith("_ordered") else "keras"
    if order != file_order:
        positions = _read_order(file, name, len(clean), to=order)
        noisy, clean = noisy[positions], clean[positions]
    if true_labels is not None:
        _check_true_labels(read_labels("true_labels", true_labels).classes, clean, file)
    return noisy


def _find_file(name: str, path: str | PathLike[str]) -> Path:
    try:
        given = Path(path).expanduser()
    except TypeError:
        raise ValueError(f"`path` must be a path. Received: path={path!r}") from None
    file_name = _FILES[name][0]
    file = given / file_name if given.is_dir() else given
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no file {str(file)!r}. Download {file_name} (a few megabytes) from "
            f"{_SOURCE}/raw/main/data/{file_name}, or the full archive from "
            "http://noisylabels.com, put it in a folder of your choice, and pass the path of the "
            f"file or of the folder: from_human({name!r}, path)"
        )
    return file


def _select(content: dict[str, Any], kind: str, num_classes: int, file: Path) -> NDArray[np.int64]:
    if kind not in content:
        raise ValueError(
            f"`path` must lead to a file with {kind!r}. "
            f"Received: {str(file)!r}, which has {', '.join(map(repr, content)) or 'nothing'}"
        )
    source = f"their kind, {kind!r}"
    labels = read_labels(f"path: {kind}", content[kind], num_classes, source=source)
    return labels.classes.astype(np.int64)


def _read_order(file: Path, name: str, size: int, to: str) -> NDArray[np.int64]:
    """Returns, for each sample in the order `to`, the position of its label in the file."""
    order_name = _FILES[name][1]
    order_file = file.with_name(order_name)
    if not order_file.is_file():
        raise FileNotFoundError(
            f"There is no file {str(order_file)!r}, and {file.name} is not in the order "
            f"{to!r}. Download {order_name} (less than a megabyte) from "
            f"{_SOURCE}/raw/main/{order_name}, and put it next to {file.name}"
        )
    # The position in keras.datasets of each image of TFDS.
    positions = np.load(order_file, allow_pickle=False).reshape(-1)
    if not np.array_equal(np.sort(positions), np.arange(size)):
        raise ValueError(
            f"`path` must have a file {order_name} next to it with each of the numbers from 0 to "
            f"{size - 1} once. Received: {len(positions)} other numbers in {str(order_file)!r}"
        )
    return positions if to == "tfds" else np.argsort(positions)


def _check_true_labels(true_labels: NDArray[Any], clean: NDArray[np.int64], file: Path) -> None:
    """Raises a ValueError if the labels of the user differ from the clean ones of the file."""
    if len(true_labels) != len(clean):
        raise ValueError(
            f"`true_labels` must have as many entries as {str(file)!r}, {len(clean)}. "
            f"Received: {len(true_labels)}"
        )
    if different := np.count_nonzero(true_labels != clean):
        raise ValueError(
            f"`true_labels` must be those of {str(file)!r}, in the same order. "
            f"Received: {different} of {len(clean)} that differ"
        )
