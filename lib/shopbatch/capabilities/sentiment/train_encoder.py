"""Run the job finetune_encoder: train an encoder end to end on labelled reviews, and publish it if it is better.

The job publishes the trained encoder and a head named `sentiment`, which refers to that encoder. train_sentiment_head
publishes a head of the same name, so score_reviews loads the result of either job in the same way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.config import FinetuneEncoderConfig
from shopbatch.capabilities.sentiment.documents import drop_near_duplicates, packed
from shopbatch.capabilities.sentiment.evaluate import compare, evaluate, gates, require
from shopbatch.capabilities.sentiment.examples import OTHER, SOURCE, read_examples
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.capabilities.sentiment.judge import calibrated_head, held_out_probabilities
from shopbatch.capabilities.sentiment.publish import derived_from, publish_pair
from shopbatch.core.hashing import digest
from shopbatch.models import registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.loading import model_config
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.blocks import Pack
from shopbatch.training.config import identity
from shopbatch.training.encoder_files import trained_objective, write_encoder
from shopbatch.training.plans import ClassifyPlan
from shopbatch.training.vectors import embed, embed_held_out
from shopbatch.training.worker import Run
from shopbatch.training.workers import check_devices
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 3  # of examples, training and calibration: raising it makes the next run train again
NAME = "sentiment-encoder"


def finetune(config: FinetuneEncoderConfig, store: Store, report: Report) -> None:
    """Train an encoder with its head, and publish it if it beats the untrained encoder and the live model.

    Raises GateRefused if it does not, or if it is more biased than the live model, and what `workers.train` raises.
    """
    check_devices(config.workers, config.platform)
    reviews = store.require(REVIEWS, SOURCE)
    models = f"{store.root}/_models"
    base = registry.base(models, config.base)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"base": base.digest}
    report.engine = EngineUse(config.engine.kind)
    origin = _origin(config, reviews, base)
    if runs.already_live(models, sentiment_head.NAME, origin, report):
        return
    live = registry.find_live(models, sentiment_head.NAME)
    with report.stage("examples") as stage:
        examples = drop_near_duplicates(read_examples(reviews, config.examples), report)
        require(examples)
        stage.rows = examples.num_rows
    spec = _spec(base)
    with report.stage("tokens") as stage:
        pack = packed(store, examples, config.engine, config.loop, base, spec.prefix)
        stage.rows = examples.num_rows

    @functools.cache  # computed if no first head is stored, and when the frozen encoder is judged
    def base_vectors() -> np.ndarray:
        return embed(examples, config.engine, base.path, config.embedders).vectors

    key = _key(config, base, pack)
    folder = f"{store.root}/_training/finetune_encoder/{key}"
    with report.stage("head"):
        start = first_head(folder, config, base, examples, base_vectors)
    options = config.encoder.model_dump(exclude={"head_scale", "mix"})  # `first_head` and `export` use these two
    plan = ClassifyPlan(base.path, len(LABELS), spec, start, **options, seed=config.loop.seed)
    run = Run(plan, pack, config.loop, config.workers, folder, key)
    with report.stage("train") as stage:
        state = runs.train(run, report, store, config.platform.watchdog_seconds)
        stage.rows = int(state["tokens"])
    with report.stage("export"):
        candidate, weights, bias = export(models, run, spec.prefix, base, int(state["best_step"]), config.encoder.mix)
    with report.stage("judge") as stage:
        vectors = embed_held_out(examples, config.engine, candidate.path, config.embedders)
        head = calibrated_head(weights, bias, candidate.reference, vectors, examples)
        quality = evaluate(head, examples, vectors, config.head.seed)
        probabilities = held_out_probabilities(head, vectors, examples)
        rivals = {"base": _frozen(config, base, examples, base_vectors())}
        if live is not None:
            rivals["live"] = _live(config, models, live, examples)
        stage.rows = examples.num_rows
    against = {name: compare(probabilities, rival, examples, config.head.seed) for name, rival in rivals.items()}
    report.models["candidate"], report.metrics["quality"] = candidate.digest, quality
    report.metrics["against"] = against
    report.gates = [g for name, lead in against.items() for g in gates(lead, config.gates.worse, name)]
    judge = BiasJudge(models, config.engine, config.embedders, config.gates.bias, config.head.seed)
    report.gates += judge.gates(head, candidate, judge.copies(candidate), report)
    runs.refuse(models, candidate, report.gates)
    about = {"origin": origin, "base": base.reference, "against": against, "licence": derived_from(base)}
    publish_pair(store, report, sentiment_head.NAME, candidate, head, examples, **about)
    runs.delete_checkpoints(run)


def first_head(
    folder: str, config: FinetuneEncoderConfig, base: Model, examples: pa.Table, vectors: Callable[[], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the head with which training starts, fitted to the base encoder's vectors: weights [dim, 3] and bias [3].

    A random head would at first pull the encoder in arbitrary directions, and the base would forget what it knows of
    texts unlike the examples (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution"). The fitted weights are multiplied by encoder.head_scale: large weights amplify every change
    of the vectors and would force a small learning rate, with which the encoder hardly changes (Chizat et al. 2019, "On
    Lazy Training in Differentiable Programming"). One head serves all languages. It is stored in the run's folder, so
    that a resumed run starts from the same head.

    Args:
        folder: Folder of the training run.
        config: Settings of the job.
        base: The encoder to start from.
        examples: All examples.
        vectors: Function that returns the base's vectors of the examples, float32 [n, dim]; only called if no head is
            stored yet.
    """
    path = f"{folder}/head.safetensors"
    fitted = _kept_head(path)
    if fitted is None:
        one_language = examples.drop(["language"]).append_column("language", pa.repeat(OTHER, examples.num_rows))
        head = fit(one_language, vectors(), config.head, base.reference)
        fitted = {"weights": head.weights[0] / head.temperature[0], "bias": head.bias[0] / head.temperature[0]}
        files.write_bytes(path, save(fitted))
    scale = np.float32(config.encoder.head_scale)
    return fitted["weights"] * scale, fitted["bias"] * scale


