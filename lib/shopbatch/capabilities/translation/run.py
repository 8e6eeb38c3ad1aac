"""Runs translate_products and translate_replies: collects the texts, then translates them language by language."""

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
_DETERMINED = 2  # attempts of a deterministic engine: one with masks, one without


def translation_specs(job: str, config: TranslateRepliesConfig, store: Store, report: Report) -> dict[str, Spec]:
    """Build the inference job (`Spec`) of each target language, after looking up its models and human translations.

    Args:
        job: `translate_products` or `translate_replies`.
        config: Settings of the job.
        store: The warehouse.
        report: Report of the run; the digests of the models are added to it.

    Returns:
        {ISO 639-1 code of the target language: its job}, in the order of `config.targets`.

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
    """Return the function with which the job declaration in `jobs/` lists its inference jobs, one per target language.

    Args:
        job: `translate_products` or `translate_replies`.
    """

    def specs(config: TranslateRepliesConfig, store: Store, report: Report) -> list[Spec]:
        """Build the inference jobs of all target languages; see `translation_specs`."""
        return [*translation_specs(job, config, store, report).values()]

    return specs


product_specs, reply_specs = specs_of(PRODUCTS_JOB), specs_of(REPLIES_JOB)


def _instruction(config: TranslateRepliesConfig) -> str:
    """Read the system prompt of an engine that generates text; "" for apertium and ctranslate2."""
    chats = not isinstance(config.engine, ApertiumConfig | CTranslate2Config)
    return read_text(config.prompt) if chats else ""


def _models(
    config: TranslateRepliesConfig, store: Store, sources: list[str], target: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Look up the engine's model for each source language.

    Args:
        config: Settings of the job.
        store: The warehouse.
        sources: Source languages, ISO 639-1.
        target: Target language, ISO 639-1.

    Returns:
        (folders, digests). folders: {source language: folder of its model}, "" where the engine loads none; with
        apertium only the languages that are installed. digests: {"en-es": digest of the model or of the language pair's
        files}.

    Raises:
        UserError: Apertium, its language pair or a folder of ctranslate2 is missing.
        ModelError: A model is missing or damaged.
    """
    engine, folders, digests = config.engine, dict.fromkeys(sources, ""), dict[str, str]()
    if isinstance(engine, ApertiumConfig):
        apertium.program(engine)
        folders = {code: "" for code in sources if apertium.has_pair(engine, (code, target))}
        if not folders and sources:
            apertium.digest_of(engine, (sources[0], target))  # raises an error that says what is missing
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
    """Look up the encoder that compares texts with translations, and add its digest to the report.

    Returns:
        The encoder; None if the settings switch the comparison off (`encoder_model` is null).
    """
    if isinstance(config.encoder, FakeConfig):
        return Comparison(config.encoder, "", "fake")
    if config.encoder_model is None:
        return None
    model = registry.base(f"{store.root}/_models", config.encoder_model)
    report.models["encoder"] = model.digest
    spec = EncoderSpec.load(Path(folder.local(model.path)))
    return Comparison(config.encoder, model.path, model.digest, spec.query or spec.prefix)


def translate(job: str, config: TranslateRepliesConfig, store: Store, report: Report) -> None:
    """Translate new and changed texts into each target language, and publish each language that passes its gates.

    This is the entry point of both jobs. First the texts are collected into `product_texts` or `reply_texts`. If
    another run wrote that table meanwhile, the run ends with the outcome "superseded".

    Args:
        job: `translate_products` or `translate_replies`.
        config: Settings of the job.
        store: The warehouse.
        report: Report of the run, which is filled.

    Raises:
        UserError: A table, a program or a model is missing.
        Stopped: As `run_inference`.
        GateRefused: As `run_inference`. If a gate refuses one language, the others are still published.
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
    """Check the engine's settings and export OpenVINO graphs on the driver, before any worker starts.

    So a wrong setting is reported at once, and the workers need not export the graphs themselves.
    """
    stages: list[Any] = [spec.stage for spec in specs.values()]
    for stage in stages:
        if stage.comparison is not None:
            prepare(stage.comparison.engine, stage.comparison.path or None)
        if not isinstance(config.engine, ApertiumConfig | CTranslate2Config):
            model = next((path for path in stage.pairs.values() if path), None)
            prepare_generator(config.engine, model)


def sink_of(job: str) -> Table:
    """Return the table that a job publishes: product_translations or reply_translations."""
    return _TABLES[job][1]
