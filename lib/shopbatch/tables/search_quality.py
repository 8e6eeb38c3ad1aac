"""Declares the table `search_quality`: measures per test query (nDCG, recall, ...) of an accepted search.

`evaluate_search` publishes it.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table, View

SEARCH_QUALITY = Table(
    name="search_quality",
    meaning="One row per judged query of the test half: how well the accepted search answers it, beside the best BM25. "
    "Published by evaluate_search; its commit keeps the tuned fusion weights, which embed_products takes.",
    key=("query", "language"),
    person=Person(quoted=("query",)),
    columns=(
        Column("query", pa.string(), "The query (judgements.query).", nullable=False, free_text=True),
        Column("language", pa.string(), "ISO 639-1 code that it was searched for in.", nullable=False),
        Column("constrained", pa.bool_(), "Whether products had to meet a condition.", nullable=False),
        Column("judged", pa.int32(), "Products of the catalogue that are judged for it.", nullable=False),
        Column("useful", pa.int32(), "Those with a grade above 0.", nullable=False),
        Column("ndcg", pa.float64(), "nDCG@10, unjudged products worth nothing; null if no product is useful."),
        Column("ndcg_judged", pa.float64(), "nDCG@10 of the judged products alone; null if no product is useful."),
        Column("recall", pa.float64(), "Share of the useful products among the first fifty; null if there are none."),
        Column("unjudged", pa.float64(), "Share of the first ten that nobody judged; null if nothing is shown."),
        Column("shown", pa.int32(), "Products shown, at most ten.", nullable=False),
        Column("ndcg_bm25", pa.float64(), "nDCG@10 of the best tuned BM25; null as `ndcg`."),
        Column("index", pa.string(), "The index that was judged (manifest `key`).", nullable=False, machinery=True),
        Column("run_id", pa.string(), "The run that judged.", nullable=False, machinery=True),
    ),
    job="evaluate_search",
    view=View(("query", "ndcg", "ndcg_bm25")),
)
