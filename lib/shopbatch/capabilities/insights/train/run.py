"""The entry point of the job `train_aspects`, which learns from reviews and people's labels.

It publishes the model `aspects`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.insights import clauses as splitting
from shopbatch.capabilities.insights.config import TrainAspectsConfig
from shopbatch.capabilities.insights.model import CUT, NAME, AspectModel
from shopbatch.capabilities.insights.taxonomy import Taxonomy, find
from shopbatch.capabilities.insights.train import judge
from shopbatch.capabilities.insights.train.errors import unseen_errors
from shopbatch.capabilities.insights.train.examples import SOURCE, Sentences, WeakClauses, read_clauses, read_sentences
from shopbatch.capabilities.insights.train.fit import Labelled
from shopbatch.capabilities.insights.train.fit_all import Fitted, fit_all
from shopbatch.capabilities.insights.train.measure import Judged, macro_f1
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.engines.base import EngineError, encode_all
from shopbatch.engines.factory import open_engine, prepare
from shopbatch.models import erasure, registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.review_aspects import ASPECT_LABELS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.config import identity
from shopbatch.warehouse.gates import Gate, refuse_if_failed
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 2  # of reading, choosing and fitting: raising it makes the next run train again
_UNSEEN = 30  # labelled sentences that the live model did not learn from, from which it is judged


def train_aspects(config: TrainAspectsConfig, store: Store, report: Report) -> None:
    """Train, judge and publish the aspect model, unless the live one was made from the same rows, encoder and settings.

    Args:
        config: Settings of the job.
        store: The warehouse with the tables and the model registry.
        report: The report of the run.

    Raises:
        UserError: A taxonomy is unknown, or has no review that clearly belongs to it.
        GateRefused: There are too few labels to judge the model, or it is not better than the lexicons, or it is worse
            than the live model.
    """
    taxonomies = _taxonomies(config)
    reviews = store.require(REVIEWS, SOURCE)
    labels = store.find(ASPECT_LABELS.name)
    models = f"{store.root}/_models"
    encoder = None if config.engine.kind == "fake" else registry.base(models, config.encoder)
    report.unit, report.engine = "clauses", EngineUse(config.engine.kind)
    report.tables[REVIEWS.name] = {"read": reviews.version}
    if labels is not None:
        report.tables[ASPECT_LABELS.name] = {"read": labels.version}
    if encoder is not None:
        report.models["encoder"] = encoder.digest
    origin = _origin(config, taxonomies, encoder, reviews, labels)
    if runs.already_live(models, NAME, origin, report):
        return
    with report.stage("examples") as stage:
        examples = read_clauses(reviews, taxonomies, config.examples)
        labelled = _rows(labels)
        sentences = read_sentences(labelled, taxonomies)
        _check(examples, taxonomies)
        stage.rows = len(examples.texts)
    with report.stage("fit"):
        encode = _Encode(config, encoder, report)
        reference = "" if encoder is None else encoder.reference
        fitted = fit_all(config, taxonomies, examples, sentences, encode, reference)
    with report.stage("judge"):
        quality = judge.measure(fitted, config)
        metrics = judge.fill_report(report, quality, fitted, config.examples.seed)
        report.gates = judge.gates(quality, config)
        report.gates += _against_live(config, store, fitted, sentences, _labels_digest(sentences), encode)
    refuse_if_failed(report.gates)
    about = {
        "metrics": metrics,
        "errors": unseen_errors(fitted),
        "origin": origin,
        "encoder": reference,
        "taxonomies": {name: list(taxonomy.names) for name, taxonomy in taxonomies.items()},
        "labels": {"digest": _labels_digest(sentences), "macro_f1": None if _unknown(quality) else quality.macro.value},
        **erasure.record(store, _named(examples, labelled)),
        "config": report.config,
        "tables": report.tables,
        "licence": "your own" if encoder is None else f"derived from {encoder.name}",
    }
    published = registry.publish(models, NAME, fitted.model.save, live=True, **about)
    report.models[NAME] = published.digest
    report.outcome = "published"


class _Encode:
    """Encodes texts in this process, each distinct text once. The engine is opened at the first call."""

    def __init__(self, config: TrainAspectsConfig, encoder: Model | None, report: Report) -> None:
        self.config, self.path, self.report = config, encoder.path if encoder is not None else None, report
        self.engine: Any = None
        self.known: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32 [n, dim].

        Raises:
            EngineError: The engine failed or returned numbers that are not finite.
        """
        if self.engine is None:
            prepare(self.config.engine, self.path)
            self.engine = open_engine(self.config.engine, self.path)
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        encoded = encode_all(self.engine, pa.array(new, pa.string()))
        if not np.isfinite(encoded.vectors).all():
            raise EngineError("the engine returned vectors that are not finite")
        self.known.update(zip(new, encoded.vectors, strict=True))
        if self.report.engine is not None:
            self.report.engine.tokens_in += int(encoded.tokens.sum())
        rows = [self.known[text] for text in texts]
        return np.asarray(rows, np.float32).reshape(len(texts), self.engine.dim)


