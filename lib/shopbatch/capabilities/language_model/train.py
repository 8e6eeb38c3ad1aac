"""Run the job `finetune_llm`: trains a language model on a shop's texts and publishes it if it is better.

The steps are: read examples, find the base model, leave out examples that cannot be learnt, check masks, pack blocks,
train (`runs.train`), export, judge, apply the gates, register.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shopbatch.capabilities.language_model import examples as language_examples
from shopbatch.capabilities.language_model import masks
from shopbatch.capabilities.language_model.config import FinetuneLlmConfig
from shopbatch.capabilities.language_model.examples import Encode, Examples
from shopbatch.capabilities.language_model.judge import (
    CANDIDATE,
    against_trigram,
    examples_to_ask,
    gates,
    judge,
    quality,
)
from shopbatch.capabilities.language_model.left_out import leave_out
from shopbatch.capabilities.language_model.report import answers_figure, left_out_figures, masks_figure
from shopbatch.core.hashing import digest
from shopbatch.core.privacy import clean
from shopbatch.engines.factory import prepare_generator
from shopbatch.models import causal, erasure, registry
from shopbatch.models.configs import LoraConfig
from shopbatch.models.folder import local
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.training import blocks, runs
from shopbatch.training.blocks import Pack
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import identity
from shopbatch.training.parallel import Parallel
from shopbatch.training.plans import CausalPlan
from shopbatch.training.worker import Run
from shopbatch.training.workers import check_devices
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 2  # of examples, training and export; if it is raised, the next run trains again
_LINTED = 64  # examples whose mask is decoded before the first step


def finetune(config: FinetuneLlmConfig, store: Store, report: Report) -> None:
    """Train, judge and publish the model; nothing is done if the live one was made from the same inputs.

    Raises:
        GateRefused: The candidate is not better.
        UserError: The source, the base model or the settings do not allow training.
    """
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
    origin = _origin(config, source, base)
    if runs.already_live(models, config.name, origin, report):
        return
    live = registry.find_live(models, config.name)
    encode = Encode(base.path, config.source.instruction, config.loop.block_tokens)
    with report.stage("tokens") as stage:
        stage.rows = examples.rows.num_rows
        examples, counts = leave_out(encode, examples, config.dropped)
        report.metrics["left_out"] = counts
        report.figures += left_out_figures(counts)
        _lint(encode, examples, report)
        pack = _pack(store, examples, encode, config, base)
    run = _run(config, store, base, pack)
    with report.stage("train") as stage:
        state = runs.train(run, report, store, config.platform.watchdog_seconds)
        stage.rows = int(state["tokens"])
    with report.stage("export"):
        candidate = _export(config, models, encode, run, base, int(state["best_step"]))
    report.models["candidate"] = candidate.digest
    with report.stage("judge") as stage:
        test = examples.part("test")
        asked = examples_to_ask(config, encode, test)
        compared = {CANDIDATE: candidate, "base": base} | ({} if live is None else {"live": live})
        judged = {name: judge(config, model, encode, test, asked) for name, model in compared.items()}
        stage.rows = test.num_rows
    report.metrics["quality"] = numbers = quality(judged, test, config.loop.seed)
    report.highlights = {f"loss of the {name}": f"{numbers[name]['all']['loss']:.3f}" for name in judged}
    report.metrics["near_duplicates"] = examples.near
    report.gates = [g for other in judged if other != CANDIDATE for g in gates(config, judged, test, other)]
    if config.init == "scratch":
        perplexity, gate = against_trigram(pack, encode, test, judged[CANDIDATE].losses)
        numbers["trigram"] = {"perplexity": round(perplexity, 4)}
        report.gates.append(gate)
    report.figures.append(answers_figure(judged, asked))
    runs.refuse(models, candidate, report.gates)
    _publish(store, report, candidate, base, origin, examples)
    runs.delete_checkpoints(run)


def _base(config: FinetuneLlmConfig, models: str, examples: Examples) -> Model:
    """Return the registered model that training starts from; for init `scratch`, an untrained one is made."""
    if config.init == "base":
        return registry.base(models, config.base)
    # secrets and personal data are masked first, or they would become entries of the vocabulary
    texts = [clean(t) for c in ("prompt", "answer") for t in examples.part("train")[c].to_pylist() if t]

    def build(folder: Path) -> None:
        causal.scratch(folder, config.scratch, texts, config.loop.seed)

    return registry.publish(models, f"{config.name}-scratch", build, live=False, licence="your own")


def _origin(config: FinetuneLlmConfig, source: Snapshot, base: Model) -> str:
    """Return the digest of everything that the model is made from; an equal one means that there is nothing to do."""
    return digest(
        {
            "version": VERSION,
            "base": base.digest,
            "init": config.init,
            "config": identity(config.source, config.lora, config.loop, config.scratch),
            "source": [source.table_id, source.version],
        }
    )


def _lint(encode: Encode, examples: Examples, report: Report) -> None:
    """Check the masks of the first training examples, raise UserError if one is wrong, and show some in the report."""
    rows = examples.part("train").slice(0, _LINTED).to_pylist()
    if not rows[0]["prompt"]:
        return
    pairs = [(encode.document(r["prompt"], r["answer"]), encode.expected(r["prompt"], r["answer"])) for r in rows]
    fitting = [(document, expected) for document, expected in pairs if document is not None]
    shown = masks.lint([d for d, _ in fitting], [e for _, e in fitting], encode.decode)
    report.figures.append(masks_figure(shown))


def _pack(store: Store, examples: Examples, encode: Encode, config: FinetuneLlmConfig, base: Model) -> Pack:
    """Return the packed token blocks of the training and validation examples; existing blocks are used again."""
    parts = {s: examples.part(s) for s in blocks.SPLITS}
    about = {"version": VERSION, "base": base.digest, "system": encode.system}
    return blocks.prepare(store, parts, about, encode, encode.block_tokens, config.loop.seed)


def _run(config: FinetuneLlmConfig, store: Store, base: Model, pack: Pack) -> Run:
    """Return the training run with its plan and folder; its key (a digest) identifies its checkpoints."""
    lora = config.lora if config.init == "base" else LoraConfig(rank=0)
    key = digest({"base": base.digest, "pack": pack.name, "config": identity(lora, config.loop)})
    plan = CausalPlan(base.path, lora, config.loop.seed)
    return Run(plan, pack, config.loop, config.workers, f"{store.root}/_training/finetune_llm/{key}", key)


def _export(config: FinetuneLlmConfig, models: str, encode: Encode, run: Run, base: Model, best_step: int) -> Model:
    """Register the trained model (not live yet) with its adapters merged, and export it for the engine."""
    objective: Any = run.plan.build()
    Checkpoints(run.folder, run.key, Parallel()).load(objective, name=best_name(best_step))

    answers = encode.answer_format if config.source.prompt else None

    def build(folder: Path) -> None:
        causal.save(objective.model, folder, local(base.path), answers)

    about = {"base": base.reference, "licence": base.manifest.get("licence", "unknown"), "candidate": True}
    model = registry.publish(models, config.name, build, live=False, **about)
    prepare_generator(config.engine, model.path)
    return model


def _publish(store: Store, report: Report, candidate: Model, base: Model, origin: str, examples: Examples) -> None:
    """Complete the candidate's manifest with metrics and origin, and make it the live model."""
    train = examples.part("train")
    rows = zip(*(train[c].to_pylist() for c in ("name", "prompt", "answer")), strict=True)
    about = {
        "base": base.reference,
        "origin": origin,
        "metrics": report.metrics["quality"],
        **erasure.record(store, [name or f"{prompt}\n{answer}" for name, prompt, answer in rows]),
        "config": report.config,
        "tables": report.tables,
        "licence": f"derived from {base.name} ({base.manifest.get('licence', 'unknown licence')})",
    }
    registry.describe(f"{store.root}/_models", candidate, **about)
    registry.point(f"{store.root}/_models", candidate)
    report.models[candidate.name] = candidate.digest
    report.outcome = "published"
