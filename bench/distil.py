"""Compare the distilled sentiment model (student) with its teacher: accuracy in each language, speed of the encoders.

Accuracy: prints the accuracy of the teacher and of the student, and the share of the teacher's accuracy that the
student keeps, with 95 % intervals.

Speed: each round encodes the same texts with the teacher's encoder, then with the student's, and yields the ratio of
the two times. The median, lowest and highest ratio are printed, by wall clock and by CPU time of this process; other
load on the machine disturbs CPU time less.

Run: python -m bench.distil WAREHOUSE [--rounds 7] [--texts 400] [--rows N]
(a warehouse with the sample's reviews in which `shopbatch run distil_encoder` has published `sentiment-student`)
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.side_by_side import benchmark, machine

from shopbatch.capabilities.sentiment.config import ExampleConfig
from shopbatch.capabilities.sentiment.distil.judge import accuracies
from shopbatch.capabilities.sentiment.distil.run import NAME
from shopbatch.capabilities.sentiment.examples import SOURCE, candidates, choose
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.judge import held_out_probabilities
from shopbatch.capabilities.sentiment.model import head_and_encoder
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.near_duplicates import without_near_duplicates
from shopbatch.models import registry
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


def examples_of(store: Store, config: ExampleConfig) -> pa.Table:
    """Return the labelled examples that distil_encoder chooses, without held-out texts that resemble a training text.

    Args:
        store: The warehouse with the reviews.
        config: Settings by which the student's training chose its examples.
    """
    reviews = store.require(REVIEWS, SOURCE).read(SOURCE)
    examples = choose(candidates(reviews), config)
    keep = without_near_duplicates(examples["text"].to_pylist(), examples["split"].to_numpy() == "train")
    return examples.filter(pa.array(keep))


def by_turns(engines: dict[str, Encoder], texts: pa.Array, rounds: int) -> None:
    """Print how many times as fast the student's encoder is as the teacher's, by wall clock and by CPU time.

    Args:
        engines: The opened encoders, "teacher" and "student".
        texts: The texts that each encoder encodes in every round.
        rounds: Number of measured rounds. One more round runs before them to warm up, and is not measured.
    """
    ratios: dict[str, list[float]] = {"wall clock": [], "CPU time": []}
    for number in range(rounds + 1):
        spent: dict[str, Any] = {}
        for name, encoder in engines.items():
            wall, cpu = time.perf_counter(), time.process_time()
            encode_all(encoder, texts)
            spent[name] = time.perf_counter() - wall, time.process_time() - cpu
        for i, clock in enumerate(ratios):
            if number:
                ratios[clock].append(spent["teacher"][i] / spent["student"][i])
        print("warm-up" if not number else f"round {number}",
              {n: [round(s, 2) for s in both] for n, both in spent.items()}, flush=True)  # fmt: skip
    for clock, values in ratios.items():
        print(f"speed of the student / the teacher, {clock}: {statistics.median(values):.2f} "
              f"({min(values):.2f} to {max(values):.2f}, {rounds} rounds of {len(texts)} texts)")  # fmt: skip


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Print the speed of both encoders, then the accuracies of teacher and student by language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rows", type=int, help="held-out texts whose accuracy is measured (default: all)")
    arguments = parser.parse_args(argv)
    print(machine(), flush=True)
    store = Store(arguments.warehouse)
    models, engine = f"{store.root}/_models", OpenVinoConfig()
    student, small = head_and_encoder(models, f"{NAME}@live")
    teacher, large = head_and_encoder(models, str(student.manifest["teacher"]))
    print(f"teacher {teacher.reference} on {large.reference}, student {student.reference} on {small.reference}")
    engines = {"teacher": open_engine(engine, large.path), "student": open_engine(engine, small.path)}
    config = student.manifest["config"]["examples"]
    test = examples_of(store, ExampleConfig.model_validate(config))
    test = test.filter(pc.equal(test["split"], "test"))
    drawn = np.random.default_rng(0).permutation(test.num_rows)[: arguments.texts]
    by_turns(engines, test["text"].take(pa.array(drawn)).combine_chunks(), arguments.rounds)
    test = test.take(pa.array(np.random.default_rng(1).permutation(test.num_rows)[: arguments.rows]))
    probabilities = {}
    for name, model in (("teacher", teacher), ("student", student)):
        vectors = encode_all(engines[name], test["text"].combine_chunks()).vectors
        probabilities[name] = held_out_probabilities(SentimentHead.load(registry.resolve(models, model.reference).path),
                                                     vectors, test)  # fmt: skip
    languages = sorted(set(test["language"].to_pylist()))
    for language, figures in accuracies(probabilities | {"cut": probabilities["teacher"]}, test, languages, 0).items():
        shown = {who: figures[who] for who in ("teacher", "student", "kept")}
        print(f"{language:5} {figures['test_rows']:6,}", "  ".join(
            f"{who} {f['value']:.4f} ({f['low']:.4f} to {f['high']:.4f})" for who, f in shown.items()))  # fmt: skip


if __name__ == "__main__":
    main()
