import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from keras_noisy.noise._label_files import read_label_file

pytestmark = pytest.mark.backend_free

CONTENT = {
    "clean_label": np.array([1, 2, 200]),
    "other": [4, 5],
    "column": np.array([[7], [8]], "uint8"),
}


def write_zip(path, content, protocol=2):
    """Writes a file as torch.save does."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("name/data.pkl", pickle.dumps(content, protocol))
        archive.writestr("name/version", "3\n")


def write_old(path, content):
    """Writes a file as torch.save did before PyTorch 1.6."""
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content, [])
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))


def check(read):
    assert list(read) == list(CONTENT)
    for key, values in CONTENT.items():
        np.testing.assert_array_equal(read[key], np.ravel(values))
        assert read[key].dtype == np.asarray(values).dtype


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pt(tmp_path, protocol):
    write_zip(tmp_path / "a.pt", CONTENT, protocol)
    check(read_label_file(tmp_path / "a.pt"))


def test_old_pt(tmp_path):
    write_old(tmp_path / "a.pt", CONTENT)
    check(read_label_file(tmp_path / "a.pt"))


@pytest.mark.parametrize("new", [True, False])
def test_pt_of_pytorch(tmp_path, new):
    torch = pytest.importorskip("torch")
    torch.save(CONTENT, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    check(read_label_file(tmp_path / "a.pt"))


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", CONTENT)
    check(read_label_file(tmp_path / "a.npy"))


def test_npy_of_numpy_1(tmp_path):
    """In NumPy 1, numpy._core was called numpy.core."""
    file = io.BytesIO()
    np.save(file, CONTENT)
    old = file.getvalue().replace(
        b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray"
    )
    # In protocol 4, the length of the following frame changes, too.
    assert len(old) == len(file.getvalue()) - 1 or b"numpy._core" not in old
    if b"\x95" in old:
        at = old.index(b"\x80\x04\x95") + 3
        length = int.from_bytes(old[at : at + 8], "little") - 1
        old = old[:at] + length.to_bytes(8, "little") + old[at + 8 :]
    (tmp_path / "a.npy").write_bytes(old)
    check(read_label_file(tmp_path / "a.npy"))


class Harmful:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("suffix", ["npy", "pt", "old"])
def test_code_in_a_file_is_not_run(tmp_path, suffix):
    mark, path = tmp_path / "mark", tmp_path / f"a.{suffix}"
    content = {"clean_label": Harmful(mark)}
    if suffix == "npy":
        np.save(path, content)
    else:
        (write_zip if suffix == "pt" else write_old)(path, content)
    with pytest.raises(ValueError, match=r"mkdir is not part of an array of numbers"):
        read_label_file(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", b"<!DOCTYPE html>", r"must lead to a \.pt or \.npy file.*a web page.*a\.pt"),
        ("a.npy", b"<!DOCTYPE html>", "magic string"),
        ("a.pt", b"", "EOFError"),
        ("a.pt", pickle.dumps(1) * 4, "of type int, not a dict"),
    ],
)
def test_other_content(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_label_file(tmp_path / name)


def test_other_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(ValueError, match="an array of numbers, not a dict"):
        read_label_file(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([1, None]))
    with pytest.raises(ValueError, match="ValueError: "):
        read_label_file(tmp_path / "b.npy")
