"""Trainings in several processes, each of which trains one after the other."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

Key = TypeVar("Key")
Job = TypeVar("Job")


def run_in_processes(
    train: Callable[[Job], str],
    jobs: Mapping[Key, Job],
    results: Path,
    workers: int,
    gpus: Sequence[int] | None = None,
) -> dict[Key, str]:
    """Trains all jobs and prints the outcome of each.

    Args:
        train: Trains a job in a process of the pool; returns a summary in a few words.
        jobs: Arguments of `train`, by what the lines of the output call them.
        results: Folder for what JAX compiles, which all processes and later runs share.
        workers: Number of processes.
        gpus: Indices of GPUs, which the processes use in turn. None lets the backend choose.

    Returns:
        The error messages of the jobs that failed.
    """
    if not jobs:
        return {}
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(results.resolve() / ".jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    context = multiprocessing.get_context("spawn")
    failed: dict[Key, str] = {}
    start = time.perf_counter()
    with ProcessPoolExecutor(
        workers,
        context,
        initialise_worker,
        (context.Value("i", 0), workers, gpus),
    ) as pool:
        futures = {pool.submit(train, job): key for key, job in jobs.items()}
        try:
            for count, future in enumerate(as_completed(futures), 1):
                key = futures[future]
                minutes = (time.perf_counter() - start) / count * (len(jobs) - count) / 60
                try:
                    outcome = future.result()
                except Exception as error:
                    outcome = f"{type(error).__name__}: {' '.join(str(error).split())}"
                    failed[key] = outcome
                print(
                    f"[{count}/{len(jobs)}] {key}: {outcome}; about {minutes:.0f} min left",
                    flush=True,
                )
        except BaseException:  # such as Ctrl-C; the pool would finish all trainings first
            for process in multiprocessing.active_children():
                process.kill()
            raise
    return failed


def initialise_worker(counter: Any, workers: int, gpus: Sequence[int] | None) -> None:
    """Assigns a device to a new process, and makes it end when its parent ends."""
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpus[number % len(gpus)])
    if workers > max(len(gpus or []), 1):  # workers share a device, and so its memory
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    parent = multiprocessing.parent_process()
    assert parent is not None

    def exit_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()
