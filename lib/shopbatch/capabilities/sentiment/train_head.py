"""Labelled reviews -> a calibrated sentiment head on an encoder that stays as it is: the job train_sentiment_head.

There is one multinomial logistic regression per language (L-BFGS, L2), and one temperature per language, fitted on the
validation examples (Guo et al. 2017). The same examples and vectors always give the same head.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.bias.probe import identity, probes
from shopbatch.capabilities.sentiment.bias.steady import Steady, differences, with_neutral_copies
from shopbatch.capabilities.sentiment.calibrate import FEW
from shopbatch.capabilities.sentiment.config import ExampleConfig, HeadConfig, TrainHeadConfig
from shopbatch.capabilities.sentiment.evaluate import evaluate
from shopbatch.capabilities.sentiment.examples import OTHER, SOURCE, read_examples
from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.core.hashing import digest
from shopbatch.engines.configs import EngineConfig
from shopbatch.evaluation.calibration import log_loss, temperature
from shopbatch.models import erasure, registry
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.one_thread import minimise
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 2  # of examples and fit: raising it makes the next run train again


def train_head(config: TrainHeadConfig, store: Store, report: Report) -> None:
    """Train a head and publish it, unless the live one came from the same reviews, encoder and configuration."""
    reviews = store.require(REVIEWS, SOURCE)
    models = f"{store.root}/_models"
    encoder = registry.base(models, config.encoder)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"encoder": encoder.digest}
    report.engine = EngineUse(config.engine.kind)
    origin = origin_of(reviews, encoder.digest, config.engine, config.examples, config.head)
    if runs.already_live(models, sentiment_head.NAME, origin, report):
        return
    with report.stage("examples") as stage:
        examples = read_examples(reviews, config.examples)
        stage.rows = examples.num_rows
    with report.stage("embed") as stage:
        encoded = embed(examples, config.engine, encoder.path, config.workers)
        judge = BiasJudge(models, config.engine, config.workers, config.gates.bias, config.head.seed)
        copies = judge.copies(encoder)
        stage.rows = examples.num_rows + len(copies)
    report.engine.tokens_in = int(encoded.tokens.sum())
    with report.stage("fit"):
        head = fit_steadily(examples, encoded.vectors, copies, config.head, encoder.reference)
        quality = evaluate(head, examples, encoded.vectors, config.head.seed)
    with report.stage("bias"):
        report.gates = judge.gates(head, encoder, copies, report)
    refuse_if_failed(report.gates)
    trained = examples.filter(pc.equal(examples["split"], "train"))
    about = {
        "encoder": encoder.reference,
        "metrics": quality,
        "origin": origin,
        "base": encoder.reference,
        **erasure.record(store, erasure.text_names(trained["text"])),
        "licence": f"derived from {encoder.name} ({encoder.manifest.get('licence', 'unknown licence')})",
    }
    published = registry.publish(models, sentiment_head.NAME, head.save, live=True, **about)
    report.models[sentiment_head.NAME] = published.digest
    report.outcome, report.metrics["quality"] = "published", quality


def fit_steadily(
    examples: pa.Table, vectors: np.ndarray, copies: np.ndarray, config: HeadConfig, encoder: str
) -> SentimentHead:
    """Fit a head that gives copies of a sentence in which another person stands much the same score (`bias.steady`).

    Args:
        examples, vectors, config, encoder: As for `fit`.
        copies: The vectors of all counterfactual sentences, float32 [sentences, dim].
    """
    if not config.counterfactual:
        return fit(examples, vectors, config, encoder)
    steady = Steady.of(differences(probes(), copies), vectors, config.counterfactual)
    rows, all_vectors = with_neutral_copies(examples, vectors, probes(), copies)
    return steady.folded(fit(rows, steady.applied(all_vectors), config, encoder))


def origin_of(reviews: Snapshot, encoder: str, engine: EngineConfig, examples: ExampleConfig, head: HeadConfig) -> str:
    """Return the digest of everything that a head is made from. Equal origins give equal heads."""
    return digest(
        {
            "version": VERSION,
            "reviews": [reviews.table_id, reviews.version],
            "encoder": encoder,
            "engine": engine.identity(),
            "examples": examples.model_dump(mode="json"),
            "head": head.model_dump(mode="json"),
            "copies": identity(),
        }
    )


def fit(examples: pa.Table, vectors: np.ndarray, config: HeadConfig, encoder: str) -> SentimentHead:
    """Fit a head.

    Args:
        examples: label, language and split of each example (see `examples.choose`).
        vectors: Their vectors, float32 [n, dim].
        config: How the head is fitted.
        encoder: Reference of the encoder that made the vectors.
    """
    label, language, split = (examples[c].to_numpy() for c in ("label", "language", "split"))
    languages = sorted(set(language.tolist()), key=lambda name: (name != OTHER, name))
    chosen: list[tuple[np.ndarray, np.ndarray, float]] = []
    for name in languages:
        train, val = (np.flatnonzero((language == name) & (split == s)) for s in ("train", "val"))
        if len(val) < FEW:
            val = train
        best = float("inf")
        for l2 in config.l2:
            w, b = _regress(vectors[train], label[train].astype(np.int64), l2, config.steps)
            logits = vectors[val] @ w + b
            t = temperature(logits, label[val])
            loss = log_loss(logits / t, label[val])
            if loss < best:
                best, kept = loss, (w, b, t)
        chosen.append(kept)
    weights, bias, temperatures = (np.asarray(x, np.float32) for x in zip(*chosen, strict=True))
    return SentimentHead(tuple(languages), weights, bias, temperatures, encoder)


def _regress(vectors: np.ndarray, label: np.ndarray, l2: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (weights [dim, 3], bias [3]) of a multinomial logistic regression on standardised vectors.

    The loss is the mean cross entropy plus l2 times the sum of the squared weights. The result is for the vectors as
    they come: the standardisation is folded into it.
    """
    mean, scale = vectors.mean(0, dtype=float), vectors.std(0, dtype=float) + 1e-6
    inputs = torch.from_numpy((vectors - mean) / scale)
    target = torch.from_numpy(label)
    weights = torch.zeros((inputs.shape[1], len(LABELS)), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(LABELS), dtype=torch.float64, requires_grad=True)

    def loss() -> torch.Tensor:
        return torch.nn.functional.cross_entropy(inputs @ weights + bias, target) + l2 * (weights**2).sum()

    minimise([weights, bias], loss, steps)
    w, b = weights.detach().numpy(), bias.detach().numpy()
    w = w / scale[:, None]
    return w, b - mean @ w
