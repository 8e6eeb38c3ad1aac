"""The entry point of the job `analyse_reviews`, which reads `reviews` and publishes `review_aspects`."""

from __future__ import annotations

from dataclasses import dataclass

from shopbatch.capabilities.insights.config import AnalyseReviewsConfig
from shopbatch.capabilities.insights.model import NAME, AspectModel
from shopbatch.capabilities.insights.stage import AspectStage
from shopbatch.capabilities.insights.taxonomy import shipped
from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models.registry import NoLiveModel, find, resolve
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.review_aspects import REVIEW_ASPECTS, REVIEW_ASPECTS_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


@dataclass(frozen=True)
class _Used:
    """The models and taxonomies of a run.

    Attributes:
        encoder: Folder of the encoder; "" for the fake engine.
        model: Folder of the aspect model; "" for the fake engine.
        digests: Digests of the encoder and the aspect model, by name, for the recipe.
        kinds: Names of the taxonomies that a review may be assigned to.
    """

    encoder: str
    model: str
    digests: dict[str, str]
    kinds: tuple[str, ...]


def analyse_spec(config: AnalyseReviewsConfig, store: Store, report: Report) -> Spec:
    """Return the inference job that analyses reviews.

    The models' digests and the model's quality, as its training measured it, are entered into the report.

    Args:
        config: Settings of the job.
        store: The warehouse, in whose registry the models are found.
        report: The report of the run.

    Raises:
        ModelError: A model is missing or damaged.
        UserError: The model does not know a taxonomy.
    """
    used = _used(config, store, report)
    report.unit, report.engine, report.models = "reviews", EngineUse(config.engine.kind), dict(used.digests)
    stage = AspectStage(config.engine, used.encoder, used.model, used.digests, used.kinds, config.max_bytes)
    return Spec("analyse_reviews", REVIEWS, stage, REVIEW_ASPECTS, REVIEW_ASPECTS_REJECTS)


def analyse_specs(config: AnalyseReviewsConfig, store: Store, report: Report) -> list[Spec]:
    """Return the list of inference jobs of which `analyse_reviews` consists: only that of `analyse_spec`."""
    return [analyse_spec(config, store, report)]


def analyse_reviews(config: AnalyseReviewsConfig, store: Store, report: Report) -> None:
    """Analyse the new and changed reviews and publish `review_aspects`.

    Raises what `run_inference` and `analyse_spec` raise.
    """
    run_inference(analyse_spec(config, store, report), config, store, report)


def _used(config: AnalyseReviewsConfig, store: Store, report: Report) -> _Used:
    """Find the aspect model and its encoder in the registry, and the taxonomies to use.

    Raises:
        NoLiveModel: No aspect model has been published.
        ModelError: A model is missing or damaged.
        UserError: The model does not know a taxonomy.
    """
    if config.engine.kind == "fake":
        kinds = config.taxonomies or ("clothing", "hotels")
        return _Used("", "", {"encoder": "fake", NAME: "fake"}, _known(kinds, shipped()))
    root = f"{store.root}/_models"
    try:
        live = resolve(root, config.model)
    except NoLiveModel as error:
        raise NoLiveModel(f"{error}; `shopbatch run train_aspects` trains one") from None
    model = AspectModel.load(live.path)
    encoder = find(root, model.encoder)  # by name and digest only: a model's files must not refer to a path
    report.metrics["quality"] = dict(live.manifest.get("metrics", {}))
    digests = {"encoder": encoder.digest, NAME: live.digest}
    return _Used(encoder.path, live.path, digests, _known(config.taxonomies, tuple(model.taxonomies)))


def _known(asked: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    """Return the taxonomies asked for, or all that the model knows if none is asked for.

    Raises:
        UserError: The model does not know one of them.
    """
    if unknown := [name for name in asked if name not in there]:
        raise UserError(f"taxonomies: the model does not know {unknown[0]!r}; {hint(unknown[0], there)}")
    return asked or there
