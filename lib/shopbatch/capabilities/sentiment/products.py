"""Compare products by their scored reviews: counts, estimated shares of negative reviews, and changes between months.

The merchant's page and its CSV file show the result.
"""

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

LEVEL = 0.9  # coverage of the interval around an estimated share
FALSE_ALARMS = 0.05  # largest probability that at least one unchanged product is flagged
MIN_REVIEWS = 5  # a product with fewer reviews is not listed, and a month with fewer is not compared
MONTH = timedelta(days=30)
_NAMES = ("title", "product_type", "category", "department")


@dataclass(frozen=True)
class Months:
    """The two months of 30 days that are compared, and the dates of all reviews.

    Attributes:
        end: End of the last month: midnight (UTC) before the newest review, because that review's day may be
            incomplete.
        first: Time of the oldest review.
        last: Time of the newest review.
        dated: Number of reviews with a date.
    """

    end: datetime
    first: datetime
    last: datetime
    dated: int

    @property
    def middle(self) -> datetime:
        """Start of the last month, which is also the end of the month before."""
        return self.end - MONTH

    @property
    def start(self) -> datetime:
        """Start of the month before the last month."""
        return self.middle - MONTH


@dataclass(frozen=True)
class Products:
    """The result of `compare_products`.

    Attributes:
        table: One row per product. Columns: product_id, title; reviews, negative, neutral, positive (counts); share (of
            negative reviews, 0 to 1), estimate (that share, drawn towards `usual` for products with few reviews), low
            and high (its 90 % interval); now, now_negative, before, before_negative (counts in the last month and in
            the month before); change (of the share between the months), change_low, change_high (null: too few
            reviews); changed (bool: certainly changed). Sorted by `low`, greatest first, so that a few bad reviews do
            not put a product on top. The last row (product_id null) holds the reviews without a product.
        months: The months that are compared; None if no review has a date.
        usual: The usual share of negative reviews of a product of this shop, 0 to 1.
    """

    table: pl.DataFrame
    months: Months | None
    usual: float

    @property
    def listed(self) -> pl.DataFrame:
        """The rows of products with at least MIN_REVIEWS reviews, which are enough to be shown."""
        return self.table.filter(pl.col("product_id").is_not_null() & (pl.col("reviews") >= MIN_REVIEWS))


def scan_scores(scores: Snapshot) -> pl.LazyFrame:
    """Return the rows of the table review_sentiment as a Polars lazy frame."""
    uris, schema = [f.uri for f in scores.files], scores.schema
    return files.scan(uris, schema) if uris else pl.DataFrame(schema.empty_table()).lazy()


def count_labels(scores: Snapshot) -> dict[str, dict[str, int]]:
    """Count the reviews by language and label: {language: {label: count}}, the language with most reviews first."""
    rows = scan_scores(scores).group_by("language", "label").len().collect(engine="streaming").rows()
    counts: dict[str, dict[str, int]] = {}
    for language, label, n in rows:
        counts.setdefault(language or "und", dict.fromkeys(LABELS, 0))[label] = n
    return dict(sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def compare_products(scores: Snapshot, reviews: Snapshot, catalogue: Snapshot | None) -> Products:
    """Count the reviews of every product, estimate its share of negative ones, and compare its last two months.

    Args:
        scores: The table review_sentiment.
        reviews: The version of `reviews` that was scored; it gives the dates.
        catalogue: The table `products`, which gives the titles; None if there is none.
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
    """Return the months to compare, which end before the day of the newest review; None if no review has a date."""
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
    """Count the reviews and the negative reviews of each product in the last month and in the month before."""
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
    """Add the monthly counts to the table, and the change of the share of negative reviews between the months.

    Only products with MIN_REVIEWS in each month are compared. The intervals hold for all of them together (Bonferroni),
    so that among many unchanged products hardly ever one is flagged as changed.

    Args:
        table: One row per product.
        monthly: The result of `_monthly`; None if no review has a date.
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
    """Return the title of each product (columns `product_id`, `title`).

    A product without a title gets its type, category or department (such as Dresses), as far as the catalogue has
    these. Without a catalogue the result is empty.
    """
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
    """Yield these columns of a snapshot one row group at a time, so that memory stays bounded."""
    schema = snapshot.select(columns)
    yield schema.empty_table()
    for file in snapshot.files:
        for group in range(len(files.row_group_rows(file.uri))):
            yield files.read(file.uri, schema, file.partition, [group])
