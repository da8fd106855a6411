"""WebVision in its official layout, with more than 2,000 files, many of them bad."""

import csv
import itertools
import logging
import re
import warnings
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import train
from pictures import bad_files, encode, photograph

import keras_noisy
from keras_noisy.datasets import image_list, webvision
from keras_noisy.datasets._image_files import from_files, skipped_images
from keras_noisy.datasets._image_files.transforms import make_evaluation_image

tf = pytest.importorskip("tensorflow")

SIZE = 8
FILES = {"google": 1500, "flickr": 700, "val": 240}
CLASSES = 60  # of the labels in the lists; 50 of them are "mini"
# Intact files of other kinds, at the end of each folder.
OTHER_KINDS = [
    encode(photograph(2000), mode="CMYK"),
    encode(photograph(2001), mode="L"),
    encode(photograph(2002), "PNG"),
    encode(photograph(2003), "GIF"),
    encode(photograph(2004), "BMP"),
    encode(photograph(2005), "WEBP"),
    encode(photograph(2006), progressive=True),
    encode(photograph(2007)) + b"\0\0\0",
]


class Tree:
    """The files, in the order of their list, and the reasons of the bad ones.

    Attributes:
        root: The folder.
        contents: By folder, the contents of each usable line's file; `None` where there is none.
        labels: By folder, the label of each usable line.
        paths: By folder, the path in each usable line.
        bad: By folder, from the paths of bad files and lines to the reasons.
    """

    def __init__(self, root):
        self.root = root
        self.contents, self.labels, self.paths, self.bad = {}, {}, {}, {}

    def good(self, folder):
        """Returns the numbers of the usable lines with intact files."""
        return [i for i, path in enumerate(self.paths[folder]) if path not in self.bad[folder]]

    def mini(self, folder):
        return [i for i in self.good(folder) if self.labels[folder][i] < 50]


