"""Compare the speed of score_reviews and its faster variants with Hugging Face's pipeline, on one thread each.

Run: python -m bench.sentiment_speed WAREHOUSE [--rounds 5] [--texts 400] [--int8 sentiment@DIGEST] [--cascade NAME]
(a warehouse with the sample's reviews, and the models that compress_encoder and train_cascade have registered there)

The contenders (score_reviews with the live model in bf16, its variants, and the pipelines) take turns on the same
texts, in the order in which reviews come. The time is the CPU time of this process. Speeds are compared by the ratio of
two contenders' times in the same round; the median, lowest and highest ratio are printed. The model of Hugging Face's
pipeline has the same number of layers as the live model and a head of the same form, but random weights: only its speed
is measured.

Agreement is the share of labels that equal those of the live model in bf16, on texts that are neither training nor test
examples of a head.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyarrow as pa
import torch
from bench.side_by_side import benchmark
from transformers import AutoConfig, BertForSequenceClassification, PreTrainedTokenizerFast, pipeline

from shopbatch.capabilities.sentiment.cascade.model import Cascade, parts
from shopbatch.capabilities.sentiment.cascade.stage import CascadeScorer
from shopbatch.capabilities.sentiment.config import ExampleConfig
from shopbatch.capabilities.sentiment.examples import SOURCE, candidates, choose
from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.capabilities.sentiment.stage import SentimentScorer, review_text
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.proportions import score_interval
from shopbatch.models import registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store

ENGINE = OpenVinoConfig()
Contender = Callable[[pa.Table], pa.Table | None]


def scorer(models: str, head: str) -> SentimentScorer:
    """Return a scorer of reviews with a head of the registry and its encoder.

    Args:
        models: Folder of the registry.
        head: Reference of the head, such as "sentiment@live".
    """
    loaded = SentimentHead.load(registry.find(models, head).path)
    return SentimentScorer(open_engine(ENGINE, registry.find(models, loaded.encoder).path, 3), loaded)


def score(each: SentimentScorer | CascadeScorer) -> Contender:
    """Return a contender that scores reviews as the job score_reviews does, in batches that the scorer itself plans.

    The contender returns the raw outputs in the order of the reviews.
    """

    def run(content: pa.Table) -> pa.Table:
        plan = each.plan(content)
        raw = [each.run(content.take(pa.array(rows)), np.ones(len(rows), np.int8)) for rows in plan]
        return pa.concat_tables(raw).take(pa.array(np.argsort(np.concatenate(plan))))

    return run


def hf(folder: Path, sort: bool, dtype: torch.dtype, batch: int) -> Contender:
    """Return a contender that runs Hugging Face's text-classification pipeline; it returns no outputs.

    Args:
        folder: Folder of the encoder, for its tokenizer and sizes; the weights are random.
        sort: Sort the texts by length first.
        dtype: Number format of the weights.
        batch: Texts per batch.
    """
    config = AutoConfig.from_pretrained(folder, num_labels=len(LABELS))
    config.num_hidden_layers = max(EncoderSpec.load(folder).depths(config.num_hidden_layers))
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).to(dtype).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    pipe = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")

    def run(content: pa.Table) -> None:
        texts = [f"query: {text}" for text in review_text(content).to_pylist()]
        texts = sorted(texts, key=len) if sort else texts
        assert len(pipe(texts, batch_size=batch, truncation=True, max_length=ENGINE.max_tokens)) == len(texts)

    return run


def contenders(models: str, arguments: argparse.Namespace) -> dict[str, Contender]:
    """Return all contenders by name; the first is the large model in bf16, with which the others are compared."""
    live = registry.find(models, arguments.large)
    large = scorer(models, live.reference)
    named: dict[str, Contender] = {"score_reviews, bf16": score(large)}
    for head in arguments.int8 or ():
        named[f"score_reviews, {head}"] = score(scorer(models, head))
    for reference in arguments.cascade or ():
        cascade = Cascade.load(registry.find(models, reference).path)
        used = parts(models, reference, registry.find(models, cascade.large).digest)
        both = CascadeScorer([scorer(models, h.reference) for h in used.heads], scorer(models, cascade.large), cascade)
        named[f"score_reviews, {reference}"] = score(both)
    folder = local(registry.find(models, SentimentHead.load(live.path).encoder).path)
    if not arguments.no_hf:
        named["HF pipeline, batches of 32"] = hf(folder, False, torch.float32, 32)
        named["HF pipeline, sorted, bf16, batches of 32"] = hf(folder, True, torch.bfloat16, 32)
    return named


def speed(named: dict[str, Contender], content: pa.Table, rounds: int) -> None:
    """Print how many times as fast each contender is as Hugging Face's pipelines and as the first contender.

    Args:
        named: The contenders by name.
        content: The reviews to score, columns title and text.
        rounds: Number of measured rounds; one more before them warms up, and is not measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in named}
    for number in range(rounds + 1):
        order = list(named) if number % 2 else list(reversed(named))
        for name in order:
            began = time.process_time()
            named[name](content)
            if number:
                seconds[name].append(time.process_time() - began)
        print(f"round {number}", {n: round(s[-1], 2) for n, s in seconds.items() if s}, flush=True)
    for base in [n for n in named if n.startswith("HF")] + [next(iter(named))]:
        for name, own in seconds.items():
            ratios = sorted(theirs / mine for theirs, mine in zip(seconds[base], own, strict=True))
            print(f"{statistics.median(ratios):6.2f} x {base}  ({ratios[0]:.2f} to {ratios[-1]:.2f}): {name}, "
                  f"{content.num_rows / statistics.median(own):.0f} texts a second")  # fmt: skip


