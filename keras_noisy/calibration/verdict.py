"""From an average error to a word."""

# The number of classes with which bounded losses are known to learn.
REFERENCE_CLASSES = 10
# Shares of the average error with that many classes, from trainings: see docs/diagnosis.md.
LEARNS = 1 / 6
STALLS = 1 / 20


def verdict_of(ratio: float) -> str:
    """What will come of a loss whose average error is this share of that with 10 classes."""
    return "learns" if ratio >= LEARNS else "learns slowly" if ratio >= STALLS else "stalls"
