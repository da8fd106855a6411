"""The record that layers attach to the predictions of a model, for the loss to read.

A value that changes during training must be a weight of the model, and only layers know whether a
step is a training step. So the layer attaches its record to its output tensor, as Keras attaches
masks. A loss reads the record of the tensor that it receives. This also works in models that were
saved, copied or compiled.
"""

import dataclasses
import threading
import warnings
import weakref
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_noisy._core.tracing import outside_graphs
from keras_noisy._typing import Tensor

if TYPE_CHECKING:
    from keras_noisy._core.chunked_softmax import ClassChunks

_NAME = "_keras_noisy_record"


@dataclasses.dataclass(frozen=True, eq=False)
class LayerBias:
    """The logit bias that a layer gives to predictions.

    Attributes:
        layer: The layer; `None` for predictions that do not come from one.
        value: Float or scalar tensor; 0.0 at inference.
        adaptive: `"sample"` or `"class"` if `value` is the largest bias, of which each sample or
            class receives a share, or `None`.
        class_probs: Tensor (K,) that the shares of classes follow from, or `None`.
    """

    layer: Any = None
    value: Any = 0.0
    adaptive: str | None = None
    class_probs: Tensor = None


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """What is attached to predictions.

    Attributes:
        bias: The logit bias of a `LogitBias` layer, or `None`.
        chunks: The features and weights of a `ClassHead` layer, or `None`.
    """

    bias: LayerBias | None = None
    chunks: "ClassChunks | None" = None


class RecordingLayer:
    """Base of the layers that attach a record; losses know layers by it."""

    # The field of `Record` that the layer sets.
    records = ""
    name: str

    def register(self) -> None:
        """Tells losses that a model contains the layer. To be called by `build`."""
        _built[self.records].add(self)

    @outside_graphs
    def record(self, predictions: Tensor, value: Any) -> None:
        """Attaches the layer's value to predictions, beside the values of other layers."""
        previous = _get_record(predictions) or Record()
        _attach(predictions, dataclasses.replace(previous, **{self.records: value}))


@outside_graphs
def carry_record(source: Tensor, target: Tensor, offsets: Tensor = None) -> None:
    """Attaches the record of predictions to the logits that a layer has made from them.

    Args:
        source: The input of the layer.
        target: Its output.
        offsets: What the layer has added to the logits of each class, (K,), or `None`.
    """
    record = _get_record(source)
    if record is None or source is target:
        return
    if record.chunks is not None and offsets is not None:
        record = dataclasses.replace(record, chunks=record.chunks.plus(offsets))
    _attach(target, record)


_built: defaultdict[str, weakref.WeakSet[RecordingLayer]] = defaultdict(weakref.WeakSet)


def is_recorded(field: str) -> bool:
    """Returns whether there is a layer that records this field of `Record`."""
    return len(_built[field]) > 0


@outside_graphs
def find_chunks(predictions: Tensor) -> "ClassChunks | None":
    """Returns the features and weights that logits are made from, if a head has attached them.

    PyTorch's compiler breaks its graph here, so call it only if `is_recorded("chunks")`.
    """
    record = _get_record(predictions)
    return None if record is None else record.chunks


class _Untaken(threading.local):
    """The layers that have recorded a bias in this thread which no loss has taken yet."""

    def __init__(self) -> None:
        self.layers: weakref.WeakSet[RecordingLayer] = weakref.WeakSet()


_untaken = _Untaken()


@outside_graphs
def record_bias(predictions: Tensor, bias: LayerBias, training: bool) -> None:
    """Attaches a layer's logit bias to predictions."""
    bias.layer.record(predictions, bias)
    if training:
        _untaken.layers.add(bias.layer)
    else:
        # A training step that an error has ended may have left layers, also of other models.
        _untaken.layers.clear()


def clear_untaken_biases() -> None:
    """Clears the recorded biases of predictions that are not passed to a loss."""
    _untaken.layers.clear()


@outside_graphs
def find_bias(predictions: Tensor) -> LayerBias:
    """Returns the recorded bias.

    Predictions that do not come from a layer, such as those of `model.predict`, have the bias 0.0.
    """
    record = _get_record(predictions)
    return LayerBias() if record is None or record.bias is None else record.bias


@outside_graphs
def take_bias(predictions: Tensor) -> None:
    """Notes that a loss uses the recorded bias of predictions.

    Raises:
        ValueError: If the predictions have no record although a layer has recorded a bias in this
            training step, or if no model of the process has such a layer.
    """
    record = _get_record(predictions)
    if record is not None and record.bias is not None:
        _untaken.layers.discard(record.bias.layer)
        return
    # NumPy predictions come from `model.predict`, never from a training step.
    was_lost = _untaken.layers and not isinstance(predictions, np.ndarray)
    if was_lost or not is_recorded("bias"):
        clear_untaken_biases()
        raise ValueError(
            "`y_pred` must be the output of the model's LogitBias layer, because the loss takes "
            "its logit bias from there. Put the layer at the end of the model: there must be no "
            "other layer, no cast and no separately compiled function between it and the loss. "
            "For predictions of a model without the layer, use "
            "`loss.with_options(logit_bias=None)`. Received: predictions of another origin"
        )


@outside_graphs
def warn_of_unused_bias(predictions: Tensor) -> None:
    """Warns, once for each layer, if a layer has recorded a bias that the loss does not use."""
    record = _get_record(predictions)
    if record is None or record.bias is None or record.bias.layer not in _untaken.layers:
        return
    layer = record.bias.layer
    if layer not in _warned:
        _warned.add(layer)
        warnings.warn(
            f"The LogitBias layer {layer.name!r} has no effect on a loss that does not take its "
            "bias from it. If the loss should have the bias, pass the layer: `logit_bias=layer`.",
            stacklevel=2,
        )


_warned: weakref.WeakSet[RecordingLayer] = weakref.WeakSet()


def _attach(tensor: Tensor, record: Record) -> None:
    """Attaches a record to a tensor for the lifetime of the tensor."""
    try:
        setattr(tensor, _NAME, record)
    except AttributeError:  # tensors of JAX, and NumPy arrays
        key = id(tensor)
        if key not in _records:
            weakref.finalize(tensor, _records.pop, key, None).atexit = False
        _records[key] = record
    if (primal := getattr(tensor, "primal", None)) is not None:
        # A tensor that JAX differentiates is a different object outside the differentiated
        # function, and so are the tensors of the record.
        _attach(primal, _get_primal_record(record))


def _get_primal_record(record: Record) -> Record:
    if record.chunks is None:
        return record
    primals = {name: getattr(value, "primal", value) for name, value in vars(record.chunks).items()}
    return dataclasses.replace(record, chunks=dataclasses.replace(record.chunks, **primals))


def _get_record(tensor: Tensor) -> Record | None:
    return getattr(tensor, _NAME, None) or _records.get(id(tensor))


# The records of tensors that cannot have attributes, by the id of the tensor.
_records: dict[int, Record] = {}
