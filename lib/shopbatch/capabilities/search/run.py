"""Runs the job `embed_products`: embeds the products, builds the index, and publishes both in one commit."""

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
    """Return the inference job that embeds products, and its encoder; the report gets the engine and the models.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        synonyms: The rows of `synonyms.read_synonyms`.

    Raises:
        ModelError: The encoder is missing or damaged.
    """
    encoder = configured_encoder(config, store.root)
    report.engine, report.models, report.unit = EngineUse(config.engine.kind), encoder.models, "products"
    spec = spec_of(config, encoder, settings_digest(config, encoder, synonyms))
    return replace(spec, beside={SYNONYMS.name: synonyms.num_rows}), encoder


def spec_of(config: EmbedProductsConfig, encoder: SearchEncoder, index: str = "") -> Spec:
    """Return the inference job that embeds products with a given encoder (`products` -> `product_embeddings`).

    Args:
        config: Settings of the job.
        encoder: The encoder.
        index: Digest of everything that the index depends on apart from the rows (see `ProductStage`).
    """
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
    """Return the inference jobs that make up `embed_products`: a list of one.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it gets the engine and the models.
    """
    config = with_tuned_weights(config, store)
    return [product_spec(config, store, report, read_synonyms(store))[0]]


def embed_products(config: EmbedProductsConfig, store: Store, report: Report) -> None:
    """Run the job: embed the new and changed products, and publish them with their index.

    An index that was lost or damaged is built again; indexes that nobody uses any more are deleted. Raises what
    `run_inference` raises.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.
    """
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