def _taxonomies(config: TrainAspectsConfig) -> dict[str, Taxonomy]:
    """Load the configured taxonomies, by name.

    Raises:
        UserError: A taxonomy is unknown, or two have the same name.
    """
    by_name = dict(find(reference) for reference in config.taxonomies)
    if len(by_name) != len(config.taxonomies):
        raise UserError("taxonomies: two of them have the same name")
    return by_name


def _origin(
    config: TrainAspectsConfig,
    taxonomies: Mapping[str, Taxonomy],
    encoder: Model | None,
    reviews: Snapshot,
    labels: Snapshot | None,
) -> str:
    """Return a digest of all inputs of the model: tables, taxonomies, encoder and settings.

    If it equals the digest in the live model's manifest, no model needs to be trained.
    """
    return digest(
        {
            "version": [VERSION, splitting.VERSION],
            "reviews": [reviews.table_id, reviews.version],
            "labels": None if labels is None else [labels.table_id, labels.version],
            "taxonomies": {name: t.model_dump(mode="json") for name, t in taxonomies.items()},
            "encoder": None if encoder is None else encoder.digest,
            "engine": config.engine.identity(),
            "config": identity(config.examples, config.fit),
        }
    )


def _rows(labels: Snapshot | None) -> pa.Table:
    """Read people's labels; an empty table if there are none."""
    names = ["sentence_id", "aspect", "review_id", "text", "taxonomy", "polarity"]
    return ASPECT_LABELS.schema().empty_table().select(names) if labels is None else labels.read(names)


def _check(examples: WeakClauses, taxonomies: Mapping[str, Taxonomy]) -> None:
    """Refuse the run if a taxonomy has no review that clearly belongs to it.

    Raises:
        UserError: A taxonomy has no such review.
    """
    for number, name in enumerate(taxonomies):
        if not (examples.kind == number).any():
            raise UserError(f"no review is clearly about {name}: leave it out of `taxonomies`, or extend its `about`")


def _labels_digest(sentences: Mapping[str, Sentences]) -> str:
    """Return a digest of people's labels, by which a later run sees whether it is judged on the same ones."""
    return digest({n: [s.ids, s.texts, s.truth.astype(int).tolist()] for n, s in sentences.items()})


def _named(examples: WeakClauses, labels: pa.Table) -> list[str]:
    """Return the ids of all reviews and labelled sentences that the model learns from, for its manifest."""
    stated = [each for name in ("review_id", "sentence_id") for each in labels[name].to_pylist() if each is not None]
    return sorted({*examples.reviews, *stated})


def _unknown(quality: judge.Quality) -> bool:
    """Return True if there were too few labels for a macro-F1."""
    return math.isnan(quality.macro.value)


def _against_live(
    config: TrainAspectsConfig,
    store: Store,
    fitted: Fitted,
    sentences: Mapping[str, Sentences],
    labels: str,
    encode: _Encode,
) -> list[Gate]:
    """Return the gate that compares the new model with the live one; [] if they cannot be compared.

    If the labels are those on which the live model was judged, the held-out macro-F1 of both models is compared.
    Otherwise both models are judged on the sentences that the live model did not learn from. They cannot be compared if
    there are too few of these sentences, or if the live model has other taxonomies or another encoder.

    Args:
        config: Settings of `train_aspects`.
        store: The warehouse.
        fitted: The new model.
        sentences: People's labelled sentences, by taxonomy.
        labels: Digest of the labels.
        encode: Encoder of texts.
    """
    live = registry.find_live(f"{store.root}/_models", NAME)
    judged = {
        name: Judged(fitted.model.taxonomies[name].names, own.truth, fitted.learnt[name].held_out > CUT, own.groups)
        for name, own in fitted.labelled.items()
    }
    if live is None:
        return []
    before = live.manifest.get("labels", {})
    if before.get("digest") == labels and before.get("macro_f1") is not None:
        return [judge.live_gate(macro_f1(judged), float(before["macro_f1"]), config, "held out, the same labels")]
    model = AspectModel.load(live.path)
    same = {n: t.names for n, t in model.taxonomies.items()} == {n: j.names for n, j in judged.items()}
    if not same or model.encoder != fitted.model.encoder:
        return []
    name_of, learnt_from = erasure.hasher(store), set(live.manifest.get("rows", ()))
    ours, theirs, count = {}, {}, 0
    for name, own in judged.items():
        unseen = np.asarray([name_of(i) not in learnt_from for i in sentences[name].ids], bool)
        part = fitted.labelled[name].take(unseen)
        count += int(unseen.sum())
        predicted = _predicted(model, name, part)
        ours[name] = Judged(own.names, own.truth[unseen], own.predicted[unseen], own.groups[unseen])
        theirs[name] = Judged(own.names, own.truth[unseen], predicted, own.groups[unseen])
    if count < _UNSEEN or math.isnan(macro_f1(ours)):
        return []
    return [judge.live_gate(macro_f1(ours), macro_f1(theirs), config, f"{count} sentences new to it")]


def _predicted(model: AspectModel, name: str, labelled: Labelled) -> np.ndarray:
    """Return the aspects that a model finds in labelled sentences, bool [sentences, aspects]."""
    return labelled.strongest(model.aspect_logits(name, labelled.vectors, labelled.hits)) > CUT
