"""Products -> product_embeddings with the index, and queries -> search_results."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from shopbatch.capabilities.search.build import IndexBuilder, settings_digest
from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.encoder import SearchEncoder, configured_encoder
from shopbatch.capabilities.search.index_files import delete_old
from shopbatch.capabilities.search.quality.tuned import with_tuned_weights
from shopbatch.capabilities.search.stage import ProductStage
from shopbatch.capabilities.search.synonyms import read_synonyms
from shopbatch.engines.factory import prepare
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS, PRODUCT_EMBEDDINGS_REJECTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.synonyms import SYNONYMS
from shopbatch.warehouse.store import Store


def product_spec(
    config: EmbedProductsConfig, store: Store, report: Report, synonyms: pa.Table
) -> tuple[Spec, SearchEncoder]:
    """The inference job that embeds products, and its encoder. Raises ModelError for a missing or damaged model."""
    encoder = configured_encoder(config, store.root)
    report.engine, report.models, report.unit = EngineUse(config.engine.kind), encoder.models, "products"
    spec = spec_of(config, encoder, settings_digest(config, encoder, synonyms))
    return replace(spec, beside={SYNONYMS.name: synonyms.num_rows}), encoder


def spec_of(config: EmbedProductsConfig, encoder: SearchEncoder, index: str = "") -> Spec:
    """The inference job that embeds products with an encoder. index: as for `ProductStage`."""
    stage = ProductStage(
        config.engine,
        encoder.path,
        encoder.models,
        encoder.passage_prefix,
        max_bytes=config.max_bytes,
        index=index,
    )
    return Spec("embed_products", PRODUCTS, stage, PRODUCT_EMBEDDINGS, PRODUCT_EMBEDDINGS_REJECTS)


def product_specs(config: EmbedProductsConfig, store: Store, report: Report) -> list[Spec]:
    """The inference jobs that embed_products is made of: one."""
    config = with_tuned_weights(config, store)
    return [product_spec(config, store, report, read_synonyms(store))[0]]


def embed_products(config: EmbedProductsConfig, store: Store, report: Report) -> None:
    """Embed the new and changed products and publish them with their index. Raises what `run_inference` raises."""
    config = with_tuned_weights(config, store)
    synonyms = read_synonyms(store)
    spec, encoder = product_spec(config, store, report, synonyms)
    prepare(config.engine, encoder.path or None)
    builder = IndexBuilder(store, config, encoder, spec, report, synonyms)
    before = find_live(spec, store)
    run_inference(spec, config, store, report, before_commit=builder.before_commit)
    live = find_live(spec, store)
    builder.repair(live)
    keep = {str(s.metadata["index"]) for s in (before, live) if s is not None and "index" in s.metadata}
    if live is not None:
        delete_old(store.root, keep)
        report.highlights = {"products": f"{live.rows:,}"}