def _kept_head(path: str) -> dict[str, np.ndarray] | None:
    """Read the first head that an earlier attempt of the run stored; None if it is missing or damaged.

    The caller then fits it again, and the same examples give the same head.
    """
    fs, place = files.filesystem(path)
    try:
        with fs.open_input_stream(place) as stream:
            kept = load(stream.read())
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError) as error:
        if files.is_lost_connection(error):
            raise
        return None
    return kept if kept.keys() == {"weights", "bias"} else None


def export(
    models: str, run: Run, prefix: str, base: Model, best_step: int, mix: float
) -> tuple[Model, np.ndarray, np.ndarray]:
    """Register the trained encoder, averaged with the base, as a candidate that is not live yet.

    Args:
        models: The registry's root.
        run: The training run.
        prefix: Text that is put before every text to encode.
        base: The encoder that training started from.
        best_step: Step of the checkpoint to export.
        mix: Share of the trained weights; the remaining share is of the base's weights.

    Returns:
        The model, and its head: weights [dim, 3], bias [3].
    """
    objective = trained_objective(run, best_step, mix)

    def build(folder: Path) -> None:
        spec = EncoderSpec(prefix=prefix, layers=objective.depths, pooling=objective.pooling)
        write_encoder(folder, objective, base.path, spec)

    about = {"base": base.reference, "licence": base.manifest.get("licence", "unknown"), "candidate": True}
    model = registry.publish(models, NAME, build, live=False, **about)
    with torch.no_grad():
        return model, objective.head.weight.T.numpy().copy(), objective.head.bias.numpy().copy()


def _origin(config: FinetuneEncoderConfig, reviews: Snapshot, base: Model) -> str:
    """Return the digest of everything that the model is made from: reviews, base, engine and settings."""
    return digest(
        {
            "version": VERSION,
            "base": base.digest,
            "engine": config.engine.identity(),
            "config": identity(config.examples, config.encoder, config.loop, config.head),
            "reviews": [reviews.table_id, reviews.version],
        }
    )


def _key(config: FinetuneEncoderConfig, base: Model, pack: Pack) -> str:
    """Return the digest that identifies the training run; it names the folder of its checkpoints."""
    return digest(
        {
            "version": VERSION,
            "base": base.digest,
            "pack": pack.name,
            "engine": config.engine.identity(),
            "config": identity(config.encoder, config.loop, config.head),
        }
    )


def _spec(base: Model) -> EncoderSpec:
    """Return how the base makes its vectors: prefix, layers and pooling.

    Raises:
        ModelError: The base lacks a layer that `encoder.json` names; raised here, before a worker would fail on it.
    """
    folder = local(base.path)
    spec = EncoderSpec.load(folder)
    if layers := model_config(folder).get("num_hidden_layers"):
        spec.depths(int(layers))
    return spec


def _frozen(config: FinetuneEncoderConfig, base: Model, examples: pa.Table, vectors: np.ndarray) -> np.ndarray:
    """Return the test probabilities, [n, 3], of the head that train_sentiment_head would fit on the untrained base."""
    return held_out_probabilities(fit(examples, vectors, config.head, base.reference), vectors, examples)


def _live(config: FinetuneEncoderConfig, models: str, live: Model, examples: pa.Table) -> np.ndarray:
    """Return the test probabilities of the live head with the encoder that it names, [test examples, 3]."""
    head = SentimentHead.load(live.path)
    encoder = registry.find(models, head.encoder)
    vectors = embed_held_out(examples, config.engine, encoder.path, config.embedders)
    return held_out_probabilities(head, vectors, examples)