def write_folder(tree, folder, n):
    whole = [encode(photograph(i)) for i in range(36)]
    damaged = list(bad_files().values()) * 2
    contents = [whole[i % len(whole)] for i in range(n - len(OTHER_KINDS))] + OTHER_KINDS
    reasons = {}
    for i, (reason, content) in enumerate(damaged):
        contents[11 + 9 * i] = content
        reasons[11 + 9 * i] = reason
    for i in (5, n // 2):
        contents[i] = None
        reasons[i] = "missing"
    labels = [7 * i % CLASSES for i in range(n)]
    names = [f"{'a photo ' if i % 10 == 0 else ''}{i:05}.jpg" for i in range(n)]
    if folder == "val":
        paths, base = names, tree.root / "val_images_256"
    else:
        paths = [
            f"{folder}/q{label + 1:04}/{name}" for label, name in zip(labels, names, strict=True)
        ]
        base = tree.root
    for path, content in zip(paths, contents, strict=True):
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            (base / path).write_bytes(content)
    # Unusable lines between the others.
    lines = [f"{path} {label}" for path, label in zip(paths, labels, strict=True)]
    lines.insert(3, f"{paths[0]} {labels[0] + 2}")
    lines.insert(50, f"{paths[1]} {(labels[1] + 1) % 50}")
    lines.insert(60, "")
    lines.insert(70, f"{folder}/q0001/no_such_class.jpg 1000")
    lines.insert(80, f"{folder}/q0001/no_label.jpg")
    name = "val_filelist" if folder == "val" else f"train_filelist_{folder}"
    file_list = tree.root / "info" / f"{name}.txt"
    file_list.parent.mkdir(exist_ok=True)
    ends = ["\r\n" if i % 3 else "\n" for i in range(len(lines))]
    file_list.write_bytes("".join(map("".join, zip(lines, ends, strict=True))).encode())

    start = "val_images_256/" if folder == "val" else ""
    tree.contents[folder], tree.labels[folder] = contents, labels
    tree.paths[folder] = [start + path for path in paths]
    tree.bad[folder] = {start + paths[i]: reason for i, reason in reasons.items()}
    first, second = labels[:2]
    tree.bad[folder] |= {
        f"{file_list}:4": (
            f"{paths[0]}: repeated with label {first + 2}; the first line has label {first}"
        ),
        f"{file_list}:51": (
            f"{paths[1]}: repeated with label {second + 1}; the first line has label {second}"
        ),
        f"{file_list}:71": f"{folder}/q0001/no_such_class.jpg: label 1000 is not in [0, 1000)",
        f"{file_list}:81": f"{folder}/q0001/no_label.jpg: no label",
    }
    return lines


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = Tree(tmp_path_factory.mktemp("webvision"))
    lines = {folder: write_folder(tree, folder, n) for folder, n in FILES.items()}
    info = tree.root / "info"
    (info / "train_filelist_all.txt").write_text("\n".join(lines["google"] + lines["flickr"]))
    synsets = "".join(f"n{i + 1:08} class {i}, or category {i}\n" for i in range(1000))
    (info / "synsets.txt").write_text(synsets + "\n")
    return tree


@pytest.fixture
def build(tree, tmp_path):
    """Builds pipelines with a list of bad images for each test."""

    def build(split="train", subset="google", **options):
        given = {
            "image_size": SIZE,
            "batch_size": 64,
            "max_bad_share": 0.2,
            "bad_images": tmp_path / "bad.csv",
        }
        return webvision.pipeline(tree.root, split, subset, **{**given, **options})

    return build


def epoch_of(pipeline):
    """Returns all images and labels of one iteration."""
    batches = list(pipeline.dataset.as_numpy_iterator())
    assert len(batches) == pipeline.steps
    assert max(len(x) for x, _ in batches) <= pipeline.batch_size
    y = [y for _, y in batches]
    if isinstance(y[0], dict):
        y = {key: np.concatenate([part[key] for part in y]) for key in y[0]}
    else:
        y = np.concatenate(y)
    return np.concatenate([x for x, _ in batches]), y


def numbered(tree, folder="google"):
    """Returns options for labels that identify an image, and a function that reads them."""
    labels = np.array(tree.labels[folder])
    noisy = np.zeros(len(labels), "int64")
    for label in range(CLASSES):
        noisy[labels == label] = np.arange(np.count_nonzero(labels == label))
    number = {pair: i for i, pair in enumerate(zip(labels.tolist(), noisy.tolist(), strict=True))}
    assert len(number) == len(labels)
    options = {"noise": noisy, "keep_clean": True}
    return options, lambda y: [
        number[pair] for pair in zip(y["clean"].tolist(), y["noisy"].tolist(), strict=True)
    ]


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "reason", "root", "size", "modified"]
    return [row[:2] for row in rows]


# Samples


