"""The largest logits of a dense layer, computed for some thousand classes at a time."""

from typing import Any

from keras import ops

from keras_noisy._core.chunked_softmax import MIN_LOGIT, ClassChunks
from keras_noisy._typing import Tensor


def top_k(chunks: ClassChunks, k: int) -> tuple[Tensor, Tensor]:
    """Returns the k largest logits of each sample and their classes, (batch, k)."""

    def add(number: Tensor, values: Tensor, classes: Tensor) -> Any:
        own_classes, is_new = chunks.classes(number)
        logits = ops.where(is_new, chunks.logits(number), MIN_LOGIT)
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
            zeros + 2.0 * MIN_LOGIT,
            ops.zeros_like(zeros, dtype="int32"),
        ),
        maximum_iterations=chunks.num_chunks,
    )
    return values, classes
