"""Compare the CPU time of an inference job in this checkout with that in another checkout of the project.

Use it to see whether a change made the machinery (the code around the model) slower. Each checkout runs in its own
process, in which Ray's remote functions are called directly, so that only the project's code and its libraries are
measured. The two processes take turns, and the ratio of each pair of runs counts, since other load on the machine
affects both runs of a pair. With --stage the scoring of the reviews is measured too; without it a constant result
replaces the scoring, since it would take nine tenths of the time.

Run: python -m bench.machinery_beside OTHER_CHECKOUT --rows 100000 --rounds 11 [--stage]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.side_by_side import Missing, benchmark

HERE = Path(__file__).parents[1]


class Ref:
    """Stand-in for `ray.ObjectRef` that holds the object itself."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Remote:
    """Stand-in for a remote function of Ray that calls the function at once, in this process."""

    def __init__(self, function: Any, returns: int = 1) -> None:
        self.function, self.returns = function, returns

    def __call__(self, *arguments: Any) -> Any:
        """Call the function and return its result."""
        return self.function(*arguments)

    def options(self, num_returns: int = 1, **_: Any) -> Remote:
        """Return the function with another number of results; all other options of Ray are ignored."""
        return Remote(self.function, num_returns)

    def remote(self, *arguments: Any) -> Any:
        """Call the function on the values of the arguments; return a `Ref`, or a list of them for several results."""
        out = self.function(*map(value_of, arguments))
        return Ref(out) if self.returns == 1 else [Ref(each) for each in out]


def remote(function: Any = None, **_: Any) -> Any:
    """Stand-in for the decorator `ray.remote`, written with options (`@ray.remote(...)`) or without."""
    return remote if function is None else Remote(function)


def value_of(thing: Any) -> Any:
    """Return the object that a `Ref` (stand-in for a reference of Ray) holds; return anything else unchanged."""
    return thing.value if isinstance(thing, Ref) else thing


def without_ray() -> None:
    """Replace the functions of Ray that an inference job calls by stand-ins that do the work in this process."""
    import ray
    import ray.data  # import before functions of Ray are replaced: its import would fail afterwards

    ray.remote = remote
    ray.get = lambda refs: [value_of(r) for r in refs] if isinstance(refs, list | tuple) else value_of(refs)
    ray.put = ray.ObjectRef = Ref
    ray.is_initialized = lambda: False
    ray.cluster_resources = ray.available_resources = lambda: {"CPU": 2.0, "object_store_memory": 1e9}
    ray.nodes = lambda: []


def bench_of(checkout: Path) -> ModuleType:
    """Load the module `bench/machinery.py` of a checkout.

    Raises:
        AssertionError: The package shopbatch on the path is not that of the checkout.
    """
    spec = importlib.util.spec_from_file_location("machinery", checkout / "bench" / "machinery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["machinery"] = module
    spec.loader.exec_module(module)
    import shopbatch

    assert Path(shopbatch.__file__).is_relative_to(checkout), shopbatch.__file__
    return module


def child(checkout: Path, rows: int, with_stage: bool) -> None:
    """Run the job once for each line on standard input, and print the CPU seconds of each run as a JSON line.

    Args:
        checkout: The checkout whose code is measured.
        rows: Number of generated reviews.
        with_stage: True to do the stage's real work; otherwise `answer_at_once` replaces it.
    """
    without_ray()
    bench = bench_of(checkout)
    from shopbatch.inference import compute, run

    def stream(task: Any, units: list[Any]) -> Iterator[Any]:
        worker = compute.Worker(Ref(task))
        for unit in units:
            for receipts in worker(value_of(unit)):
                yield from (compute.Receipt(**row) for row in receipts.to_pylist())

    run.stream = stream  # type: ignore[attr-defined]
    if not with_stage:
        answer_at_once(type(bench.STAGE.open()))
    with tempfile.TemporaryDirectory(prefix="shopbatch-bench-") as folder:
        store = bench.Store(folder)
        bench.sample.fill_generated(store, rows, 7)
        for _ in sys.stdin:
            began = time.process_time()
            bench.shopbatch_run(store)
            print(json.dumps({"seconds": time.process_time() - began}), flush=True)


def answer_at_once(scorer: Any) -> None:
    """Make the stage return the result of its first row for every row.

    The stage's real work would take nine tenths of the measured time.

    Args:
        scorer: The class of the stage's scorer; its method `run` is replaced.
    """
    import numpy as np

    real, kept = scorer.run, []

    def run(self: Any, content: Any, attempt: Any) -> Any:
        if not kept:
            kept.append(real(self, content.slice(0, 1), attempt[:1]))
        return kept[0].take(np.zeros(content.num_rows, np.int64))

    scorer.run = run


def start(checkout: Path, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    """Start the process that measures a checkout, with one thread per library, and return it."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    environment = (
        os.environ | one | {"PYTHONPATH": f"{checkout / 'lib'}:{checkout}:{HERE}", "SHOPBATCH_HOME": str(checkout)}
    )
    words = [str(checkout), "--child", "--rows", str(arguments.rows), *(["--stage"] if arguments.stage else [])]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, __file__, *words], env=environment, text=True, **pipes)


def measure(process: subprocess.Popen[str]) -> float:
    """Tell a process to run its job once, wait for it, and return the CPU seconds."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    line = next(line for line in process.stdout if line.startswith('{"seconds"'))
    return float(json.loads(line)["seconds"])


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Measure both checkouts in turn, and print median CPU seconds and the ratios of this checkout to the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="a checkout of another version")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--stage", action="store_true", help="with the stage's own work: language, tokens, scores")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if not (arguments.other / "bench" / "machinery.py").exists():
        raise Missing(f"{arguments.other} is no checkout with bench/machinery.py")
    if arguments.child:
        child(arguments.other, arguments.rows, arguments.stage)
        return
    processes = [start(checkout, arguments) for checkout in (arguments.other.resolve(), HERE)]
    pairs = []
    for number in range(arguments.rounds + 1):  # the first round warms up and is not counted
        order = (0, 1) if number % 2 else (1, 0)
        seconds = {i: measure(processes[i]) for i in order}
        pairs += [(seconds[0], seconds[1])] if number else []
    ratios = sorted(new / old for old, new in pairs)
    old, new = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    print(f"{arguments.rows:,} rows, medians of {len(pairs)} pairs: {old:.2f} s before, {new:.2f} s now")
    print(f"ratio {statistics.median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f})")
    for process in processes:
        process.communicate()


if __name__ == "__main__":
    main()
