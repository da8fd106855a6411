"""Reads and replaces the label in elements of a `tf.data.Dataset`, or in their specification."""

from typing import Any

from keras_noisy._extras import require


def check_dataset(dataset: Any) -> None:
    """Raises a ValueError unless `dataset` is a `tf.data.Dataset`."""
    tf = require("tensorflow", extra="datasets")
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(f"`dataset` must be a tf.data.Dataset. Received: dataset={dataset!r}")


def get_label(element: Any) -> Any:
    """Returns the label of an element `(x, label, …)` or `{…, "label": label}`."""
    if isinstance(element, tuple) and len(element) >= 2:
        return element[1]
    if isinstance(element, dict) and "label" in element:
        return element["label"]
    raise ValueError(
        "`dataset` must have elements (x, label), (x, label, …) or dicts with a key 'label'. "
        f"Received: elements of {element}"
    )


def replace_label(element: Any, label: Any) -> Any:
    """Returns the element with another label and all its other parts."""
    if isinstance(element, dict):
        return {**element, "label": label}
    x, _, *rest = element
    return (x, label, *rest)


def has_index(label: Any) -> bool:
    """Returns whether a label has the form that `add_index` gives it."""
    return isinstance(label, dict) and set(label) == {"label", "index"}


def is_integer_spec(spec: Any) -> bool:
    """Returns whether a specification is that of an integer tensor."""
    tf = require("tensorflow", extra="datasets")
    return isinstance(spec, tf.TensorSpec) and spec.dtype.is_integer
