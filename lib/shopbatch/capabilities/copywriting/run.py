"""The door of product copy: each language through the inference machinery, one report. For `describe_products`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from ray.exceptions import RayError

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.report import add_figures
from shopbatch.capabilities.copywriting.stage import DescriptionStage, Drawing, Prompt
from shopbatch.core.config import read_text
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import WITHOUT_MODEL
from shopbatch.engines.factory import prepare_generator
from shopbatch.inference.run import find_live, run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.product_descriptions import PRODUCT_DESCRIPTIONS, PRODUCT_DESCRIPTIONS_REJECTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store

JOB = "describe_products"
_RANK = ("refused", "stopped", "failed", "superseded", "incomplete", "published", "nothing to do")


@dataclass(frozen=True)
class Part:
    """One language: what the machinery is told."""

    language: str
    spec: Spec


def parts(config: Config, store: Store, report: Report) -> list[Part]:
    """A Spec for each language. Raises UserError (a prompt that is not there), ModelError (no such model)."""
    prompts = {x: _prompt(config, x) for x in config.languages}  # all are read before a model is
    path, models = "", {}
    if config.engine.kind not in WITHOUT_MODEL:
        found = registry.base(f"{store.root}/_models", config.model)
        path, models = found.path, {"writer": found.digest}
    prepare_generator(config.engine, path or None)
    report.models.update(models)
    return [Part(x, _spec(config, path, models, x, prompts[x])) for x in config.languages]


def _prompt(config: Config, language: str) -> Prompt:
    if "{language}" not in config.prompts and len(config.languages) > 1:
        raise UserError(f"prompts={config.prompts}: with several languages the name must hold {{language}}")
    text = read_text(config.prompts.replace("{language}", language))
    shown = tuple((dict(e.attributes), e.copy_text) for e in config.examples if e.language == language)
    return Prompt(text, shown)


def _spec(config: Config, path: str, models: dict[str, str], language: str, prompt: Prompt) -> Spec:
    stage = DescriptionStage(
        engine=config.engine,
        model=path,
        models=models,
        language=language,
        prompt=prompt,
        drawing=Drawing(config.sampling, config.retry_temperature, guided=config.guided),
        rules=config.rules,
        call_rows=config.call_rows,
        unmentioned=config.unmentioned,
    )
    scope = {"language": language}
    return Spec(JOB, PRODUCTS, stage, PRODUCT_DESCRIPTIONS, PRODUCT_DESCRIPTIONS_REJECTS, scope)


def describe(config: Config, store: Store, report: Report) -> None:
    """Write copy for what is new or changed, language by language, and publish each that passes its gates.

    Raises as `run_inference` does; a language that a gate refuses does not keep the others from being published.
    """
    report.engine = EngineUse(config.engine.kind)
    languages = parts(config, store, report)
    live = [(p.spec.recipe, find_live(p.spec, store)) for p in languages]
    new = any(table is None or table.metadata.get("recipe") != recipe for recipe, table in live)
    run = _Run(config, store, report)
    try:
        for part in languages:
            run.one(part)
    finally:
        _merge(report, run.done, languages)
    if not run.refused and any(r.outcome == "published" for r in run.done):
        with report.stage("figures"):
            try:
                add_figures(config, store, report, [(p.language, p.spec) for p in languages], compare=new)
            except (UserError, EngineError, RayError) as error:  # what is published stays published
                report.message = f"no figures: {' '.join(str(error).split())[:200]}"
    if run.refused:
        raise GateRefused("; ".join(run.refused))


@dataclass
class _Run:
    """One run over the languages. spent: of the budget's caps. refused: what gates said."""

    config: Config
    store: Store
    report: Report
    spent: dict[str, float] = field(default_factory=dict)
    done: list[Report] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def one(self, part: Part) -> None:
        """A language with a report of its own; a gate that refuses it keeps the others from nothing."""
        whole = self.report
        mine = Report(job=whole.job, run_id=whole.run_id, env=whole.env, config=whole.config)
        self.done.append(mine)
        try:
            run_inference(part.spec, self.config, self.store, mine, self.spent)
        except GateRefused as error:
            mine.outcome = "refused"
            self.refused.append(f"{part.language}: {error}")


def _merge(report: Report, done: list[Report], languages: list[Part]) -> None:
    """The reports of the languages as one: counts are sums, names of the rest begin with the language."""
    one = len(languages) == 1
    for name in (f.name for f in fields(report.rows)):
        told = [getattr(r.rows, name) for r in done if getattr(r.rows, name) is not None]
        setattr(report.rows, name, sum(told) if told else None)
    for part, mine in zip(languages, done, strict=False):
        before = "" if one else f"{part.language}: "
        report.stages |= {before + n: s for n, s in mine.stages.items()}
        report.gates += [replace(g, name=before + g.name) for g in mine.gates]
        report.metrics |= {before + n: v for n, v in mine.metrics.items()}
        report.samples += mine.samples
        report.tables |= mine.tables
        for reason, rows in mine.rejects.items():
            report.rejects[reason] = report.rejects.get(reason, 0) + rows
        if mine.engine is not None and report.engine is not None:
            report.engine.calls += mine.engine.calls
            report.engine.tokens_in += mine.engine.tokens_in
            report.engine.tokens_out += mine.engine.tokens_out
    report.recipe = done[0].recipe if one else " ".join(f"{p.language}:{p.spec.recipe}" for p in languages)
    report.outcome = min((r.outcome for r in done), key=_RANK.index)
    report.message = "; ".join(r.message for r in done if r.message)
