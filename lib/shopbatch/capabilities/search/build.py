"""Builds the search index from the rows of `product_embeddings`; `embed_products` publishes both in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search import terms
from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.encoder import SearchEncoder
from shopbatch.capabilities.search.index import SearchIndex, make_index
from shopbatch.capabilities.search.index_files import (
    FOLDER,
    FORMAT,
    Manifest,
    index_key,
    is_whole,
    stated_before,
    write_index,
)
from shopbatch.capabilities.search.language_vectors import REFERENCE
from shopbatch.capabilities.search.list_choice import Choice, choose
from shopbatch.capabilities.search.stated import Stated, stated_table, vocabulary_digest
from shopbatch.capabilities.search.statements import VERSION as STATEMENTS
from shopbatch.capabilities.search.synonyms import Synonyms, synonyms_digest
from shopbatch.capabilities.search.understanding.understand import VERSION as UNDERSTANDING
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary
from shopbatch.capabilities.search.vectors import fill_from_memo, of_queries, reference_vectors
from shopbatch.core.hashing import digest
from shopbatch.inference.candidate import Candidate
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.vectors.columns import matrix
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store


def settings_digest(config: EmbedProductsConfig, encoder: SearchEncoder, synonyms: pa.Table) -> str:
    """Return a digest of everything that an index depends on, apart from the rows and their vectors.

    It covers the settings, the versions of the rules that read texts, the synonyms, the query prefix and the reference
    queries. If it changes, the index is built again, and no vector is computed.

    Args:
        config: Settings of `embed_products`.
        encoder: The encoder.
        synonyms: The rows of `synonyms.read_synonyms`.
    """
    return digest(
        {
            "format": FORMAT,
            "terms": terms.VERSION,
            "lexical": config.lexical.model_dump(),
            "vectors": config.vectors.model_dump(),
            "fusion": config.fusion.model_dump(),
            "understand": [config.understand, STATEMENTS, UNDERSTANDING],
            "synonyms": synonyms_digest(synonyms),
            "query_prefix": encoder.used.query_prefix,
            "queries": REFERENCE.read_text("utf-8"),
        }
    )


@dataclass
class IndexBuilder:
    """Builds the indexes of one run of `embed_products`.

    Attributes:
        store: The warehouse.
        config: Settings of the job.
        encoder: The encoder.
        spec: The inference job that embeds products.
        report: The run's report; it gets the stage `search index` and the metrics `index`.
        synonyms: The rows of `synonyms.read_synonyms`.
        made: The key of the index that this run built or found complete; "" before that.
    """

    store: Store
    config: EmbedProductsConfig
    encoder: SearchEncoder
    spec: Spec
    report: Report
    synonyms: pa.Table
    made: str = ""

    def before_commit(self, candidate: Candidate) -> Mapping[str, Any]:
        """Build the index of a candidate, just before the table is committed.

        Args:
            candidate: The files that are about to be published.

        Returns:
            {"index": key}: metadata for the table's commit, by which readers find the index.
        """
        root = self.store.uri(self.spec.sink.name)
        refs = [(f"{root}/{f.path}", f.partition) for f in candidate.files]
        return {"index": self.make(refs, candidate.digest())}

    def repair(self, live: Snapshot | None) -> None:
        """Build the index of the live table again if its files are missing or damaged.

        Args:
            live: The live version of `product_embeddings`; None if there is none, and then nothing is done.
        """
        key = live.metadata.get("index") if live is not None else None
        if live is None or key is None or key == self.made or is_whole(f"{self.store.root}/{FOLDER}/{key}"):
            return
        self.make([(f.uri, f.partition) for f in live.files], str(live.metadata["digest"]))

    def make(self, refs: Sequence[tuple[str, Mapping[str, str | None]]], rows_digest: str) -> str:
        """Build the index of some files of `product_embeddings`, unless a complete one with the same key exists.

        Args:
            refs: URI and partition of each file.
            rows_digest: Digest of the rows, part of the key.

        Returns:
            The key of the index, which is the name of its folder.
        """
        settings = settings_digest(self.config, self.encoder, self.synonyms)
        key = self.made = index_key({"rows": rows_digest, "recipe": self.spec.recipe, "settings": settings})
        if is_whole(f"{self.store.root}/{FOLDER}/{key}"):
            return key
        with self.report.stage("search index") as stage:
            schema = PRODUCT_EMBEDDINGS.schema()
            table = pa.concat_tables([schema.empty_table(), *(files.read(uri, schema, part) for uri, part in refs)])
            rows = table.take(pc.sort_indices(table["product_id"]))
            stage.rows = rows.num_rows
            vectors = self._vectors(rows)
            stated, vocabulary = self._stated(rows)
            scores = self.config.lexical, self.config.fusion
            index = make_index(rows, vectors, of_queries(self.encoder), *scores, stated, Synonyms(self.synonyms))
            index, choice = self._in_lists(index)
            counts = pl.Series("language", rows["language"]).fill_null("und").value_counts().sort("language")
            manifest = Manifest(
                format=FORMAT,
                key=key,
                recipe=self.spec.recipe,
                encoder=self.encoder.used,
                products=rows.num_rows,
                languages=dict(counts.iter_rows()),
                lexical=self.config.lexical,
                fusion=self.config.fusion,
                stated=vocabulary,
                files={},
            )
            write_index(self.store.root, manifest, index)
            self.report.metrics["index"] = {
                "products": rows.num_rows,
                "terms": len(index.lexical.vocabulary),
                "postings": len(index.lexical.products),
                **choice.tree(),
            }
        return key

    def _in_lists(self, index: SearchIndex) -> tuple[SearchIndex, Choice]:
        """Group the vectors into lists (IVF) if that makes queries faster, and choose how many lists a query reads.

        Returns:
            The index with its lists, and the choice with its reason and the measured recall, for the report.
        """
        asked = {}
        if self.config.vectors.makes_lists(len(index.dense.codes)):
            asked["reference queries"] = reference_vectors(self.encoder, index.spoken, index.shares)
        choice = choose(index.dense, self.config.vectors, asked)
        return replace(index, dense=replace(index.dense, lists=choice.lists)), choice

    def _stated(self, rows: pa.Table) -> tuple[Stated | None, str]:
        """Read what each product states (colour, material, price, ...), reusing what the live index has read already.

        Args:
            rows: Rows of `product_embeddings`.

        Returns:
            The facts and the digest of the vocabulary that read them; None and "" if `understand` is false.
        """
        if not self.config.understand:
            return None, ""
        vocabulary = Vocabulary.from_products(rows)
        name = vocabulary_digest(vocabulary)
        live = self.store.find(self.spec.sink.name)
        key = live.metadata.get("index") if live is not None else None
        before = stated_before(f"{self.store.root}/{FOLDER}/{key}", name) if key else None
        table = stated_table(rows, vocabulary, before)
        return Stated(vocabulary, lambda: table), name

    def _vectors(self, rows: pa.Table) -> np.ndarray:
        """Return the vectors of rows, float16 [n, dim], at full precision from the memo (cache of computed vectors).

        If the memo has no vector for a row, the row's 8-bit columns `vector` and `scale` are decoded instead.
        """
        pieces = [matrix(chunk, np.int8).astype(np.float16) for chunk in rows["vector"].chunks if len(chunk)]
        vectors = np.concatenate(pieces) if pieces else np.zeros((0, 0), np.float16)
        vectors *= rows["scale"].to_numpy().astype(np.float16)[:, None]
        fill_from_memo(self.store, self.spec, rows["content_hash"].to_pylist(), vectors)
        return vectors
