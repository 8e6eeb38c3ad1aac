"""What people should judge next: products that were shown and that nobody judged, as a sheet to be filled in.

The first ten products of the candidate and of the best BM25 are pooled, so that neither gains from what is judged.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.quality.queries import JudgedQuery, Prepared
from shopbatch.core.privacy import mask
from shopbatch.core.spreadsheet_cells import protect
from shopbatch.evaluation.judged import DEPTH

FILE = "to_judge.csv"
MOST = 1000  # rows of the sheet
COLUMNS = ("query", "language", "product_id", "title", "source", "grade")


def pooled(query: JudgedQuery, lists: Sequence[np.ndarray]) -> list[int]:
    """Return the products among the first ten of any list that nobody judged, those in high places first."""
    first = [ranked[:DEPTH] for ranked in lists]
    places = [int(ranked[n]) for n in range(DEPTH) for ranked in first if n < len(ranked)]
    judged = set(query.judged.products.tolist())
    return [product for product in dict.fromkeys(places) if product not in judged]


def sheet(index: SearchIndex, prepared: Prepared, lists: Sequence[Sequence[np.ndarray]]) -> tuple[bytes, int]:
    """Make the sheet: whole queries, in the order of their hashes. `shopbatch load judgements` reads it once filled in.

    A query that holds a number or an address of a person is left out, and so is what a spreadsheet would take for a
    formula: a query, an id of a product. `source` is that of the query's other judgements, since the grades of one
    source are of one scale.

    Args:
        index: The index.
        prepared: The queries.
        lists: For each method, product numbers of each query, best first.

    Returns:
        The sheet as UTF-8, and its number of rows.
    """
    titles, ids = index.products["title"], index.products["product_id"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    rows = 0
    for place, query in enumerate(prepared.queries):
        unjudged = [n for n in pooled(query, [ranked[place] for ranked in lists]) if _is_safe(ids[n].as_py())]
        if rows + len(unjudged) > MOST:
            break
        if mask(query.text) != query.text or not _is_safe(query.text) or not _is_safe(query.source):
            continue
        for product in unjudged:
            title = protect(str(titles[product].as_py() or ""))
            writer.writerow([query.text, prepared.languages[place], ids[product].as_py(), title, query.source, ""])
        rows += len(unjudged)
    return text.getvalue().encode(), rows


def _is_safe(text: str | None) -> bool:
    """Whether a spreadsheet leaves a text as it is."""
    return text is None or protect(text) == text
