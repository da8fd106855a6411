"""The softmax of a dense layer, computed for some thousand classes at a time.

With very many classes, most of the memory is taken by the logits and their gradient. A loss that
depends on the label's log-probability alone needs one number of each row. So a `ClassHead`
attaches its features and weights to its logits, and the loss computes the logits again, chunk by
chunk. If nothing else uses the logits, a compiled training step does not compute them at all.
"""

import dataclasses
from typing import Any, NamedTuple, Self

import keras
from keras import ops

from keras_noisy._core.custom_gradient import custom_gradient
from keras_noisy._typing import Tensor

# Smaller than any logit; its exponential is 0.
MIN_LOGIT = -1e30
# The number of classes in a chunk on PyTorch's CPU: with 512 samples, their logits take 2 MB.
_CACHED_CLASSES = 1024


@dataclasses.dataclass(frozen=True, eq=False)
class ClassChunks:
    """The logits `z = features kernel + bias` of a dense layer, divided into chunks of classes.

    Attributes:
        features: Float tensor (batch, D).
        kernel: Float tensor (D, K).
        bias: Float tensor (K,), or `None`.
        chunk_size: The largest number of classes in a chunk.
        shards: The number of equal parts into which `keras.distribution` has split the classes, one
            for each device. A chunk contains equally many classes of each part.
        has_logits: Whether the layer has computed the logits; otherwise, its output is NaN.
    """

    features: Tensor
    kernel: Tensor
    bias: Tensor
    chunk_size: int
    shards: int = 1
    has_logits: bool = True

    @property
    def num_classes(self) -> int:
        return int(self.kernel.shape[1])

    @property
    def width(self) -> int:
        """The number of classes of each shard in a chunk, the same in all chunks."""
        return -(-(self.num_classes // self.shards) // self.num_chunks)

    @property
    def num_chunks(self) -> int:
        """The number of chunks."""
        most = max(1, min(self.chunk_size, self.num_classes) // self.shards)
        return -(-(self.num_classes // self.shards) // most)

    def start(self, number: Tensor) -> Tensor:
        """Returns where a chunk begins in each shard; the last one may overlap the previous one."""
        return ops.minimum(number * self.width, self.num_classes // self.shards - self.width)

    def classes(self, number: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the classes of a chunk, and whether each of them was in no chunk before."""
        within = self.start(number) + ops.arange(self.width, dtype="int32")
        shards = ops.arange(self.shards, dtype="int32") * (self.num_classes // self.shards)
        classes = ops.reshape(ops.expand_dims(shards, 1) + within, (-1,))
        return classes, ops.tile(within >= number * self.width, (self.shards,))

    def weights(self, number: Tensor) -> Tensor:
        """Returns the kernel of a chunk, (D, classes)."""
        depth = self.kernel.shape[0]
        kernel = ops.reshape(self.kernel, (depth, self.shards, -1))
        chunk = ops.slice(kernel, (0, 0, self.start(number)), (depth, self.shards, self.width))
        return ops.reshape(chunk, (depth, -1))

    def plus(self, offsets: Tensor) -> Self:
        """Returns the logits with a number added to each class, (K,) in float32."""
        if self.bias is not None:
            offsets = ops.cast(self.bias, offsets.dtype) + offsets
        return dataclasses.replace(self, bias=offsets)

    def logits(self, number: Tensor) -> Tensor:
        """Computes the logits of a chunk, (batch, classes), in float32."""
        logits = ops.cast(ops.matmul(self.features, self.weights(number)), "float32")
        if self.bias is None:
            return logits
        bias = ops.reshape(self.bias, (self.shards, -1))
        chunk = ops.slice(bias, (0, self.start(number)), (self.shards, self.width))
        return logits + ops.cast(ops.reshape(chunk, (-1,)), "float32")

    def logits_of(self, classes: slice) -> Tensor:
        """Computes the logits of some classes on PyTorch, (batch, classes), in float32."""
        logits = (self.features @ self.kernel[:, classes]).float()
        return logits if self.bias is None else logits.add_(self.bias[classes].float())


class Summary(NamedTuple):
    """What losses need of the log-probabilities of all classes, float32 tensors (batch,).

    Attributes:
        label: The label's log-probability, never positive.
        mean: The mean of the log-probabilities of all classes.
        entropy: The entropy of the prediction, which has no gradient.
    """

    label: Tensor
    mean: Tensor
    entropy: Tensor


def summarise_log_probs(chunks: ClassChunks, index: Tensor) -> Summary:
    """Computes the label's log-probability `u`, the mean `v` and the entropy, chunk by chunk.

    Formula:

    ```
    u = z_y - logsumexp(z),             du/dz_j = [j = y] - p_j
    v = sum_j z_j / K - logsumexp(z),   dv/dz_j = 1 / K - p_j
    H = -sum_j p_j log p_j
    ```

    The forward pass keeps the largest logit so far and sums relative to it. The backward pass
    computes each chunk again. Both keep one chunk in memory beside their inputs and outputs.

    Args:
        chunks: The logits.
        index: Integer tensor (batch,) with values in [0, K).
    """
    index = ops.expand_dims(ops.cast(index, "int32"), axis=-1)

    @custom_gradient
    def compute(*parts: Tensor) -> Any:
        bias = parts[2] if len(parts) > 2 else None
        own = dataclasses.replace(chunks, features=parts[0], kernel=parts[1], bias=bias)
        summary, log_sum = _forward(own, index)

        def gradient(upstream: Tensor) -> tuple[Tensor, ...]:
            label, mean = (ops.expand_dims(upstream[i], axis=-1) for i in (0, 1))
            return _backward(own, index, log_sum, label, mean)[: len(parts)]

        return ops.stack(summary), gradient

    parts = [chunks.features, chunks.kernel]
    result = compute(*parts, *([] if chunks.bias is None else [chunks.bias]))
    return Summary(result[0], result[1], ops.stop_gradient(result[2]))


def _forward(chunks: ClassChunks, index: Tensor) -> tuple[Summary, Tensor]:
    """Returns the summary and the logsumexp (batch, 1)."""
    if keras.backend.backend() == "torch":
        return _forward_on_torch(chunks, index)

    def add(
        number: Tensor, top: Tensor, total: Tensor, moment: Tensor, label: Tensor, mean: Tensor
    ) -> Any:
        classes, is_new = chunks.classes(number)
        logits = ops.where(is_new, chunks.logits(number), MIN_LOGIT)
        higher = ops.maximum(top, ops.amax(logits, axis=-1))
        relative = logits - ops.expand_dims(higher, axis=-1)
        exp = ops.exp(relative)
        # The sums are relative to the largest logit so far, which may have changed.
        down = top - higher
        moment = ops.exp(down) * (moment + total * down)
        moment += ops.sum(ops.where(exp > 0.0, exp * relative, 0.0), axis=-1)
        total = ops.exp(down) * total + ops.sum(exp, axis=-1)
        is_label = ops.logical_and(ops.equal(classes, index), is_new)
        # Not in place, because the first values are one tensor.
        label = label + ops.sum(ops.where(is_label, logits, 0.0), axis=-1)
        mean = mean + ops.sum(ops.where(is_new, logits, 0.0), axis=-1) / chunks.num_classes
        return number + 1, higher, total, moment, label, mean

    zeros = 0.0 * ops.cast(chunks.features[:, 0], "float32")
    first = ops.convert_to_tensor(0, dtype="int32")
    _, top, total, moment, label, mean = ops.while_loop(
        lambda number, *_: number < chunks.num_chunks,
        add,
        (first, zeros + MIN_LOGIT, zeros, zeros, zeros, zeros),
        maximum_iterations=chunks.num_chunks,
    )
    summary = Summary(
        label=ops.minimum((label - top) - ops.log(total), 0.0),
        mean=(mean - top) - ops.log(total),
        entropy=ops.log(total) - moment / total,
    )
    return summary, ops.expand_dims(top + ops.log(total), axis=-1)


def _backward(
    chunks: ClassChunks, index: Tensor, log_sum: Tensor, label: Tensor, mean: Tensor
) -> tuple[Tensor, ...]:
    """Returns the gradients of features, kernel and bias, accumulated chunk by chunk.

    `label` and `mean` are the upstream gradients (batch, 1) of the summary.
    """
    if keras.backend.backend() == "torch":
        return _backward_on_torch(chunks, index, log_sum, label, mean)
    depth = chunks.kernel.shape[0]
    features_t = ops.transpose(chunks.features)

    def add(number: Tensor, features: Tensor, kernel: Tensor, bias: Tensor) -> Any:
        classes, is_new = chunks.classes(number)
        probs = ops.exp(chunks.logits(number) - log_sum)
        logits_gradient = ops.where(ops.equal(classes, index), label, 0.0) - (label + mean) * probs
        logits_gradient += mean / chunks.num_classes
        logits_gradient = ops.where(is_new, logits_gradient, 0.0)
        cast = ops.cast(logits_gradient, chunks.kernel.dtype)
        features += ops.cast(ops.matmul(cast, ops.transpose(chunks.weights(number))), "float32")
        start = chunks.start(number)
        kernel = _add_chunk(kernel, ops.cast(ops.matmul(features_t, cast), kernel.dtype), start)
        bias = _add_chunk(bias, ops.sum(logits_gradient, axis=0, keepdims=True), start)
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


def _add_chunk(values: Tensor, chunk: Tensor, start: Tensor) -> Tensor:
    """Adds a chunk (rows, classes of all shards) to values (rows, shards, classes)."""
    rows, shards, _ = values.shape
    chunk = ops.reshape(chunk, (rows, shards, -1))
    own = ops.slice(values, (0, 0, start), chunk.shape)
    return ops.slice_update(values, (0, 0, start), own + chunk)


# PyTorch does not fuse operations: each is a pass over the chunk. So there, the chunks are small
# enough for the processor's cache, operations are in place, and what concerns the label alone, and
# the mean, is computed outside the loop.


def _slices(chunks: ClassChunks) -> list[slice]:
    """Returns the classes of each chunk for PyTorch."""
    width = chunks.width
    if not chunks.features.is_cuda:
        width = min(width, _CACHED_CLASSES)
    return [slice(i, i + width) for i in range(0, chunks.num_classes, width)]


def _forward_on_torch(chunks: ClassChunks, index: Tensor) -> tuple[Summary, Tensor]:
    """Computes `_forward`."""
    import torch

    features, kernel, label = chunks.features.float(), chunks.kernel, index[:, 0].long()
    top = torch.full_like(features[:, :1], MIN_LOGIT)
    total = moment = torch.zeros_like(top)
    for classes in _slices(chunks):
        relative = chunks.logits_of(classes)
        higher = torch.maximum(top, relative.amax(1, keepdim=True))
        exp = relative.sub_(higher).exp()
        down = top - higher
        moment = down.exp() * (moment + total * down)
        moment += (exp.unsqueeze(1) @ relative.clamp_(min=MIN_LOGIT).unsqueeze(2)).squeeze(2)
        total = down.exp() * total + exp.sum(1, keepdim=True)
        top = higher
    log_total = total.log()
    own = (features * kernel[:, label].T).sum(1).to(kernel.dtype).float()
    mean = features @ kernel.mean(1, dtype=features.dtype)
    if chunks.bias is not None:
        own, mean = own + chunks.bias[label].float(), mean + chunks.bias.float().mean()
    shift = (top + log_total)[:, 0]
    log_prob = (own - top[:, 0] - log_total[:, 0]).clamp(max=0.0)
    entropy = (log_total - moment / total)[:, 0]
    return Summary(log_prob, mean - shift, entropy), shift.unsqueeze(1)


def _backward_on_torch(
    chunks: ClassChunks, index: Tensor, log_sum: Tensor, label: Tensor, mean: Tensor
) -> tuple[Tensor, ...]:
    """Computes `_backward`."""
    import torch

    features, kernel, index = chunks.features.float(), chunks.kernel, index[:, 0].long()
    scale = -(label + mean)
    scaled = (features * scale).T.to(kernel.dtype)
    features_gradient = torch.zeros_like(features)
    kernel_gradient = torch.empty_like(kernel)
    bias_gradient = torch.empty_like(kernel[0], dtype=features.dtype)
    for classes in _slices(chunks):
        probs = chunks.logits_of(classes).sub_(log_sum).exp_()
        bias_gradient[classes] = (scale.T @ probs)[0]
        probs = probs.to(kernel.dtype)
        features_gradient += (probs @ kernel[:, classes].T).float()
        kernel_gradient[:, classes] = scaled @ probs
    features_gradient *= scale
    features_gradient += label * kernel[:, index].T
    features_gradient += mean * kernel.mean(1, dtype=features.dtype)
    each_class = (features * mean).sum(0) / chunks.num_classes
    kernel_gradient += each_class.unsqueeze(1).to(kernel.dtype)
    kernel_gradient.index_add_(1, index, (features * label).T.to(kernel.dtype))
    bias_gradient += mean.sum() / chunks.num_classes
    bias_gradient.index_add_(0, index, label[:, 0])
    return (
        features_gradient.to(chunks.features.dtype),
        kernel_gradient,
        bias_gradient if chunks.bias is None else bias_gradient.to(chunks.bias.dtype),
    )
