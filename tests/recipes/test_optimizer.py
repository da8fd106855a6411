"""`recipes/optimizer.py`: the settings reach the optimizer."""

from pathlib import Path

import keras
import pytest

pytest.importorskip("jsonargparse")

from configuration import read_configuration
from optimizer import Optimizer, build_optimizer

pytestmark = pytest.mark.backend_free

PROTOCOLS = Path(__file__).parents[2] / "recipes" / "protocols"


def learning_rates(settings, steps):
    """The learning rates in some steps of a training of 2 epochs with 5 steps each."""
    schedule = build_optimizer(settings, 2, 5).get_config()["learning_rate"]
    if isinstance(schedule, dict):
        schedule = keras.saving.deserialize_keras_object(schedule)
        return [float(schedule(step)) for step in steps]
    return [schedule for _ in steps]


def test_defaults_are_the_glyph_protocol():
    optimizer = build_optimizer(Optimizer(), 2, 5)
    assert isinstance(optimizer, keras.optimizers.SGD)
    config = optimizer.get_config()
    expected = {
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 1e-4,
        "clipnorm": 5.0,
        "global_clipnorm": None,
    }
    assert {name: config[name] for name in expected} == expected
    assert learning_rates(Optimizer(), [0, 5, 10]) == pytest.approx([0.1, 0.05, 0.0])


@pytest.mark.parametrize(
    "path", sorted(PROTOCOLS.glob("glyphs_*.yaml")), ids=lambda path: path.stem
)
def test_glyph_protocols_have_the_defaults(path):
    assert read_configuration("train.py", None, [f"--config={path}"]).optimizer == Optimizer()


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        (Optimizer(warmup_epochs=1), {0: 0.0, 4: 0.08, 5: 0.1, 10: 0.0}),
        (Optimizer(schedule="exponential", decay=0.5), {0: 0.1, 4: 0.1, 5: 0.05, 9: 0.05}),
        (Optimizer(schedule="constant"), {0: 0.1, 9: 0.1}),
    ],
)
def test_schedules_set_learning_rates(settings, rates):
    assert learning_rates(settings, rates) == pytest.approx([*rates.values()])


@pytest.mark.parametrize(
    ("name", "expected"), [("adamw", keras.optimizers.AdamW), ("lion", keras.optimizers.Lion)]
)
def test_other_optimizers_get_their_settings(name, expected):
    settings = Optimizer(name=name, weight_decay=0.0, clip_norm=None, clip_global_norm=2.0)
    optimizer = build_optimizer(settings, 2, 5)
    assert isinstance(optimizer, expected)
    assert optimizer.weight_decay == 0.0
    assert (optimizer.clipnorm, optimizer.global_clipnorm) == (None, 2.0)
