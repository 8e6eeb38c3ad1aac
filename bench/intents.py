"""Evaluate the recognition of customers' intents: accuracy, unknown intents, and the bounds for automatic answers.

A bound is the least confidence with which a ticket is answered automatically. Commands:

- banking TRAIN TEST: Banking77 (Casanueva et al. 2020), gzipped JSON lines with text and intent. Prints the accuracy
  with 5, 10 and 30 examples a class in several draws, compared with TF-IDF n-grams; and how well questions about
  intents that the model has never seen are distinguished from known ones.
- questions --learn FILE ... --ask FILE ...: learns from the --learn files (the tables support_dialogs and
  intent_examples of a warehouse, or JSON lines or Parquet with their columns), and classifies the questions of each
  --ask file (JSON lines with text and intent).
- tickets --learn FILE ... --ask FILE ...: the same for labelled tickets, whose intents include `other`. On 500 random
  splits the bounds are chosen on one part and evaluated on the rest: how often is the target precision (--target)
  missed, and which share of the tickets is answered?

Lines may have a column `half`, such as "open": `--half open` then asks only the questions of that half of a test set.
Vectors are cached in --cache by a digest of their texts.

Run: OMP_NUM_THREADS=1 python -m bench.intents banking TRAIN TEST
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from bench.side_by_side import benchmark

from shopbatch.capabilities.support.config_intents import HeadConfig
from shopbatch.capabilities.support.intents import OTHER, IntentModel, known_probability, unit
from shopbatch.capabilities.support.thresholds import Labelled, Targets, choose_thresholds
from shopbatch.capabilities.support.train.cross_fit import cross_fit, folds_of
from shopbatch.capabilities.support.train.fit import (
    Rows,
    Setting,
    calibrate,
    centre,
    fit_scores,
    language_means,
    make_model,
)
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.classification import accuracy_interval, reliability
from shopbatch.evaluation.near_duplicates import near_duplicate_groups
from shopbatch.evaluation.selective import auroc
from shopbatch.models import e5_small
from shopbatch.text.language import guess_language
from shopbatch.training.ngrams import NgramClassifier

SEED = 0
SHOTS = (5, 10, 30)
SPLITS = 500
STEPS = 100
PENALTY = 0.1
PUBLISHED = {
    10: "BERT fixed 0.676, BERT tuned 0.834",
    30: "BERT fixed 0.801, BERT tuned 0.900",
}  # Casanueva et al. 2020


@dataclass(frozen=True)
class Questions:
    """Questions with their labelled intents; all columns have n entries.

    Attributes:
        texts: The questions.
        intent: Name of the intent, string [n].
        language: Language code, String [n].
        half: The half of the test set to which the file assigns the question, such as "open"; "" if the file has no
            column `half`. String [n].
        person: True where a person wrote the question; False for generated ones, bool [n].
    """

    texts: list[str]
    intent: np.ndarray
    language: pa.Array
    half: np.ndarray
    person: np.ndarray


def read(path: Path, half: str = "") -> Questions:
    """Read questions from a Delta table, a Parquet file or JSON lines (also gzipped).

    Args:
        path: The table's folder, or the file.
        half: Return only rows of this half; rows without a half are always returned. "" returns all.
    """
    if path.is_dir():
        rows = pl.read_delta(str(path)).to_dicts()
    elif path.suffix == ".parquet":
        rows = pl.read_parquet(path).to_dicts()
    else:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
    rows = [row for row in rows if not half or row.get("half", half) == half]
    texts = [str(row.get("text") or row.get("question")) for row in rows]
    stated = pa.array([row.get("language") for row in rows], pa.string())
    language = stated if not stated.null_count else guess_language(pa.array(texts, pa.string()))
    person = ["question" not in row and (row.get("origin") or "person") == "person" for row in rows]
    names = [str(row["intent"]) for row in rows]
    return Questions(
        texts, np.array(names), language, np.array([row.get("half", "") for row in rows]), np.array(person)
    )


def joined(parts: Sequence[Questions]) -> Questions:
    """Concatenate the questions of several files into one `Questions`."""
    return Questions(
        [text for part in parts for text in part.texts],
        np.concatenate([part.intent for part in parts]),
        pa.concat_arrays([part.language for part in parts]),
        np.concatenate([part.half for part in parts]),
        np.concatenate([part.person for part in parts]),
    )


class Encoder:
    """The encoder of the product search (e5-small), which caches its vectors in a folder."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.model = cache, cache / "e5-small-search"
        if not self.model.exists():
            self.model.mkdir(parents=True)
            e5_small.build_search(self.model)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32 [n, dim], encoded with the prefix of queries."""
        texts = [e5_small.SEARCH_SPEC.query + text for text in texts]
        path = self.cache / f"{hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:24]}.npy"
        if not path.exists():
            np.save(path, encode_all(open_engine(OpenVinoConfig(), str(self.model)), pa.array(texts)).vectors)
        return np.asarray(np.load(path))


def banking(encode: Encoder, train: Path, test: Path, draws: int) -> None:
    """Print the accuracy on Banking77 with few examples, beside n-grams and published figures; then call `unknown`.

    Args:
        encode: Encodes texts.
        train: File of the training questions.
        test: File of the test questions.
        draws: Number of random choices of the examples.
    """
    learn, ask = read(train), read(test)
    names = sorted(set(learn.intent.tolist()))
    number = {name: place for place, name in enumerate(names)}
    label, truth = (np.array([number[n] for n in part.intent.tolist()]) for part in (learn, ask))
    vectors, asked = encode(learn.texts), encode(ask.texts)
    english = [pa.array(["en"] * len(part), pa.string()) for part in (learn.texts, ask.texts)]
    for shots in SHOTS:
        ours, rival = [], []
        for draw in range(draws):
            rows = drawn(label, shots, draw)
            languages, means = language_means(unit(vectors[rows]), english[0].take(pa.array(rows)))
            inside = Rows(
                [learn.texts[n] for n in rows.tolist()],
                centre(vectors[rows], english[0].slice(0, len(rows)), languages, means),
                label[rows],
                np.full(len(rows), True),
                len(names) + 1,
            )
            weights, bias = fit_scores(inside, Setting(PENALTY, 1.0, STEPS))
            scores = centre(asked, english[1], languages, means) @ weights + bias
            ours.append(scores[:, :-1].argmax(axis=1))
            grams = NgramClassifier.fit([learn.texts[n] for n in rows], label[rows], len(names), np.ones(len(rows)))
            rival.append(grams.scores(ask.texts).argmax(axis=1))
        repeated = np.tile(truth, draws)
        for name, chosen in (("frozen e5", ours), ("n-grams", rival)):
            each = [float((one == truth).mean()) for one in chosen]
            width = accuracy_interval(truth, chosen[0], SEED)
            half = (width.high - width.low) / 2
            mean = float((np.concatenate(chosen) == repeated).mean())
            print(f"{shots:3} examples  {name:10} {mean:.3f} +- {half:.3f}  draws {min(each):.3f} to {max(each):.3f}")
        print(f"              published  {PUBLISHED.get(shots, '-')} (Casanueva et al. 2020)")
    unknown(vectors, asked, label, truth, english, draws)


def unknown(
    vectors: np.ndarray, asked: np.ndarray, label: np.ndarray, truth: np.ndarray, english: list[pa.Array], draws: int
) -> None:
    """Print the AUROC with which questions of unknown intents are distinguished from questions of known ones.

    The intents are divided at random. A sixth is hidden: no model sees an example of them, and they are the unknown
    ones of the test. The examples of another sixth are lent to the model as examples of "something else", so that it
    can learn what unknown questions look like. The rest are the known intents. Printed are figures with and without the
    lent examples, with 30 training examples per intent and with all.

    Args:
        vectors: Vectors of the training questions, float32 [n, dim].
        asked: Vectors of the test questions, float32 [m, dim].
        label: Intent number of each training question, [n].
        truth: Intent number of each test question, [m].
        english: Arrays of the language "en", one of length n and one of length m.
        draws: Number of random choices of the intents.
    """
    for shots in (30, 10_000):
        figures: dict[str, list[float]] = {}
        for draw in range(draws):
            order = np.random.default_rng(draw).permutation(int(label.max()) + 1)
            count = len(order) // 6
            lent, hidden, known = order[:count], order[count : 2 * count], np.sort(order[2 * count :])
            place = np.full(len(order), len(known))
            place[known] = np.arange(len(known))
            rows = drawn(label, shots, draw)
            rows = rows[~np.isin(label[rows], hidden)]
            tests = np.flatnonzero(~np.isin(truth, lent))
            known_test = np.isin(truth[tests], known)
            for name, use in (("without examples of others", ~np.isin(label[rows], lent)), ("with", rows >= 0)):
                mine = rows[use]
                languages, means = language_means(unit(vectors[mine]), english[0].take(pa.array(mine)))
                one = pa.array(["en"] * len(vectors), pa.string())
                inside = Rows(
                    [""] * len(mine),
                    centre(vectors[mine], one.slice(0, len(mine)), languages, means),
                    place[label[mine]],
                    np.full(len(mine), True),
                    len(known) + 1,
                )
                setting = Setting(PENALTY, 1.0, STEPS)
                fold = folds_of(np.arange(len(mine)), inside.label, 5)
                crossed = cross_fit(inside, inside.take(np.zeros(len(mine), bool)), [setting], fold)
                calibration = calibrate(crossed.scores, inside.label)
                weights, bias = fit_scores(inside, setting)
                scores = centre(asked[tests], one.slice(0, len(tests)), languages, means) @ weights + bias
                warm = scores / calibration.temperature
                inner = np.exp(warm[:, :-1] - warm[:, :-1].max(axis=1, keepdims=True))
                figures.setdefault(f"{name}: top probability", []).append(auroc(1 / inner.sum(axis=1), known_test))
                energy = np.log(np.exp(warm[:, :-1]).sum(axis=1))
                figures.setdefault(f"{name}: energy", []).append(auroc(energy, known_test))
                told = known_probability(warm, calibration.scope)
                figures.setdefault(f"{name}: the model", []).append(auroc(told, known_test))
        for name, values in figures.items():
            print(f"unknown intents, {min(shots, 9999):4} examples, {name:45} AUROC {np.mean(values):.3f}", end="")
            print(f"  draws {min(values):.3f} to {max(values):.3f}")


def drawn(label: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Draw row numbers, at most `shots` of each class.

    Args:
        label: Class number of each row, [n].
        shots: The most rows of a class.
        seed: Seed of the draw.
    """
    draw = np.random.default_rng(seed)
    return np.concatenate([draw.permutation(np.flatnonzero(label == c))[:shots] for c in range(int(label.max()) + 1)])


