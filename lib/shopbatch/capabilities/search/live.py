"""Finds the published search index, for the jobs and commands that read it."""

from __future__ import annotations

from dataclasses import dataclass

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.index_files import FOLDER, Manifest, read_index, read_manifest
from shopbatch.core.errors import UserError
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.warehouse.store import Store

COMMAND = "shopbatch run embed_products"


@dataclass(frozen=True)
class LiveIndex:
    """The index of the newest version of `product_embeddings`, found but not opened yet.

    Attributes:
        manifest: The versions and settings that the index was made from.
        folder: The folder of its files.
        version: The version of the table `product_embeddings`.
    """

    manifest: Manifest
    folder: str
    version: int

    def open(self) -> SearchIndex:
        """Read the index into memory (see `index_files.read_index`)."""
        return read_index(self.folder, self.manifest)


def live_index(store: Store) -> LiveIndex:
    """Find the published index of a warehouse.

    Raises:
        UserError: There is no index, its manifest is lost, or another version of shopbatch wrote it.
    """
    snapshot = store.find(PRODUCT_EMBEDDINGS.name)
    key = snapshot.metadata.get("index") if snapshot is not None else None
    if snapshot is None or key is None:
        raise UserError(f"no search index in warehouse {store.root}: make one with `{COMMAND}`")
    folder = f"{store.root}/{FOLDER}/{key}"
    try:
        return LiveIndex(read_manifest(folder), folder, snapshot.version)
    except FileNotFoundError as error:
        raise UserError(f"the search index is damaged ({error}): make it again with `{COMMAND}`") from None


def check_encoder(live: LiveIndex, asked: str, engine: dict[str, object]) -> None:
    """Refuse an index whose vectors come from another encoder than the configured one.

    Args:
        live: The index.
        asked: The encoder that the configuration names.
        engine: The engine's settings that can change a vector.

    Raises:
        UserError: The encoder or the engine's settings differ.
    """
    used = live.manifest.encoder
    if asked != used.asked or engine != used.engine:
        was = f"{used.asked} ({used.engine.get('kind')})"
        raise UserError(
            f"the search index is of encoder {was}, embed_products is configured with {asked} "
            f"({engine.get('kind')}): make the index again with `{COMMAND}`"
        )
