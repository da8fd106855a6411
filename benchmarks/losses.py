"""What do a loss and its gradient with respect to the logits cost, in time and in memory?

Measures every loss of the package, forward and backward in one call, with integer labels and
`from_logits=True`, and beside it, in the same turns and in random order,

- Keras: `keras.losses.SparseCategoricalCrossentropy`;
- textbook: the same loss as papers write it, by softmax, one-hot labels and the formula in p_y;
- library: `optax.softmax_cross_entropy_with_integer_labels`, if optax is installed, or
  `torch.nn.functional.cross_entropy`. They compute in the type of the logits, all others in float32;
- limit: whoever computes this gradient has to read the logits twice and to write as much once. So does
  `x - max(x)`, row by row, compiled in the same way, for an array of as many bytes. It is float32
  whatever the logits are: half precision would time its conversion. Its result is a new array, as a
  gradient is. Where the backend takes memory from the system anew for each large array (JAX and
  PyTorch do) most of its time may go there: `memory` is what NumPy needs to read, read and write as
  much, on all processors, where the result has its place already.

    KERAS_BACKEND=jax python benchmarks/losses.py
    KERAS_BACKEND=tensorflow python benchmarks/losses.py --modes graph xla --shapes 64x200000 --losses MAE+auto

`GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592` in front
keeps memory in the process on Linux, and shows what the losses themselves cost.

What it prints also goes to results/losses, with a summary in Markdown. Ratios are medians over the turns, each to what the other side took a moment before or after: a virtual
machine may give a process one processor instead of two for a while. `processor` is the time of
processors, to Keras. `peak` is the most memory that is in use in a call, over that of logits and gradient,
which are part of it. JAX's compiler and TensorFlow's allocator know it; that one counts whole blocks, up
to a quarter more than large arrays need. For PyTorch it is what Linux says of the process, for logits of
16 MiB and more. PyTorch's mode `compile` is not among the defaults: it compiles for minutes.
"""

import argparse
import gc
import importlib.util
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import keras
import numpy as np
from glyph_runs import parser_of
from keras import ops
from memory import allocated_growth, resident_growth

import keras_noisy
from keras_noisy import losses
from keras_noisy.training import write_atomically

BACKEND = keras.backend.backend()
# The first ones by default.
MODES = {"tensorflow": ("eager", "graph", "xla"), "jax": ("jit",), "torch": ("eager", "compile")}
DEFAULT_MODES = tuple(mode for mode in MODES[BACKEND] if mode != "compile")
SHAPES = ("256x10", "256x1000", "64x200000")
LOSSES: dict[str, keras_noisy.losses.RobustLoss] = {
    **{loss.__name__: loss(from_logits=True) for loss in losses.LOSSES},
    **{
        f"{loss.__name__}+{bias}": loss(logit_bias=bias, from_logits=True)
        for loss in (keras_noisy.MAE, keras_noisy.GCE)
        for bias in ("auto", "adaptive")
    },
    "NCE+AGCE": losses.get("nce+agce", dataset="cifar100", from_logits=True),
}


def _agce(p: Any, a: float = 0.6, q: float = 0.6) -> Any:
    return ((a + 1.0) ** q - (a + p) ** q) / q


# By name, the loss as a function of the label's probability.
TEXTBOOK: dict[str, Callable[[Any], Any]] = {
    "CE": lambda p: -ops.log(ops.clip(p, 1e-7, 1.0)),
    "MAE": lambda p: 2.0 * (1.0 - p),
    "GCE": lambda p: (1.0 - ops.clip(p, 1e-7, 1.0) ** 0.7) / 0.7,
    "SCE": lambda p: -0.1 * ops.log(ops.clip(p, 1e-7, 1.0)) + 4.0 * (1.0 - p),
    "RCE": lambda p: 4.0 * (1.0 - p),
    "AGCE": _agce,
}
COLUMNS = ("Keras", "textbook", "library", "limit", "memory")
# So many losses are measured next to each other, and the other sides beside them.
TOGETHER = 4
# A shorter call is repeated until it has taken so many seconds.
AT_LEAST = 2e-3
# For logits of fewer bytes the growth of the process says nothing of a call.
_VISIBLE = 2**24