def agree(named: dict[str, Contender], content: pa.Table, language: np.ndarray) -> None:
    """Print for each contender the share of labels that equal the first contender's, in all and by language.

    Contenders of Hugging Face are left out, since their weights are random.

    Args:
        named: The contenders by name.
        content: The reviews, columns title and text.
        language: Language code of each review, [n].
    """
    labels = {name: _labels(run(content)) for name, run in named.items() if not name.startswith("HF")}
    first = next(iter(labels.values()))
    for name, own in list(labels.items())[1:]:
        for code in ["all", *sorted(set(language.tolist()))]:
            rows = np.full(len(own), True) if code == "all" else language == code
            low, high = score_interval(np.array([(own == first)[rows].sum()]), np.array([rows.sum()]), 0.95)
            share = (own == first)[rows].mean()
            print(f"{share:.4f} ({low[0]:.4f} to {high[0]:.4f}) of {rows.sum():,} labels as in bf16, {code}: {name}")


def _labels(raw: Any) -> np.ndarray:
    """Return the index of the most probable label of each row of raw outputs, [n]."""
    return np.asarray(np.column_stack([raw[f"p_{label}"].to_numpy() for label in LABELS]).argmax(axis=1))


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Choose the texts, then print the agreement and the speed of all contenders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warehouse")
    parser.add_argument("--large", default="sentiment@live")
    parser.add_argument("--int8", action="append", help="a head of compress_encoder")
    parser.add_argument("--cascade", action="append", help="a cascade of train_cascade")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--agree", type=int, default=3000, help="texts by which agreement is measured")
    parser.add_argument("--no-hf", action="store_true")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    store = Store(arguments.warehouse)
    named = contenders(f"{store.root}/_models", arguments)
    reviews = store.require(REVIEWS, SOURCE).read(SOURCE)
    examples = choose(candidates(reviews), ExampleConfig(val_rows=10**6))
    held = examples.filter(pa.array(examples["split"].to_numpy() == "val"))  # all of them, in the table's mix
    texts = held["text"].combine_chunks()
    content = pa.table({"title": pa.nulls(len(texts), pa.string()), "text": texts.cast(pa.string())})
    agree(named, content.slice(0, arguments.agree), np.asarray(held["language"].to_pylist())[: arguments.agree])
    speed(named, content.slice(0, arguments.texts), arguments.rounds)


if __name__ == "__main__":
    main()
