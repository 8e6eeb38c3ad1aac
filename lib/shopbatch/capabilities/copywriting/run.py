"""Runs the job describe_products: each language is an inference job of its own, and one report covers all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ray.exceptions import RayError

from shopbatch.capabilities.copywriting.config import Config, PlanConfig
from shopbatch.capabilities.copywriting.plan import Style
from shopbatch.capabilities.copywriting.report import add_figures
from shopbatch.capabilities.copywriting.reviews import decisions, latest_reviews
from shopbatch.capabilities.copywriting.stage import DescriptionStage
from shopbatch.capabilities.copywriting.writer import AttemptSampling, Prompt
from shopbatch.core.config import read_text
from shopbatch.core.errors import GateRefused, UserError, one_line
from shopbatch.core.sessions import start_ray
from shopbatch.engines.base import EngineError
from shopbatch.engines.factory import prepare_generator
from shopbatch.grounding.lexicon import LANGUAGES
from shopbatch.inference.publish import find_live
from shopbatch.inference.scopes import Scopes
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.copy_reviews import COPY_REVIEWS
from shopbatch.tables.product_descriptions import PRODUCT_DESCRIPTIONS, PRODUCT_DESCRIPTIONS_REJECTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.foreign import put_all_right
from shopbatch.warehouse.store import Store

JOB = "describe_products"


@dataclass(frozen=True)
class LanguageSpec:
    """The inference job of one language."""

    language: str
    spec: Spec


def language_specs(config: Config, store: Store, report: Report) -> list[LanguageSpec]:
    """The inference job of each language. Raises UserError (no such prompt) or ModelError (no such model)."""
    planned = isinstance(config.engine, PlanConfig)
    if planned and (unknown := [x for x in config.languages if x not in LANGUAGES]):
        raise UserError(
            f"languages={unknown[0]}: the planner writes {', '.join(LANGUAGES)}; for other languages name an engine"
        )
    # before the model is loaded, which takes longer
    prompts = {x: Prompt("") if planned else _prompt(config, x) for x in config.languages}
    path, models = "", {}
    if config.loads_model:
        model = registry.base(f"{store.root}/_models", config.model)
        path, models = model.path, {"writer": model.digest}
    if not isinstance(config.engine, PlanConfig):
        prepare_generator(config.engine, path or None)
    report.models.update(models)
    reviews = list(latest_reviews(store, report).values())
    stages = [_stage(config, path, models, x, prompts[x]) for x in config.languages]
    return [_spec(replace(stage, decisions=decisions(reviews, stage.language))) for stage in stages]


def copy_specs(config: Config, store: Store, report: Report) -> list[Spec]:
    """The inference jobs that describe_products is made of, one per language."""
    return [each.spec for each in language_specs(config, store, report)]


def _prompt(config: Config, language: str) -> Prompt:
    if "{language}" not in config.prompts and len(config.languages) > 1:
        raise UserError(f"prompts={config.prompts}: with several languages the name must hold {{language}}")
    text = read_text(config.prompts.replace("{language}", language))
    examples = tuple((dict(e.attributes), e.copy_text) for e in config.examples if e.language == language)
    return Prompt(text, examples)


def _stage(config: Config, path: str, models: dict[str, str], language: str, prompt: Prompt) -> DescriptionStage:
    return DescriptionStage(
        engine=config.engine,
        model=path,
        models=models,
        language=language,
        prompt=prompt,
        attempts=AttemptSampling(config.sampling, config.retry_temperature, guided=config.guided),
        rules=config.rules,
        call_rows=config.call_rows,
        unmentioned=config.unmentioned,
        style=Style(config.style.tone, config.style.closing, config.style.keywords),
        repair=config.repair,
        plan_from=config.attempts if config.fallback and language in LANGUAGES else 0,
    )


def _spec(stage: DescriptionStage) -> LanguageSpec:
    scope = {"language": stage.language}
    spec = Spec(JOB, PRODUCTS, stage, PRODUCT_DESCRIPTIONS, PRODUCT_DESCRIPTIONS_REJECTS, scope)
    return LanguageSpec(stage.language, spec)


def describe(config: Config, store: Store, report: Report) -> None:
    """Write copy for new and changed products, language by language, and publish each that passes its gates.

    Raises what `run_inference` raises. If a gate refuses one language, the others are still published.
    """
    if isinstance(config.engine, PlanConfig):
        config = config.model_copy(update={"attempts": 1})  # another attempt would give the same text
    report.engine = EngineUse(config.engine.kind)
    undone = put_all_right(store, [COPY_REVIEWS])
    undone += put_all_right(store, [PRODUCT_DESCRIPTIONS_REJECTS, PRODUCT_DESCRIPTIONS], anew=True)
    languages = language_specs(config, store, report)
    live = [(p.spec.recipe, find_live(p.spec, store)) for p in languages]
    new_recipe = any(table is None or table.metadata.get("recipe") != recipe for recipe, table in live)
    run = Scopes({p.language: p.spec for p in languages}, config, store, report)
    try:
        run.run()
    finally:
        report.message = "; ".join(filter(None, [*undone, report.message]))
    if not run.refused and any(r.outcome == "published" for r in run.reports):
        with report.stage("figures"):
            start_ray()
            try:
                add_figures(config, store, report, [(p.language, p.spec) for p in languages], compare=new_recipe)
            except (UserError, EngineError, RayError) as error:  # what is published stays published
                report.message = "; ".join(filter(None, [report.message, f"no figures: {one_line(error, 200)}"]))
    if run.refused:
        raise GateRefused("; ".join(run.refused))