@pytest.mark.backend_free
def test_there_are_many_files(tree):
    assert sum(1 for path in tree.root.rglob("*.jpg")) > 2000


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("subset", "folders", "num_classes"),
    [
        ("mini", ["google"], 50),
        ("google", ["google"], 1000),
        ("flickr", ["flickr"], 1000),
        ("all", ["google", "flickr"], 1000),
    ],
)
def test_subsets(tree, build, subset, folders, num_classes):
    pipeline = build("train", subset, shuffle=False, augment=False)
    listed = [label for f in folders for label in tree.labels[f] if label < num_classes]
    assert (pipeline.num_classes, pipeline.num_samples) == (num_classes, len(listed))
    assert pipeline.steps == -(-len(listed) // 64)
    assert pipeline.class_names[::49] == tuple(
        f"class {i}, or category {i}" for i in range(0, num_classes, 49)
    )
    good = [(f, i) for f in folders for i in tree.good(f) if tree.labels[f][i] < num_classes]
    x, y = epoch_of(pipeline)
    assert (x.shape[1:], x.dtype, y.dtype) == ((SIZE, SIZE, 3), np.uint8, np.int32)
    assert y.tolist() == [tree.labels[f][i] for f, i in good]
    if subset != "all":  # each label belongs to its image
        images = {}
        for image, (f, i) in zip(x, good, strict=True):
            content = tree.contents[f][i]
            if content not in images:
                images[content] = make_evaluation_image(content, SIZE).numpy()
            np.testing.assert_array_equal(image, images[content])


@pytest.mark.backend_free
@pytest.mark.parametrize("subset", ["mini", "google"])
def test_validation(tree, build, subset):
    pipeline = build("val", subset)
    good = tree.mini("val") if subset == "mini" else tree.good("val")
    for _ in range(2):
        _, y = epoch_of(pipeline)
        assert y.tolist() == [tree.labels["val"][i] for i in good]


@pytest.mark.backend_free
def test_every_good_image_arrives_once_in_each_epoch(tree, build, tmp_path):
    """The list has exactly the other images, each once, with the reason."""
    options, numbers = numbered(tree)
    pipeline = build(**options)
    for _ in range(3):
        _, y = epoch_of(pipeline)
        assert sorted(numbers(y)) == tree.good("google")
        rows = read_csv(tmp_path / "bad.csv")
        assert sorted(map(tuple, rows)) == sorted(tree.bad["google"].items())


@pytest.mark.backend_free
def test_another_training_leaves_bad_images_out_and_is_the_same(tree, build, tmp_path):
    first, clean_list = build(seed=3), tmp_path / "bad.csv"
    epochs = [epoch_of(first) for _ in range(2)]
    content = clean_list.read_bytes()
    second = build(seed=3)
    assert second.num_samples == len(tree.good("google")) < first.num_samples
    assert second.steps == len(list(second.dataset))
    for pipeline, (x, y) in zip((build(seed=3), build(seed=3, first_epoch=1)), epochs, strict=True):
        other_x, other_y = epoch_of(pipeline)
        np.testing.assert_array_equal(y, other_y)
        np.testing.assert_array_equal(x, other_x)
    assert clean_list.read_bytes() == content


def one_thread(dataset):
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    return dataset.with_options(options)


@pytest.mark.backend_free
def test_what_is_whole_by_now_counts_but_is_not_listed(build, tree, tmp_path, monkeypatch):
    """A temporary failure of the disk must not exclude an image from later trainings."""
    monkeypatch.setattr(skipped_images, "inspect_image", lambda path: None)
    assert len(epoch_of(build())[1]) == len(tree.good("google"))
    assert not [path for path, _ in read_csv(tmp_path / "bad.csv") if path.endswith(".jpg")]
    with pytest.raises(tf.errors.OpError, match="could not be read at first"):
        epoch_of(build(max_bad_share=0.005, max_bad_files=0))


@pytest.mark.backend_free
def test_batches_are_a_function_of_seed_and_epoch(build, tmp_path):
    """Neither parallelism nor other seeds have an effect."""
    epochs = {}
    for run, global_seed in enumerate((0, 1)):
        keras.utils.set_random_seed(global_seed)
        for seed in (0, 1):
            pipeline = build("train", "flickr", seed=seed, bad_images=tmp_path / f"{run}{seed}.csv")
            dataset = pipeline.dataset if run else one_thread(pipeline.dataset)
            for epoch in range(2):
                batches = list(dataset.as_numpy_iterator())
                content = b"".join(x.tobytes() + y.tobytes() for x, y in batches)
                epochs.setdefault((seed, epoch), set()).add(content)
    assert all(len(found) == 1 for found in epochs.values())
    assert len(set.union(*epochs.values())) == 4


@pytest.mark.backend_free
@pytest.mark.parametrize("shuffle", [True, False])
def test_workers_share_an_epoch(tree, build, shuffle, tmp_path):
    options, numbers = numbered(tree, "flickr")
    parts = [
        build("train", "flickr", shuffle=shuffle, worker=worker, num_workers=3, **options)
        for worker in range(3)
    ]
    arrived = [numbers(epoch_of(part)[1]) for part in parts]
    together = Counter(itertools.chain(*arrived))
    assert set(together.values()) == {1}
    left_over = len(tree.paths["flickr"]) % 3 if shuffle else 0
    assert 0 <= len(tree.good("flickr")) - len(together) <= left_over
    assert len({part.num_samples for part in parts}) == (1 if shuffle else 2)
    listed = {path for path, _ in read_csv(tmp_path / "bad.csv")}
    assert listed <= set(tree.bad["flickr"])


@pytest.mark.backend_free
def test_open_iterations_do_not_make_images_bad(tree, build, tmp_path):
    """For example, a callback may evaluate on the training data during an epoch."""
    options, numbers = numbered(tree, "flickr")
    pipeline = build("train", "flickr", batch_size=16, **options)
    abandoned = iter(pipeline.dataset)
    next(abandoned)
    both = list(itertools.zip_longest(pipeline.dataset, pipeline.dataset))
    for epoch in zip(*both, strict=True):
        y = [y for _, y in filter(None, epoch)]
        found = {key: np.concatenate([part[key] for part in y]) for key in ("clean", "noisy")}
        assert sorted(numbers(found)) == tree.good("flickr")
    rows = read_csv(tmp_path / "bad.csv")
    assert sorted(map(tuple, rows)) == sorted(tree.bad["flickr"].items())


@pytest.mark.backend_free
def test_log_tells_how_many_and_where_to_read_more(tree, build, tmp_path, caplog):
    pipeline = build("train", "flickr")
    with caplog.at_level(logging.WARNING, "keras_noisy"):
        epoch_of(pipeline)
        epoch_of(pipeline)
    at_first, message = (r.getMessage() for r in caplog.records if r.name == "keras_noisy")
    listed = tree.root / "info" / "train_filelist_flickr.txt"
    assert at_first == (
        f"{tree.root} (train, flickr): 700 images are used. Skipped: "
        f"2 x repeated with another label ({listed}:4, {listed}:51); "
        f"1 x label out of range ({listed}:71); 1 x no label ({listed}:81); "
        "940 x class without an image (class 60, or category 60, class 61, or category 61, "
        "class 62, or category 62, …). `Pipeline.skipped` has the full list."
    )
    bad = len(tree.bad["flickr"])
    start = f"{bad} of 704 images are skipped so far; they are listed in {tmp_path / 'bad.csv'}: "
    assert message.startswith(start)
    assert message.endswith("; …")


@pytest.mark.backend_free
def test_matrix_noise_is_that_of_corrupt(tree, build):
    matrix = keras_noisy.noise.symmetric(50, rate=0.4)
    usable = np.array([label for label in tree.labels["google"] if label < 50])
    noisy = keras_noisy.noise.corrupt(usable, matrix, seed=5)
    good = set(tree.good("google"))
    kept = [i in good for i, label in enumerate(tree.labels["google"]) if label < 50]
    given = {"noise": matrix, "seed": 5}
    _, y = epoch_of(build("train", "mini", **given, shuffle=False))
    assert y.tolist() == noisy[kept].tolist()
    _, y = epoch_of(build("train", "mini", **given, keep_clean=True))
    pairs = zip(usable[kept].tolist(), noisy[kept].tolist(), strict=True)
    assert Counter(zip(y["clean"].tolist(), y["noisy"].tolist(), strict=True)) == Counter(pairs)


@pytest.mark.backend_free
def test_take_shortens_epochs(tree, build):
    options, numbers = numbered(tree)
    full, short = build(**options), build(**options).take(3)
    assert (short.steps, short.num_samples) == (3, 3 * 64)
    assert short.dataset.cardinality().numpy() == 3
    _, expected = epoch_of(full)
    _, found = epoch_of(short)
    numbers_found = numbers(found)
    assert 2 * 64 < len(numbers_found) <= 3 * 64
    assert numbers_found == numbers(expected)[: len(numbers_found)]


@pytest.mark.backend_free
def test_element_spec(build):
    image, label = build().element_spec
    assert (image.shape.as_list(), image.dtype) == ([None, SIZE, SIZE, 3], tf.uint8)
    assert (label.shape.as_list(), label.dtype) == ([None], tf.int32)
    _, both = build(noise=np.zeros(FILES["google"], int), keep_clean=True).element_spec
    assert both.keys() == {"noisy", "clean"}
    assert {spec.dtype for spec in both.values()} == {tf.int32}


# Too many bad images


def pattern(bad, total, share, path):
    return (
        f"{bad} of {total} images can't be used, more than `max_bad_share` and `max_bad_files` "
        rf"allow \(max_bad_share={share}, max_bad_files=0\); they are listed in "
        rf"{re.escape(str(path))}\. "
    )


@pytest.mark.backend_free
def test_training_stops_at_too_many(tree, build, tmp_path):
    """Of the 1,504 lines of the list, 4 are bad from the start."""
    pipeline = build(max_bad_share=0.005, max_bad_files=0)
    expected = pattern(r"\d", 1504, 0.005, tmp_path / "bad.csv")
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        epoch_of(pipeline)
    assert len(read_csv(tmp_path / "bad.csv")) < len(tree.bad["google"])


@pytest.mark.backend_free
def test_what_is_known_does_not_count(tree, build, tmp_path):
    """Unusable lines count, however: otherwise a wrong list would stop the first training only."""
    first = build()
    epoch_of(first)
    strict = {"max_bad_files": 0, "max_bad_share": 4 / 1504}
    second = build(**strict)
    assert len(epoch_of(second)[1]) == len(tree.good("google"))
    with pytest.raises(ValueError, match=pattern(4, 1504, 0.002, tmp_path / "bad.csv")):
        build(**{**strict, "max_bad_share": 0.002})
    for pipeline in (first, second):
        skipped = [path for entries in pipeline.skipped.values() for path in entries]
        assert set(tree.bad["google"]) <= set(skipped)
        assert len(pipeline.skipped["bad image"]) == len(tree.bad["google"]) - 4


@pytest.fixture
def small(tmp_path):
    """Builds the pipeline of a list of 10 images, some of which are missing."""

    def small(missing, **options):
        lines = []
        for i in range(10):
            lines.append(f"{i}.jpg {i}")
            if i not in missing:
                (tmp_path / f"{i}.jpg").write_bytes(encode(photograph(i)))
        (tmp_path / "list.txt").write_text("\n".join(lines))
        given = {"image_size": SIZE, "batch_size": 4, "shuffle": False, "max_bad_share": 0.15}
        given["max_bad_files"] = 0
        given["bad_images"] = tmp_path / "folder" / "bad.csv"
        return image_list.pipeline(tmp_path, tmp_path / "list.txt", 10, **{**given, **options})

    return small


@pytest.mark.backend_free
@pytest.mark.parametrize("missing", [[8, 9], [4, 5, 6, 7], range(10), range(4, 10), [0, 9]])
def test_training_stops_wherever_they_are(small, missing, tmp_path):
    """It also stops if no batch, or no further batch, is left."""
    pipeline = small(missing)
    expected = rf"^.*of 10 images can't be used.*{tmp_path}.*\.jpg \(missing\)"
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        list(pipeline.dataset)
    assert read_csv(tmp_path / "folder" / "bad.csv") == [[f"{i}.jpg", "missing"] for i in missing]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("share", "missing", "batches"),
    [
        (0.1, [0], [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        (0.2, [8, 9], [[0, 1, 2, 3], [4, 5], [6, 7]]),
        (0.3, [0, 1, 2], [[3, 4], [5, 6], [7, 8, 9]]),
        (0.4, [4, 5, 6, 7], [[0, 1], [2, 3], [8, 9]]),
        (0.8, range(2, 10), [[0], [0], [1]]),
    ],
)
def test_training_goes_on_with_as_many_batches_and_images_as_may_be(small, share, missing, batches):
    pipeline = small(missing, max_bad_share=share)
    for _ in range(2):
        assert [y.tolist() for _, y in pipeline.dataset.as_numpy_iterator()] == batches


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("missing", "batches"),
    [
        ([8, 9], [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ([1, 2, 3], [[0, 4, 5, 6], [0, 4, 5, 6]]),
        ([7, 8, 9], [[0, 1, 2, 3], [0, 1, 2, 3]]),
    ],
)
def test_whole_batches_are_used_again_in_place_of_missing_ones(
    small, missing, batches, monkeypatch
):
    monkeypatch.setattr(from_files, "order_samples", lambda *_, **__: np.arange(10))
    pipeline = small(missing, max_bad_share=1, whole_batches=True, shuffle=True, augment=False)
    assert [y.tolist() for _, y in pipeline.dataset.as_numpy_iterator()] == batches


@pytest.mark.backend_free
def test_epoch_without_a_whole_batch_is_refused(small):
    pipeline = small(range(3, 10), max_bad_share=1, whole_batches=True, shuffle=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="3 of 10 images can be used, too few"):
        list(pipeline.dataset)


@pytest.mark.backend_free
def test_data_without_an_image_is_refused(small):
    with pytest.raises(tf.errors.InvalidArgumentError, match="0 of 10 images can be used"):
        list(small(range(10), max_bad_share=1).dataset)
    with pytest.raises(ValueError, match=r"^`root` must hold images .* 10 images .* listed as bad"):
        small(range(10), max_bad_share=1)


@pytest.mark.parametrize(("batch_size", "is_training"), [(1, False), (4, True)])
def test_keras_knows_the_number_of_steps(small, batch_size, is_training):
    """Whatever is made of the pipeline, and whatever images turn out to be bad."""
    options = {"max_bad_share": 1, "batch_size": batch_size, "is_training": is_training}
    data = small([1, 2, 8, 9], **options).dataset
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras_noisy.CE(from_logits=True))
    steps = []
    log = {"on_epoch_begin": lambda epoch, logs: steps.append(callback.params["steps"])}
    callback = keras.callbacks.LambdaCallback(**log)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(
            data,
            class_weight={0: 2.0, 9: 1.0},
            validation_data=data.map(lambda x, y: (x, y)).prefetch(1),
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=[callback],
        )
    assert steps == [-(-10 // batch_size)] * 2


@pytest.mark.backend_free
def test_some_bad_files_are_allowed_in_small_sets(small):
    for bad, allowed in ((5, 5), (5, 10), (2, 2)):
        pipeline = small(range(bad), max_bad_files=allowed)
        assert sum(len(y) for _, y in pipeline.dataset.as_numpy_iterator()) == 10 - bad
        assert small(range(bad)).num_samples == 10 - bad  # they are known by now


@pytest.mark.backend_free
def test_message_reaches_those_who_call_fit(small):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("each backend has its own way")
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras_noisy.MAE(from_logits=True))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"2 of 10 images can't be used"):
        model.fit(small([8, 9]).dataset, epochs=1, shuffle=False, verbose=0)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("image_size", 0, "an integer of at least 1"),
        ("image_size", 224.0, "an integer of at least 1"),
        ("colour_jitter", 1, "True or False"),
        ("max_bad_share", 1.5, "a number in [0, 1]"),
        ("max_bad_share", -0.1, "a number in [0, 1]"),
        ("max_bad_share", "1%", "a number in [0, 1]"),
        ("max_bad_share", True, "a number in [0, 1]"),
        ("max_bad_share", float("nan"), "a number in [0, 1]"),
    ],
)
def test_arguments_are_checked(small, build, name, value, allowed):
    expected = re.escape(f"`{name}` must be {allowed}. Received: {name}={value!r}")
    with pytest.raises(ValueError, match=f"^{expected}$"):
        small([], **{name: value})
    with pytest.raises(ValueError, match=f"^{expected}$"):
        build(**{name: value})


