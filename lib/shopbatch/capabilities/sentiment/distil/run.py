"""Run the job distil_encoder: train a student with fewer layers on a teacher's vectors and logits.

A good student is published as the head `sentiment-student`, which names its encoder, as finetune_encoder publishes
`sentiment`. It does not replace the live model; score_reviews uses it only where its configuration says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.config import DistilEncoderConfig
from shopbatch.capabilities.sentiment.distil.judge import TEXTS, accuracies, picture, speeds, student_gates
from shopbatch.capabilities.sentiment.distil.teacher import Teacher
from shopbatch.capabilities.sentiment.documents import drop_near_duplicates, packed
from shopbatch.capabilities.sentiment.evaluate import compare, evaluate, require
from shopbatch.capabilities.sentiment.examples import SOURCE, read_examples
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.judge import held_out_probabilities
from shopbatch.capabilities.sentiment.publish import derived_from, publish_pair
from shopbatch.capabilities.sentiment.train_head import fit_steadily
from shopbatch.core.hashing import digest
from shopbatch.models import registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.blocks import Pack
from shopbatch.training.config import identity
from shopbatch.training.distil import Targets
from shopbatch.training.encoder_files import trained_objective, write_cut, write_encoder
from shopbatch.training.kept_vectors import kept_vectors
from shopbatch.training.plans import DistilPlan
from shopbatch.training.vectors import embed
from shopbatch.training.worker import Run
from shopbatch.training.workers import check_devices
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of examples, targets and training: raising it makes the next run train again
NAME = "sentiment-student"
ENCODER = "sentiment-student-encoder"


def distil(config: DistilEncoderConfig, store: Store, report: Report) -> None:
    """Train a student, judge it, and publish it if it is good enough; the body of the job distil_encoder.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Filled while the run proceeds.

    Raises:
        UserError: There are too few labelled reviews, or the student has no fewer layers than its teacher.
        GateRefused: The student is not good enough.
        ModelError: The teacher is missing or damaged.
        Stopped, OSError: As `workers.train`.
    """
    check_devices(config.workers, config.platform)
    reviews = store.require(REVIEWS, SOURCE)
    models = f"{store.root}/_models"
    teacher = Teacher.of(models, config.teacher)
    spec = teacher.student(config.student.layers)
    report.tables["reviews"], report.unit = {"read": reviews.version}, "reviews"
    report.models = {"teacher": teacher.model.digest, "teacher's encoder": teacher.encoder.digest}
    report.engine = EngineUse(config.engine.kind)
    origin = _origin(config, reviews, teacher)
    if runs.already_live(models, NAME, origin, report):
        return
    _Student(config, store, report, teacher, spec, origin).run(reviews)


@dataclass(frozen=True)
class _Student:
    """One run of the job distil_encoder, after its inputs have been checked.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: Filled while the run proceeds.
        teacher: The sentiment model to learn from.
        spec: How the student makes its vectors: prefix, layers and pooling.
        origin: Digest of everything that the student is made from.
        set_aside: Messages about damaged files, or changes by other programs, in the table training_vectors; "" where
            there were none.
    """

    config: DistilEncoderConfig
    store: Store
    report: Report
    teacher: Teacher
    spec: EncoderSpec
    origin: str
    set_aside: list[str] = field(default_factory=list)  # changes or damage found in training_vectors

    @property
    def models(self) -> str:
        """The folder or URI of the model registry."""
        return f"{self.store.root}/_models"

    def run(self, reviews: Snapshot) -> None:
        """Prepare examples and targets, train and judge the student, and publish it if it passes the gates."""
        config, report = self.config, self.report
        with report.stage("examples") as stage:
            examples = drop_near_duplicates(read_examples(reviews, config.examples), report)
            require(examples)
            stage.rows = examples.num_rows
        vectors = self.vectors(examples, self.teacher.encoder, "teacher")
        cut = self.cut()
        cut_vectors = self.vectors(examples, cut, "cut")
        with report.stage("tokens") as stage:
            learnt = np.flatnonzero(examples["split"].to_numpy() != "test")
            rows = examples.take(pa.array(learnt))
            numbered = rows.drop(["label"]).append_column("label", pa.array(np.arange(len(learnt)), pa.int32()))
            prefix = self.teacher.spec.prefix
            pack = packed(self.store, numbered, config.engine, config.loop, self.teacher.encoder, prefix)
            stage.rows = len(learnt)
        run = self.training(pack)
        _keep_targets(_targets(run.folder), self.teacher, rows, vectors[learnt], cut_vectors[learnt])
        with report.stage("train") as stage:
            state = runs.train(run, report, self.store, config.platform.watchdog_seconds)
            stage.rows = int(state["tokens"])
        report.message = "; ".join(filter(None, dict.fromkeys([*self.set_aside, report.message])))
        with report.stage("export"):
            candidate = self.export(run, int(state["best_step"]))
        with report.stage("judge") as stage:
            head = self.judge(examples, vectors, cut, cut_vectors, candidate)
            stage.rows = examples.num_rows
        registry.withdraw(self.models, cut)
        runs.refuse(self.models, candidate, report.gates)
        base, against = self.teacher.encoder, report.metrics["against"]
        about = {"origin": self.origin, "teacher": self.teacher.model.reference, "against": against}
        about |= {"base": base.reference, "licence": derived_from(base)}
        publish_pair(self.store, report, NAME, candidate, head, examples, **about)
        runs.delete_checkpoints(run)

    def vectors(self, examples: pa.Table, encoder: Model, stage_name: str) -> np.ndarray:
        """Return an encoder's vectors of the examples, float16 [n, dim]; only vectors not yet stored are computed.

        Args:
            examples: All examples.
            encoder: The encoder.
            stage_name: Name of the stage in the report.
        """
        with self.report.stage(stage_name) as stage:
            kept = kept_vectors(self.store, examples, self.config.engine, encoder, self.config.embedders)
            stage.rows = kept.computed
        computed = self.report.metrics.setdefault("vectors computed", {})
        computed[stage_name] = kept.computed
        self.set_aside.append(kept.set_aside)
        return kept.vectors

    def cut(self) -> Model:
        """Register and return the cut (the teacher's lower layers) as a candidate; the student starts as its copy."""

        def build(folder: Path) -> None:
            write_cut(folder, self.teacher.encoder.path, self.spec)

        return registry.publish(self.models, ENCODER, build, live=False, **self.about())

    def about(self) -> dict[str, Any]:
        """Return the entries for a candidate's manifest: base, licence, and that it is a candidate."""
        base = self.teacher.encoder
        return {
            "base": base.reference,
            "licence": base.manifest.get("licence", "unknown"),
            "candidate": True,
        }

    def training(self, pack: Pack) -> Run:
        """Return the training run of the student on these blocks of tokens.

        Its folder is named by a digest of all that determines the result, so that a killed job finds the folder and
        resumes.
        """
        config = self.config
        key = digest(
            {
                "version": VERSION,
                "teacher": [self.teacher.model.digest, self.teacher.encoder.digest],
                "pack": pack.name,
                "engine": config.engine.identity(),
                "config": identity(config.student, config.loop),
            }
        )
        folder = f"{self.store.root}/_training/distil_encoder/{key}"
        options = config.student.model_dump(exclude={"layers"})
        terms = {name: options.pop(name) for name in ("vector", "logits", "label", "distance", "temperature")}
        plan = DistilPlan(self.teacher.encoder.path, self.spec, _targets(folder), terms, **options)
        return Run(plan, pack, config.loop, config.workers, folder, key)

    def export(self, run: Run, best_step: int) -> Model:
        """Register the student as trained up to `best_step`, as a candidate that is not live yet."""
        objective = trained_objective(run, best_step, 1.0)

        def build(folder: Path) -> None:
            write_encoder(folder, objective, self.teacher.encoder.path, self.spec)

        return registry.publish(self.models, ENCODER, build, live=False, **self.about())

    def judge(
        self, examples: pa.Table, vectors: np.ndarray, cut: Model, cut_vectors: np.ndarray, candidate: Model
    ) -> SentimentHead:
        """Fit the student's head, compare it with the teacher and with the untrained cut, and return it.

        Figures and gates are written to the report.

        Args:
            examples: All examples.
            vectors: The teacher's vectors of the examples, float16 [n, dim].
            cut: The encoder that the student started as: the teacher's lower layers.
            cut_vectors: The cut's vectors of the examples, float16 [n, dim].
            candidate: The trained student's encoder.
        """
        config, report, seed = self.config, self.report, self.config.head.seed
        encoded = embed(examples, config.engine, candidate.path, config.embedders)
        bias = BiasJudge(self.models, config.engine, config.embedders, config.gates.bias, seed)
        copies = bias.copies(candidate)
        head = fit_steadily(examples, encoded.vectors, copies, config.head, candidate.reference)
        whole = cut_vectors.astype(np.float32)
        rival = fit_steadily(examples, whole, bias.copies(cut), config.head, cut.reference)
        probabilities = {
            "teacher": held_out_probabilities(self.teacher.head, vectors.astype(np.float32), examples),
            "cut": held_out_probabilities(rival, whole, examples),
            "student": held_out_probabilities(head, encoded.vectors, examples),
        }
        test = examples.filter(pc.equal(examples["split"], "test"))["text"]
        drawn = np.random.default_rng(seed).permutation(len(test))[:TEXTS]
        texts = test.take(pa.array(drawn)).to_pylist()
        speed = speeds(config.engine, self.teacher.encoder.path, candidate.path, texts)
        figures = accuracies(probabilities, examples, head.languages, seed)
        report.models["candidate"] = candidate.digest
        report.metrics["quality"] = evaluate(head, examples, encoded.vectors, seed)
        report.metrics["against"] = {
            name: compare(probabilities["student"], probabilities[name], examples, seed) for name in ("cut", "teacher")
        }
        report.metrics["student"] = figures | {"speed": speed}
        report.figures.append(picture(figures, speed))
        report.gates = student_gates(figures, speed, config.gates) + bias.gates(head, candidate, copies, report)
        return head


def _targets(folder: str) -> str:
    """Return the path of the file in which a training run stores the targets that its student learns."""
    return f"{folder}/targets.safetensors"


def _keep_targets(uri: str, teacher: Teacher, rows: pa.Table, vectors: np.ndarray, cut: np.ndarray) -> None:
    """Write the student's targets to `uri`, unless an earlier, killed attempt of the run has already written them.

    So a resumed run learns from the same targets.
    """
    try:
        Targets.read(uri)
    except OSError as error:
        if files.is_lost_connection(error):
            raise
        teacher.targets(rows, vectors, cut).write(uri)


def _origin(config: DistilEncoderConfig, reviews: Snapshot, teacher: Teacher) -> str:
    """Return the digest of everything that the student is made from: reviews, teacher, engine and settings."""
    return digest(
        {
            "version": VERSION,
            "teacher": [teacher.model.digest, teacher.encoder.digest],
            "engine": config.engine.identity(),
            "config": identity(config.examples, config.student, config.loop, config.head),
            "reviews": [reviews.table_id, reviews.version],
        }
    )
