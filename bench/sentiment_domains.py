"""Evaluate the sentiment head by language and domain (kind of shop), also on domains that are left out of its training.

Labels: the figures are printed for all held-out texts and for those with a clear label. A label is clear if a naive
Bayes classifier of characters, fitted on the training texts of the language, predicts it too. The reason: in one review
set of the sample, the label of a whole review was given to each of its lines, and many lines do not support it. The
choice of clear labels does not look at the head that is evaluated. But a text that is easy for the characters is easier
for the head too, so the true figure lies between that of all and that of clear labels. 200 Chinese lines are also
labelled by hand (sentiment_labels_zh.yaml).

Long texts: an encoder reads at most one window of tokens at once. Texts longer than a window are scored in three ways:
cut after the first window, in up to three windows, and whole in a window of 512 tokens. --windows are the sizes of
windows to try.

Run: python -m bench.sentiment_domains WAREHOUSE [--cache FOLDER] [--rows 8000] [--windows 64]
(a warehouse with the sample's reviews; the vectors are cached in FOLDER, so that a second run takes a minute)
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from bench.side_by_side import benchmark

from shopbatch.capabilities.sentiment.config import ExampleConfig, HeadConfig
from shopbatch.capabilities.sentiment.evaluate import evaluate, of_domain
from shopbatch.capabilities.sentiment.examples import SOURCE, candidates, choose
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.head import NEGATIVE, NEUTRAL, POSITIVE, SentimentHead
from shopbatch.capabilities.sentiment.left_out import leave_domains_out
from shopbatch.core.hashing import digest
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import EngineConfig, FakeConfig, OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.baselines import CharacterBayes
from shopbatch.models.registry import base
from shopbatch.warehouse.store import Store


def vectors_of(texts: Sequence[str], engine: EngineConfig, model: str | None, windows: int, cache: Path | None) -> Any:
    """Return the vectors of texts, float32 [n, dim], from the cache if the same texts were encoded before.

    Args:
        texts: The texts.
        engine: Settings of the engine.
        model: Folder of the encoder; None for the fake engine.
        windows: The most windows (stretches of `max_tokens` tokens) of one text that are encoded.
        cache: Folder for the vectors, by a digest of texts, engine, model and windows; None caches nothing.
    """
    name = digest([digest(list(texts)), engine.identity(), model or "", windows])
    file = cache / f"{name}.npy" if cache else None
    if file is not None and file.exists():
        return np.load(file)
    vectors = encode_all(open_engine(engine, model, windows), pa.array(texts, pa.string())).vectors
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, vectors)
    return vectors


def clear_rows(examples: pa.Table) -> np.ndarray:
    """Return a boolean mask [n]: True for test rows with a clear label.

    A label is clear if a naive Bayes of characters, fitted on the training rows of the same language, predicts it too.
    Rows with a neutral label are never clear.

    Args:
        examples: Columns text, label, language, split.
    """
    label, language, split = (examples[c].to_numpy(zero_copy_only=False) for c in ("label", "language", "split"))
    texts, clear = examples["text"].to_pylist(), np.zeros(len(label), bool)
    for name in sorted(set(language.tolist())):
        sure = (language == name) & (label != NEUTRAL)
        train, test = np.flatnonzero(sure & (split == "train")), np.flatnonzero(sure & (split == "test"))
        if len(train) and len(test):
            bayes = CharacterBayes.fit([texts[i] for i in train], label[train])
            clear[test] = bayes.predict([texts[i] for i in test]) == label[test]
    return clear


def short(figures: dict[str, Any]) -> str:
    """Format the figures of a domain in one line: rows, accuracy, balanced accuracy, recall of negatives, ECE."""
    numbers = {k: v["value"] if isinstance(v, dict) else v for k, v in figures.items()}
    interval = figures["balanced_accuracy"] or {"low": float("nan"), "high": float("nan")}
    return (
        f"rows {numbers['test_rows']:>6}  accuracy {numbers['accuracy']:.3f}  "
        f"balanced {numbers['balanced_accuracy']:.3f} "
        f"({interval['low']:.3f} to {interval['high']:.3f})  recall of negatives {numbers['recall_negative']:.3f}  "
        f"ECE {numbers['ece']:.3f}"
    )


def home(head: SentimentHead, examples: pa.Table, vectors: np.ndarray) -> None:
    """Print the head's figures on held-out texts by language: on all labels, on clear labels, and by domain."""
    label, language, split = (examples[c].to_numpy(zero_copy_only=False) for c in ("label", "language", "split"))
    probabilities, clear = head.probabilities(vectors, examples["language"].combine_chunks()), clear_rows(examples)
    for name, quality in evaluate(head, examples, vectors, 0).items():
        rows = np.flatnonzero((language == name) & (split == "test"))
        print(f"{name:6} {'all labels':28} {short(of_domain(label[rows], probabilities[rows], 0))}")
        some = rows[clear[rows]]
        print(f"{name:6} {'clear labels':28} {short(of_domain(label[some], probabilities[some], 0))}")
        for domain, figures in quality.get("domains", {}).items():
            if figures["accuracy"] is not None:
                print(f"{name:6} {domain:28} {short(figures)}")