@pytest.mark.backend_free
def test_folder_of_the_images_must_exist(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg 1\n")
    with pytest.raises(
        FileNotFoundError, match=r"`root` must be a folder\. Received: root='.*nowhere'"
    ):
        image_list.pipeline(tmp_path / "nowhere", tmp_path / "list.txt", 10)


@pytest.mark.backend_free
def test_splits_and_subsets_are_checked(build):
    with pytest.raises(
        ValueError, match=r"^`split` must be 'train', 'val' or 'ilsvrc12'\. Received"
    ):
        build("test")
    for subset in ("webvision", None):
        with pytest.raises(
            ValueError, match=r"^`subset` must be 'mini', .* or 'all'\. Received: subset="
        ):
            build("train", subset)
    with pytest.raises(TypeError, match=r"^Unknown arguments: \['bath_size'\]"):
        build(bath_size=3)


# The validation set of ILSVRC 2012


@pytest.fixture
def ilsvrc12(tmp_path):
    """Returns a folder of 3 images of each of 55 classes, in folders of synsets."""
    folder = tmp_path / "ilsvrc12"
    contents = [encode(photograph(i)) for i in range(3)]
    for label in range(55):
        (folder / f"n{label + 1:08}").mkdir(parents=True)
        for i, content in enumerate(contents):
            name = f"ILSVRC2012_val_{100 * i + label:08}.JPEG"
            (folder / f"n{label + 1:08}" / name).write_bytes(content)
    return folder


@pytest.mark.backend_free
@pytest.mark.parametrize(("subset", "num_classes"), [("mini", 50), ("google", 55)])
def test_ilsvrc12_by_synsets(build, ilsvrc12, subset, num_classes):
    pipeline = build("ilsvrc12", subset, ilsvrc12=ilsvrc12)
    assert pipeline.class_names[1] == "class 1, or category 1"
    x, y = epoch_of(pipeline)
    assert y.tolist() == np.repeat(np.arange(num_classes), 3).tolist()
    for i in range(3):
        image = make_evaluation_image(encode(photograph(i)), SIZE)
        np.testing.assert_array_equal(x[i::3], np.broadcast_to(image, (num_classes, SIZE, SIZE, 3)))


@pytest.mark.backend_free
def test_ilsvrc12_in_other_formats(build, ilsvrc12):
    first = sorted((ilsvrc12 / "n00000001").iterdir())
    first[0].rename(first[0].with_suffix(".jpg"))
    first[1].with_suffix(".png").write_bytes(encode(photograph(1), "PNG"))
    (ilsvrc12 / "n99999999").mkdir()
    (ilsvrc12 / "n99999999" / "a.JPEG").write_bytes(encode(photograph(1)))
    pipeline = build("ilsvrc12", "google", ilsvrc12=ilsvrc12)
    assert np.bincount(epoch_of(pipeline)[1]).tolist() == [4] + [3] * 54
    assert pipeline.skipped["in no class folder"] == ["n99999999/a.JPEG"]


@pytest.mark.backend_free
def test_ilsvrc12_by_a_list(build, ilsvrc12):
    for path in ilsvrc12.glob("*/*.JPEG"):
        path.rename(ilsvrc12 / path.name)
    lines = [
        f"ILSVRC2012_val_{100 * i + label:08}.JPEG {label}" for i in range(3) for label in range(55)
    ]
    (ilsvrc12 / "val.txt").write_text("\n".join(lines))
    for subset, num_classes in (("mini", 50), ("google", 55)):
        _, y = epoch_of(build("ilsvrc12", subset, ilsvrc12=ilsvrc12))
        assert y.tolist() == list(range(num_classes)) * 3


@pytest.mark.backend_free
def test_ilsvrc12_needs_a_folder(build, tmp_path):
    with pytest.raises(ValueError, match=r'^`ilsvrc12` must be a folder for split="ilsvrc12"\.'):
        build("ilsvrc12")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError) as error:
            build("ilsvrc12", ilsvrc12=folder)
        message = str(error.value).replace("\n", " ")
        missing = "a list val.txt or a folder such as n01440764"
        for part in (
            f"are looked for in {folder}, and {missing} is not there.",
            "https://image-net.org/download-images",
            "ILSVRC2012_img_val.tar",
            "6.3 GB",
            f"{folder}/n01440764/",
        ):
            assert part in message


