"""Scores pairs of queries and products through the memo, so that no pair is ever read twice by one cross-encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.product_text import encoder_text
from shopbatch.capabilities.search.rerank.config import RerankSettings
from shopbatch.capabilities.search.rerank.stage import RerankStage
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.core.hashing import hash128, hex128
from shopbatch.inference.config import Gates, InferenceConfig
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models.registry import base
from shopbatch.runs.report import Report
from shopbatch.tables.pair_scores import PAIR_SCORES, PAIR_SCORES_REJECTS, RERANK_PAIRS
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Store

JOB, STEP = "search_products", "rerank"
_MEANWHILE = "another run had its own pairs of queries and products scored meanwhile; what was scored is kept"
ANY = Gates(rows="any", accept_recipe="any", reject_share=1.0)  # the pairs of a run are all that it needs


@dataclass(frozen=True)
class Reranker:
    """A cross-encoder, found and checked.

    Attributes:
        settings: How it is used.
        spec: The inference job that scores pairs.
        model: The model's reference.
        digest: Of the model.
    """

    settings: RerankSettings
    spec: Spec
    model: str
    digest: str

    @classmethod
    def of(cls, settings: RerankSettings, store: Store) -> Reranker | None:
        """Find the cross-encoder; None if nothing is reranked.

        Raises:
            ModelError: It is missing or damaged.
        """
        if settings.model is None:
            return None
        model = base(f"{store.root}/_models", settings.model)
        stage = RerankStage(settings.engine, model.path, model.digest)
        spec = Spec(JOB, RERANK_PAIRS, stage, PAIR_SCORES, PAIR_SCORES_REJECTS, step=STEP)
        return cls(settings, spec, model.path, model.digest)

    @property
    def identity(self) -> dict[str, object]:
        """All that an order depends on."""
        return {"recipe": self.spec.recipe, "depth": self.settings.depth, "weight": self.settings.weight}

    def scores(self, pairs: pa.Table, store: Store, report: Report, config: InferenceConfig) -> Mapping[str, float]:
        """Score pairs; those that the memo knows are not computed.

        Args:
            pairs: The columns pair_id, query and text, each pair once.
            store: The warehouse.
            report: The run's; only its stages, messages and metrics are filled.
            config: How it is computed; its gates do not count.

        Returns:
            The score of each pair that has one, by pair_id.

        Raises:
            Stopped: Not all pairs were scored.
        """
        from shopbatch.engines.pairs import prepare_cross_encoder

        if not pairs.num_rows:
            return {}
        prepare_cross_encoder(self.settings.engine, self.model)
        undone = _write(pairs, store, report)
        apart = Report(job=report.job, run_id=report.run_id)  # the rows of the run are queries, not pairs
        run_inference(self.spec, config.model_copy(update={"gates": ANY, "limit": None}), store, apart)
        report.models["cross-encoder"] = self.digest
        report.message = "; ".join(filter(None, [report.message, undone, apart.message]))
        report.metrics["rerank"] = {"pairs": pairs.num_rows, "scored now": apart.rows.computed}
        if apart.outcome == "incomplete":
            raise Stopped("not all pairs of queries and products were scored")
        live, rejects = find_live(self.spec, store), store.find(PAIR_SCORES_REJECTS.name)
        rows = live.read(["pair_id", "score"]).to_pylist() if live is not None else []
        scores = {row["pair_id"]: row["score"] for row in rows}
        refused = [] if rejects is None else rejects.read(["pair_id"])["pair_id"].to_pylist()
        if not {*scores, *refused} >= set(pairs["pair_id"].to_pylist()):
            raise Stopped(_MEANWHILE)  # what is missing would stand where the search had put it, and nobody would know
        return scores


def _write(pairs: pa.Table, store: Store, report: Report) -> str:
    """Show the pairs as a table, which the inference reads; returns what others had done to it and was undone."""
    damaged, undone = put_in_order(store, RERANK_PAIRS, report.run_id)
    before = store.find(RERANK_PAIRS.name)
    rows = RERANK_PAIRS.fill(
        pairs.num_rows,
        **{name: pairs[name] for name in ("pair_id", "query", "text")},
        run_id=pa.repeat(report.run_id, pairs.num_rows),
    )
    with Publication(store, report.run_id) as publication:
        publication.add(RERANK_PAIRS, [store.write_file(RERANK_PAIRS, rows, report.run_id, 0)])
        crash_point("pairs_written")
        check = unless_changed(before.files if before is not None else ())
        try:
            publication.commit(RERANK_PAIRS, {"job": report.job, "run_id": report.run_id}, check=check)
        except Superseded:
            raise Stopped(_MEANWHILE) from None
    move_away(store, RERANK_PAIRS, damaged)
    return undone


def pairs_of(index: SearchIndex, texts: Sequence[str], lists: Sequence[np.ndarray]) -> pa.Table:
    """Return the pairs of queries and the products that were found for each.

    Args:
        index: The index.
        texts: The queries, [n].
        lists: Product numbers of each query, best first.

    Returns:
        pair_id, query, text; row for row as the lists stand one after the other.
    """
    numbers = np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int64)
    query = pa.array([text for text, some in zip(texts, lists, strict=True) for _ in range(len(some))], pa.string())
    read = encoder_text(index.products.take(pa.array(numbers)))
    read = read.combine_chunks() if isinstance(read, pa.ChunkedArray) else read
    text = pc.fill_null(read, "")
    names = hex128(*hash128([pa.chunked_array([query]), pa.chunked_array([text])]))
    return pa.table({"pair_id": names, "query": query, "text": text})


def distinct(pairs: pa.Table) -> pa.Table:
    """Return each pair once."""
    _, first = np.unique(np.array(pairs["pair_id"].to_pylist(), object).astype(str), return_index=True)
    return pairs.take(pa.array(np.sort(first)))
