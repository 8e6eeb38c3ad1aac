"""Decide whether a student is good enough, compared with its teacher and with the cut that it started as.

The cut is the teacher's lower layers without any training, with a head of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.config import StudentGates
from shopbatch.capabilities.sentiment.evaluate import ALL, FEW
from shopbatch.capabilities.sentiment.head import NEUTRAL, polar
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.classification import accuracy_interval
from shopbatch.evaluation.paired import difference, ratio
from shopbatch.runs.report import Figure
from shopbatch.warehouse.gates import Gate, explain

ROUNDS = 5  # of the speed measurement, after one round to warm up
TEXTS = 400  # encoded in each round


def accuracies(
    probabilities: Mapping[str, np.ndarray], examples: pa.Table, languages: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return the accuracy (negative against positive) of teacher, cut and student on the test examples, by language.

    The cut is the teacher's lower layers without training.

    Args:
        probabilities: The models' probabilities of the test examples, {`teacher`, `cut`, `student`: [test examples,
            3]}.
        examples: All examples.
        languages: The languages to report besides `all`; one with few test examples is left out.
        seed: Seed of the bootstrap intervals.

    Returns:
        {language or `all`: measures}. Measures are `test_rows` (number); `teacher`, `cut` and `student` (accuracies);
        `kept` (the student's accuracy divided by the teacher's); and `over_cut` (the student's minus the cut's). All
        but `test_rows` are {"value", "low", "high"} with a 95 % interval.
    """
    test = examples.filter(pc.equal(examples["split"], "test"))
    truth, language = test["label"].to_numpy().astype(np.int64), np.asarray(test["language"].to_pylist())
    figures = {}
    for name in (ALL, *languages):
        rows = (truth != NEUTRAL) & ((language == name) | (name == ALL))
        if rows.sum() < FEW:
            continue
        guesses = {who: polar(p)[rows] for who, p in probabilities.items()}
        right = {who: (guess == truth[rows]).astype(float) for who, guess in guesses.items()}
        figures[name] = {
            "test_rows": int(rows.sum()),
            **{who: accuracy_interval(truth[rows], guess, seed).tree() for who, guess in guesses.items()},
            "kept": ratio(right["student"], right["teacher"], seed).tree(),
            "over_cut": difference(right["student"], right["cut"], seed).tree(),
        }
    return figures


def speeds(engine: EngineConfig, teacher: str, student: str, texts: Sequence[str]) -> dict[str, float]:
    """Measure how many times as fast the engine encodes texts with the student as with the teacher.

    They encode the same texts in turn; heads are not included. On a CPU the time is that of this process over all
    cores, which other work on the machine hardly changes.

    Args:
        engine: Settings of the engine.
        teacher: Folder of the teacher's encoder.
        student: Folder of the student's encoder.
        texts: The texts.

    Returns:
        `value`, `low`, `high`: median, lowest and highest ratio of the rounds. `rounds` and `texts`: their numbers.
    """
    both = [open_engine(engine, folder) for folder in (teacher, student)]
    column, ratios = pa.array(texts, pa.string()), []
    clock = time.perf_counter if str(getattr(engine, "device", "cpu")).startswith("cuda") else time.process_time
    for number in range(ROUNDS + 1):
        seconds = []
        for encoder in both:
            began = clock()
            encode_all(encoder, column)
            seconds.append(clock() - began)
        if number:
            ratios.append(seconds[0] / seconds[1])
    numbers = {"value": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}
    return {name: round(number, 3) for name, number in numbers.items()} | {"rounds": ROUNDS, "texts": len(texts)}


def student_gates(figures: Mapping[str, Any], speed: Mapping[str, float], config: StudentGates) -> list[Gate]:
    """Return the gates: the student certainly beats the cut, keeps the teacher's accuracy everywhere, and is fast.

    The cut is the teacher's lower layers without training.

    Args:
        figures: The result of `accuracies`.
        speed: The result of `speeds`.
        config: The limits.
    """
    lead = figures[ALL]["over_cut"]["low"]
    better = lead > 0
    worst = min((n for n in figures if n != ALL), key=lambda n: figures[n]["kept"]["value"], default=ALL)
    kept, times = figures[worst]["kept"]["value"], speed["value"]
    good, fast = kept >= config.accuracy, times >= config.speed
    beaten = f"the student may be no better than the cut: the interval of its lead in accuracy begins at {lead:+.4f}"
    lost = f"in {worst} the student keeps {kept:.4f} of the teacher's accuracy, less than gates.accuracy"
    slow = f"the student is {times:.2f} times as fast as the teacher, less than gates.speed={config.speed:g}"
    longer = "train longer (loop.epochs) or on more examples"
    return [
        Gate("accuracy over the cut, lower end", lead, 0.0, better, explain(
            better, beaten, "a cut costs no training", longer, "the whole interval must lie above 0")),
        Gate("share of the teacher's accuracy, worst language", kept, config.accuracy, good, explain(
            good, f"{lost}={config.accuracy:g}", "its reviews would be judged worse",
            f"{longer}, raise student.layers, or lower gates.accuracy", worst)),
        Gate("speed against the teacher", times, config.speed, fast, explain(
            fast, slow, "there would be no reason to use it", "lower student.layers or gates.speed",
            f"{speed['low']:g} to {speed['high']:g} in {speed['rounds']} rounds")),
    ]  # fmt: skip


def picture(figures: Mapping[str, Any], speed: Mapping[str, float]) -> Figure:
    """Return the report's table of the accuracies of teacher, cut and student, by language.

    Args:
        figures: The result of `accuracies`.
        speed: The result of `speeds`, for the caption.
    """
    rows = [
        [name, f["test_rows"], *(_interval(f[who], 100) for who in ("teacher", "cut", "student")),
         _interval(f["kept"], 100)] for name, f in figures.items()
    ]  # fmt: skip
    columns = ["language", "test rows", "teacher, %", "cut, %", "student, %", "kept, %"]
    caption = (
        "Accuracy between negative and positive on held-out reviews, with 95 % intervals. The cut is the teacher's "
        f"lower layers with a head of their own. The student is {speed['value']:.2f} times as fast as the teacher "
        f"({speed['low']:.2f} to {speed['high']:.2f})."
    )
    return Figure("table", "Teacher, cut and student", {"columns": columns, "rows": rows}, caption)


def _interval(tree: Mapping[str, float], scale: float) -> str:
    return f"{tree['value'] * scale:.1f} ({tree['low'] * scale:.1f} to {tree['high'] * scale:.1f})"