# Missing parts


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("missing", "split", "subset"),
    [
        ("info/train_filelist_google.txt", "train", "mini"),
        ("info/train_filelist_google.txt", "train", "google"),
        ("info/train_filelist_flickr.txt", "train", "flickr"),
        ("info/train_filelist_all.txt", "train", "all"),
        ("google", "train", "mini"),
        ("google", "train", "all"),
        ("flickr", "train", "flickr"),
        ("flickr", "train", "all"),
        ("info/val_filelist.txt", "val", "mini"),
        ("val_images_256", "val", "google"),
        ("info/synsets.txt", "ilsvrc12", "mini"),
    ],
)
def test_missing_parts_come_with_instructions(tree, tmp_path, missing, split, subset):
    root = tmp_path / "webvision"
    root.mkdir()
    for part in tree.root.iterdir():
        if part.name != "info":
            (root / part.name).symlink_to(part)
    (root / "info").mkdir()
    for part in (tree.root / "info").iterdir():
        (root / "info" / part.name).symlink_to(part)
    (root / missing).unlink()
    with pytest.raises(FileNotFoundError) as error:
        webvision.pipeline(root, split, subset, ilsvrc12=tmp_path)
    message = str(error.value)
    assert message.startswith(
        f"WebVision 1.0 is looked for in {root}, and {missing} is not there. "
    )
    assert "https://data.vision.ee.ethz.ch/cvl/webvision/" in message
    for archive, size, place in (
        ("info.tar", "0.2 GB", ""),
        ("google_resized_256.tar", "17 GB", f"{root}/google"),
        ("flickr_resized_256.tar", "", f"{root}/flickr"),
        ("val_images_256.tar", "0.9 GB", f"{root}/val_images_256"),
    ):
        (line,) = [line for line in message.splitlines() if line.strip().startswith(archive)]
        assert size in line
        assert place in line
    assert f"mkdir -p {root} && cd {root}" in message


