import dataclasses
import math
from typing import Any

import keras
from keras import ops

from keras_noisy._arguments import check_classes, check_flag, check_integer
from keras_noisy._core.chunked_softmax import ClassChunks
from keras_noisy._core.record import RecordingLayer
from keras_noisy._core.tracing import to_tensor
from keras_noisy._typing import Tensor
from keras_noisy.layers._top_k import top_k


@keras.saving.register_keras_serializable(package="keras_noisy")
class ClassHead(RecordingLayer, keras.layers.Layer):
    """Dense last layer for very many classes, whose loss can be computed without all logits.

    It computes the logits `z = x W + b`. With a million classes, the logits of a batch and their
    gradient fill the memory. So each loss that is a function of the label's log-probability
    (`keras_noisy.losses.LabelLoss`) finds the features and weights in these logits, and computes
    its value and gradients for some thousand classes at a time. This needs integer labels,
    `from_logits=True` and a logit bias that is not negative. The results are those of a dense
    layer, up to rounding.

    A compiled training step, on JAX or on TensorFlow in a graph with or without XLA, then does not
    compute the logits, unless a metric needs them. Leave metrics to `evaluate`, which computes the
    logits as usual, or to `top_k`. On PyTorch and in eager steps, the logits would still be
    computed. With `logits_in_training=False`, the output in training is NaN instead, and training
    metrics are meaningless.

    With `keras.distribution.ModelParallel` on JAX, the kernel may be split by classes,
    `(None, "classes")`. Each chunk then contains classes of every device.

    Args:
        num_classes: Integer, at least 2, the number of classes K.
        chunk_size: Positive integer, the number of classes to compute at a time. The memory needed
            beside weights and gradients is about `3 * batch * chunk_size` numbers. Defaults to
            `8192`.
        use_bias: Boolean, whether to add the bias vector `b`. Defaults to `True`.
        logits_in_training: Boolean, whether to output the logits in training. Defaults to `True`.
        kernel_initializer: As in `keras.layers.Dense`. Defaults to `"glorot_uniform"`.
        bias_initializer: As in `keras.layers.Dense`. Defaults to `"zeros"`.
        **kwargs: `name`, `dtype` and `trainable`; see `keras.layers.Layer`. Under mixed precision,
            products are computed in half precision, but the output is always float32.

    Shapes:
        Input (batch, D), output (batch, K).

    Raises:
        ValueError: If an argument is out of its range, or the input does not have the shape
            (batch, D).

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> model = keras.Sequential([keras.Input((16,)), keras_noisy.layers.ClassHead(20000)])
    >>> loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    >>> model.compile("sgd", loss=loss)
    >>> history = model.fit(np.ones((8, 16)), np.arange(8), verbose=0)
    >>> model.output_shape
    (None, 20000)
    >>> values, classes = model.layers[-1].top_k(np.ones((8, 16)), k=5)
    >>> tuple(classes.shape)
    (8, 5)
    """

    records = "chunks"

    def __init__(
        self,
        num_classes: int,
        chunk_size: int = 8192,
        use_bias: bool = True,
        logits_in_training: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = check_classes("num_classes", num_classes)
        self.chunk_size = check_integer("chunk_size", chunk_size, 1)
        self.use_bias = check_flag("use_bias", use_bias)
        self.logits_in_training = check_flag("logits_in_training", logits_in_training)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"The input must have the shape (batch, D). Received: shape {tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: input_shape[-1]})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.num_classes),
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.num_classes,), initializer=self.bias_initializer
            )
        self.register()

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        has_logits = self.logits_in_training or not training
        chunks = dataclasses.replace(self._chunks(inputs), has_logits=has_logits)
        if not has_logits:
            # Made from the input, so that JAX differentiates it like the logits.
            missing = math.nan * ops.cast(inputs[:, :1], "float32")
            logits = ops.broadcast_to(missing, (ops.shape(inputs)[0], self.num_classes))
        else:
            logits = ops.cast(ops.matmul(inputs, chunks.kernel), "float32")
            if chunks.bias is not None:
                logits = logits + ops.cast(chunks.bias, "float32")
        self.record(logits, chunks)
        return logits

    def top_k(self, inputs: Tensor, k: int = 5) -> tuple[Tensor, Tensor]:
        """Computes the k largest logits of each sample, chunk by chunk.

        Args:
            inputs: Float tensor (batch, D), the features.
            k: Integer from 1 to the number of classes. Defaults to `5`.

        Returns:
            Two tensors (batch, k): the logits in descending order, and the classes, int32.

        Raises:
            ValueError: If an argument is not one of the above, or the layer is not built.
        """
        k = check_integer("k", k, 1, self.num_classes)
        if not self.built:
            raise ValueError("The layer must be built before `top_k`. Received: built=False")
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        depth = self.kernel.shape[0]
        if tuple(inputs.shape[1:]) != (depth,):
            raise ValueError(
                f"`inputs` must have the shape (batch, {depth}). "
                f"Received: shape {tuple(inputs.shape)}"
            )
        return top_k(self._chunks(inputs), k)

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Any:
        return keras.KerasTensor((inputs.shape[0], self.num_classes), dtype="float32")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.num_classes)

    def _chunks(self, inputs: Tensor) -> ClassChunks:
        kernel, bias = (
            None if weight is None else to_tensor(weight, self.compute_dtype)
            for weight in (self.kernel, self.bias)
        )
        return ClassChunks(inputs, kernel, bias, self.chunk_size, self._shards())

    def _shards(self) -> int:
        """Returns the number of parts into which the classes are split, one for each device."""
        distribution = keras.distribution.distribution()
        if distribution is None:
            return 1
        layout = distribution.get_variable_layout(self.kernel)
        axis = None if layout is None else layout.axes[-1]
        if axis is None:
            return 1
        mesh = distribution.device_mesh
        return int(dict(zip(mesh.axis_names, mesh.shape, strict=True))[axis])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "chunk_size": self.chunk_size,
            "use_bias": self.use_bias,
            "logits_in_training": self.logits_in_training,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
