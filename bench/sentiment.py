"""Compare the speed of scoring reviews: the job score_reviews and its engine against Hugging Face transformers.

All sides score the same reviews with the same weights and the same head (the classifier on top), on all cores:

- HF pipeline: a custom pipeline class over a data set as the documentation shows, in batches of 32, in fp32;
- HF sorted, bf16: the same pipeline tuned by hand, with texts sorted by length and weights in bf16;
- HF sorted, bf16, compiled: with torch.compile as well, where that works;
- sentence-transformers: where it is installed and the encoder pools only its last layer;
- engine: this project's engine alone, in one process;
- job: the whole job in a running Ray session: finding new rows, starting workers, guessing languages, the memo (cache
  of results), quality gates and commit included.

Run: python -m bench.sentiment --rows 1000 --json bench/results/sentiment.json
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
import transformers
from bench.bound import bound, encoder_gflop
from bench.side_by_side import Missing, Side, alternate, benchmark, parser, record

from shopbatch import sample
from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
from shopbatch.capabilities.sentiment.head import LABELS, NAME, SentimentHead
from shopbatch.capabilities.sentiment.model import register_shipped
from shopbatch.capabilities.sentiment.run import score_reviews
from shopbatch.capabilities.sentiment.stage import SentimentStage, review_text
from shopbatch.core import config as conf
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.loading import load_encoder, load_transformers_tokenizer, model_config
from shopbatch.models.registry import adopt, find
from shopbatch.runs.report import Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.text.language import guess_language
from shopbatch.warehouse.store import Store

MADE = ("review_sentiment", "review_sentiment_rejects", "score_reviews_memo", "_runs")
BATCH = 32


class Work:
    """The work of all competitors: reviews in a temporary warehouse, and the model that scores them."""

    def __init__(self, folder: str, rows: int, others: str, max_tokens: int, real: bool = True) -> None:
        self.store = Store(f"{folder}/warehouse")
        self._fill(rows, real)
        models = f"{self.store.root}/_models"
        if others:
            live = find(others, f"{NAME}@live")
            adopt(models, find(others, SentimentHead.load(live.path).encoder))
            adopt(models, live, live=True)
        else:
            register_shipped(models)
        self.head = SentimentHead.load(find(models, f"{NAME}@live").path)
        self.encoder = Path(find(models, self.head.encoder).path)
        self.spec, self.max_tokens = EncoderSpec.load(self.encoder), max_tokens
        table = self.store.snapshot("reviews").read(["title", "text"])
        self.content = table.combine_chunks()
        self.texts: list[str] = review_text(table).to_pylist()

    def _fill(self, rows: int, real: bool) -> None:
        """Write `rows` distinct reviews into the warehouse: a seeded draw from the real sample, or generated ones."""
        aside = Store(f"{self.store.root}-all")
        kept = ["review_id", "title", "text", "language", "product_id"]
        if real:
            sample.fill_real(aside, 4 * rows)
        else:
            sample.fill_generated(aside, 4 * rows, 7)
        self.origin = "the real sample" if real else "generated"
        frame = pl.DataFrame(aside.snapshot("reviews").read(kept))
        frame = frame.filter(pl.col("text").str.contains(r"\p{L}")).unique(["title", "text"], maintain_order=True)
        frame = frame.sample(min(rows, len(frame)), seed=1, shuffle=True)
        schema = REVIEWS.schema()
        columns = {n: frame[n].to_arrow().cast(schema.field(n).type) for n in kept}
        table = REVIEWS.fill(len(frame), **columns)
        self.store.commit(REVIEWS, [self.store.write_file(REVIEWS, table, "bench", 0)], "replace", "bench")
        shutil.rmtree(aside.root)

    def labels(self, vectors: np.ndarray) -> np.ndarray:
        """Return the labels that the head gives to the vectors of all texts, string [n]."""
        best = self.head.probabilities(vectors, guess_language(pa.array(self.texts))).argmax(axis=1)
        return np.array(LABELS)[best]


class Vectors(transformers.Pipeline):  # type: ignore[misc]
    """A transformers pipeline from texts to the vectors that the head reads, written as its documentation advises."""

    _load_tokenizer = True
    spec: EncoderSpec
    max_tokens: int

    def _sanitize_parameters(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {}, {}

    def preprocess(self, text: str, **_: Any) -> Any:
        """Tokenize a text with the encoder's prefix, cut to `max_tokens`."""
        cut = {"truncation": True, "max_length": self.max_tokens}
        return self.tokenizer(self.spec.prefix + text, return_tensors="pt", **cut)

    def _forward(self, inputs: Any, **_: Any) -> Any:
        layers = self.model(**inputs, output_hidden_states=True).hidden_states
        present = inputs["attention_mask"].unsqueeze(-1).float()
        wanted = [layers[i].float() for i in self.spec.layers]
        return {"vectors": torch.cat([(x * present).sum(1) / present.sum(1) for x in wanted], 1)}

    def postprocess(self, outputs: Any, **_: Any) -> np.ndarray:
        """Return the vector of a text as float array [dim]."""
        return np.asarray(outputs["vectors"][0])


