"""benchmarks/class_head.py: a dense layer and a ClassHead of equal weights give equal results."""

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


def test_compares_equals(benchmark):
    ratio, difference = benchmark.compare(OPTIONS, classes=50)
    assert ratio > 0.0
    assert 0.0 < difference < 1e-5  # not the same arithmetic


def test_memory_that_nobody_counts(benchmark, monkeypatch, capsys):
    for counting in ("allocated_growth", "resident_growth"):
        monkeypatch.setattr(benchmark, counting, lambda step: None)
    benchmark.alone("chunked", OPTIONS, classes=50)
    found = json.loads(capsys.readouterr().out)
    assert math.isnan(found["megabytes"])
    assert found["seconds"] > 0.0
