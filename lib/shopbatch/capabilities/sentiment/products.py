"""What the scored reviews say of each product: counts, estimated shares of negative reviews, and what has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.head import LABELS
from shopbatch.evaluation.proportions import difference_interval, fit_prior, shrunken_shares
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

LEVEL = 0.9  # probability of the range around an estimated share
FALSE_ALARMS = 0.05  # largest probability that any product at all is flagged by accident
MIN_REVIEWS = 5  # fewer reviews, in all or in a month, are not evidence to show
MONTH = timedelta(days=30)
_NAMES = ("title", "product_type", "category", "department")


@dataclass(frozen=True)
class Months:
    """The two months that are compared, and how many of all reviews have a date.

    Attributes:
        end: Midnight (UTC) before the newest review: its own day may not be complete.
        first, last: The oldest and the newest review.
        dated: Reviews with a date.
    """

    end: datetime
    first: datetime
    last: datetime
    dated: int

    @property
    def middle(self) -> datetime:
        """Where the last month begins, and the one before it ends."""
        return self.end - MONTH

    @property
    def start(self) -> datetime:
        """Where the month before begins."""
        return self.middle - MONTH


@dataclass(frozen=True)
class Products:
    """What `compare_products` returns.

    Attributes:
        table: One row per product, in the order of `low`, the share that is very likely exceeded: a few bad reviews do
            not lead. The columns are product_id, title, reviews, negative, neutral, positive; share, estimate, low,
            high (of negative reviews); now, now_negative, before, before_negative (reviews in the last month and in the
            one before); change, change_low, change_high (null: too few reviews), and changed. Reviews without a
            product are the last row, whose product_id is null.
        months: The months that are compared; None if no review has a date.
        usual: The share of negative reviews that is usual in this shop.
    """

    table: pl.DataFrame
    months: Months | None
    usual: float

    @property
    def listed(self) -> pl.DataFrame:
        """The products that have enough reviews to be shown."""
        return self.table.filter(pl.col("product_id").is_not_null() & (pl.col("reviews") >= MIN_REVIEWS))


def scan_scores(scores: Snapshot) -> pl.LazyFrame:
    """Scan the table review_sentiment lazily."""
    uris, schema = [f.uri for f in scores.files], scores.schema
    return files.scan(uris, schema) if uris else pl.DataFrame(schema.empty_table()).lazy()


def count_labels(scores: Snapshot) -> dict[str, dict[str, int]]:
    """Count the reviews of each language by label; the language with most reviews first, labels in their order."""
    rows = scan_scores(scores).group_by("language", "label").len().collect(engine="streaming").rows()
    counts: dict[str, dict[str, int]] = {}
    for language, label, n in rows:
        counts.setdefault(language or "und", dict.fromkeys(LABELS, 0))[label] = n
    return dict(sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def compare_products(scores: Snapshot, reviews: Snapshot, catalogue: Snapshot | None) -> Products:
    """Count the reviews of every product, and compare the products and their last two months.

    Args:
        scores: The table review_sentiment.
        reviews: The version of `reviews` that was scored; its dates count.
        catalogue: The table `products`; None: there is none.
    """
    counts = [pl.len().alias("reviews"), *((pl.col("label") == x).sum().alias(x) for x in LABELS)]
    table = scan_scores(scores).group_by("product_id").agg(counts).collect(engine="streaming").sort("product_id")
    table = table.with_columns(pl.col(c).cast(pl.Int64) for c in ("reviews", *LABELS))
    known = table.filter(pl.col("product_id").is_not_null())
    prior = fit_prior(known["negative"].to_numpy(), known["reviews"].to_numpy())
    ends = shrunken_shares(table["negative"].to_numpy(), table["reviews"].to_numpy(), prior, LEVEL)
    named = {n: pl.Series(v, dtype=pl.Float64) for n, v in zip(("estimate", "low", "high"), ends, strict=True)}
    table = table.with_columns((pl.col("negative") / pl.col("reviews")).alias("share"), **named)
    months = _months(reviews)
    table = _compared(table, None if months is None else _monthly(scores, reviews, months))
    table = table.join(_titles(catalogue, known["product_id"]), on="product_id", how="left")
    order = [pl.col("product_id").is_null(), -pl.col("low"), -pl.col("estimate"), -pl.col("reviews"), "product_id"]
    return Products(table.sort(order), months, prior.mean)


def _months(reviews: Snapshot) -> Months | None:
    """The months to compare, by the reviews' dates; None if there are none."""
    first: datetime | None = None
    last: datetime | None = None
    dated = 0
    for table in _pieces(reviews, ["created_at"]):
        ends = pc.min_max(table["created_at"]).as_py()
        dated += table.num_rows - table["created_at"].null_count
        if ends["min"] is not None:
            first, last = min(first or ends["min"], ends["min"]), max(last or ends["max"], ends["max"])
    if first is None or last is None:
        return None
    return Months(last.replace(hour=0, minute=0, second=0, microsecond=0), first, last, dated)


