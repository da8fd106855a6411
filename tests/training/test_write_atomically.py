import pytest

from keras_noisy.training import write_atomically

pytestmark = pytest.mark.backend_free


def list_names(folder):
    return [path.name for path in folder.iterdir()]


def test_creates_folders_and_replaces_files(tmp_path):
    path = tmp_path / "a" / "b" / "results.json"
    for content in ("first: ε", "second"):
        write_atomically(str(path), content)
        assert path.read_text(encoding="utf-8") == content
    assert list_names(path.parent) == ["results.json"]


def test_a_failure_keeps_the_previous_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_atomically(path, "first")

    def fail(*args):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", fail)
        with pytest.raises(OSError, match=r"No space left.*results\.json"):
            write_atomically(path, "second")
    assert path.read_text() == "first"
    assert list_names(tmp_path) == ["results.json"]
