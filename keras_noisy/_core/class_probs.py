"""What a network has learnt of each class, and the logit bias that follows from it.

The state is one number for each class, a weight of the `LogitBias` layer.
"""

import math
from typing import Any

import keras
from keras import ops

from keras_noisy._core.tracing import sum_over_replicas
from keras_noisy._typing import Tensor

# A sample changes the average of its class by this share of the difference.
_RATE = 0.1
# From this average probability on, a class counts as learnt, and needs no bias. With wrong labels,
# the average is lower than the probability of a correct label. See docs/classwise_bias.md.
_LEARNT = 0.3


def class_logit_bias(logit_bias: Any, class_probs: Tensor, num_classes: int) -> Tensor:
    """Computes the bias of each class, which is smaller the more of the class has been learnt.

    Formula, for the average probability `P_c` that samples of a class give to their label:

    ```
    eps_c = eps log(P_c / 0.3) / log(1 / (0.3 K))    within [0, eps]
    ```

    It is `eps` for an untrained network, where `P_c = 1 / K`, and 0 from `P_c = 0.3` on.

    Args:
        logit_bias: Number or scalar tensor, the bias in an untrained network.
        class_probs: Float tensor (K,), the averages.
        num_classes: Number of classes `K`.

    Returns:
        Float tensor (K,), without a gradient.
    """
    initial = math.log(_LEARNT * num_classes)
    if initial <= 0.0:
        return logit_bias * ops.zeros_like(class_probs)
    ratio = ops.maximum(ops.stop_gradient(class_probs) / _LEARNT, 1e-30)
    return logit_bias * ops.clip(-ops.log(ratio) / initial, 0.0, 1.0)


def update_class_probs(class_probs: Tensor, index: Tensor, probs: Tensor, counts: Tensor) -> Tensor:
    """Updates the average probabilities of the classes by a batch.

    Formula, for the `n_c` samples of a class and the mean `p_c` of their label's probability:

    ```
    P_c -> 0.9^n_c P_c + (1 - 0.9^n_c) p_c
    ```

    Args:
        class_probs: Float tensor (K,), the averages before the batch.
        index: Integer tensor (n,), the labels.
        probs: Float tensor (n,), the probability of each label.
        counts: Float tensor (n,), the weights of the samples; 0 leaves a sample out.

    Returns:
        Float tensor (K,).
    """
    num_classes = class_probs.shape[0]
    samples, total = (
        sum_over_replicas(
            ops.segment_sum(ops.cast(values, class_probs.dtype), index, num_segments=num_classes)
        )
        for values in (counts, counts * probs)
    )
    kept = ops.power(1.0 - _RATE, samples)
    mean = total / ops.maximum(samples, keras.config.epsilon())
    return kept * class_probs + (1.0 - kept) * mean
