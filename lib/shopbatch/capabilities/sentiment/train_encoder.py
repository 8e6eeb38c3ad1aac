"""Reviews that say what they think -> an encoder trained end to end, its calibrated head, and whether it is better.

Called by `finetune_encoder`. What it publishes is what `train_sentiment_head` publishes, a head named `sentiment` and
the encoder that it names: `score_reviews` loads it without knowing the difference.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shopbatch.capabilities.sentiment import examples as sentiment_examples
from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment import train_head as frozen
from shopbatch.capabilities.sentiment.examples import ExampleConfig
from shopbatch.capabilities.sentiment.head import LABELS, NEGATIVE, NEUTRAL, POSITIVE, SentimentHead, polar
from shopbatch.capabilities.sentiment.train_head import HeadConfig
from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest as digest_of
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.tokens import Reader
from shopbatch.evaluation.near_duplicates import apart
from shopbatch.evaluation.paired import difference
from shopbatch.models import erasure, registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local, quietly
from shopbatch.models.loading import model_config
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import blocks, runs
from shopbatch.training.blocks import Pack
from shopbatch.training.checkpoints import Checkpoints, best_name
from shopbatch.training.config import GateConfig, LoopConfig, WorkersConfig, identity
from shopbatch.training.packing import Document
from shopbatch.training.parallel import Parallel
from shopbatch.training.plans import ClassifyPlan
from shopbatch.training.workers import Run, check_devices
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.store import Store

VERSION, ALL = 2, "all"
NAME = "sentiment-encoder"
HINT = "reviews: labelled rows of at least two classes are needed in every split"


class EncoderConfig(Strict):
    """freeze: parameters whose names begin so are not trained. smoothing, dropout, token_dropout: see `ClassifyPlan`.

    Prefix, layers and pooling are those of the base's `encoder.json`. head_scale: of the first head, to its fit, see
    `first_head`. mix: share of what training moved that is published, see `export`.
    """

    freeze: tuple[str, ...] = ("embeddings.",)
    head_scale: float = Field(default=0.25, gt=0)
    mix: float = Field(default=0.8, gt=0, le=1)
    smoothing: float = 0.0
    dropout: float = 0.0
    token_dropout: float = 0.05


class Config(JobConfig):
    """base: `e5-small` (built from the sample's package), a folder, name@digest, or owner/name of the hub.

    engine: makes the vectors on which the head is calibrated and judged, as `score_reviews` does. embedders: actors.
    """

    engine: EngineConfig
    base: str = "e5-small"
    embedders: int = Field(default=2, ge=1)
    examples: ExampleConfig = ExampleConfig()
    encoder: EncoderConfig = EncoderConfig()
    loop: LoopConfig = LoopConfig()
    workers: WorkersConfig = WorkersConfig()
    head: HeadConfig = HeadConfig()
    gates: GateConfig = GateConfig()


@dataclass(frozen=True)
class Tokens:
    """Examples (text, label) -> documents. Runs in tasks."""

    model: str
    prefix: str
    max_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document]:
        rows = Reader(local(self.model), self.prefix, self.max_tokens, 1).rows(batch["text"].combine_chunks())
        pairs = zip(rows, batch["label"].to_pylist(), strict=True)
        return [Document(np.asarray(ids, np.int32), np.zeros(len(ids), bool), label) for ids, label in pairs]


def finetune(config: Config, store: Store, report: Report) -> None:
    """Train, judge, and publish if it is better. Raises as `workers.train` does; GateRefused: it is not better."""
    check_devices(config.workers, config.platform)
    reviews = store.require(REVIEWS, sentiment_examples.SOURCE)
    models = f"{store.root}/_models"
    base = registry.base(models, config.base)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"base": base.digest}
    report.engine = EngineUse(config.engine.kind)
    parts = identity(config.examples, config.encoder, config.loop, config.head)
    origin = digest_of({"version": VERSION, "base": base.digest, "engine": config.engine.identity(), "config": parts,
                        "reviews": [reviews.table_id, reviews.version]})  # fmt: skip
    live = registry.find_live(models, sentiment_head.NAME)
    if live is not None and live.manifest.get("origin") == origin:
        report.outcome, report.metrics["quality"] = "nothing to do", live.manifest["metrics"]
        report.models["sentiment"] = live.digest
        return
    with report.stage("examples") as stage:
        examples = clean(sentiment_examples.read_examples(reviews, config.examples), report)
        stage.rows = examples.num_rows
    spec = _spec(base)
    with report.stage("tokens") as stage:
        pack = _pack(store, examples, config, base, spec.prefix)
        stage.rows = examples.num_rows

    @functools.cache
    def base_vectors() -> np.ndarray:
        return sentiment_examples.embed(examples, config.engine, base.path, config.embedders).vectors

    key = digest_of({"version": VERSION, "base": base.digest, "pack": pack.name, "engine": config.engine.identity(),
                     "config": identity(config.encoder, config.loop, config.head)})  # fmt: skip
    folder = f"{store.root}/_training/finetune_encoder/{key}"
    with report.stage("head"):
        start = first_head(folder, config, base, examples, base_vectors)
    knobs = config.encoder.model_dump(exclude={"head_scale", "mix"})  # of the start and the end, which are here
    plan = ClassifyPlan(base.path, len(LABELS), spec, start, **knobs, seed=config.loop.seed)
    run = Run(plan, pack, config.loop, config.workers, folder, key)
    with report.stage("train") as stage:
        state = runs.train(run, report, store)
        stage.rows = int(state["tokens"])
    with report.stage("export"):
        candidate, weights, bias = export(models, run, spec.prefix, base, int(state["best_step"]), config.encoder.mix)
    with report.stage("judge") as stage:
        head, mine, quality = calibrated(config, candidate, weights, bias, examples)
        others = {"base": frozen_head(config, base, examples, base_vectors())}
        if live is not None:
            others["live"] = judge_live(config, models, live, examples)
        stage.rows = examples.num_rows
    report.models["candidate"], report.metrics["quality"] = candidate.digest, quality
    report.metrics["against"] = {n: compared(mine, o, examples, config.head.seed) for n, o in others.items()}
    report.gates = [g for n, told in report.metrics["against"].items() for g in gates(config, told, n)]
    runs.refuse(models, candidate, report.gates)
    about = {"encoder": candidate.reference, "metrics": quality, "origin": origin, "base": base.reference,
             "against": report.metrics["against"], "rows": erasure.keyed(store, _trained(examples)),
             "config": report.config, "tables": {"reviews": reviews.version},
             "licence": f"derived from {base.name} ({base.manifest.get('licence', 'unknown licence')})"}  # fmt: skip
    registry.point(models, registry.describe(models, candidate))  # before the head, which names it
    published = registry.publish(models, sentiment_head.NAME, head.save, live=True, **about)
    report.models |= {"encoder": candidate.digest, "sentiment": published.digest}
    report.outcome = "published"
    runs.forget(run)


def clean(examples: pa.Table, report: Report) -> pa.Table:
    """The examples without held-out texts that resemble a training text. UserError if a split is empty."""
    keep = apart(examples["text"].to_pylist(), examples["split"].to_numpy() == "train")
    found = examples.filter(pa.array(keep))
    report.metrics["near_duplicates"] = int((~keep).sum())
    for name in sentiment_examples.SPLITS:
        labels = pc.count_distinct(found.filter(pc.equal(found["split"], name))["label"]).as_py()
        if labels < 2:
            raise UserError(f"{HINT}; {name} has {labels}")
    return found


def first_head(
    folder: str, config: Config, base: Model, examples: pa.Table, vectors: Callable[[], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The head that training begins with, weights [dim, 3] and bias [3]: fitted to the base's vectors of the examples.

    A random one would pull at the encoder until it is learnt: what the base knows of texts unlike the examples would be
    lost (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution").
    It is made smaller by encoder.head_scale: as it is fitted it is so long that what training would change in the
    vectors is amplified, the learning rate must be small, and the encoder hardly moves (Chizat et al. 2019, "On Lazy
    Training in Differentiable Programming"). One for all languages. The fit is kept in the run's folder, so that a run
    that goes on has the same.
    """
    path = f"{folder}/head.safetensors"
    fs, place = files.filesystem(path)
    try:
        with fs.open_input_stream(place) as stream:
            found = load(stream.read())
    except (FileNotFoundError, SafetensorError):  # one that cannot be read: the same examples give the same
        alike = examples.drop(["language"]).append_column(
            "language", pa.repeat(sentiment_examples.OTHER, examples.num_rows)
        )
        head = frozen.fit(alike, vectors(), config.head, base.reference)
        found = {"weights": head.weights[0] / head.temperature[0], "bias": head.bias[0] / head.temperature[0]}
        files.write_bytes(path, save(found))
    scale = np.float32(config.encoder.head_scale)
    return found["weights"] * scale, found["bias"] * scale


def export(
    models: str, run: Run, prefix: str, base: Model, best_step: int, mix: float
) -> tuple[Model, np.ndarray, np.ndarray]:
    """The trained encoder as a model of the registry (not live yet), and its head: weights [dim, 3], bias [3].

    Every weight is start + mix * (trained - start): on the way back to the base lies a model that is as good on texts
    like the examples and better on others (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
    """
    objective: Any = run.plan.build()
    start = [p.detach().clone() for p in objective.parameters()]
    Checkpoints(run.folder, run.key, Parallel()).load(objective, name=best_name(best_step))
    with torch.no_grad():
        for trained, first in zip(objective.parameters(), start, strict=True):
            trained.lerp_(first, 1 - mix)
    objective.encoder.set_attn_implementation("sdpa")  # ours is for packed documents

    def build(folder: Path) -> None:
        with quietly():
            objective.encoder.save_pretrained(folder)
        source = local(base.path)
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if (source / name).exists():
                (folder / name).write_bytes((source / name).read_bytes())
        spec = EncoderSpec(prefix=prefix, layers=objective.depths, pooling=objective.pooling)
        (folder / "encoder.json").write_text(spec.model_dump_json(indent=1) + "\n", "utf-8")

    about = {"base": base.reference, "licence": base.manifest.get("licence", "unknown"), "candidate": True}
    model = registry.publish(models, NAME, build, live=False, **about)
    with torch.no_grad():
        return model, objective.head.weight.T.numpy().copy(), objective.head.bias.numpy().copy()


def calibrated(
    config: Config, model: Model, weights: np.ndarray, bias: np.ndarray, examples: pa.Table
) -> tuple[SentimentHead, np.ndarray, dict[str, Any]]:
    """The head with shifts and a temperature a language, its test probabilities [n, 3], its figures by language.

    Shifts and temperature are fitted on the validation examples of the language; of all where it has too few, or one
    class.
    """
    vectors = _held_out(config, model, examples)
    label, language, split = (examples[c].to_numpy() for c in ("label", "language", "split"))
    found = sorted(set(language.tolist()), key=lambda n: (n != sentiment_examples.OTHER, n))
    val = split == "val"
    logits = vectors @ weights + bias
    of = [val & (language == n) for n in found]
    able = [m.sum() >= frozen.FEW and len(np.unique(label[m])) > 1 for m in of]
    fits = [frozen.recalibrate(logits[m], label[m]) for m in np.where(np.array(able)[:, None], of, val)]
    head = SentimentHead(
        tuple(found),
        np.repeat(weights[None], len(found), axis=0),
        np.stack([bias + shift for shift, _ in fits]).astype(np.float32),
        np.asarray([temperature for _, temperature in fits], np.float32),
        model.reference,
    )
    return head, _tested(head, vectors, examples), frozen.evaluate(head, examples, vectors, config.head.seed)


def frozen_head(config: Config, base: Model, examples: pa.Table, vectors: np.ndarray) -> np.ndarray:
    """What the same examples give without touching the encoder: the head that `train_sentiment_head` fits."""
    return _tested(frozen.fit(examples, vectors, config.head, base.reference), vectors, examples)


def judge_live(config: Config, models: str, live: Model, examples: pa.Table) -> np.ndarray:
    """What the live head says of the same test examples, with the encoder that it names."""
    head = SentimentHead.load(live.path)
    return _tested(head, _held_out(config, registry.resolve(models, head.encoder), examples), examples)


def compared(mine: np.ndarray, other: np.ndarray, examples: pa.Table, seed: int) -> dict[str, Any]:
    """By language, and of all: accuracy of negative or positive, recall of each, log loss; mine less the other's.

    mine, other: probabilities of the test examples, [n, 3].
    balanced_accuracy: the rows of the rarer class weigh as much as those of the other, so that it counts for half.
    """
    truth, language = _test(examples)
    found = {}
    for name in (ALL, *sorted(set(language.tolist()))):
        rows = np.full(len(truth), True) if name == ALL else language == name
        sure = rows & (truth != NEUTRAL)
        right = [(polar(p) == truth).astype(float) for p in (mine, other)]
        loss = [_log_losses(p, truth) for p in (mine, other)]
        balance = 1 / np.maximum(np.bincount(truth[sure], minlength=len(LABELS)), 1)[truth[sure]]
        sides = {f"recall_{LABELS[c]}": rows & (truth == c) for c in (NEGATIVE, POSITIVE)}
        found[name] = {
            "accuracy": difference(right[0][sure], right[1][sure], seed).tree(),
            "balanced_accuracy": difference(right[0][sure], right[1][sure], seed, balance).tree(),
            **{side: difference(right[0][m], right[1][m], seed).tree() for side, m in sides.items()},
            "log_loss": difference(loss[0][rows], loss[1][rows], seed).tree(),
        }
    return found


def gates(config: Config, told: Mapping[str, Any], name: str) -> list[Gate]:
    """Better than the other in all, by more than chance; no language worse, no class of it found less often.

    Both may lose gates.worse: two models of one quality may draw the line between two classes at different places, and
    find a few more of one for a few less of the other. Of a class only what it surely loses is counted.
    told: what `compared` returns.
    """
    worse, high = config.gates.worse, told[ALL]["log_loss"]["high"]
    by_language = {n: v for n, v in told.items() if n != ALL}
    # a language may lack a class, or have none but neutral texts: nothing is known of those then
    least = min(v["accuracy"]["value"] for v in by_language.values() if not math.isnan(v["accuracy"]["value"]))
    recalls = {f"{n} {k}": t for n, v in by_language.items() for k, t in v.items() if k.startswith("recall_")}
    surely = {"no class surely falls": 0.0} | {side: t["value"] for side, t in recalls.items() if t["high"] < 0}
    side = min(surely, key=lambda k: surely[k])
    return [
        Gate(f"log loss against {name}, upper end", high, 0.0, high < 0, "must fall, surely"),
        Gate(f"recall against {name}, sure fall", surely[side], -worse, surely[side] >= -worse, side),
        Gate(f"accuracy against {name}, worst language", least, -worse, least >= -worse),
    ]


def _trained(examples: pa.Table) -> list[str]:
    """What names the training rows: their text."""
    return erasure.text_names(examples.filter(pc.equal(examples["split"], "train"))["text"])


def _spec(base: Model) -> EncoderSpec:
    """What the base's vectors are. ModelError, here and not in a worker, if it has not the layers asked for."""
    folder = local(base.path)
    spec = EncoderSpec.load(folder)
    if layers := model_config(folder).get("num_hidden_layers"):
        spec.depths(int(layers))
    return spec


def _pack(store: Store, examples: pa.Table, config: Config, base: Model, prefix: str) -> Pack:
    """The blocks of the examples, made or found."""
    encode = Tokens(base.path, prefix, int(getattr(config.engine, "max_tokens", 128)))
    if config.loop.block_tokens < encode.max_tokens:
        told = f"loop.block_tokens={config.loop.block_tokens} is less than engine.max_tokens={encode.max_tokens}"
        raise UserError(f"{told}: a text would not fit into a block")
    parts = {s: examples.filter(pc.equal(examples["split"], s)) for s in blocks.SPLITS}
    about = {"version": VERSION, "base": base.digest, "prefix": encode.prefix, "max_tokens": encode.max_tokens}
    return blocks.prepare(store, parts, about, encode, config.loop.block_tokens, config.loop.seed)


def _held_out(config: Config, model: Model, examples: pa.Table) -> np.ndarray:
    """Vectors of the examples that are not trained on, by the engine that serves; zeros for the others."""
    rows = np.flatnonzero(examples["split"].to_numpy() != "train")
    found = sentiment_examples.embed(examples.take(pa.array(rows)), config.engine, model.path, config.embedders).vectors
    vectors = np.zeros((examples.num_rows, found.shape[1]), np.float32)
    vectors[rows] = found
    return vectors


def _tested(head: SentimentHead, vectors: np.ndarray, examples: pa.Table) -> np.ndarray:
    """Probabilities of the test examples, [n, 3]."""
    test = np.flatnonzero(examples["split"].to_numpy() == "test")
    return head.probabilities(vectors[test], examples["language"].take(pa.array(test)).combine_chunks())


def _test(examples: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """(label, language) of the test examples."""
    rows = examples.filter(pc.equal(examples["split"], "test"))
    return rows["label"].to_numpy().astype(np.int64), np.asarray(rows["language"].to_pylist())


def _log_losses(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)))
