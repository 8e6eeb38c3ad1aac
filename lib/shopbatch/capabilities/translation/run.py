"""Texts -> translations, language by language: what the jobs translate_products and translate_replies do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shopbatch.capabilities.translation.checks.likeness import Thresholds
from shopbatch.capabilities.translation.config import TranslateRepliesConfig
from shopbatch.capabilities.translation.joining import join_texts
from shopbatch.capabilities.translation.measuring import Gates, read_references
from shopbatch.capabilities.translation.report import add_figures
from shopbatch.capabilities.translation.stage import Comparison, TranslationStage
from shopbatch.core.config import read_text
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.factory import prepare, prepare_generator
from shopbatch.engines.translator_configs import ApertiumConfig, CTranslate2Config
from shopbatch.engines.translators import apertium
from shopbatch.inference.scopes import Scopes
from shopbatch.inference.spec import Spec
from shopbatch.models import folder, registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.schema import Table
from shopbatch.tables.translations import (
    PRODUCT_TEXTS,
    PRODUCT_TRANSLATIONS,
    PRODUCT_TRANSLATIONS_REJECTS,
    REPLY_TEXTS,
    REPLY_TRANSLATIONS,
    REPLY_TRANSLATIONS_REJECTS,
)
from shopbatch.warehouse.foreign import put_all_right
from shopbatch.warehouse.publish import Superseded
from shopbatch.warehouse.store import Store

PRODUCTS_JOB, REPLIES_JOB = "translate_products", "translate_replies"
_TABLES = {
    PRODUCTS_JOB: (PRODUCT_TEXTS, PRODUCT_TRANSLATIONS, PRODUCT_TRANSLATIONS_REJECTS, ("item_id", "kind")),
    REPLIES_JOB: (REPLY_TEXTS, REPLY_TRANSLATIONS, REPLY_TRANSLATIONS_REJECTS, ("user_id", "kind")),
}
_DETERMINED = 2  # attempts of an engine that always gives the same: with masks, and without


def translation_specs(job: str, config: TranslateRepliesConfig, store: Store, report: Report) -> dict[str, Spec]:
    """The inference job of each language.

    Raises:
        UserError: A program, a pair of languages, a package or a prompt is missing.
        ModelError: A model is missing or damaged.
    """
    source, sink, rejects, passthrough = _TABLES[job]
    comparison = _comparison(config, store, report)
    specs = {}
    for target in config.targets:
        sources = [code for code in config.sources if code != target]
        folders, models = _models(config, store, sources, target)
        if comparison is not None:
            models |= {"encoder": comparison.digest}
        report.models.update({f"{target}: {name}": digest for name, digest in models.items()})
        stage = TranslationStage(
            engine=config.engine,
            target=target,
            pairs=folders,
            models=models,
            instruction=_instruction(config),
            sampling=(config.sampling, config.retry_temperature),
            comparison=comparison,
            thresholds=Thresholds(**config.likeness.model_dump()),
            attempts=config.attempts,
            call_rows=config.call_rows,
            max_text=config.max_bytes,
            passthrough=passthrough,
        )
        references = read_references(store, target)
        gates = Gates(target, sink, references, config.references, config.most_source)
        specs[target] = Spec(job, source, stage, sink, rejects, {"target_language": target}, gates=gates)
    return specs


def specs_of(job: str) -> Callable[[TranslateRepliesConfig, Store, Report], list[Spec]]:
    """Return what gives the inference jobs that a job is made of, one a language."""

    def specs(config: TranslateRepliesConfig, store: Store, report: Report) -> list[Spec]:
        return [*translation_specs(job, config, store, report).values()]

    return specs


product_specs, reply_specs = specs_of(PRODUCTS_JOB), specs_of(REPLIES_JOB)


def _instruction(config: TranslateRepliesConfig) -> str:
    chats = not isinstance(config.engine, ApertiumConfig | CTranslate2Config)
    return read_text(config.prompt) if chats else ""


def _models(
    config: TranslateRepliesConfig, store: Store, sources: list[str], target: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the folder of each source language's model, "" without one, and the digests by pair."""
    engine, folders, digests = config.engine, dict.fromkeys(sources, ""), dict[str, str]()
    if isinstance(engine, ApertiumConfig):
        apertium.program(engine)
        folders = {code: "" for code in sources if apertium.has_pair(engine, (code, target))}
        if not folders and sources:
            apertium.digest_of(engine, (sources[0], target))  # says what is missing
        return folders, {f"{code}-{target}": apertium.digest_of(engine, (code, target)) for code in folders}
    if not (config.loads_model or isinstance(engine, CTranslate2Config)):
        return folders, digests
    for code in sources:
        reference = config.model.replace("{source}", code).replace("{target}", target)
        if isinstance(engine, CTranslate2Config):
            path = Path(reference)
            if not path.is_dir():
                raise UserError(
                    f"model={reference}: no such folder; engine ctranslate2 needs a converted model's folder"
                )
            folders[code], digests[f"{code}-{target}"] = reference, folder.digest(folder.contents(path))
        else:
            model = registry.base(f"{store.root}/_models", reference)
            folders[code], digests[f"{code}-{target}"] = model.path, model.digest
    return folders, digests


def _comparison(config: TranslateRepliesConfig, store: Store, report: Report) -> Comparison | None:
    if isinstance(config.encoder, FakeConfig):
        return Comparison(config.encoder, "", "fake")
    if config.encoder_model is None:
        return None
    model = registry.base(f"{store.root}/_models", config.encoder_model)
    report.models["encoder"] = model.digest
    spec = EncoderSpec.load(Path(folder.local(model.path)))
    return Comparison(config.encoder, model.path, model.digest, spec.query or spec.prefix)


def translate(job: str, config: TranslateRepliesConfig, store: Store, report: Report) -> None:
    """Translate new and changed texts into each language, and publish each language that passes its gates.

    Raises:
        UserError: A table, a program or a model is missing.
        GateRefused, Stopped: As `run_inference`. If a gate refuses one language, the others are still published.
    """
    report.unit = "texts"
    report.engine = EngineUse(config.engine.kind)
    if isinstance(config.engine, ApertiumConfig | CTranslate2Config):
        config = config.model_copy(update={"attempts": min(config.attempts, _DETERMINED)})
    source, sink, rejects, _ = _TABLES[job]
    undone = put_all_right(store, [rejects, sink], anew=True)
    specs = translation_specs(job, config, store, report)
    _prepare(config, specs)
    try:
        undone.append(join_texts(config, store, report, source))
    except Superseded as error:
        report.outcome, report.message = "superseded", str(error)
        return
    run = Scopes(specs, config, store, report)
    try:
        run.run()
    finally:
        report.message = "; ".join(filter(None, [*undone, report.message]))
    with report.stage("figures"):
        add_figures(config, store, report, sink, specs)
    if run.refused:
        raise GateRefused("; ".join(run.refused))


def _prepare(config: TranslateRepliesConfig, specs: Mapping[str, Spec]) -> None:
    stages: list[Any] = [spec.stage for spec in specs.values()]
    for stage in stages:
        if stage.comparison is not None:
            prepare(stage.comparison.engine, stage.comparison.path or None)
        if not isinstance(config.engine, ApertiumConfig | CTranslate2Config):
            model = next((path for path in stage.pairs.values() if path), None)
            prepare_generator(config.engine, model)


def sink_of(job: str) -> Table:
    """The table that a job publishes."""
    return _TABLES[job][1]