@pytest.mark.backend_free
def test_names_are_not_needed(tmp_path):
    for name in ("google", "info"):
        (tmp_path / name).mkdir()
    (tmp_path / "info" / "train_filelist_google.txt").write_text("google/a.jpg 0\n")
    (tmp_path / "google" / "a.jpg").write_bytes(encode(photograph(0)))
    pipeline = webvision.pipeline(
        tmp_path, subset="mini", image_size=SIZE, bad_images=tmp_path / "bad.csv"
    )
    assert pipeline.class_names is None
    assert len(epoch_of(pipeline)[1]) == 1
    assert not (tmp_path / "bad.csv").exists()


# Training, on all backends


@pytest.mark.filterwarnings("error:Your input ran out of data:UserWarning")
def test_fit(tree, tmp_path):
    pipelines = {
        split: webvision.pipeline(
            tree.root,
            split,
            "mini",
            image_size=16,
            batch_size=64,
            max_bad_share=0.2,
            bad_images=tmp_path / "bad.csv",
        )
        for split in ("train", "val")
    }
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras_noisy.datasets.normalisation("imagenet"),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(50),
        ]
    )
    loss = keras_noisy.MAE(from_logits=True, logit_bias="auto")
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    history = model.fit(
        pipelines["train"].dataset,
        validation_data=pipelines["val"].dataset,
        epochs=2,
        shuffle=False,  # the pipeline shuffles already
        verbose=0,
    ).history
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())
    bad = {path for folder in ("google", "val") for path in tree.bad[folder]}
    mini = {
        path
        for folder in ("google", "val")
        for path, label in zip(tree.paths[folder], tree.labels[folder], strict=True)
        if label < 50
    }
    listed = {path for path, _ in read_csv(tmp_path / "bad.csv")}
    assert listed == {path for path in bad if path in mini or ".txt:" in path}
    predictions = model.predict(pipelines["val"].dataset, verbose=0)
    assert predictions.shape == (len(tree.mini("val")), 50)


@pytest.mark.shared
def test_the_recipe_trains(tree, tmp_path):
    """The recipe trains and saves a model that takes images."""
    protocol = Path(train.__file__).parent / "protocols" / "mini_webvision.yaml"
    options = f"--config {protocol} --data.folder {tree.root} --data.image_size 16"
    options += " --data.max_bad_share 0 --data.max_bad_files 300 --network.name small_cnn"
    options += " --batch_size 256 --epochs 2 --tensorboard false --progress none"
    train.main([*options.split(), f"--results={tmp_path}"])
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    assert float(rows[1]["loss"]) != float(rows[0]["loss"])
    listed = {path for path, _ in read_csv(tmp_path / "bad_images.csv")}
    of_mini = {path for path in tree.bad["google"] if re.match(r"google/q00([0-4]\d|50)", path)}
    assert of_mini
    assert listed > of_mini
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert model.predict(np.zeros((1, 16, 16, 3)), verbose=0).shape == (1, 50)
