"""Types for annotations."""

from typing import Any

# A tensor of whichever backend Keras runs on.
Tensor = Any
