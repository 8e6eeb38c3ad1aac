"""The entry point of the job `train_intents`, which learns from labelled questions and publishes the model `intents`.

The encoder is not trained: the setting `encoder` names it. It can be any encoder whose vectors an engine can compute,
also one that was fine-tuned for intents.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.support import evaluate
from shopbatch.capabilities.support.config_intents import TrainIntentsConfig
from shopbatch.capabilities.support.evaluate import Judged
from shopbatch.capabilities.support.intents import NAME, IntentModel, unit
from shopbatch.capabilities.support.thresholds import Chosen, Labelled, Targets, choose_thresholds
from shopbatch.capabilities.support.train.cross_fit import CrossFit, cross_fit, folds_of
from shopbatch.capabilities.support.train.examples import SOURCES, Examples, read_examples
from shopbatch.capabilities.support.train.figures import fill_figures
from shopbatch.capabilities.support.train.fit import (
    Calibration,
    Rows,
    Setting,
    calibrate,
    centre,
    fit_scores,
    language_means,
    make_model,
)
from shopbatch.capabilities.support.train.live import compare, find_live
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.evaluation.classification import accuracy_interval
from shopbatch.models import erasure, registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.training import runs
from shopbatch.training.config import identity
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 2  # of reading, choosing and fitting: raising it makes the next run train again
GENERATED = "generated"  # key of the figures on generated questions in the report


@dataclass
class Training:
    """One run of `train_intents`.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which is filled in.
        notes: Sentences for the report's message.
    """

    config: TrainIntentsConfig
    store: Store
    report: Report
    notes: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Train, judge and publish the model, unless the live one was made from the same tables, encoder and settings.

        Raises:
            UserError: There are no examples, or of fewer than two intents.
            GateRefused: There are too few questions of people, or the model fails a gate.
            ModelError: The encoder or the live model is missing or damaged.
        """
        report = self.report
        report.unit, report.engine = "questions", EngineUse(self.config.engine.kind)
        report.models["encoder"] = self.encoder.digest
        if not self.tables:
            raise UserError(
                "there are no examples: none of support_dialogs, intent_examples and ticket_feedback is here; "
                "`shopbatch sample` fills them, `shopbatch load intent_examples FILE` takes your own"
            )
        if runs.already_live(self.models, NAME, self.origin, report):
            return
        with report.stage("examples") as stage:
            examples = read_examples(self.tables, self.config.examples)
            stage.rows = len(examples.texts)
        report.rows.read = len(examples.texts)
        self._check(examples)
        vectors = self._embed(examples)
        model = self._judge_and_fit(examples, vectors)
        with report.stage("register"):
            published = self._register(model, examples)
        report.models[NAME], report.outcome = published.digest, "published"
        report.rows.published = len(examples.texts)
        report.message = "; ".join(self.notes)

    @property
    def models(self) -> str:
        """Return the root folder of the model registry."""
        return f"{self.store.root}/_models"

    @cached_property
    def encoder(self) -> Model:
        """Return the encoder as a model of the registry."""
        return registry.base(self.models, self.config.encoder)

    @cached_property
    def prefix(self) -> str:
        """Return the text that is put before each question when it is encoded."""
        spec = EncoderSpec.load(Path(local(self.encoder.path)))
        return spec.query if self.config.prefix is None else self.config.prefix

    @cached_property
    def tables(self) -> dict[str, Snapshot]:
        """Return a pinned snapshot of each source table that exists, by name."""
        named = {name: self.store.find(name) for name in SOURCES}
        there = {name: snapshot for name, snapshot in named.items() if snapshot is not None}
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in there.items()}
        return there

    @cached_property
    def origin(self) -> str:
        """Return a digest of all inputs of the model: tables, encoder, engine, prefix and settings.

        If it equals the digest in the live model's manifest, no model needs to be trained.
        """
        config = self.config
        return digest(
            {
                "version": VERSION,
                "tables": {name: [table.table_id, table.version] for name, table in self.tables.items()},
                "encoder": self.encoder.digest,
                "engine": config.engine.identity(),
                "prefix": self.prefix,
                "config": identity(config.examples, config.head, config.gates),
            }
        )

    def _check(self, examples: Examples) -> None:
        """Refuse a run with too few questions of people, before any vector is computed.

        Raises:
            GateRefused: There are too few.
        """
        if examples.left_out:
            names = ", ".join(f"{name} ({rows})" for name, rows in list(examples.left_out.items())[:10])
            self.notes.append(f"left out for too few examples: {names}")
        gate = evaluate.enough(int((examples.label[: examples.people] < examples.other).sum()), self.config.gates)
        self.report.gates = [gate]
        refuse_if_failed(self.report.gates)

    def _embed(self, examples: Examples) -> np.ndarray:
        """Return the examples' vectors as the encoder returns them, float32 [n, dim]."""
        with self.report.stage("embed") as stage:
            texts = pa.table({"text": pa.array([self.prefix + text for text in examples.texts], pa.string())})
            encoded = embed(texts, self.config.engine, self.encoder.path, self.config.workers)
            stage.rows = len(examples.texts)
        assert self.report.engine is not None
        self.report.engine.tokens_in = int(encoded.tokens.sum())
        return encoded.vectors

    def _judge_and_fit(self, examples: Examples, vectors: np.ndarray) -> IntentModel:
        """Choose the hyperparameters, judge the held-out predictions, and fit the final model.

        If people's questions are too few to cross-validate, the model is fitted without being judged, and answers
        nothing by itself.

        Args:
            examples: The examples.
            vectors: Their vectors, float32 [n, dim].

        Raises:
            GateRefused: The model fails a gate.
        """
        languages, means = language_means(unit(vectors), examples.language)
        person = np.arange(len(examples.texts)) < examples.people
        centred = centre(vectors, examples.language, languages, means)
        rows = Rows(examples.texts, centred, examples.label, person, examples.other + 1)
        head = self.config.head
        settings = [Setting(penalty, people, head.steps) for penalty in head.penalty for people in head.people]
        groups = len(np.unique(examples.group))
        names = examples.intents, languages
        if groups < 2 * head.folds:  # allowed by gates.accept or a low limit: too few questions to cross-validate
            self.report.metrics["quality"] = {GENERATED: self._generated(rows, settings[0], examples)}
            self.notes.append("too few questions of people to judge the model: it answers nothing by itself")
            return self._whole(make_model(rows, settings[0], Calibration.unknown(), names, means))
        with self.report.stage("cross-validate") as stage:
            fold = folds_of(examples.group, examples.label[: examples.people], head.folds)
            crossed = cross_fit(rows.take(person), rows.take(~person), settings, fold, head.ngrams)
            stage.rows = examples.people
        with self.report.stage("judge"):
            judged = self._judged(examples, crossed)
            chosen = self._report(examples, judged, crossed, vectors)
            self.report.metrics["quality"][GENERATED] = self._generated(rows, crossed.setting, examples)
        refuse_if_failed(self.report.gates)
        with self.report.stage("fit"):
            calibration = calibrate(crossed.scores, examples.label[: examples.people])
            model = make_model(rows, crossed.setting, calibration, names, means)
        return replace(self._whole(model), thresholds=chosen.thresholds)

    def _whole(self, model: IntentModel) -> IntentModel:
        """Return the model with the encoder's reference and the prefix filled in."""
        return replace(model, encoder=self.encoder.reference, prefix=self.prefix)

    def _judged(self, examples: Examples, crossed: CrossFit) -> Judged:
        """Combine people's questions with the held-out predictions of the model and of n-grams alone (the baseline)."""
        people = examples.people
        language = np.array([code or "" for code in examples.language.to_pylist()[:people]], object)
        rival = crossed.rival[:, :-1].argmax(axis=1)
        return Judged(examples.label[:people], language, crossed.probabilities, rival, examples.other)

    def _report(self, examples: Examples, judged: Judged, crossed: CrossFit, vectors: np.ndarray) -> Chosen:
        """Fill in metrics, gates and figures of the report; return the chosen thresholds."""
        report, gates, seed = self.report, self.config.gates, self.config.head.seed
        quality: dict[str, Any] = evaluate.measure(judged, seed)
        report.metrics["quality"] = quality
        gain = evaluate.against_rival(judged, seed)
        report.metrics["gain on n-grams"] = gain.tree()
        losses = {
            f"penalty {s.penalty:g}, people {s.people:g}, n-grams {s.ngrams:g}": round(v, 5)
            for s, v in crossed.losses.items()
        }
        report.metrics["log loss by setting"] = losses
        report.gates += evaluate.gates(quality, gain, gates)
        people = examples.people
        live = find_live(self.store, self.encoder.reference, examples.texts[:people])
        if isinstance(live, str):
            self.notes.append(live)
        elif live is not None:
            language = examples.language.slice(0, people)
            against = compare(live, judged, examples, vectors[:people], language)
            report.metrics["gain on the live model"] = against.tree()
            report.gates.append(evaluate.live_gate(against, int((live.unseen & judged.known).sum())))
        chosen, questions = self._choose(examples, judged, crossed)
        fill_figures(report, judged, examples.intents, questions, chosen, gates.confidence)
        return chosen

    def _choose(self, examples: Examples, judged: Judged, crossed: CrossFit) -> tuple[Chosen, Labelled]:
        """Choose the thresholds on tickets that agents labelled, or on all questions of people if these are too few.

        Returns:
            The thresholds, and the questions on which they were chosen.
        """
        gates = self.config.gates
        rows = examples.ticket[: examples.people]
        if rows.sum() < gates.tickets:
            rows = np.full(examples.people, True)
            self.notes.append(
                f"bounds of all people's questions, since there are no gates.tickets={gates.tickets} labelled tickets"
            )
        intent = np.array([examples.intents[n] for n in judged.chosen.tolist()], object)[rows].astype(str)
        questions = Labelled(intent, judged.confidence[rows], judged.right[rows], crossed.fold[rows])
        chosen = choose_thresholds(
            questions, Targets(gates.precision, gates.draft, gates.confidence, gates.intent_rows)
        )
        bounds = {}
        for name, bound in (("answer", chosen.answer), ("draft", chosen.draft)):
            share = bound.rows / len(questions.right)
            bounds[name] = {"share": round(share, 5), "questions": bound.rows, "right": bound.right}
        self.report.metrics["bounds"] = bounds | {"spread of intents": chosen.spread}
        self.report.highlights["answered without a person"] = f"{bounds['answer']['share']:.0%}"
        return chosen, questions

    def _generated(self, rows: Rows, setting: Setting, examples: Examples) -> dict[str, Any]:
        """Return the accuracy on a fifth of the generated questions, by a classifier that has not seen them.

        Returns:
            `accuracy` with its interval, and `questions` (how many); {} if there are no generated questions.
        """
        tried = ~rows.person & (np.arange(len(rows.label)) % 5 == 0)
        if not tried.any():
            return {}
        weights, bias = fit_scores(rows.take(~tried), setting)
        chosen = (rows.vectors[tried] @ weights + bias)[:, :-1].argmax(axis=1)
        value = accuracy_interval(rows.label[tried], chosen, self.config.head.seed)
        return {"accuracy": value.tree(), "questions": int(tried.sum())}

    def _register(self, model: IntentModel, examples: Examples) -> Model:
        """Publish the model in the registry as the live one."""
        base, texts = self.encoder, pa.array(examples.texts, pa.string())
        about = {
            "encoder": base.reference,
            "metrics": self.report.metrics["quality"],
            "origin": self.origin,
            "base": base.reference,
            **erasure.record(self.store, [*examples.keys, *erasure.text_names(texts)]),
            "config": self.report.config,
            "tables": {name: table.version for name, table in self.tables.items()},
            "licence": f"derived from {base.name} ({base.manifest.get('licence', 'unknown licence')})",
        }
        return registry.publish(self.models, NAME, model.save, live=True, **about)


def train_intents(config: TrainIntentsConfig, store: Store, report: Report) -> None:
    """Train, judge and publish the model of intents, unless the live one was made from the same inputs.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which is filled in.

    Raises:
        UserError: There are no examples, or of fewer than two intents.
        GateRefused: There are too few questions of people, or the model fails a gate.
        ModelError: The encoder or the live model is missing or damaged.
    """
    Training(config, store, report).run()