class Setting(NamedTuple):
    """What is measured: rows and classes of the logits, their type, and how the call is compiled."""

    mode: str
    dtype: str
    rows: int
    classes: int

    def __str__(self) -> str:
        return f"{BACKEND} {self.mode}, {self.rows}x{self.classes} {self.dtype}"

    @property
    def size(self) -> int:
        """Bytes of the logits."""
        return self.rows * self.classes * (2 if self.dtype == "bfloat16" else 4)


class Program(NamedTuple):
    """A call that returns when its results are there.

    Attributes:
        call: The call.
        growth: Bytes that its results and what is in between take, where the compiler tells.
    """

    call: Callable[[], Any]
    growth: int | None = None


def main() -> None:
    options = parse()
    records = []
    for mode in options.modes:
        for dtype in options.dtypes:
            for rows, classes in options.shapes:
                setting = Setting(mode, dtype, rows, classes)
                records.append(measure(setting, options.losses, options.turns))
                show(setting, records[-1])
                text = json.dumps(records, indent=1, allow_nan=False)
                write_atomically(options.results / f"{BACKEND}.json", text)
                write_atomically(options.results / f"{BACKEND}.md", summary_of(records))


def measure(setting: Setting, names: list[str], turns: int) -> dict[str, Any]:
    """The record of a setting: by side its times, ratios and memory."""
    generator = np.random.default_rng(0)
    shape = (setting.rows, setting.classes)
    logits = ops.cast(generator.normal(size=shape).astype("float32"), setting.dtype)
    labels = ops.convert_to_tensor(generator.integers(setting.classes, size=len(logits)), "int32")
    shared = shared_sides(setting, labels, logits)
    own = {name: program_of(LOSSES[name], setting, labels, logits) for name in names}
    written = {
        f"{name} textbook": program_of(side, setting, labels, logits)
        for name in names
        if (side := textbook(name, setting.classes)) is not None
    }
    sides = {**shared, **own, **written}
    peaks = {
        name: peak_of(side, setting) for name, side in sides.items() if name not in COLUMNS[3:]
    }
    repeats = {name: repeats_of(side.call) for name, side in sides.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    ratios: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    order = random.Random(0)
    gc.disable()
    for _ in range(turns):
        for group in groups_of(order.sample(names, len(names))):
            turn = [*shared, *group, *(f"{name} textbook" for name in group)]
            turn = [name for name in turn if name in sides]
            times = {}
            for name in order.sample(turn, len(turn)):
                times[name] = seconds_of(sides[name].call, repeats[name])
                taken[name].append(times[name])
            for name in group:
                others = {column: times.get(column) for column in COLUMNS}
                others["textbook"] = times.get(f"{name} textbook")
                for column, other in others.items():
                    if other is not None:
                        pairs = ratios[name].setdefault(column, [])
                        pairs.append(times[name][0] / other[0])
                pairs = ratios[name].setdefault("processor", [])
                pairs.append(times[name][1] / times["Keras"][1])
        gc.collect()
    gc.enable()
    return {
        "backend": BACKEND,
        **setting._asdict(),
        "turns": turns,
        "tunables": os.environ.get("GLIBC_TUNABLES", ""),
        "sides": {
            name: {
                "seconds": statistics.median(wall for wall, _ in taken[name]),
                "processor_seconds": statistics.median(used for _, used in taken[name]),
                "peak": peaks.get(name),
                "ratios": {k: statistics.median(v) for k, v in ratios.get(name, {}).items()},
                "paired_ratios": ratios.get(name, {}),
            }
            for name in sides
        },
    }


def shared_sides(setting: Setting, labels: Any, logits: Any) -> dict[str, Program]:
    """What every loss is compared with."""
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    sides = {"Keras": program_of(crossentropy, setting, labels, logits)}
    if (function := library_function()) is not None:
        sides["library"] = program_of(function, setting, labels, logits)
    shape = (setting.rows, math.ceil(setting.size / setting.rows / 4))
    array = np.random.default_rng(0).normal(size=shape).astype("float32")
    limit = program_of(
        lambda labels, x: x - ops.amax(x, axis=-1, keepdims=True),
        setting,
        labels,
        ops.convert_to_tensor(array),
        with_gradient=False,
    )
    return {**sides, "limit": limit, "memory": Program(reader_of(array))}


def library_function() -> Callable[[Any, Any], Any] | None:
    if BACKEND == "torch":
        import torch

        return lambda labels, logits: torch.nn.functional.cross_entropy(logits, labels.long())
    if BACKEND == "jax" and importlib.util.find_spec("optax"):
        import optax

        function = optax.softmax_cross_entropy_with_integer_labels
        return lambda labels, logits: function(logits, labels).mean()
    return None


def textbook(name: str, num_classes: int) -> Callable[[Any, Any], Any] | None:
    """A loss as it is mostly written, or None."""
    name, _, bias = name.partition("+")
    if name not in TEXTBOOK or bias not in ("", "auto"):
        return None
    formula = TEXTBOOK[name]
    epsilon = keras_noisy.calibration.logit_bias(num_classes) if bias else 0.0

    def loss(labels: Any, logits: Any) -> Any:
        logits = ops.cast(logits, "float32")  # as Keras does, and as it should be
        one_hot = ops.one_hot(labels, num_classes, dtype="float32")
        probabilities = ops.softmax(logits + epsilon * one_hot if epsilon else logits, axis=-1)
        return ops.mean(formula(ops.sum(one_hot * probabilities, axis=-1)))

    return loss


def reader_of(array: np.ndarray) -> Callable[[], Any]:
    """Reads an array twice and writes as much into the same place each time, on all processors."""
    count = os.cpu_count() or 1
    pool = ThreadPoolExecutor(count)
    parts = list(
        zip(np.array_split(array, count), np.array_split(np.zeros_like(array), count), strict=True)
    )

    def part(arrays: tuple[np.ndarray, np.ndarray]) -> None:
        x, y = arrays
        np.subtract(x, x.max(axis=-1, keepdims=True), out=y)

    return lambda: list(pool.map(part, parts))


def program_of(
    function: Callable[[Any, Any], Any],
    setting: Setting,
    labels: Any,
    logits: Any,
    with_gradient: bool = True,
) -> Program:
    """A function of labels and logits, and if asked for its gradient, compiled as the setting says."""
    build = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}[BACKEND]
    program = build(function, setting, labels, logits, with_gradient)
    for _ in range(3):
        program.call()  # traces, compiles, and finds its memory
    return program