def pipeline_of(work: Work, dtype: str) -> Vectors:
    """Return the transformers pipeline of the encoder, without the layers that the head does not read.

    Args:
        work: The reviews and the model.
        dtype: Number format of the weights, such as "bfloat16".

    Raises:
        Missing: The encoder does not pool by the mean of the tokens.
    """
    model, spec = load_encoder(work.encoder, work.spec, dtype)
    if spec.pooling != ("mean",):
        raise Missing("the pipeline of this benchmark knows the mean of a text's tokens only")
    made = Vectors(model=model.eval(), tokenizer=load_transformers_tokenizer(work.encoder), device="cpu")
    made.spec, made.max_tokens = spec, work.max_tokens
    return made


def hugging_face(work: Work, dtype: str, by_length: bool, compiled: bool = False) -> Callable[[], np.ndarray]:
    """Return a function that scores all reviews with transformers, and returns the labels in the order of the reviews.

    Args:
        work: The reviews and the model.
        dtype: Number format of the weights, such as "bfloat16".
        by_length: Sort the texts by length before they are batched.
        compiled: Compile the model with torch.compile.
    """
    made = pipeline_of(work, dtype)
    if compiled:
        made.model.forward = torch.compile(made.model.forward, dynamic=True)
    order = sorted(range(len(work.texts)), key=lambda i: len(work.texts[i])) if by_length else range(len(work.texts))

    def rows() -> Iterator[str]:
        yield from (work.texts[i] for i in order)

    def run() -> np.ndarray:
        vectors = np.empty((len(work.texts), work.head.dim), np.float32)
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            for place, vector in zip(order, made(rows(), batch_size=BATCH), strict=True):
                vectors[place] = vector
        return work.labels(vectors)

    return run


def sentence_transformer(work: Work) -> Callable[[], np.ndarray]:
    """Return a function that labels all reviews with sentence-transformers, for encoders that pool their last layer."""
    from sentence_transformers import SentenceTransformer, models

    words = models.Transformer(str(work.encoder), max_seq_length=work.max_tokens)
    made = SentenceTransformer(modules=[words, models.Pooling(words.get_word_embedding_dimension())], device="cpu")
    return lambda: work.labels(made.encode([work.spec.prefix + t for t in work.texts], batch_size=BATCH))


def engine(work: Work, config: OpenVinoConfig) -> Callable[[], np.ndarray]:
    """Return a function that labels all reviews with this project's stage and engine in this process."""
    head = find(f"{work.store.root}/_models", f"{NAME}@live")
    scorer = SentimentStage(config, str(work.encoder), head.path, {}).open()

    def run() -> np.ndarray:
        labels = np.empty(len(work.texts), object)
        for rows in scorer.plan(work.content):
            raw = scorer.run(work.content.take(pa.array(rows)), np.ones(len(rows), np.int8))
            labels[rows] = np.array(LABELS)[np.column_stack([raw[f"p_{x}"] for x in LABELS]).argmax(axis=1)]
        return labels.astype(str)

    return run