def by_hand(head: SentimentHead, examples: pa.Table, vectors: np.ndarray) -> None:
    """Print the head's figures on the Chinese lines labelled by hand; nothing if the examples hold none of them."""
    words = yaml.safe_load(Path(__file__).with_name("sentiment_labels_zh.yaml").read_text("utf-8"))
    labels = {name: {"n": NEGATIVE, "u": NEUTRAL, "p": POSITIVE}[key] for key, names in words.items() for name in names}
    held_out = examples["split"].to_numpy(zero_copy_only=False) == "test"
    texts = examples["text"].to_pylist()
    rows = np.array([i for i in np.flatnonzero(held_out) if digest(texts[i]) in labels], np.int64)
    if not len(rows):
        return
    truth = np.array([labels[digest(texts[i])] for i in rows])
    stated = examples["label"].to_numpy()[rows]
    p = head.probabilities(vectors[rows], examples["language"].take(pa.array(rows)).combine_chunks())
    sided, middle = truth != NEUTRAL, truth == NEUTRAL
    print(f"zh     {'labelled by hand':28} {short(of_domain(truth[sided], p[sided], 0))}")
    pairs = p[middle, NEUTRAL][:, None] > p[sided, NEUTRAL]
    above = pairs.mean() if pairs.size else float("nan")
    print(
        f"       of these the stated label agrees on {(truth == stated)[sided].mean():.3f}; the probability of neutral "
        f"of a neutral line is above that of another in {above:.3f} of pairs; {middle.mean():.3f} are neutral by hand, "
        f"{(p.argmax(axis=1) == NEUTRAL).mean():.3f} by the head"
    )


def long_texts(head: SentimentHead, examples: pa.Table, engine: OpenVinoConfig, model: str, cache: Path | None) -> None:
    """Print the head's figures on held-out texts longer than one window, which are scored in three ways.

    The ways: cut after the first window, in up to 3 windows, and in one window of 512 tokens.

    Args:
        head: The head to evaluate.
        examples: The labelled texts; those of the split test are used.
        engine: Settings of the engine; its `max_tokens` is the size of a window.
        model: Folder of the encoder.
        cache: Folder for the vectors; None caches nothing.
    """
    test = examples.filter(pc.equal(examples["split"], "test"))
    wide = engine.model_copy(update={"max_tokens": 512})
    texts = test["text"].to_pylist()
    tokens = encode_lengths(texts, wide, model)
    test = test.filter(pa.array(tokens > engine.max_tokens))
    texts, label = test["text"].to_pylist(), test["label"].to_numpy()
    for what, config, windows in (("cut", engine, 1), ("in 3 windows", engine, 3), ("whole (512)", wide, 1)):
        p = head.probabilities(vectors_of(texts, config, model, windows, cache), test["language"].combine_chunks())
        print(f"longer than {engine.max_tokens} tokens, {what:14} {short(of_domain(label, p, 0))}")


def encode_lengths(texts: Sequence[str], engine: OpenVinoConfig, model: str) -> np.ndarray:
    """Return the number of tokens of each text, int64 [n]; at most `engine.max_tokens` are counted."""
    from shopbatch.engines.windows import WindowCutter

    cutter = WindowCutter(Path(model), engine.max_tokens, 1)
    return np.array([cutter.tokens(text)[0] for text in texts])


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Read the labelled reviews, encode them, fit a sentiment head, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--rows", type=int, default=8000, help="training rows per language and domain")
    parser.add_argument("--windows", type=int, nargs="*", default=[64, 256], help="sizes of windows to compare")
    parser.add_argument("--engine", choices=("openvino", "fake"), default="openvino")
    parser.add_argument("--head", default="{}", help="settings of the head, as JSON")
    given = parser.parse_args(argv)
    store = Store(given.warehouse)
    reviews = store.snapshot("reviews").read(list(SOURCE)).combine_chunks()
    sizes = {"train_rows": given.rows, "val_rows": given.rows * 3 // 16, "test_rows": given.rows * 5 // 16}
    examples = choose(candidates(reviews), ExampleConfig(**sizes, min_rows=min(200, given.rows // 2)))
    settings = HeadConfig(**json.loads(given.head))
    engine = FakeConfig() if given.engine == "fake" else OpenVinoConfig(threads=2)
    model = None if given.engine == "fake" else base(f"{store.root}/_models", "e5-small").path
    vectors = vectors_of(examples["text"].to_pylist(), engine, model, 1, given.cache)
    head = fit(examples, vectors, settings, "")
    print(f"{examples.num_rows} texts, languages {', '.join(head.languages)}, temperatures {head.temperature.round(3)}")
    home(head, examples, vectors)
    by_hand(head, examples, vectors)
    for name, domains in leave_domains_out(examples, vectors, settings).items():
        for domain, figures in domains.items():
            print(f"{name:6} {'without ' + domain:28} {short(figures)}")
    for size in given.windows if isinstance(engine, OpenVinoConfig) and model else ():
        long_texts(head, examples, engine.model_copy(update={"max_tokens": size}), str(model), given.cache)


if __name__ == "__main__":
    main()
