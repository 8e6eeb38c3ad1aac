"""Requests -> guided_products: what the job guide_shoppers does."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from shopbatch.capabilities.search.encoder import encoder_of
from shopbatch.capabilities.search.guide.catalogue import READ
from shopbatch.capabilities.search.guide.config import GuideShoppersConfig
from shopbatch.capabilities.search.guide.stage import GuideStage, Sources
from shopbatch.capabilities.search.index_files import lease
from shopbatch.capabilities.search.live import live_index
from shopbatch.engines.factory import prepare
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.guided_products import GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.shopper_requests import SHOPPER_REQUESTS
from shopbatch.warehouse.store import Store

JOB = "guide_shoppers"


def guide_spec(config: GuideShoppersConfig, store: Store, report: Report) -> Spec:
    """The inference job that answers requests.

    Raises:
        UserError: There is no catalogue, or no index where one ranks.
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
    stage = GuideStage(sources, config.k, config.available_only, config.max_bytes, embedding)
    return Spec(JOB, SHOPPER_REQUESTS, stage, GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS)


def guide_specs(config: GuideShoppersConfig, store: Store, report: Report) -> list[Spec]:
    """The inference jobs that guide_shoppers is made of: one."""
    return [guide_spec(config, store, report)]


def guide_shoppers(config: GuideShoppersConfig, store: Store, report: Report) -> None:
    """Answer the requests and publish them. Raises what `run_inference` and `guide_spec` raise."""
    report.unit = "requests"
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
