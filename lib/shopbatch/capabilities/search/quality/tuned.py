"""Passes the fusion weights that `evaluate_search` tuned and accepted on to `embed_products`, for the next index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.index_files import Manifest
from shopbatch.capabilities.search.settings import FusionSettings
from shopbatch.tables.search_quality import SEARCH_QUALITY
from shopbatch.warehouse.store import Store


def remembered(fusion: FusionSettings, manifest: Manifest) -> dict[str, Any]:
    """Return the metadata of the commit of `search_quality`: the weights, and the index that they are valid for.

    Args:
        fusion: The tuned fusion settings.
        manifest: The manifest of the index.
    """
    dumped = {"fusion": fusion.model_dump(mode="json"), "lexical": manifest.lexical.model_dump(mode="json")}
    return {**dumped, "encoder": _encoder(manifest)}


def with_tuned_weights(config: EmbedProductsConfig, store: Store) -> EmbedProductsConfig:
    """Return the configuration with the accepted fusion weights, or unchanged if they do not apply.

    They apply if the configuration allows it (`tuned`), sets nothing under `fusion` itself, and makes an index like the
    one that the weights were tuned for: with the same encoder and lexical settings.

    Args:
        config: Settings of `embed_products`.
        store: The warehouse.
    """
    if not config.tuned or config.fusion != FusionSettings():
        return config
    live = store.find(SEARCH_QUALITY.name)
    kept = live.metadata.get("tuned") if live is not None else None
    asked = {"asked": config.encoder, "engine": config.engine.identity()}
    if not isinstance(kept, Mapping) or kept.get("encoder") != asked or not _same_terms(kept, config):
        return config
    try:
        fusion = FusionSettings.model_validate(kept.get("fusion"))
    except ValidationError:  # written by another version; the next evaluation writes them again
        return config
    return config.model_copy(update={"fusion": fusion})


def _encoder(manifest: Manifest) -> dict[str, Any]:
    return {"asked": manifest.encoder.asked, "engine": dict(manifest.encoder.engine)}


def _same_terms(kept: Mapping[str, Any], config: EmbedProductsConfig) -> bool:
    return bool(kept.get("lexical") == config.lexical.model_dump(mode="json"))
