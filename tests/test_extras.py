import sys

import pytest

from keras_noisy._extras import require

pytestmark = pytest.mark.backend_free


def test_installed_package_is_imported():
    assert require("json.decoder", extra="x") is sys.modules["json.decoder"]


def test_missing_package_is_named_in_one_line():
    with pytest.raises(ImportError) as error:
        require("surely_not_installed.part", extra="recipes")
    assert str(error.value) == (
        'surely_not_installed is not installed. Install it with: pip install "keras-noisy[recipes]"'
    )


def test_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_one.py").write_text("from json import nothing_of_that_name")
    (tmp_path / "broken_two.py").write_text("import surely_not_installed")
    for name in ("broken_one", "broken_two"):
        with pytest.raises(ImportError) as error:
            require(name, extra="recipes")
        assert "pip install" not in str(error.value)
