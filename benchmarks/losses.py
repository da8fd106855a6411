"""How much time and memory do a loss and its gradient with respect to the logits take?

Measures every loss of the package, forward and backward in one call, with integer labels and
`from_logits=True`. The same turns measure, in random order, what it is compared with:

- Keras: `keras.losses.SparseCategoricalCrossentropy`;
- textbook: the same loss as papers write it, by softmax, one-hot labels and the formula in p_y;
- library: `optax.softmax_cross_entropy_with_integer_labels`, if optax is installed, or
  `torch.nn.functional.cross_entropy`. They compute in the dtype of the logits, all others in
  float32;
- limit: `x - max(x)` for each row of an array of as many bytes, compiled in the same way. Like any
  code that computes the gradient, it reads the logits twice and writes as much once. It is float32
  for all dtypes of the logits, because half precision would include the time of a conversion;
- memory: the time in which NumPy reads an array twice and writes as much once on all processors,
  into existing memory. JAX and PyTorch request memory from the system for each new large array,
  which may take most of the time of `limit`.

    KERAS_BACKEND=jax python benchmarks/losses.py
    KERAS_BACKEND=tensorflow python benchmarks/losses.py --modes graph xla --losses MAE+auto

With the environment variable
`GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592`
processes on Linux keep their memory, and the times are those of the losses alone.

Results are printed and written to results/losses, with a summary in Markdown. Ratios are medians
over the turns; each compares two measurements of the same turn, because a virtual machine may
temporarily give a process one processor instead of two. `processor` is the ratio of processor times
to Keras. `peak` is the maximum memory in use during a call, relative to that of logits and
gradient, which it includes. It comes from JAX's compiler and from TensorFlow's allocator, which
counts blocks that are up to a quarter larger than large arrays need. For PyTorch it is what Linux
reports for the process, for logits of 16 MiB and more. PyTorch's mode `compile` is not a default,
because it compiles for minutes.
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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import numpy as np
from glyph_runs import OneLineParser
from keras import ops
from memory import measure_growth, measure_resident_growth

import keras_noisy
from keras_noisy import losses
from keras_noisy.training import write_atomically

BACKEND = keras.backend.backend()
MODES = {"tensorflow": ("eager", "graph", "xla"), "jax": ("jit",), "torch": ("eager", "compile")}
DEFAULT_MODES = tuple(mode for mode in MODES[BACKEND] if mode != "compile")
SHAPES = ("256x10", "256x1000", "64x200000")
LOSSES: dict[str, keras_noisy.losses.RobustLoss] = {
    **{loss.__name__: loss(from_logits=True) for loss in keras_noisy.losses.LOSSES},
    **{
        f"{loss.__name__}+{bias}": loss(logit_bias=bias, from_logits=True)
        for loss in (keras_noisy.MAE, keras_noisy.GCE)
        for bias in ("auto", "adaptive")
    },
    "NCE+AGCE": losses.get("nce+agce", dataset="cifar100", from_logits=True),
}


def _agce(p: Any, a: float = 0.6, q: float = 0.6) -> Any:
    """Computes AGCE from the label's probability."""
    return ((a + 1.0) ** q - (a + p) ** q) / q


# Losses as functions of the label's probability, by name.
TEXTBOOK: dict[str, Callable[[Any], Any]] = {
    "CE": lambda p: -ops.log(ops.clip(p, 1e-7, 1.0)),
    "MAE": lambda p: 2.0 * (1.0 - p),
    "GCE": lambda p: (1.0 - ops.clip(p, 1e-7, 1.0) ** 0.7) / 0.7,
    "SCE": lambda p: -0.1 * ops.log(ops.clip(p, 1e-7, 1.0)) + 4.0 * (1.0 - p),
    "RCE": lambda p: 4.0 * (1.0 - p),
    "AGCE": _agce,
}
COLUMNS = ("Keras", "textbook", "library", "limit", "memory")
# Number of losses in a group that is measured in one turn with all sides of the comparison.
GROUP_SIZE = 4
# Minimum time of a measurement in seconds; shorter calls are repeated.
MIN_SECONDS = 2e-3
# Minimum size of the logits in bytes for which the memory of the process is a useful measure.
_MIN_BYTES = 2**24


