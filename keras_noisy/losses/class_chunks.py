"""A last layer's classes, chunk by chunk: what most losses need of a row of logits without the row.

With very many classes the logits and their gradient are what fills the memory. A loss that is a function of
the label's log-probability needs one number of each row. So a head attaches to its logits what they are made
from; a loss that finds it makes them anew, some thousand classes at a time, and where nobody else asks for the
logits, a compiled step does not compute them at all.
"""

import dataclasses
import weakref
from typing import Any

import keras
from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses.custom_gradient import custom_gradient
from keras_noisy.losses.tracing import attach, attached, outside_graphs

_NAME = "_keras_noisy_class_chunks"
# Below every logit; an exponential of it is 0.
_NOTHING = -1e30


@dataclasses.dataclass(frozen=True, eq=False)
class ClassChunks:
    """What logits are made from: `z = features kernel + bias`.

    Attributes:
        features: Float tensor (batch, D).
        kernel: Float tensor (D, K).
        bias: Float tensor (K,), or None.
        chunk_size: How many classes are computed at a time.
        shards: In how many equal parts `keras.distribution` has cut the classes, one for a device. Each
            chunk has as many classes of each.
    """

    features: Tensor
    kernel: Tensor
    bias: Tensor
    chunk_size: int
    shards: int = 1

    @property
    def num_classes(self) -> int:
        return int(self.kernel.shape[1])

    @property
    def width(self) -> int:
        """Classes of a shard in a chunk: as even as can be, at most `chunk_size` of all shards."""
        return -(-(self.num_classes // self.shards) // self.num_chunks)

    @property
    def num_chunks(self) -> int:
        """Number of chunks."""
        most = max(1, min(self.chunk_size, self.num_classes) // self.shards)
        return -(-(self.num_classes // self.shards) // most)

    def start(self, number: Tensor) -> Tensor:
        """Where a chunk begins in each shard; the last one may overlap the one before."""
        return ops.minimum(number * self.width, self.num_classes // self.shards - self.width)

    def classes(self, number: Tensor) -> tuple[Tensor, Tensor]:
        """The classes of a chunk, and whether they were in none before."""
        within = self.start(number) + ops.arange(self.width, dtype="int32")
        shards = ops.arange(self.shards, dtype="int32") * (self.num_classes // self.shards)
        classes = ops.reshape(ops.expand_dims(shards, 1) + within, (-1,))
        return classes, ops.tile(within >= number * self.width, (self.shards,))

    def weights(self, number: Tensor) -> Tensor:
        """The kernel of a chunk, (D, classes)."""
        depth = self.kernel.shape[0]
        kernel = ops.reshape(self.kernel, (depth, self.shards, -1))
        chunk = ops.slice(kernel, (0, 0, self.start(number)), (depth, self.shards, self.width))
        return ops.reshape(chunk, (depth, -1))

    def logits(self, number: Tensor) -> Tensor:
        """The logits of a chunk, (batch, classes), in float32."""
        logits = ops.cast(ops.matmul(self.features, self.weights(number)), "float32")
        if self.bias is None:
            return logits
        bias = ops.reshape(self.bias, (self.shards, -1))
        chunk = ops.slice(bias, (0, self.start(number)), (self.shards, self.width))
        return logits + ops.cast(ops.reshape(chunk, (-1,)), "float32")


class HeadSource:
    """Base of the layers that attach what their logits are made from; known to losses."""

    def expect_calls(self) -> None:
        """To be called when the layer is built: it is part of a model."""
        _built.add(self)

    @outside_graphs
    def give_chunks(self, logits: Tensor, chunks: ClassChunks) -> None:
        attach(logits, _NAME, chunks)


_built: weakref.WeakSet[HeadSource] = weakref.WeakSet()


def chunks_of(logits: Tensor) -> ClassChunks | None:
    """What logits are made from, if a head has attached it."""
    return _find(logits) if _built else None


def keep_chunks(logits: Tensor, converted: Tensor) -> Tensor:
    """Of logits, after they were converted to another type."""
    if converted is not logits and (chunks := chunks_of(logits)) is not None:
        outside_graphs(attach)(converted, _NAME, chunks)
    return converted


@outside_graphs
def _find(logits: Tensor) -> ClassChunks | None:
    return attached(logits, _NAME)


def label_log_prob_and_entropy(chunks: ClassChunks, index: Tensor) -> tuple[Tensor, Tensor]:
    """The label's log-probability `u`, and the entropy of the row, without the row.

    Formula:

    ```
    u = z_y - logsumexp(z),     du/dz_j = [j = y] - p_j
    H = -sum_j p_j log p_j
    ```

    Forward, one pass over the chunks keeps the largest logit so far and sums relative to it. Backward, a second
    pass makes each chunk anew. Neither keeps more than one chunk beside what goes in and comes out.

    Args:
        chunks: What the logits are made from.
        index: Integer tensor (batch,) with values in [0, K).

    Returns:
        Two float32 tensors (batch,), `u`, which is never positive, and `H`, which has no gradient.
    """
    index = ops.expand_dims(ops.cast(index, "int32"), axis=-1)

    @custom_gradient
    def both(*parts: Tensor) -> Any:
        bias = parts[2] if len(parts) > 2 else None
        own = dataclasses.replace(chunks, features=parts[0], kernel=parts[1], bias=bias)
        log_prob, log_sum, entropy = _forward(own, index)

        def gradient(upstream: Tensor) -> tuple[Tensor, ...]:
            of_log_prob = ops.expand_dims(upstream[0], axis=-1)
            return _backward(own, index, log_sum, of_log_prob)[: len(parts)]

        return ops.stack([log_prob, entropy]), gradient

    parts = [chunks.features, chunks.kernel]
    result = both(*parts, *([] if chunks.bias is None else [chunks.bias]))
    return result[0], ops.stop_gradient(result[1])


def _forward(chunks: ClassChunks, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The label's log-probability, the logarithm of the sum (batch, 1), and the entropy."""

    def add(number: Tensor, top: Tensor, total: Tensor, moment: Tensor, label: Tensor) -> Any:
        classes, is_new = chunks.classes(number)
        logits = ops.where(is_new, chunks.logits(number), _NOTHING)
        higher = ops.maximum(top, ops.amax(logits, axis=-1))
        relative = logits - ops.expand_dims(higher, axis=-1)
        exp = ops.exp(relative)
        # What was summed is relative to the largest logit so far.
        down = top - higher
        moment = ops.exp(down) * (moment + total * down)
        moment += ops.sum(ops.where(exp > 0.0, exp * relative, 0.0), axis=-1)
        total = ops.exp(down) * total + ops.sum(exp, axis=-1)
        is_label = ops.logical_and(ops.equal(classes, index), is_new)
        label += ops.sum(ops.where(is_label, logits, 0.0), axis=-1)
        return number + 1, higher, total, moment, label

    zeros = 0.0 * ops.cast(chunks.features[:, 0], "float32")
    first = ops.convert_to_tensor(0, dtype="int32")
    _, top, total, moment, label = ops.while_loop(
        lambda number, *_: number < chunks.num_chunks,
        add,
        (first, zeros + _NOTHING, zeros, zeros, zeros),
        maximum_iterations=chunks.num_chunks,
    )
    log_prob = ops.minimum((label - top) - ops.log(total), 0.0)
    entropy = ops.log(total) - moment / total
    return log_prob, ops.expand_dims(top + ops.log(total), axis=-1), entropy


def _backward(
    chunks: ClassChunks, index: Tensor, log_sum: Tensor, upstream: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of features, kernel and bias, of which a chunk at a time is added."""
    depth = chunks.kernel.shape[0]
    features_t = ops.transpose(chunks.features)

    def add(number: Tensor, features: Tensor, kernel: Tensor, bias: Tensor) -> Any:
        classes, is_new = chunks.classes(number)
        probs = ops.exp(chunks.logits(number) - log_sum)
        of_logits = upstream * (ops.where(ops.equal(classes, index), 1.0, 0.0) - probs)
        of_logits = ops.where(is_new, of_logits, 0.0)
        thin = ops.cast(of_logits, chunks.kernel.dtype)
        features += ops.cast(ops.matmul(thin, ops.transpose(chunks.weights(number))), "float32")
        start = chunks.start(number)
        kernel = _added(kernel, ops.cast(ops.matmul(features_t, thin), kernel.dtype), start)
        bias = _added(bias, ops.sum(of_logits, axis=0, keepdims=True), start)
        return number + 1, features, kernel, bias

    zeros = ops.reshape(ops.zeros_like(chunks.kernel), (depth, chunks.shards, -1))
    _, features, kernel, bias = ops.while_loop(
        lambda number, *_: number < chunks.num_chunks,
        add,
        (
            ops.convert_to_tensor(0, dtype="int32"),
            ops.zeros_like(chunks.features, dtype="float32"),
            zeros,
            ops.zeros((1, chunks.shards, chunks.num_classes // chunks.shards), "float32"),
        ),
        maximum_iterations=chunks.num_chunks,
    )
    bias = ops.reshape(bias, (-1,))
    return (
        ops.cast(features, chunks.features.dtype),
        ops.reshape(kernel, chunks.kernel.shape),
        bias if chunks.bias is None else ops.cast(bias, chunks.bias.dtype),
    )


def _added(values: Tensor, chunk: Tensor, start: Tensor) -> Tensor:
    """Values (rows, shards, classes) with those of a chunk (rows, classes of all shards) added."""
    rows, shards, _ = values.shape
    chunk = ops.reshape(chunk, (rows, shards, -1))
    if keras.backend.backend() == "torch":
        values[..., start : start + chunk.shape[-1]] += (
            chunk  # the functional update would copy all
        )
        return values
    own = ops.slice(values, (0, 0, start), chunk.shape)
    return ops.slice_update(values, (0, 0, start), own + chunk)


def top_k(chunks: ClassChunks, k: int) -> tuple[Tensor, Tensor]:
    """The k largest logits of each row and their classes, (batch, k), without the row."""

    def add(number: Tensor, values: Tensor, classes: Tensor) -> Any:
        own_classes, is_new = chunks.classes(number)
        logits = ops.where(is_new, chunks.logits(number), _NOTHING)
        all_values = ops.concatenate([values, logits], axis=-1)
        own_classes = ops.zeros_like(logits, dtype="int32") + own_classes
        all_classes = ops.concatenate([classes, own_classes], axis=-1)
        values, places = ops.top_k(all_values, k)
        return number + 1, values, ops.take_along_axis(all_classes, places, axis=-1)

    zeros = 0.0 * ops.cast(chunks.features[:, :1], "float32") + ops.zeros((1, k))
    _, values, classes = ops.while_loop(
        lambda number, *_: number < chunks.num_chunks,
        add,
        (
            ops.convert_to_tensor(0, dtype="int32"),
            zeros + 2.0 * _NOTHING,
            ops.zeros_like(zeros, dtype="int32"),
        ),
        maximum_iterations=chunks.num_chunks,
    )
    return values, classes
