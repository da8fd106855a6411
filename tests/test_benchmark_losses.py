"""benchmarks/losses.py compares equal losses, prints ratios and writes records."""

import importlib.util
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)  # for the modules that benchmarks share
    spec = importlib.util.spec_from_file_location("benchmark_losses", FOLDER / "losses.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["CE", "MAE", "GCE", "SCE", "RCE", "AGCE", "MAE+auto", "GCE+auto"])
def test_textbook_losses_agree_with_ours(benchmark, name):
    random = np.random.default_rng(0)
    logits = keras.ops.convert_to_tensor(random.normal(size=(6, 40)).astype("float32"))
    labels = keras.ops.convert_to_tensor(random.integers(40, size=6), "int32")
    ours = benchmark.LOSSES[name](labels, logits)
    theirs = benchmark.textbook_loss(name, 40)(labels, logits)
    np.testing.assert_allclose(float(ours), float(theirs), rtol=1e-5)


def test_prints_ratios_and_writes_records(benchmark, monkeypatch, capsys, tmp_path):
    mode = benchmark.DEFAULT_MODES[-1]
    options = f"--shapes 4x10 --losses CE MAE+auto --dtypes float32 --modes {mode} --turns 1"
    monkeypatch.setattr("sys.argv", ["losses.py", *options.split(), "--results", str(tmp_path)])
    benchmark.main()
    assert "MAE+auto" in capsys.readouterr().out
    summary = (tmp_path / f"{keras.backend.backend()}.md").read_text()
    assert f"{keras.backend.backend()} {mode}, 4x10 float32" in summary
    (record,) = json.loads((tmp_path / f"{keras.backend.backend()}.json").read_text())
    for name in ("CE", "MAE+auto"):
        ratios = record["sides"][name]["ratios"]
        assert {"Keras", "textbook", "limit", "memory", "processor"} <= set(ratios)
        assert all(math.isfinite(ratio) and ratio > 0.0 for ratio in ratios.values())