def learnt(encode: Encoder, files: Sequence[Path]) -> IntentModel:
    """Train an intent model on files of questions as the job train_intents does, but without its quality gates."""
    whole = joined([read(path) for path in files])
    order = np.argsort(~whole.person, kind="stable")
    texts = [whole.texts[n] for n in order.tolist()]
    language, person = whole.language.take(pa.array(order)), whole.person[order]
    names = sorted(set(whole.intent.tolist()) - {OTHER})
    number = {name: place for place, name in enumerate(names)} | {OTHER: len(names)}
    label = np.array([number[name] for name in whole.intent[order].tolist()])
    vectors = encode(texts)
    languages, means = language_means(unit(vectors), language)
    rows = Rows(texts, centre(vectors, language, languages, means), label, person, len(names) + 1)
    people = int(person.sum())
    fold = folds_of(near_duplicate_groups(texts[:people]), label[:people], 5)
    settings = [Setting(penalty, weight, STEPS) for penalty in (0.03, 0.1, 0.3) for weight in (10.0, 30.0, 100.0)]
    crossed = cross_fit(rows.take(person), rows.take(~person), settings, fold, HeadConfig().ngrams)
    known = label[:people] < len(names)
    right = (crossed.probabilities.argmax(axis=1) == label[:people])[known]
    print(f"learnt {len(texts):,} questions, {people:,} of people; cross-fitted {right.mean():.3f}; {crossed.setting}")
    return make_model(
        rows, crossed.setting, calibrate(crossed.scores, label[:people]), (tuple(names), languages), means
    )


