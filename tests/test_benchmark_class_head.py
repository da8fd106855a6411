"""benchmarks/class_head.py: a dense layer and a ClassHead of equal weights give equal results."""

import importlib
from argparse import Namespace
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "benchmarks"


def test_compares_equals(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    benchmark = importlib.import_module("class_head")
    options = Namespace(batch=6, depth=5, chunk=16, turns=1)
    ratio, difference = benchmark.compare(options, classes=50)
    assert ratio > 0.0
    assert 0.0 < difference < 1e-5  # not the same arithmetic