class Case(NamedTuple):
    """A case to measure: how the call is compiled, and dtype, rows and classes of the logits."""

    mode: str
    dtype: str
    rows: int
    classes: int

    def __str__(self) -> str:
        return f"{BACKEND} {self.mode}, {self.rows}x{self.classes} {self.dtype}"

    @property
    def size(self) -> int:
        """Size of the logits in bytes."""
        return self.rows * self.classes * (2 if self.dtype == "bfloat16" else 4)


class Program(NamedTuple):
    """A call that returns when its results are computed.

    Attributes:
        call: The call.
        growth: Bytes of its results and intermediate arrays, if the compiler reports them.
    """

    call: Callable[[], Any]
    growth: int | None = None


def main() -> None:
    """Measures all cases, and prints and writes the results."""
    options = parse()
    records = []
    for mode in options.modes:
        for dtype in options.dtypes:
            for rows, classes in options.shapes:
                case = Case(mode, dtype, rows, classes)
                records.append(measure(case, options.losses, options.turns))
                print_record(case, records[-1])
                text = json.dumps(records, indent=1, allow_nan=False)
                write_atomically(options.results / f"{BACKEND}.json", text)
                write_atomically(options.results / f"{BACKEND}.md", format_summary(records))


def measure(case: Case, names: list[str], turns: int) -> dict[str, Any]:
    """Measures a case; returns a record of times, ratios and memory of all sides."""
    generator = np.random.default_rng(0)
    shape = (case.rows, case.classes)
    logits = ops.cast(generator.normal(size=shape).astype("float32"), case.dtype)
    labels = ops.convert_to_tensor(generator.integers(case.classes, size=len(logits)), "int32")
    shared = build_shared_sides(case, labels, logits)
    own = {name: build_program(LOSSES[name], case, labels, logits) for name in names}
    written = {
        f"{name} textbook": build_program(side, case, labels, logits)
        for name in names
        if (side := textbook_loss(name, case.classes)) is not None
    }
    sides = {**shared, **own, **written}
    peaks = {
        name: measure_peak(side, case) for name, side in sides.items() if name not in COLUMNS[3:]
    }
    repeats = {name: count_repeats(side.call) for name, side in sides.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    ratios: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    order = random.Random(0)
    gc.disable()
    for _ in range(turns):
        for group in split_into_groups(order.sample(names, len(names))):
            turn = [*shared, *group, *(f"{name} textbook" for name in group)]
            turn = [name for name in turn if name in sides]
            times = {}
            for name in order.sample(turn, len(turn)):
                times[name] = measure_seconds(sides[name].call, repeats[name])
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
        **case._asdict(),
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


def build_shared_sides(case: Case, labels: Any, logits: Any) -> dict[str, Program]:
    """Builds the programs that every loss is compared with."""
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    sides = {"Keras": build_program(crossentropy, case, labels, logits)}
    if (function := library_function()) is not None:
        sides["library"] = build_program(function, case, labels, logits)
    shape = (case.rows, math.ceil(case.size / case.rows / 4))
    array = np.random.default_rng(0).normal(size=shape).astype("float32")
    limit = build_program(
        lambda labels, x: x - ops.amax(x, axis=-1, keepdims=True),
        case,
        labels,
        ops.convert_to_tensor(array),
        with_gradient=False,
    )
    return {**sides, "limit": limit, "memory": Program(build_reader(array))}


def library_function() -> Callable[[Any, Any], Any] | None:
    """Returns the cross-entropy of another library, if there is one for this backend."""
    if BACKEND == "torch":
        import torch

        return lambda labels, logits: torch.nn.functional.cross_entropy(logits, labels.long())
    if BACKEND == "jax" and importlib.util.find_spec("optax"):
        import optax

        function = optax.softmax_cross_entropy_with_integer_labels
        return lambda labels, logits: function(logits, labels).mean()
    return None


def textbook_loss(name: str, num_classes: int) -> Callable[[Any, Any], Any] | None:
    """Returns a loss as papers write it, or None if there is none of that name."""
    name, _, bias = name.partition("+")
    if name not in TEXTBOOK or bias not in ("", "auto"):
        return None
    formula = TEXTBOOK[name]
    epsilon = keras_noisy.calibration.logit_bias(num_classes) if bias else 0.0

    def loss(labels: Any, logits: Any) -> Any:
        logits = ops.cast(logits, "float32")  # as in Keras, for accuracy
        one_hot = ops.one_hot(labels, num_classes, dtype="float32")
        probabilities = ops.softmax(logits + epsilon * one_hot if epsilon else logits, axis=-1)
        return ops.mean(formula(ops.sum(one_hot * probabilities, axis=-1)))

    return loss


def build_reader(array: np.ndarray) -> Callable[[], Any]:
    """Returns a function that reads an array twice and writes as much on all processors."""
    count = os.cpu_count() or 1
    pool = ThreadPoolExecutor(count)
    parts = list(
        zip(np.array_split(array, count), np.array_split(np.zeros_like(array), count), strict=True)
    )

    def process_part(arrays: tuple[np.ndarray, np.ndarray]) -> None:
        x, y = arrays
        np.subtract(x, x.max(axis=-1, keepdims=True), out=y)

    return lambda: list(pool.map(process_part, parts))


def build_program(
    function: Callable[[Any, Any], Any],
    case: Case,
    labels: Any,
    logits: Any,
    with_gradient: bool = True,
) -> Program:
    """Compiles a function of labels and logits, by default with its gradient, as the case says."""
    build = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}[BACKEND]
    program = build(function, case, labels, logits, with_gradient)
    for _ in range(3):
        program.call()  # traces, compiles, and allocates memory
    return program


