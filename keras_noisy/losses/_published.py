"""Losses with the hyperparameters that were published for a data set."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from keras_noisy.losses.ael import AEL
from keras_noisy.losses.agce import AGCE
from keras_noisy.losses.amse import AMSE
from keras_noisy.losses.aul import AUL
from keras_noisy.losses.eps_softmax_ce import EpsSoftmaxCE
from keras_noisy.losses.mae import MAE
from keras_noisy.losses.nce import NCE
from keras_noisy.losses.nfl import NFL
from keras_noisy.losses.nnce import NNCE
from keras_noisy.losses.nnfl import NNFL
from keras_noisy.losses.rce import RCE
from keras_noisy.losses.robust_loss import RobustLoss
from keras_noisy.losses.sce import SCE


class Recipe(NamedTuple):
    """A loss of the literature, composed of losses of this package.

    Attributes:
        formula: The formula for readers, in the notation of the paper.
        make: A function from the published numbers to the loss.
        settings: The published numbers by data set: a tuple, or a tuple for each noise if they
            depend on it.
        source: The paper that published them.
        penalties: The factors of the L1 penalty on all weights by data set, where one was used.
    """

    formula: str
    make: Callable[..., RobustLoss]
    settings: Mapping[str, Any]
    source: str
    penalties: Mapping[str, float] = {}


# The code with which these numbers were found clips one-hot labels at 1e-4. Some of the papers
# state another value of A.
_A = -math.log(1e-4)

_APL = "Ma et al., 2020, [ICML 2020](https://arxiv.org/abs/2006.13554)"
_ALF = "Zhou et al., 2021, [ICML 2021](https://arxiv.org/abs/2106.03110)"
_ANL = "Ye et al., 2023, [NeurIPS 2023](https://mlanthology.org/neurips/2023/ye2023neurips-active/)"
_JAL = "Wang et al., 2025, [ICCV 2025](https://arxiv.org/abs/2507.17692)"
_EPS = "Wang et al., 2024, [NeurIPS 2024](https://arxiv.org/abs/2508.02387)"

_ANL_SETTINGS = {"mnist": (1, 1), "cifar10": (5, 5), "cifar100": (10, 1)}
_ANL_PENALTIES = {"mnist": 1e-6, "cifar10": 5e-5, "cifar100": 5e-7}

# The code has 0.00125 for CIFAR-100 and a rate of 0.6, the paper 0.0125.
_EPS_SETTINGS = {
    "cifar10": {
        "none": (0.01, 5, 1e5),
        "symmetric": (0.01, 5, 1e5),
        "asymmetric": (0.02, 5, 1e3),
        "instance_dependent": (0.045, 10, 1e5),
        "human": (0.5, 1, 1e4),
    },
    "cifar100": {
        "none": (0.1, 1, 1e4),
        **{
            f"{noise} {rate}": (alpha, 1, 1e4)
            for noise in ("symmetric", "instance_dependent")
            for rate, alpha in {0.2: 0.05, 0.4: 0.03, 0.6: 0.0125, 0.8: 0.0075}.items()
            if (noise, rate) != ("instance_dependent", 0.8)
        },
        **{
            f"asymmetric {rate}": (alpha, 1, 1e2)
            for rate, alpha in {0.1: 0.015, 0.2: 0.007, 0.3: 0.005, 0.4: 0.004}.items()
        },
        "human": (0.5, 1, 1e4),
    },
    "webvision": (0.015, 0.3, 1e3),
}

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
        {**_ANL_SETTINGS, "webvision": (20, 1)},
        _ANL,
        {**_ANL_PENALTIES, "webvision": 5e-6},
    ),
    "anl-fl": Recipe(
        "alpha NFL(gamma=0.5) + beta NNFL(gamma=0.5, min_prob=1e-7)",
        lambda alpha, beta: alpha * NFL(gamma=0.5) + beta * NNFL(gamma=0.5, min_prob=1e-7),
        _ANL_SETTINGS,
        _ANL,
        _ANL_PENALTIES,
    ),
    "jal-ce": Recipe(
        "alpha NCE + beta AMSE(a)",
        lambda alpha, beta, a: alpha * NCE() + beta * AMSE(a),
        {"cifar10": (1, 1, 30), "cifar100": (5, 1, 20), "webvision": (50, 1, 30)},
        _JAL,
        {"cifar10": 5e-5, "cifar100": 5e-6},
    ),
    "eps-ce+mae": Recipe(
        "alpha EpsSoftmaxCE(m) + beta MAE",
        lambda alpha, beta, m: alpha * EpsSoftmaxCE(m) + beta * MAE(),
        _EPS_SETTINGS,
        _EPS,
    ),
    "eps-fl+mae": Recipe(
        "alpha EpsSoftmaxCE(m, gamma=0.1) + beta MAE",
        lambda alpha, beta, m: alpha * EpsSoftmaxCE(m, gamma=0.1) + beta * MAE(),
        {name: _EPS_SETTINGS[name] for name in ("cifar10", "cifar100")},
        _EPS,
    ),
}


def published(name: str, dataset: str | None, noise: str | None = None) -> RobustLoss:
    """Returns a loss with the hyperparameters that were published for a data set."""
    recipe, dataset = _find(name, dataset)
    values = recipe.settings[dataset]
    if isinstance(values, Mapping):
        # Some numbers depend on the rate, too.
        kind = noise.split()[0] if isinstance(noise, str) and noise.split() else ""
        found = values.get(str(noise), values.get(kind))
        if found is None:
            raise ValueError(
                f"`noise` must be one of {list(values)} for {name!r} and {dataset!r}, whose "
                f"numbers depend on the noise. Received: noise={noise!r}"
            )
        values = found
    return recipe.make(*values)


def weight_penalty(name: str, dataset: str) -> Any:
    """Returns the penalty on all weights with which a combination was published.

    The penalty is not part of the loss. `keras_noisy.training.penalise_weights` adds it to a model.

    Args:
        name: The name of a combination of the literature, as in `keras_noisy.losses.get`, such as
            `"anl-ce"`.
        dataset: The name of the data set, as in `keras_noisy.losses.get`.

    Returns:
        A `keras.regularizers.L1`, or `None` if no such penalty was published. With the penalty, no
        weight decay was used.

    Raises:
        ValueError: If there is no such combination, or if nothing was published for the data set.

    Example:

    >>> import keras_noisy
    >>> f"{float(keras_noisy.losses.weight_penalty('anl-ce', dataset='cifar100').l1):g}"
    '5e-07'
    >>> print(keras_noisy.losses.weight_penalty("nce+rce", dataset="cifar100"))
    None
    """
    recipe, dataset = _find(name, dataset)
    factor = recipe.penalties.get(dataset)
    return None if factor is None else keras.regularizers.L1(factor)


def _find(name: Any, dataset: Any) -> tuple[Recipe, str]:
    """Returns a recipe and the name of the data set in lower case, or raises a ValueError."""
    recipe = PUBLISHED.get(name.lower() if isinstance(name, str) else "")
    if recipe is None:
        raise ValueError(f"`dataset` goes with one of {sorted(PUBLISHED)}. Received: {name!r}")
    key = dataset.lower() if isinstance(dataset, str) else ""
    if key not in recipe.settings:
        raise ValueError(
            f"`dataset` must be one of {sorted(recipe.settings)} for {name!r}. "
            f"Received: dataset={dataset!r}"
        )
    return recipe, key