def questions(encode: Encoder, model: IntentModel, files: Sequence[Path], half: str) -> None:
    """Print for each file the share of questions that the model classifies correctly, and its calibration error.

    For files with questions of the intent `other`, it also prints how well these are distinguished from known ones.

    Args:
        encode: Encodes texts into vectors.
        model: The intent model.
        files: Files of labelled questions.
        half: Use only questions with this value of the column `half`; "" uses all.
    """
    for path in files:
        ask = read(path, half)
        told = model.predict(encode(ask.texts), ask.language, ask.texts)
        right = np.array(told.intents) == ask.intent
        known = ask.intent != OTHER
        width = accuracy_interval(np.ones(int(known.sum()), int), right[known].astype(int), SEED)
        among = np.argsort(-told.probabilities[known], axis=1)[:, :3]
        three = np.mean(
            [name in [told.names[n] for n in row] for name, row in zip(ask.intent[known], among, strict=True)]
        )
        said = (
            f"{path.name}: {int(known.sum())} questions, right {width.value:.3f} ({width.low:.3f} to {width.high:.3f})"
        )
        sure = told.confidence.astype(float)
        off = reliability(right.astype(np.int64), np.column_stack([1 - sure, sure]))["ece"]
        print(f"{said}, among three {three:.3f}, calibration error {off:.3f}", end="")
        if not known.all():
            print(
                f"; {int((~known).sum())} of something else, AUROC known {auroc(1 - told.outside, known):.3f}", end=""
            )
            print(f", right {auroc(sure, right):.3f}", end="")
        print()