def _monthly(scores: Snapshot, reviews: Snapshot, months: Months) -> pl.DataFrame:
    """Reviews and negative ones of each product in the last month and in the one before."""
    recent = [
        pl.DataFrame(table.filter(pc.greater_equal(table["created_at"], pa.scalar(months.start))))
        for table in _pieces(reviews, ["review_id", "created_at"])
    ]
    # a key may occur twice in the source: its latest row is the one that counts
    dates = pl.concat(recent).group_by("review_id").agg(pl.col("created_at").max())
    dates = dates.filter(pl.col("created_at") < months.end)
    both = scan_scores(scores).select("review_id", "product_id", "label").join(dates.lazy(), on="review_id")
    now, negative = pl.col("created_at") >= months.middle, pl.col("label") == "negative"
    return (
        both.group_by("product_id")
        .agg(
            now.sum().cast(pl.Int64).alias("now"),
            (now & negative).sum().cast(pl.Int64).alias("now_negative"),
            (~now).sum().cast(pl.Int64).alias("before"),
            (~now & negative).sum().cast(pl.Int64).alias("before_negative"),
        )
        .collect(engine="streaming")
    )


def _compared(table: pl.DataFrame, monthly: pl.DataFrame | None) -> pl.DataFrame:
    """Add the months and what changed between them.

    Only products with MIN_REVIEWS in both months are compared. The ranges hold for all of them together (Bonferroni),
    so that of many products that did not change hardly ever one is flagged.
    """
    months = ["now", "now_negative", "before", "before_negative"]
    if monthly is None:
        monthly = pl.DataFrame(schema={"product_id": pl.String, **dict.fromkeys(months, pl.Int64)})
    table = table.join(monthly, on="product_id", how="left", nulls_equal=True, maintain_order="left")
    table = table.with_columns(pl.col(months).fill_null(0))
    rows = (pl.col("now") >= MIN_REVIEWS) & (pl.col("before") >= MIN_REVIEWS) & pl.col("product_id").is_not_null()
    at = np.flatnonzero(table.select(rows).to_series().to_numpy())
    now, x, before, y = (table[c].to_numpy()[at] for c in months)
    low, high = difference_interval(x, now, y, before, 1 - FALSE_ALARMS / max(len(at), 1))
    values = {"change": x / now - y / before, "change_low": low, "change_high": high}
    columns = []
    for name, numbers in values.items():
        column = np.full(table.height, np.nan)
        column[at] = numbers
        columns.append(pl.Series(name, column, dtype=pl.Float64).fill_nan(None))
    changed = (pl.col("change_low") > 0) | (pl.col("change_high") < 0)
    return table.with_columns(columns).with_columns(changed.fill_null(False).alias("changed"))


def _titles(catalogue: Snapshot | None, products: pl.Series) -> pl.DataFrame:
    """The title of each of these products; without one its kind (Dresses), if the catalogue has that."""
    if catalogue is None or "product_id" not in catalogue.schema.names:
        return pl.DataFrame(schema={"product_id": pl.String, "title": pl.String})
    names = [n for n in _NAMES if n in catalogue.schema.names]
    latest = [n for n in ("updated_at",) if n in catalogue.schema.names]
    wanted = pa.array(products.to_list(), pa.string())
    kept = []
    for table in _pieces(catalogue, ["product_id", *names, *latest]):
        ids = table["product_id"].cast(pa.string())
        kept.append(pl.DataFrame(table.set_column(0, "product_id", ids).filter(pc.is_in(ids, wanted))))
    rows = pl.concat(kept).sort(latest, nulls_last=False, maintain_order=True) if latest else pl.concat(kept)
    text = [pl.col(n).cast(pl.String).str.strip_chars().replace("", None).drop_nulls().last().alias(n) for n in names]
    newest = rows.group_by("product_id", maintain_order=True).agg(text)
    title = pl.coalesce(names) if names else pl.lit(None, pl.String)
    return newest.select("product_id", title.alias("title"))


def _pieces(snapshot: Snapshot, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read these columns one row group at a time, in bounded memory."""
    schema = snapshot.select(columns)
    yield schema.empty_table()
    for file in snapshot.files:
        for group in range(len(files.row_group_rows(file.uri))):
            yield files.read(file.uri, schema, file.partition, [group])
