import numpy as np
import pytest

from keras_noisy.noise import corrupt, describe, from_human, symmetric

pytestmark = pytest.mark.backend_free

N = 200
RNG = np.random.default_rng(0)
CLEAN, FINE, COARSE = (RNG.integers(0, k, N) for k in (10, 100, 20))
CIFAR10 = {"clean_label": CLEAN} | {
    kind: corrupt(CLEAN, symmetric(10, rate), seed)
    for seed, (kind, rate) in enumerate(
        {
            "worse_label": 0.4,
            "aggre_label": 0.1,
            "random_label1": 0.17,
            "random_label2": 0.18,
            "random_label3": 0.18,
        }.items()
    )
}
CIFAR100 = {
    "clean_label": FINE,
    "noisy_label": corrupt(FINE, symmetric(100, 0.4), 0),
    "clean_coarse_label": COARSE,
    "noisy_coarse_label": corrupt(COARSE, symmetric(20, 0.3), 0),
}
# The position in keras.datasets of each image of TFDS.
ORDER = RNG.permutation(N)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files of the official repository, for fewer images."""
    torch = pytest.importorskip("torch")
    torch.save(CIFAR10, tmp_path / "CIFAR-10_human.pt")
    torch.save(CIFAR100, tmp_path / "CIFAR-100_human.pt")
    np.save(tmp_path / "CIFAR-10_human_ordered.npy", {k: v[ORDER] for k, v in CIFAR10.items()})
    fine = {"clean_label": FINE[ORDER], "noise_label": CIFAR100["noisy_label"][ORDER]}
    np.save(tmp_path / "CIFAR-100_human_ordered.npy", fine)
    np.save(tmp_path / "image_order_c10.npy", ORDER)
    np.save(tmp_path / "image_order_c100.npy", ORDER)
    return tmp_path


@pytest.mark.parametrize("kind", [kind for kind in CIFAR10 if kind != "clean_label"])
@pytest.mark.parametrize("file", ["", "CIFAR-10_human.pt", "CIFAR-10_human_ordered.npy"])
def test_cifar10(folder, kind, file):
    """Labels come from the folder or a file, in either order, and true labels may be a column."""
    labels = from_human("cifar10_n", folder / file, kind, true_labels=CLEAN[:, np.newaxis])
    assert labels.dtype == "int64"
    np.testing.assert_array_equal(labels, CIFAR10[kind])
    labels = from_human("cifar10_n", str(folder / file), kind, CLEAN[ORDER], order="tfds")
    np.testing.assert_array_equal(labels, CIFAR10[kind][ORDER])


def test_cifar100(folder):
    for path in (folder, folder / "CIFAR-100_human_ordered.npy"):
        labels = from_human("cifar100_n", path, true_labels=FINE)
        np.testing.assert_array_equal(labels, CIFAR100["noisy_label"])
    labels = from_human("cifar100_n", folder, "noisy_coarse_label", true_labels=COARSE)
    np.testing.assert_array_equal(labels, CIFAR100["noisy_coarse_label"])


def test_default_kind(folder):
    labels = from_human("cifar10_n", folder)
    np.testing.assert_array_equal(labels, CIFAR10["worse_label"])
    assert describe(CLEAN, labels).rate > 0.3


def test_missing_file(tmp_path):
    for path in (tmp_path, tmp_path / "x.pt"):
        with pytest.raises(FileNotFoundError) as error:
            from_human("cifar100_n", path)
        message = str(error.value)
        for part in (
            str(tmp_path),
            "Download CIFAR-100_human.pt (a few megabytes)",
            "https://github.com/UCSC-REAL/cifar-10-100n/raw/main/data/CIFAR-100_human.pt",
            "http://noisylabels.com",
            "from_human('cifar100_n', path)",
        ):
            assert part in message


def test_missing_order_file(folder):
    (folder / "image_order_c10.npy").unlink()
    for file, order in (("CIFAR-10_human.pt", "tfds"), ("CIFAR-10_human_ordered.npy", "keras")):
        with pytest.raises(FileNotFoundError, match=r"cifar-10-100n/raw/main/image_order_c10\.npy"):
            from_human("cifar10_n", folder / file, order=order)
    from_human(
        "cifar10_n", folder / "CIFAR-10_human_ordered.npy", order="tfds"
    )  # This needs no order file.


def test_bad_order_file(folder):
    np.save(folder / "image_order_c10.npy", ORDER % 100)
    with pytest.raises(
        ValueError, match=r"image_order_c10\.npy next to it with each.*from 0 to 199 once"
    ):
        from_human("cifar10_n", folder, order="tfds")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cifar"}, "`name` must be 'cifar10_n' or 'cifar100_n'. Received: name='cifar'"),
        ({"path": 5}, "`path` must be a path. Received: path=5"),
        ({"kind": "noisy_label"}, "`kind` must be 'worse_label', .* or 'random_label3'. Received"),
        ({"kind": "clean_label"}, "`kind` must be"),
        ({"order": "torch"}, "`order` must be 'keras' or 'tfds'. Received: order='torch'"),
        ({"true_labels": (CLEAN + (np.arange(N) < 7)) % 10}, "Received: 7 of 200 that differ"),
        (
            {"true_labels": CLEAN[:-1]},
            "`true_labels` must have as many entries as .* 200. Received: 199",
        ),
        ({"true_labels": CLEAN / 2}, "`true_labels` must hold integers"),
    ],
)
def test_bad_input(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_human(**{"name": "cifar10_n", "path": folder, **arguments})


def test_labels_in_the_wrong_order_are_detected(folder):
    (folder / "CIFAR-10_human_ordered.npy").rename(folder / "renamed.npy")
    with pytest.raises(ValueError, match=r"Received: 1[6-9]. of 200 that differ"):
        from_human("cifar10_n", folder / "renamed.npy", true_labels=CLEAN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"clean_label": CLEAN}, "a file with 'worse_label'. Received: .*has 'clean_label'"),
        ({}, "a file with 'worse_label'. Received: .*has nothing"),
        (
            {**CIFAR10, "worse_label": CLEAN[1:]},
            "as many 'worse_label' as 'clean_label'.*199 and 200",
        ),
        ({**CIFAR10, "worse_label": CLEAN + 5}, r"worse_label` must lie in \[0, 10\)"),
        ({**CIFAR10, "clean_label": CLEAN / 2}, "clean_label` must hold integers"),
    ],
)
def test_bad_file(tmp_path, content, message):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(ValueError, match=message):
        from_human("cifar10_n", tmp_path / "a.npy")
