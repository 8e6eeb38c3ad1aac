"""Runs the job describe_products: one inference job per language, with one report for all of them."""

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
    """The inference job that writes the copy of one language.

    Attributes:
        language: ISO 639 code.
        spec: The job as the inference machinery runs it: source table, stage, target table and scope.
    """

    language: str
    spec: Spec


def language_specs(config: Config, store: Store, report: Report) -> list[LanguageSpec]:
    """Build the inference job of each configured language, in the order of `config.languages`.

    Registers the model in `report.models` and prepares the engine. Used by `describe` and by the dry run in
    estimate.py.

    Args:
        config: Settings of describe_products.
        store: The warehouse; it is read for the reviewers' verdicts and for the model.
        report: The run's report; receives the digests of the models and the version of `copy_reviews` that was read.

    Raises:
        UserError: A prompt file is missing, or the planner has no patterns for a language.
        ModelError: The model is not registered or damaged.
    """
    planned = isinstance(config.engine, PlanConfig)
    if planned and (unknown := [x for x in config.languages if x not in LANGUAGES]):
        raise UserError(
            f"languages={unknown[0]}: the planner writes {', '.join(LANGUAGES)}; for other languages name an engine"
        )
    # read first, so that a missing prompt is found before the model is loaded
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
    """Return the inference jobs that make up describe_products, one per language.

    Args:
        config: Settings of describe_products.
        store: The warehouse.
        report: The run's report, see `language_specs`.
    """
    return [each.spec for each in language_specs(config, store, report)]


def _prompt(config: Config, language: str) -> Prompt:
    """Read the instruction and the configured examples of a language.

    Raises:
        UserError: The file is missing, or several languages would share one file.
    """
    if "{language}" not in config.prompts and len(config.languages) > 1:
        raise UserError(f"prompts={config.prompts}: with several languages the name must hold {{language}}")
    text = read_text(config.prompts.replace("{language}", language))
    examples = tuple((dict(e.attributes), e.copy_text) for e in config.examples if e.language == language)
    return Prompt(text, examples)


def _stage(config: Config, path: str, models: dict[str, str], language: str, prompt: Prompt) -> DescriptionStage:
    """Build the stage of a language, without the reviewers' verdicts.

    Args:
        config: Settings of describe_products.
        path: The model's folder; "" if the engine loads no model.
        models: Digest of the model by its use, part of the recipe.
        language: ISO 639 code.
        prompt: The instruction and the examples.
    """
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
    """Wrap a stage into its inference job, which replaces only the rows of the stage's language."""
    scope = {"language": stage.language}
    spec = Spec(JOB, PRODUCTS, stage, PRODUCT_DESCRIPTIONS, PRODUCT_DESCRIPTIONS_REJECTS, scope)
    return LanguageSpec(stage.language, spec)


def describe(config: Config, store: Store, report: Report) -> None:
    """Write copy for new and changed products and publish each language that passes its gates.

    The entry point of the job. If a gate refuses one language, the others are still published. The report's figures are
    added last; if they fail, the published copy stays. Also raises what `inference.run.run_inference` raises.

    Args:
        config: Settings of describe_products.
        store: The warehouse.
        report: The run's report, which is filled in.

    Raises:
        GateRefused: A gate refused at least one language.
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
            except (UserError, EngineError, RayError) as error:  # the published copy is not affected
                report.message = "; ".join(filter(None, [report.message, f"no figures: {one_line(error, 200)}"]))
    if run.refused:
        raise GateRefused("; ".join(run.refused))
