"""Scores pairs of query and product through the memo, so that one cross-encoder never reads the same pair twice.

`search_products` and `evaluate_search` use it for reranking.
"""

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
ANY = Gates(rows="any", accept_recipe="any", reject_share=1.0)  # no gates: each run replaces the pairs by its own


@dataclass(frozen=True)
class Reranker:
    """A cross-encoder that was found in the registry, with the inference job that runs it.

    Attributes:
        settings: How many products are reranked, and the weight of the score.
        spec: The inference job that scores pairs (`rerank_pairs` -> `pair_scores`).
        model: The model's folder.
        digest: Digest of the model.
    """

    settings: RerankSettings
    spec: Spec
    model: str
    digest: str

    @classmethod
    def of(cls, settings: RerankSettings, store: Store) -> Reranker | None:
        """Find the configured cross-encoder; None if no model is configured.

        Args:
            settings: The settings of reranking.
            store: The warehouse.

        Raises:
            ModelError: The model is missing or damaged.
        """
        if settings.model is None:
            return None
        model = base(f"{store.root}/_models", settings.model)
        stage = RerankStage(settings.engine, model.path, model.digest)
        spec = Spec(JOB, RERANK_PAIRS, stage, PAIR_SCORES, PAIR_SCORES_REJECTS, step=STEP)
        return cls(settings, spec, model.path, model.digest)

    @property
    def identity(self) -> dict[str, object]:
        """Everything that the order after reranking depends on: recipe, depth and weight.

        Jobs store it in the origin of their table; if it has changed, they make the table again.
        """
        return {"recipe": self.spec.recipe, "depth": self.settings.depth, "weight": self.settings.weight}

    def scores(self, pairs: pa.Table, store: Store, report: Report, config: InferenceConfig) -> Mapping[str, float]:
        """Score pairs of query and product; pairs that the memo holds are not computed again.

        Args:
            pairs: The columns pair_id, query and text, each pair once.
            store: The warehouse.
            report: The run's report; only its models, message and metrics are filled in.
            config: Settings of the computation; its gates and limit are ignored.

        Returns:
            Score by `pair_id`. A pair that the stage rejected is missing.

        Raises:
            Stopped: Not all pairs were scored.
        """
        from shopbatch.engines.pairs import prepare_cross_encoder

        if not pairs.num_rows:
            return {}
        prepare_cross_encoder(self.settings.engine, self.model)
        undone = _write(pairs, store, report)
        apart = Report(job=report.job, run_id=report.run_id)  # its own report: the run counts queries, not pairs
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
            raise Stopped(_MEANWHILE)  # a missing pair would silently keep its place
        return scores


def _write(pairs: pa.Table, store: Store, report: Report) -> str:
    """Publish the (query, product text) pairs as the table `rerank_pairs`, from which the inference job reads them.

    Returns:
        One line for the report if another client had changed the table `rerank_pairs` and the change was undone, or if
        the table had damaged files; else "".

    Raises:
        Stopped: Another run published its own pairs meanwhile.
    """
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
    """Return the pairs of each query and the products found for it, as the cross-encoder reads them.

    Args:
        index: The index.
        texts: The queries, [n].
        lists: For each query its products as row numbers of the index, best first, [n].

    Returns:
        The columns pair_id (hash of query and text), query and text, in the order of `lists`; pairs may repeat.
    """
    numbers = np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int64)
    query = pa.array([text for text, some in zip(texts, lists, strict=True) for _ in range(len(some))], pa.string())
    read = encoder_text(index.products.take(pa.array(numbers)))
    read = read.combine_chunks() if isinstance(read, pa.ChunkedArray) else read
    text = pc.fill_null(read, "")
    names = hex128(*hash128([pa.chunked_array([query]), pa.chunked_array([text])]))
    return pa.table({"pair_id": names, "query": query, "text": text})


def distinct(pairs: pa.Table) -> pa.Table:
    """Return each (query, product text) pair once, in the order of its first occurrence."""
    _, first = np.unique(np.array(pairs["pair_id"].to_pylist(), object).astype(str), return_index=True)
    return pairs.take(pa.array(np.sort(first)))
