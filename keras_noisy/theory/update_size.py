"""What an optimizer makes of a small gradient."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import is_number

# The size of an update, as a multiple of the learning rate, for a gradient and a constant.
_RULES: dict[str, Callable[[NDArray, float], NDArray]] = {
    "proportional": lambda g, c: g,
    "relative": lambda g, c: g / (g + c),
    "root": lambda g, c: g / np.sqrt(g**2 + c),
    "accumulated": lambda g, c: g / np.sqrt(c),
    "sign": lambda g, c: np.sign(g),
}
RULES = tuple(_RULES)


def update_size(gradient: ArrayLike, rule: str = "proportional", constant: float = 1e-7) -> NDArray:
    """Computes how far an optimizer moves a weight whose gradient stays about the same.

    Formula, for a gradient of size `g` (its root mean square over the batches) and the constant
    `c`, in units of the learning rate:

    ```
    "proportional"    g                  SGD, with momentum times 1 / (1 - momentum)
    "relative"        g / (g + c)        Adam, AdamW, Nadam, Adamax, Lamb: c is epsilon
    "root"            g / sqrt(g^2 + c)  RMSprop: c is epsilon; Adadelta, times sqrt(c) at first
    "accumulated"     g / sqrt(c)        Adagrad, Ftrl: c is initial_accumulator_value
    "sign"            1                  Lion, Muon, Adafactor
    ```

    A loss whose gradient is a thousand times smaller thus moves the weights a thousand times less
    with SGD, and as far as any other with Adam, as long as the gradient is large against epsilon.
    In Keras, RMSprop adds its epsilon below the root, so that gradients below
    `sqrt(1e-7) = 3e-4` count in proportion. For Adagrad the formula holds until the sum of the
    squared gradients reaches the constant. The signs of the gradients, which decide whether
    updates add up, are not considered.

    Args:
        gradient: Array of any shape, sizes of gradients, not negative.
        rule: One of the rules above. Defaults to `"proportional"`.
        constant: Number above 0, the constant `c`. Defaults to `1e-7`, Keras's `epsilon`.

    Returns:
        Float64 array of the shape of `gradient`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.theory import update_size
    >>> gradients = np.array([1e-3, 1e-6])
    >>> np.round(update_size(gradients, "relative"), 2)
    array([1.  , 0.91])
    >>> np.round(update_size(gradients, "root"), 4)
    array([0.9535, 0.0032])

    References:

    - Kingma, Ba, 2015, "Adam: A Method for Stochastic Optimization",
      [ICLR 2015](https://arxiv.org/abs/1412.6980).
    - Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms",
      [NeurIPS 2023](https://arxiv.org/abs/2302.06675): Lion.
    """
    sizes = np.asarray(gradient, dtype="float64")
    if not np.all(sizes >= 0.0):
        raise ValueError(f"`gradient` must be sizes of at least 0. Received: gradient={gradient!r}")
    if rule not in _RULES:
        raise ValueError(f"`rule` must be one of {list(RULES)}. Received: rule={rule!r}")
    if not is_number(constant) or not 0.0 < constant < np.inf:
        raise ValueError(f"`constant` must be a number above 0. Received: constant={constant!r}")
    return _RULES[rule](sizes, float(constant))
