"""Where the label stands in an element of a `tf.data.Dataset`, or in its specification."""

from typing import Any

from keras_noisy._extras import require


def check_dataset(dataset: Any) -> None:
    tf = require("tensorflow", extra="datasets")
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(f"`dataset` must be a tf.data.Dataset. Received: dataset={dataset!r}")


def get_label(element: Any) -> Any:
    """The label of (x, label, …) or {…, "label": label}."""
    if isinstance(element, tuple) and len(element) >= 2:
        return element[1]
    if isinstance(element, dict) and "label" in element:
        return element["label"]
    raise ValueError(
        "`dataset` must have elements (x, label), (x, label, …) or dicts with a key 'label'. "
        f"Received: elements of {element}"
    )


def is_numbered(label: Any) -> bool:
    return isinstance(label, dict) and set(label) == {"label", "index"}


def is_integer(spec: Any) -> bool:
    tf = require("tensorflow", extra="datasets")
    return isinstance(spec, tf.TensorSpec) and spec.dtype.is_integer


def with_label(element: Any, label: Any) -> Any:
    """The element with another label, and all else as it was."""
    if isinstance(element, dict):
        return {**element, "label": label}
    x, _, *rest = element
    return (x, label, *rest)
