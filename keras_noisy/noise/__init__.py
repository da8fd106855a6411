"""Label noise: how labels go wrong, and code that makes them go wrong reproducibly."""

from keras_noisy.noise.corrupt import corrupt
from keras_noisy.noise.transition_matrices import symmetric

__all__ = ["corrupt", "symmetric"]
