"""A shop's reviews with their aspects, made by hand or drawn, as the jobs before would leave them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from shopbatch.core.hashing import hash128, hex128
from shopbatch.tables import TABLES
from shopbatch.warehouse.store import Store

Row = dict[str, Any]
AT = datetime(2026, 6, 1, tzinfo=UTC)
CLAUSES = {
    ("fit", "negative"): ("It runs far too small for me", "尺码偏小，穿不下"),
    ("fit", "positive"): ("It fits true to size", "尺码很准"),
    ("fabric", "negative"): ("the fabric feels cheap and thin", "面料很薄"),
    ("fabric", "positive"): ("the fabric is soft and warm", "面料柔软"),
    ("delivery", "neutral"): ("it came on a Tuesday", "星期二到货"),
}
REMARK = "I wish it had pockets"


def review(key: str, product: str | None, *said: tuple[str, str], **more: Any) -> Row:
    """A review that says something (aspect, polarity) in clauses of its own.

    Args:
        key: Its id.
        product: The product.
        said: The aspects, with their polarity.
        more: rating, created_at, language, wish (whether it has a wish), label (its sentiment), before and after
            (text), other (clauses about no aspect), recipe.
    """
    index = 1 if more.get("language") == "zh" else 0
    parts = [(CLAUSES[one][index], one) for one in said]
    parts += [(REMARK, ("wish", ""))] if more.get("wish") else []
    parts += [(text, ("other", "")) for text in more.get("other", ())]
    text, spans = str(more.get("before", "")), []
    for clause, one in parts:
        spans.append((one, len(text), len(text) + len(clause)))
        text += clause + (". " if index == 0 else "。")
    text += str(more.get("after", ""))
    aspects = [
        {"aspect": a, "probability": 0.9, "polarity": p, "column": "text", "start": start, "end": end}
        | {f"p_{x}": 0.8 if x == p else 0.1 for x in ("negative", "neutral", "positive")}
        for (a, p), start, end in spans
        if p
    ]
    row = {"review_id": key, "product_id": product, "text": text, "rating": more.get("rating"), "aspects": aspects}
    row |= {
        "created_at": more.get("created_at"),
        "language": more.get("language", "en"),
        "user_id": more.get("user_id"),
    }
    row["remarks"] = [{"kind": "wish", "column": "text", "start": s, "end": e} for (a, _), s, e in spans if a == "wish"]
    row["other"] = [{"column": "text", "start": s, "end": e} for (a, _), s, e in spans if a == "other"]
    return row | {"label": more.get("label"), "clauses": len(parts), "recipe": more.get("recipe", "r1")}


def drawn(seed: int, rows: int, months: int = 3, products: int = 4) -> list[Row]:
    """Reviews by chance: some without a product, a date, a rating or an aspect."""
    draw = random.Random(seed)
    out = []
    for i in range(rows):
        said = [one for one in CLAUSES if draw.random() < 0.3]
        once = list({aspect: (aspect, polarity) for aspect, polarity in said}.values())
        day = AT - timedelta(days=draw.randrange(30 * months), hours=draw.randrange(24))
        product = draw.choice([*(f"p{n}" for n in range(products)), None])
        more = {"rating": draw.choice([None, 1, 2, 3, 4, 5]), "created_at": draw.choice([day, day, day, None])}
        label = draw.choice(["negative", "neutral", "positive", None])
        language = draw.choice(["en", "en", "zh"])
        out.append(
            review(f"r{i:05d}", product, *once, **more, label=label, language=language, wish=draw.random() < 0.1)
        )
    return out


def put(store: Store, name: str, rows: Sequence[Row]) -> None:
    """Replace a table."""
    table = TABLES[name]
    data = pa.table(
        {c.name: pa.array([r.get(c.name) for r in rows], c.type) for c in table.columns}, table.file_schema()
    )
    run = f"run-{random.Random(repr(rows)).getrandbits(40):x}"
    store.commit(table, [store.write_file(table, data, run, 0)], "replace", run)


def fill(store: Store, rows: Iterable[Row], products: Sequence[Row] | None = None, labels: Sequence[Row] = ()) -> None:
    """Fill reviews, review_aspects and, where given, review_sentiment, products and aspect_labels."""
    listed = list(rows)
    put(store, "reviews", listed)
    columns = [pa.array([r.get(c) for r in listed], pa.string()) for c in ("title", "text")]
    hashes = hex128(*hash128(columns)).to_pylist() if listed else []
    made = {"scored_at": AT, "run_id": "run", "taxonomy": "clothing", "recipe": "r1"}
    found = [made | row | {"content_hash": h} for row, h in zip(listed, hashes, strict=True)]
    put(store, "review_aspects", found)
    scored = [
        row | {f"p_{x}": 0.9 if x == row["label"] else 0.05 for x in ("negative", "neutral", "positive")}
        for row in found
        if row["label"]
    ]
    if scored:
        put(store, "review_sentiment", scored)
    if products is not None:
        put(store, "products", products)
    if labels:
        put(store, "aspect_labels", labels)


def label(number: int, row: Row, aspect: str, polarity: str | None, text: str | None = None) -> Row:
    """A label of a review's text, or of a part of it."""
    said = {"sentence_id": f"s{number:05d}", "review_id": row["review_id"], "text": text or row["text"]}
    return said | {"aspect": aspect, "polarity": polarity, "taxonomy": "clothing", "language": row["language"]}


def day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
