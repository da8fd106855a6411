"""Losses with the hyperparameters that were published for a data set."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from keras_noisy.losses.ael import AEL
from keras_noisy.losses.agce import AGCE
from keras_noisy.losses.aul import AUL
from keras_noisy.losses.mae import MAE
from keras_noisy.losses.nce import NCE
from keras_noisy.losses.nfl import NFL
from keras_noisy.losses.nnce import NNCE
from keras_noisy.losses.rce import RCE
from keras_noisy.losses.robust_loss import RobustLoss
from keras_noisy.losses.sce import SCE


class Recipe(NamedTuple):
    """A loss of the literature, composed of losses of this package.

    Attributes:
        formula: The formula for readers, in the notation of the paper.
        make: A function from the published numbers to the loss.
        settings: The published numbers by data set.
        source: The paper that published them.
    """

    formula: str
    make: Callable[..., RobustLoss]
    settings: Mapping[str, tuple[float, ...]]
    source: str


# The code with which these numbers were found clips one-hot labels at 1e-4. Some of the papers
# state another value of A.
_A = -math.log(1e-4)

_APL = "Ma et al., 2020, [ICML 2020](https://arxiv.org/abs/2006.13554)"
_ALF = "Zhou et al., 2021, [ICML 2021](https://arxiv.org/abs/2106.03110)"
_ANL = "Ye et al., 2023, [NeurIPS 2023](https://mlanthology.org/neurips/2023/ye2023neurips-active/)"

PUBLISHED: dict[str, Recipe] = {
    "sce": Recipe(
        "SCE(alpha, beta, A=9.21)",
        lambda alpha, beta: SCE(alpha, beta, A=_A),
        {"mnist": (0.01, 1), "cifar10": (0.1, 1), "cifar100": (6, 0.1), "webvision": (10, 1)},
        _APL,
    ),
    "nce+rce": Recipe(
        "alpha NCE + beta RCE(A=9.21)",
        lambda alpha, beta: alpha * NCE() + beta * RCE(A=_A),
        {"mnist": (1, 10), "cifar10": (1, 1), "cifar100": (10, 0.1), "webvision": (50, 0.1)},
        _APL,
    ),
    "nce+mae": Recipe(
        "alpha NCE + beta (1 - p_y)",
        lambda alpha, beta: alpha * NCE() + beta / 2 * MAE(),
        {"mnist": (1, 10), "cifar10": (1, 1), "cifar100": (10, 1), "webvision": (50, 1)},
        _APL,
    ),
    "nfl+rce": Recipe(
        "alpha NFL(gamma=0.5) + beta RCE(A=9.21)",
        lambda alpha, beta: alpha * NFL(gamma=0.5) + beta * RCE(A=_A),
        {"mnist": (1, 10), "cifar10": (1, 1), "cifar100": (10, 0.1), "webvision": (50, 0.1)},
        _APL,
    ),
    "nfl+mae": Recipe(
        "alpha NFL(gamma=0.5) + beta (1 - p_y)",
        lambda alpha, beta: alpha * NFL(gamma=0.5) + beta / 2 * MAE(),
        {"mnist": (1, 10), "cifar10": (1, 1), "cifar100": (10, 1), "webvision": (50, 1)},
        _APL,
    ),
    "agce": Recipe(
        "AGCE(a, q)",
        AGCE,
        {
            "mnist": (4, 0.2),
            "cifar10": (0.6, 0.6),
            "cifar100": (0.6, 0.6),
            "webvision": (1e-5, 0.5),
        },
        _ALF,
    ),
    "aul": Recipe(
        "AUL(a, q)",
        AUL,
        {"mnist": (3, 0.1), "cifar10": (5.5, 3), "cifar100": (5.5, 3)},
        _ALF,
    ),
    "ael": Recipe("AEL(a)", AEL, {"mnist": (3.5,), "cifar10": (2.5,), "cifar100": (2.5,)}, _ALF),
    "nce+agce": Recipe(
        "alpha NCE + beta AGCE(a, q)",
        lambda alpha, beta, a, q: alpha * NCE() + beta * AGCE(a, q),
        {
            "mnist": (0, 1, 4, 0.2),
            "cifar10": (1, 4, 6, 1.5),
            "cifar100": (10, 0.1, 1.8, 3),
            "webvision": (50, 0.1, 2.5, 3),
        },
        _ALF,
    ),
    "nce+aul": Recipe(
        "alpha NCE + beta AUL(a, q)",
        lambda alpha, beta, a, q: alpha * NCE() + beta * AUL(a, q),
        {"mnist": (0, 1, 3, 0.1), "cifar10": (1, 4, 6.3, 1.5), "cifar100": (10, 0.015, 6, 3)},
        _ALF,
    ),
    "nce+ael": Recipe(
        "alpha NCE + beta AEL(a)",
        lambda alpha, beta, a: alpha * NCE() + beta * AEL(a),
        {"mnist": (0, 1, 3.5), "cifar10": (1, 4, 5), "cifar100": (10, 0.1, 1.5)},
        _ALF,
    ),
    "anl-ce": Recipe(
        "alpha NCE + beta NNCE(min_prob=1e-7)",
        lambda alpha, beta: alpha * NCE() + beta * NNCE(min_prob=1e-7),
        {"mnist": (1, 1), "cifar10": (5, 5), "cifar100": (10, 1), "webvision": (20, 1)},
        _ANL,
    ),
}


def published(name: str, dataset: str | None) -> RobustLoss:
    """Returns a loss with the hyperparameters that were published for a data set."""
    if name not in PUBLISHED:
        raise ValueError(f"`dataset` goes with one of {sorted(PUBLISHED)}. Received: {name!r}")
    recipe = PUBLISHED[name]
    values = recipe.settings.get(dataset.lower() if isinstance(dataset, str) else "")
    if values is None:
        raise ValueError(
            f"`dataset` must be one of {sorted(recipe.settings)} for {name!r}. "
            f"Received: dataset={dataset!r}"
        )
    return recipe.make(*values)