def _on_jax(
    function: Callable, case: Case, labels: Any, logits: Any, with_gradient: bool
) -> Program:
    import jax

    step = jax.jit(jax.value_and_grad(function, argnums=1) if with_gradient else function)
    compiled = step.lower(labels, logits).compile()
    memory = compiled.memory_analysis()
    growth = memory and memory.output_size_in_bytes + memory.temp_size_in_bytes
    return Program(lambda: jax.block_until_ready(compiled(labels, logits)), growth)


def _on_tensorflow(
    function: Callable, case: Case, labels: Any, logits: Any, with_gradient: bool
) -> Program:
    import tensorflow as tf

    def value_and_gradient(labels: Any, logits: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(labels, logits)
        return value, tape.gradient(value, logits)

    # TensorFlow mistakes many programs for one that is retraced, and warns.
    tf.get_logger().setLevel("ERROR")
    step: Any = value_and_gradient if with_gradient else function
    if case.mode != "eager":
        step = tf.function(step, jit_compile=case.mode == "xla", autograph=False)
    if not tf.config.list_physical_devices("GPU"):
        return Program(lambda: step(labels, logits))  # calls are synchronous on the CPU

    def call() -> None:
        step(labels, logits)
        tf.test.experimental.sync_devices()

    return Program(call)


def _on_torch(
    function: Callable, case: Case, labels: Any, logits: Any, with_gradient: bool
) -> Program:
    import torch

    def forward(labels: Any, logits: Any) -> Any:
        return function(labels, logits)

    if case.mode == "compile":
        # The compiler caches by code object, and limits the number of entries for each.
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


def measure_peak(side: Program, case: Case) -> float | None:
    """Measures the maximum memory in use, relative to that of logits and gradient."""
    growth = side.growth
    if growth is None and (BACKEND == "tensorflow" or not _is_on_cpu()):
        growth = measure_growth(side.call)
    is_large = case.size >= _MIN_BYTES
    if growth is None and BACKEND == "torch" and is_large and sys.platform == "linux":
        # The minimum excludes memory that other threads take.
        growth = min(measure_resident_growth(side.call) for _ in range(3))
    return None if growth is None else (case.size + growth) / (2 * case.size)


def _is_on_cpu() -> bool:
    """Returns whether the computations run on the CPU."""
    return "cpu" in str(ops.zeros(1).device).lower()


def count_repeats(call: Callable[[], Any]) -> int:
    """Returns how many repetitions of a call make a measurement."""
    return max(1, math.ceil(MIN_SECONDS / min(measure_seconds(call, 1)[0] for _ in range(3))))


def measure_seconds(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Measures the seconds of a call: wall time and processor time."""
    start, processors = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        call()
    wall, used = time.perf_counter() - start, time.process_time() - processors
    return wall / repeats, used / repeats


def split_into_groups(names: list[str]) -> list[list[str]]:
    """Splits names into groups of `GROUP_SIZE`."""
    return [names[start : start + GROUP_SIZE] for start in range(0, len(names), GROUP_SIZE)]


def print_record(case: Case, record: dict[str, Any]) -> None:
    """Prints a table of a case."""
    sides = record["sides"]
    titles = ["ms", *COLUMNS, "processor", "peak"]
    print(f"\n{case}\n{'':<14}" + "".join(f"{title:>10}" for title in titles))
    for name, side in sides.items():
        if name.endswith(" textbook"):
            continue
        ratios = [side["ratios"].get(column) for column in (*COLUMNS, "processor")]
        cells = [f"{1e3 * side['seconds']:.3f}"]
        cells += ["" if ratio is None else f"{ratio:.2f}" for ratio in (*ratios, side["peak"])]
        print(f"{name:<14}" + "".join(f"{cell:>10}" for cell in cells))
    speeds = ", ".join(
        f"{name} {3e-9 * case.size / sides[name]['seconds']:.1f} GB/s"
        for name in ("limit", "memory")
    )
    print(f"{speeds}", flush=True)


def format_summary(records: list[dict[str, Any]]) -> str:
    """Formats two tables in Markdown.

    The first has the range over all losses of the label's log-probability, the second each other
    loss.
    """
    label_rows, other_rows = [], []
    others = [
        name for name in LOSSES if name in records[0]["sides"] and not _needs_label_only(name)
    ]
    for record in records:
        sides = record["sides"]
        case = Case(record["mode"], record["dtype"], record["rows"], record["classes"])
        family = [name for name in LOSSES if name in sides and name not in others]
        cells = [
            _format_range([sides[name]["ratios"].get(column) for name in family])
            for column in ("Keras", "textbook", "library", "limit")
        ]
        peaks = [
            _format_range([sides[name]["peak"] for name in names]) for names in (family, ["Keras"])
        ]
        keras_ms = f"{1e3 * sides['Keras']['seconds']:.2f}"
        label_rows.append(_format_row([str(case), keras_ms, *cells, *peaks]))
        ratios = [f"{sides[name]['ratios']['Keras']:.1f}" for name in others]
        peak = _format_range([sides[name]["peak"] for name in others])
        other_rows.append(_format_row([str(case), *ratios, peak]))
    titles = ["", "Keras, ms", *("/ " + column for column in COLUMNS[:4]), "peak", "Keras's peak"]
    tables = [[_format_row(titles), _format_row(["---"] * len(titles)), *label_rows]]
    if others:
        tables.append(
            [
                _format_row(["", *others, "peak"]),
                _format_row(["---"] * (len(others) + 2)),
                *other_rows,
            ]
        )
    return "\n\n".join("\n".join(lines) for lines in tables) + "\n"


def _needs_label_only(name: str) -> bool:
    """Returns whether a loss is a function of the label's log-probability alone."""
    loss = LOSSES[name]
    return isinstance(loss, losses.LabelLoss) and loss.logit_bias != "adaptive"


def _format_range(values: list[float | None]) -> str:
    """Formats the range of values; an empty string if there are none."""
    known = sorted(value for value in values if value is not None)
    return f"{known[0]:.2f} to {known[-1]:.2f}" if known else ""


def _format_row(cells: list[str]) -> str:
    """Formats a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add(
        "--shapes",
        type=shape,
        nargs="+",
        default=[*map(shape, SHAPES)],
        help="rows x classes",
    )
    add(
        "--losses",
        nargs="+",
        choices=[*LOSSES],
        default=[*LOSSES],
        metavar="LOSS",
        help="names of losses",
    )
    add("--dtypes", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"])
    add(
        "--modes",
        nargs="+",
        choices=MODES[BACKEND],
        default=[*DEFAULT_MODES],
        help="how to compile",
    )
    add("--turns", type=int, default=9, help="measurements of each side")
    add("--results", type=Path, default=Path("results/losses"), help="folder to write to")
    return parser.parse_args()


def shape(text: str) -> tuple[int, int]:
    """Parses rows and classes, such as "256x10"."""
    rows, classes = text.split("x")
    return int(rows), int(classes)


if __name__ == "__main__":
    main()
