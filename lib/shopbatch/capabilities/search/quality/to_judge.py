"""Writes the sheet `to_judge.csv`: products that were shown and not judged yet, for people to fill in their grades.

The first ten products of the candidate and of the best BM25 are pooled. If only one method's products were judged, the
other method would look worse than it is.
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
MOST = 1000  # rows of the sheet, at most
COLUMNS = ("query", "language", "product_id", "title", "source", "grade")


def pooled(query: JudgedQuery, lists: Sequence[np.ndarray]) -> list[int]:
    """Return the unjudged products among the first ten of several lists, sorted by their best position in any list.

    Args:
        query: The query with its judgements.
        lists: The list of each search method: products as row numbers of the index, best first.
    """
    first = [ranked[:DEPTH] for ranked in lists]
    places = [int(ranked[n]) for n in range(DEPTH) for ranked in first if n < len(ranked)]
    judged = set(query.judged.products.tolist())
    return [product for product in dict.fromkeys(places) if product not in judged]


def sheet(index: SearchIndex, prepared: Prepared, lists: Sequence[Sequence[np.ndarray]]) -> tuple[bytes, int]:
    """Make the sheet as CSV; `shopbatch load judgements` reads it once the grades are filled in.

    Queries are taken in the order of their hashes, each with all its unjudged products, up to MOST rows. Queries with
    personal data (a number or an address) are left out, and so are queries and product ids that a spreadsheet would
    take for a formula. `source` is that of the query's other judgements, since the grades of one source share a scale.

    Args:
        index: The index.
        prepared: The queries.
        lists: For each search method, the products found for each query, as row numbers of the index, best first.

    Returns:
        The CSV as UTF-8, and its number of rows.
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
    """Return True if a spreadsheet shows a text as it is, and does not take it for a formula."""
    return text is None or protect(text) == text