def job(work: Work, config: ScoreReviewsConfig) -> np.ndarray:
    """Run the job score_reviews, and return the published labels in the order of the reviews; "" for rejected ones."""
    score_reviews(config, work.store, Report(job="score_reviews"))
    keys = pl.DataFrame(work.store.snapshot("reviews").read(["review_id"]))
    live = pl.DataFrame(work.store.snapshot("review_sentiment").read(["review_id", "label"]))
    return keys.join(live, on="review_id", how="left", maintain_order="left")["label"].fill_null("").to_numpy()


def sides_of(work: Work, threads: int) -> tuple[list[Side], dict[str, str]]:
    """Return the competitors that this machine can run, and by name the reasons why others cannot run.

    Args:
        work: The reviews and the model.
        threads: Threads of the engine.
    """
    engine_of = {"kind": "openvino", "max_tokens": work.max_tokens}
    settings = [f"platform.warehouse={work.store.root}", f"engine={json.dumps(engine_of)}", "windows=1"]
    config = conf.load(ScoreReviewsConfig, "score_reviews", "local", [*settings, "gates.reject_share=1.0"])

    def forget() -> None:
        for name in MADE:
            shutil.rmtree(Path(work.store.root) / name, ignore_errors=True)

    sides = [
        Side("HF pipeline", hugging_face(work, "float32", by_length=False)),
        Side("HF sorted, bf16", hugging_face(work, "bfloat16", by_length=True)),
        Side("engine", engine(work, OpenVinoConfig(max_tokens=work.max_tokens, threads=threads)), ours=True),
        Side("job", lambda: job(work, config), ours=True, before=forget),
    ]
    not_run: dict[str, str] = {}
    try:
        compiled = hugging_face(work, "bfloat16", by_length=True, compiled=True)
        compiled()
        sides.insert(2, Side("HF sorted, bf16, compiled", compiled))
    except (RuntimeError, OSError) as error:  # the compiler failed, or there is none
        not_run["HF sorted, bf16, compiled"] = f"torch.compile: {type(error).__name__}"
    if importlib.util.find_spec("sentence_transformers") is None:
        not_run["sentence-transformers"] = "not installed"
    elif work.spec.layers in ((-1,),):
        sides.insert(2, Side("sentence-transformers", sentence_transformer(work)))
    else:
        not_run["sentence-transformers"] = "it pools the last layer only; this encoder pools others"
    return sides, not_run


@benchmark
def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure all competitors, print the comparison, and return the figures that --json writes into a file."""
    made = parser(__doc__, rows=1000)
    made.add_argument("--models", default="", help="a registry whose live sentiment model is used, not the shipped one")
    made.add_argument("--max-tokens", type=int, default=256)
    made.add_argument("--generated", action="store_true", help="generated reviews instead of the real sample")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    made.add_argument("--size", type=int, default=2048, help="of the matrices of the bound")
    given = made.parse_args(argv)
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Work(folder, given.rows, given.models, given.max_tokens, not given.generated)
        with ray_session(Platform(cpus=given.threads)):
            sides, not_run = sides_of(work, given.threads)
            taken = alternate(sides, given.rounds)
        base = taken["HF pipeline"].returned
        agree = {name: round(float((t.returned == base).mean()), 4) for name, t in taken.items()}
        peak = bound(given.threads, given.size)
        lengths = np.array([len(e) for e in _tokens(work)])
        depth = max(work.spec.depths(int(model_config(work.encoder)["num_hidden_layers"])))
        gflop = encoder_gflop(model_config(work.encoder), depth, lengths)
        least = {kind: round(gflop / peak[kind], 3) for kind in ("fp32", "bf16")}
        more = {
            "agreement": {"with": "HF pipeline", "labels": agree},
            "bound": peak | {"least_seconds": least},
            "not_run": not_run,
            "notes": {"tokens": int(lengths.sum()), "gflop": round(gflop, 1), "reviews": work.origin},
        }
        return record("sentiment", "reviews", len(work.texts), taken, given.json, argv, **more)


def _tokens(work: Work) -> list[list[int]]:
    """Return the token ids of each review."""
    from shopbatch.engines.tokens import Reader

    return Reader(work.encoder, work.spec.prefix, work.max_tokens, 2048).rows(pa.array(work.texts))


if __name__ == "__main__":
    main()