def _on_jax(
    function: Callable, setting: Setting, labels: Any, logits: Any, with_gradient: bool
) -> Program:
    import jax

    step = jax.jit(jax.value_and_grad(function, argnums=1) if with_gradient else function)
    compiled = step.lower(labels, logits).compile()
    memory = compiled.memory_analysis()
    growth = memory and memory.output_size_in_bytes + memory.temp_size_in_bytes
    return Program(lambda: jax.block_until_ready(compiled(labels, logits)), growth)


def _on_tensorflow(
    function: Callable, setting: Setting, labels: Any, logits: Any, with_gradient: bool
) -> Program:
    import tensorflow as tf

    def value_and_gradient(labels: Any, logits: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(labels, logits)
        return value, tape.gradient(value, logits)

    tf.get_logger().setLevel(
        "ERROR"
    )  # it takes many programs for one that is traced again and again
    step: Any = value_and_gradient if with_gradient else function
    if setting.mode != "eager":
        step = tf.function(step, jit_compile=setting.mode == "xla", autograph=False)
    if not tf.config.list_physical_devices("GPU"):
        return Program(lambda: step(labels, logits))  # on the CPU it returns when it is done

    def call() -> None:
        step(labels, logits)
        tf.test.experimental.sync_devices()

    return Program(call)


def _on_torch(
    function: Callable, setting: Setting, labels: Any, logits: Any, with_gradient: bool
) -> Program:
    import torch

    def forward(labels: Any, logits: Any) -> Any:
        return function(labels, logits)

    if setting.mode == "compile":
        # The compiler keeps what it has made with the code, and only so much of it.
        forward.__code__ = forward.__code__.replace(co_name=f"forward_{id(forward)}")
        forward = torch.compile(forward)
    variable = logits.detach().requires_grad_(with_gradient)

    def call() -> Any:
        value = forward(labels, variable)
        result = (value, *torch.autograd.grad(value, variable)) if with_gradient else value
        if variable.is_cuda:
            torch.cuda.synchronize()
        return result

    return Program(call)


def peak_of(side: Program, setting: Setting) -> float | None:
    """The most memory in use in a call, over that of logits and gradient."""
    growth = side.growth
    if growth is None and BACKEND == "tensorflow":
        growth = allocated_growth(side.call)
    if growth is None and BACKEND == "torch" and setting.size >= _VISIBLE and _is_linux_cpu():
        growth = min(resident_growth(side.call) for _ in range(3))  # other work may add to it
    return None if growth is None else (setting.size + growth) / (2 * setting.size)


def _is_linux_cpu() -> bool:
    return sys.platform.startswith("linux") and "cpu" in str(ops.zeros(1).device)


def repeats_of(call: Callable[[], Any]) -> int:
    return max(1, math.ceil(AT_LEAST / min(seconds_of(call, 1)[0] for _ in range(3))))


def seconds_of(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Seconds for a call, on the clock and of processors."""
    start, processors = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        call()
    wall, used = time.perf_counter() - start, time.process_time() - processors
    return wall / repeats, used / repeats


def groups_of(names: list[str]) -> list[list[str]]:
    return [names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)]


def show(setting: Setting, record: dict[str, Any]) -> None:
    sides = record["sides"]
    titles = ["ms", *COLUMNS, "processor", "peak"]
    print(f"\n{setting}\n{'':<14}" + "".join(f"{title:>10}" for title in titles))
    for name, side in sides.items():
        if name.endswith(" textbook"):
            continue
        ratios = [side["ratios"].get(column) for column in (*COLUMNS, "processor")]
        cells = [f"{1e3 * side['seconds']:.3f}"]
        cells += ["" if ratio is None else f"{ratio:.2f}" for ratio in (*ratios, side["peak"])]
        print(f"{name:<14}" + "".join(f"{cell:>10}" for cell in cells))
    speeds = ", ".join(
        f"{name} {3e-9 * setting.size / sides[name]['seconds']:.1f} GB/s"
        for name in ("limit", "memory")
    )
    print(f"{speeds}", flush=True)


def summary_of(records: list[dict[str, Any]]) -> str:
    """Two tables in Markdown: losses of the label's log-probability from least to most, and the others."""
    of_label = ["" for _ in records]
    others = ["" for _ in records]
    apart = [name for name in LOSSES if name in records[0]["sides"] and not _is_of_label(name)]
    for index, record in enumerate(records):
        sides = record["sides"]
        setting = Setting(record["mode"], record["dtype"], record["rows"], record["classes"])
        family = [name for name in LOSSES if name in sides and name not in apart]
        cells = [
            _range([sides[name]["ratios"].get(column) for name in family])
            for column in ("Keras", "textbook", "library", "limit")
        ]
        peaks = [_range([sides[name]["peak"] for name in names]) for names in (family, ["Keras"])]
        keras_ms = f"{1e3 * sides['Keras']['seconds']:.2f}"
        of_label[index] = _row([str(setting), keras_ms, *cells, *peaks])
        ratios = [f"{sides[name]['ratios']['Keras']:.1f}" for name in apart]
        peak = _range([sides[name]["peak"] for name in apart])
        others[index] = _row([str(setting), *ratios, peak])
    titles = ["", "Keras, ms", *("/ " + column for column in COLUMNS[:4]), "peak", "Keras's peak"]
    tables = [[_row(titles), _row(["---"] * len(titles)), *of_label]]
    if apart:
        tables.append([_row(["", *apart, "peak"]), _row(["---"] * (len(apart) + 2)), *others])
    return "\n\n".join("\n".join(lines) for lines in tables) + "\n"


def _is_of_label(name: str) -> bool:
    loss = LOSSES[name]
    return isinstance(loss, losses.LabelLoss) and loss.logit_bias != "adaptive"


def _range(values: list[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{known[0]:.2f} to {known[-1]:.2f}" if known else ""


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("--shapes", type=shape, nargs="+", default=[*map(shape, SHAPES)], help="rows x classes")
    add("--losses", nargs="+", choices=[*LOSSES], default=[*LOSSES], metavar="LOSS", help="names")
    add("--dtypes", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"])
    add("--modes", nargs="+", choices=MODES[BACKEND], default=[*DEFAULT_MODES], help="of the call")
    add("--turns", type=int, default=9, help="measurements of each side")
    add("--results", type=Path, default=Path("results/losses"), help="folder to write to")
    return parser.parse_args()


def shape(text: str) -> tuple[int, int]:
    rows, classes = text.split("x")
    return int(rows), int(classes)


if __name__ == "__main__":
    main()
