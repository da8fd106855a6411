"""Thresholds that turn an average error into a verdict."""

# The number of classes with which bounded losses are known to learn.
REFERENCE_CLASSES = 10
# Shares of the average error with that number of classes. They were found by training; see
# docs/diagnosis.md.
LEARNS = 1 / 6
STALLS = 1 / 20


def judge(ratio: float) -> str:
    """Returns the verdict for an average error, given as a share of that with 10 classes."""
    return "learns" if ratio >= LEARNS else "learns slowly" if ratio >= STALLS else "stalls"
