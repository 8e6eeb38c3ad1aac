"""The fusion weights that evaluate_search tuned and accepted, as embed_products takes them into the next index."""

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
    """Return what the commit of `search_quality` says of the weights, and of the index that they are for."""
    dumped = {"fusion": fusion.model_dump(mode="json"), "lexical": manifest.lexical.model_dump(mode="json")}
    return {**dumped, "encoder": _encoder(manifest)}


def with_tuned_weights(config: EmbedProductsConfig, store: Store) -> EmbedProductsConfig:
    """Return a configuration with the accepted weights.

    They are taken if the configuration asks for it (`tuned`), names no weights of its own, and makes the index that
    they were tuned for: the same encoder and lexical settings.
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
    except ValidationError:  # of another version of shopbatch: the next evaluation writes them anew
        return config
    return config.model_copy(update={"fusion": fusion})


def _encoder(manifest: Manifest) -> dict[str, Any]:
    return {"asked": manifest.encoder.asked, "engine": dict(manifest.encoder.engine)}


def _same_terms(kept: Mapping[str, Any], config: EmbedProductsConfig) -> bool:
    return bool(kept.get("lexical") == config.lexical.model_dump(mode="json"))
