"""A shop's texts -> a language model that has learnt them, published if it is better. Called by `finetune_llm`.

The order: examples, mask linter, base model, blocks, training (`runs.train`), export, judging, gates, registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from shopbatch.capabilities.language_model import evaluate as judging
from shopbatch.capabilities.language_model import examples as language_examples
from shopbatch.capabilities.language_model import masks
from shopbatch.capabilities.language_model.evaluate import Answers, Losses
from shopbatch.capabilities.language_model.examples import Encode, Examples, SourceConfig
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest as digest_of
from shopbatch.engines.configs import GenerateConfig, OpenVinoGenerateConfig, Sampling
from shopbatch.engines.factory import prepare_generator
from shopbatch.engines.generators.prompts import Prompts
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.trigram import Trigram
from shopbatch.models import causal, erasure, registry, smollm2
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.models.folder import local
from shopbatch.models.loading import model_config
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Figure, Report
from shopbatch.training import blocks, runs
from shopbatch.training.blocks import Pack
from shopbatch.training.checkpoints import Checkpoints, best_name
from shopbatch.training.config import GateConfig, LoopConfig, WorkersConfig, identity
from shopbatch.training.parallel import Parallel
from shopbatch.training.plans import CausalPlan
from shopbatch.training.workers import Run, check_devices
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1
_SHOWN = 5  # examples that the report shows
_LINTED = 64  # examples whose mask is decoded before the first step


class Config(JobConfig):
    """name: of the published model. init: `base` goes on from a model, `scratch` makes one of the shop's text.

    base: `smollm2-135m` (built from the sample's package), a folder, name@digest, or owner/name of the hub.
    engine: the answers of `answers` held-out prompts are written with it; its export is part of publishing.
    dropped: greatest share of examples that may be too long for a block.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    source: SourceConfig
    init: Literal["base", "scratch"] = "base"
    base: str = smollm2.NAME
    scratch: ScratchConfig = ScratchConfig()
    lora: LoraConfig = LoraConfig()
    loop: LoopConfig = LoopConfig()
    workers: WorkersConfig = WorkersConfig()
    gates: GateConfig = GateConfig()
    engine: GenerateConfig = OpenVinoGenerateConfig()
    answers: int = Field(default=64, ge=0)
    sampling: Sampling = Sampling(max_new_tokens=160)
    dropped: float = Field(default=0.05, ge=0, le=1)


@dataclass(frozen=True)
class Judged:
    """A model on the held-out examples."""

    losses: Losses
    answers: Answers | None


def finetune(config: Config, store: Store, report: Report) -> None:
    """Train, judge and publish. Raises GateRefused: not better; UserError: a source, base or recipe that cannot be."""
    check_devices(config.workers, config.platform)
    source = store.snapshot(config.source.table)
    models = f"{store.root}/_models"
    report.tables[source.name] = {"read": source.version}
    report.engine = EngineUse(config.engine.kind)
    with report.stage("examples") as stage:
        examples = language_examples.read(source, config.source)
        stage.rows = examples.rows.num_rows
    base = _base(config, models, examples)
    report.models["base"] = base.digest
    origin, live = _origin(config, source, base), registry.find_live(models, config.name)
    if live is not None and live.manifest.get("origin") == origin:
        report.outcome, report.metrics["quality"] = "nothing to do", live.manifest["metrics"]
        report.models[config.name] = live.digest
        return
    encode = Encode(base.path, config.source.instruction, config.loop.block_tokens)
    with report.stage("tokens") as stage:
        _lint(encode, examples, report)
        pack = _pack(store, examples, encode, config, base)
        stage.rows = examples.rows.num_rows
    lora = config.lora if config.init == "base" else LoraConfig(rank=0)
    key = digest_of({"base": base.digest, "pack": pack.name, "config": identity(lora, config.loop)})
    plan = CausalPlan(base.path, lora, config.loop.seed)
    run = Run(plan, pack, config.loop, config.workers, f"{store.root}/_training/finetune_llm/{key}", key)
    with report.stage("train") as stage:
        state = runs.train(run, report, store)
        stage.rows = int(state["tokens"])
    with report.stage("export"):
        candidate = _export(config, models, run, base, int(state["best_step"]))
    report.models["candidate"] = candidate.digest
    with report.stage("judge") as stage:
        test = examples.part("test")
        asked = _asked(config, encode, test)
        models_by_name = {"candidate": candidate, "base": base} | ({} if live is None else {"live": live})
        judged = {name: judge(config, model, encode, test, asked) for name, model in models_by_name.items()}
        stage.rows = test.num_rows
    report.metrics["quality"] = quality = _quality(judged, test, config)
    report.metrics["near_duplicates"] = examples.near
    report.gates = [g for other in judged if other != "candidate" for g in _gates(config, judged, test, other)]
    if config.init == "scratch":
        report.gates.append(_against_trigram(quality, pack, encode, test, judged["candidate"].losses))
    report.figures.append(_shown(judged, asked))
    runs.refuse(models, candidate, report.gates)
    _publish(store, report, candidate, base, origin, examples)
    runs.forget(run)


def judge(config: Config, model: Model, encode: Encode, test: pa.Table, asked: pa.Table) -> Judged:
    """Losses on all held-out examples, answers to those that are asked."""
    mine = Encode(model.path, encode.system, encode.block_tokens)
    threads = config.workers.threads or 1
    found = judging.losses(mine, test, threads * config.workers.count, config.workers.device)
    return Judged(found, judging.answers(mine, asked, config.engine, config.sampling) if asked.num_rows else None)


def _asked(config: Config, encode: Encode, test: pa.Table) -> pa.Table:
    """The first held-out examples that leave room for an answer; none where there are only plain texts."""
    if not (config.answers and config.source.prompt):
        return test.slice(0, 0)
    room = Prompts(local(encode.model)).limit - config.sampling.max_new_tokens
    able = [d is not None and int((~d.trained).sum()) <= room for d in encode(test)]
    return test.filter(pa.array(able)).slice(0, config.answers)


def _base(config: Config, models: str, examples: Examples) -> Model:
    """The model that training begins with, in the registry."""
    if config.init == "scratch":
        texts = [t for c in ("prompt", "answer") for t in examples.part("train")[c].to_pylist() if t]

        def build(folder: Path) -> None:
            causal.scratch(folder, config.scratch, texts, config.loop.seed)

        return registry.publish(models, f"{config.name}-scratch", build, live=False, licence="your own")
    return registry.base(models, config.base)


def _origin(config: Config, source: Snapshot, base: Model) -> str:
    parts = identity(config.source, config.lora, config.loop, config.scratch)
    return digest_of({"version": VERSION, "base": base.digest, "init": config.init, "config": parts,
                      "source": [source.table_id, source.version]})  # fmt: skip


def _lint(encode: Encode, examples: Examples, report: Report) -> None:
    """Decode what some training examples would train on, refuse a wrong mask, show a few in the report."""
    rows = examples.part("train").slice(0, _LINTED).to_pylist()
    pairs = [(encode.document(r["prompt"], r["answer"]), encode.expected(r["prompt"], r["answer"])) for r in rows]
    there = [(d, e) for d, e in pairs if d is not None]
    if not there:
        raise UserError(f"none of {len(rows)} examples fits into loop.block_tokens={encode.block_tokens}")
    if rows[0]["prompt"]:
        shown = masks.lint([d for d, _ in there], [e for _, e in there], encode.decode)
        cells = [[s["not trained"], s["trained"]] for s in shown[:_SHOWN]]
        report.figures.append(
            Figure("table", "What is trained on", {"columns": ["given", "learnt"], "rows": cells}, "Decoded tokens.")
        )


def _pack(store: Store, examples: Examples, encode: Encode, config: Config, base: Model) -> Pack:
    """The blocks of the examples, made or found. UserError if too many examples do not fit into one."""
    parts = {s: examples.part(s) for s in blocks.SPLITS}
    about = {"version": VERSION, "base": base.digest, "system": encode.system}
    pack = blocks.prepare(store, parts, about, encode, encode.block_tokens, config.loop.seed)
    rows = sum(part.num_rows for part in parts.values())
    if (gone := rows - pack.documents()) > config.dropped * rows:
        raise UserError(
            f"{gone} of {rows} examples do not fit into loop.block_tokens={encode.block_tokens}: make it longer, or "
            "dropped= greater"
        )
    return pack


def _export(config: Config, models: str, run: Run, base: Model, best_step: int) -> Model:
    """The trained model, adapters merged, in the registry (not live yet), with its export for the engine."""
    objective: Any = run.plan.build()
    Checkpoints(run.folder, run.key, Parallel()).load(objective, name=best_name(best_step))

    def build(folder: Path) -> None:
        causal.save(objective.model, folder, local(base.path))

    about = {"base": base.reference, "licence": base.manifest.get("licence", "unknown"), "candidate": True}
    model = registry.publish(models, config.name, build, live=False, **about)
    prepare_generator(config.engine, model.path)
    return model


def _gates(config: Config, judged: dict[str, Judged], test: pa.Table, other: str) -> list[Gate]:
    """Loss lower than the other's by more than chance; no language worse by more than `gates.worse`."""
    mine, theirs, rows = _paired(judged["candidate"].losses, judged[other].losses)
    fall = difference(theirs, mine, config.loop.seed)
    least = config.gates.loss * float(theirs.mean())
    group = np.asarray(test["group"].to_pylist())[rows]
    worst = min(float(1 - mine[group == g].sum() / theirs[group == g].sum()) for g in sorted(set(group.tolist())))
    return [
        Gate(f"fall of held-out loss against {other}, lower end", round(fall.low, 4), round(least, 4),
             fall.low > least, "nats a document; the 95 % interval must lie above the limit"),
        Gate(f"fall of held-out loss against {other}, worst language", round(worst, 5), -config.gates.worse,
             worst >= -config.gates.worse, "share of the other's loss"),
    ]  # fmt: skip


def _paired(mine: Losses, theirs: Losses) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nats of the documents that both could read, and their row numbers."""
    rows, a, b = np.intersect1d(mine.rows, theirs.rows, return_indices=True)
    return mine.nats[a], theirs.nats[b], rows


def _against_trigram(quality: dict[str, Any], pack: Pack, encode: Encode, test: pa.Table, mine: Losses) -> Gate:
    """Perplexity a token beside that of a trigram model of the same tokens."""
    train = pack.read("train")
    documents = train.documents(range(len(train)))
    trigram = Trigram([d.ids.tolist() for d in documents], int(model_config(local(encode.model))["vocab_size"]))
    # only tokens that both predict: the first of a plain text is given
    nats = np.concatenate([trigram.losses(d.ids.tolist())[d.trained] for d in encode(test) if d is not None])
    perplexity, other = float(np.exp(mine.nats.sum() / mine.tokens.sum())), float(np.exp(nats.mean()))
    quality["trigram"] = {"perplexity": round(other, 4)}
    return Gate("perplexity against a trigram model", round(perplexity, 4), round(other, 4), perplexity < other)


def _quality(judged: dict[str, Judged], test: pa.Table, config: Config) -> dict[str, Any]:
    """Numbers of each model: loss and perplexity a token, by language; facts; differences with their intervals."""
    group = np.asarray(test["group"].to_pylist())
    found: dict[str, Any] = {}
    for name, one in judged.items():
        by = {}
        for g in ["all", *sorted(set(group.tolist()))]:
            rows = np.ones(len(one.losses.rows), bool) if g == "all" else group[one.losses.rows] == g
            loss = float(one.losses.nats[rows].sum() / one.losses.tokens[rows].sum())
            by[g] = {"documents": int(rows.sum()), "loss": round(loss, 5), "perplexity": round(float(np.exp(loss)), 4)}
        found[name] = by
        if one.answers is not None:
            known = one.answers.facts[~np.isnan(one.answers.facts)]
            found[name]["facts"] = difference(known, np.zeros(len(known)), config.loop.seed).tree()
    for other in [n for n in judged if n != "candidate"]:
        mine, theirs, _ = _paired(judged["candidate"].losses, judged[other].losses)
        found["candidate"][f"fall against {other}"] = difference(theirs, mine, config.loop.seed).tree()
    return found


def _shown(judged: dict[str, Judged], asked: pa.Table) -> Figure:
    """A few held-out prompts with what was replied, and what each model writes."""
    names = [n for n in judged if judged[n].answers is not None]
    cells = []
    for i, row in enumerate(asked.slice(0, _SHOWN).to_pylist()):
        cells.append([row["prompt"], row["answer"], *(judged[n].answers.texts[i] for n in names)])  # type: ignore[union-attr]
    return Figure("table", "Held-out answers", {"columns": ["prompt", "reference", *names], "rows": cells})


def _publish(store: Store, report: Report, candidate: Model, base: Model, origin: str, examples: Examples) -> None:
    """The candidate's manifest is written anew with all that is known now, then it is live."""
    train = examples.part("train")
    rows = zip(*(train[c].to_pylist() for c in ("name", "prompt", "answer")), strict=True)
    about = {
        "base": base.reference,
        "origin": origin,
        "metrics": report.metrics["quality"],
        "rows": erasure.keyed(store, [name or f"{prompt}\n{answer}" for name, prompt, answer in rows]),
        "config": report.config,
        "tables": report.tables,
        "licence": f"derived from {base.name} ({base.manifest.get('licence', 'unknown licence')})",
    }
    registry.describe(f"{store.root}/_models", candidate, **about)
    registry.point(f"{store.root}/_models", candidate)
    report.models[candidate.name] = candidate.digest
    report.outcome = "published"
