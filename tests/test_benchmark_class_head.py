"""benchmarks/class_head.py: a dense layer and a ClassHead of equal weights agree."""

import importlib
import json
import math
from argparse import Namespace
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
OPTIONS = Namespace(batch=6, depth=5, chunk=16, turns=1)


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("class_head")


def test_both_layers_agree(benchmark):
    ratio, difference = benchmark.compare(OPTIONS, classes=50)
    assert ratio > 0.0
    assert 0.0 < difference < 1e-5  # the layers compute differently


def test_unknown_memory_is_nan(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "measure_growth", lambda step: None)
    benchmark.print_measurement("chunked", OPTIONS, classes=50)
    found = json.loads(capsys.readouterr().out)
    assert math.isnan(found["megabytes"])
    assert found["seconds"] > 0.0