def tickets(encode: Encoder, model: IntentModel, files: Sequence[Path], half: str, target: float) -> None:
    """Print for each file how often answers to tickets miss the target precision, and how many tickets are answered.

    SPLITS times, the bounds of confidence (above which a ticket is answered automatically) are chosen on a random half
    of the tickets; precision and coverage are then measured on the other half.

    Args:
        encode: Encodes texts into vectors.
        model: The intent model.
        files: Files of labelled tickets.
        half: Use only tickets with this value of the column `half`; "" uses all.
        target: The precision wanted of automatic answers, 0 to 1.
    """
    for path in files:
        ask = read(path, half)
        told = model.predict(encode(ask.texts), ask.language, ask.texts)
        intent, sure = np.array(told.intents), told.confidence.astype(float)
        right = intent == ask.intent
        outcomes: list[tuple[float, float, int]] = []
        for split in range(SPLITS):
            order = np.random.default_rng(split).permutation(len(right))
            first, second = order[: len(order) // 2], order[len(order) // 2 :]
            labelled = Labelled(intent[first], sure[first], right[first], np.arange(len(first)) % 5)
            bounds = choose_thresholds(labelled, Targets(target, 0.7, 0.9, 10)).thresholds
            least = np.array([bounds.bounds(name).answer for name in intent[second].tolist()])
            taken = sure[second] >= least
            precision = float(right[second][taken].mean()) if taken.any() else 1.0
            outcomes.append((float(taken.mean()), precision, int(taken.any())))
        cover, share, some = (np.array(column) for column in zip(*outcomes, strict=True))
        mean = share[some > 0].mean() if some.any() else 1.0
        missed = f"target {target}: missed in {np.mean(share < target):.1%} of {SPLITS} splits"
        said = f"coverage {cover.mean():.3f}, precision {mean:.3f}, nothing answered in {1 - some.mean():.1%}"
        print(f"{path.name}: {len(right)} tickets, {missed}, {said}")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names: banking, questions or tickets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".bench"))
    commands = parser.add_subparsers(dest="command", required=True)
    bank = commands.add_parser("banking")
    bank.add_argument("train", type=Path)
    bank.add_argument("test", type=Path)
    bank.add_argument("--draws", type=int, default=5)
    for name in ("questions", "tickets"):
        one = commands.add_parser(name)
        one.add_argument("--learn", type=Path, nargs="+", required=True)
        one.add_argument("--ask", type=Path, nargs="+", required=True)
        one.add_argument("--half", default="")
        one.add_argument("--target", type=float, default=0.9)
    given = parser.parse_args(argv)
    encode = Encoder(given.cache)
    if given.command == "banking":
        banking(encode, given.train, given.test, given.draws)
        return
    model = learnt(encode, given.learn)
    questions(encode, model, given.ask, given.half)
    if given.command == "tickets":
        tickets(encode, model, given.ask, given.half, given.target)


if __name__ == "__main__":
    main()
