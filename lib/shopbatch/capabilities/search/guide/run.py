"""Runs the job `guide_shoppers`: answers the requests of shoppers, and publishes the table `guided_products`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from shopbatch.capabilities.search.encoder import encoder_of
from shopbatch.capabilities.search.guide.catalogue import READ
from shopbatch.capabilities.search.guide.config import GuideShoppersConfig
from shopbatch.capabilities.search.guide.joining import join_history
from shopbatch.capabilities.search.guide.stage import GuideStage, Sources
from shopbatch.capabilities.search.index_files import lease
from shopbatch.capabilities.search.live import live_index
from shopbatch.engines.factory import prepare
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.guided_products import GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS, REQUESTS_WITH_HISTORY
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.shopper_requests import SHOPPER_REQUESTS
from shopbatch.warehouse.publish import Superseded, rows_of
from shopbatch.warehouse.store import Store

JOB = "guide_shoppers"


def guide_spec(config: GuideShoppersConfig, store: Store, report: Report) -> Spec:
    """Return the inference job that answers requests (`shopper_requests` -> `guided_products`).

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it gets the engine, the models and the tables read.

    Raises:
        UserError: There is no catalogue, or no index although `ranking=index`.
    """
    products = store.require(PRODUCTS, READ)
    sources, embedding = Sources(products), None
    if config.ranking == "index":
        live = live_index(store)
        sources = Sources(products, live.folder, live.manifest.model_dump())
        encoder = encoder_of(live.manifest.encoder, store.root)
        embedding = encoder.query_stage(config.max_bytes)
        report.engine, report.models = EngineUse(encoder.engine.kind), encoder.models
    report.tables["products"] = {"read": products.version}
    margin = config.history_margin if config.history else None
    stage = GuideStage(sources, config.k, config.available_only, config.max_bytes, embedding, margin)
    source = REQUESTS_WITH_HISTORY if config.history else SHOPPER_REQUESTS
    return Spec(JOB, source, stage, GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS, beside=rows_of({products.name: products}))


def guide_specs(config: GuideShoppersConfig, store: Store, report: Report) -> list[Spec]:
    """Return the inference jobs that make up `guide_shoppers`: a list of one, configured with `history=false`.

    With histories the job reads `requests_with_history`, a table that only a run (`guide_shoppers`) writes.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
    """
    return [guide_spec(config.model_copy(update={"history": False}), store, report)]


def guide_shoppers(config: GuideShoppersConfig, store: Store, report: Report) -> None:
    """Run the job: answer the requests and publish the answers. Raises what `run_inference` and `guide_spec` raise.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.
    """
    report.unit = "requests"
    if config.history:
        try:
            report.message = join_history(config, store, report)
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return
    spec = guide_spec(config, store, report)
    stage = spec.stage
    held: AbstractContextManager[None] = nullcontext()
    if isinstance(stage, GuideStage) and stage.embedding is not None:
        prepare(stage.embedding.engine, stage.embedding.encoder or None)
        held = lease(store.root, report.run_id, str(stage.sources.manifest["key"]))
    with held:
        run_inference(spec, config, store, report)
    live = find_live(spec, store)
    if live is not None:
        report.highlights = _highlights(live.read(["outcome"])["outcome"].to_pylist())


def _highlights(outcomes: list[str]) -> dict[str, str]:
    return {name.replace("_", " "): f"{outcomes.count(name):,}" for name in ("products", "nothing_fits", "question")}
