"""Reviews with their aspects -> counts and quotes of each product, category and the shop, by aspect and window.

Called by `summarise`. One pass counts by product, category, aspect and window; the other levels and the window `all`
are made from these counts, which are few. Nothing here reads the clock or depends on the order of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopbatch.capabilities.insights.page_data import GROUPS
from shopbatch.tables.product_aspects import EVERY, SATISFACTION

if TYPE_CHECKING:
    from shopbatch.capabilities.insights.windows import Calendar

KEY = ("level", "name", "aspect", "window")
COUNTS = ("rows", "mentions", "negatives", "positives", "stars", "rated", "apart")
_ENOUGH, _LONG = 12, 200  # characters of a clause that quotes well
_CELL = ("product_id", "category", "aspect", "start")


def categories(products: DataFrame, column: str) -> DataFrame:
    """Return the category of each product: product_id, category (null where no grouping is known).

    Args:
        products: Rows of `products`. Of several rows of a product the latest counts.
        column: The grouping wanted; where it is null, the next larger one counts.
    """
    groups = [F.nullif(F.trim(name), F.lit("")) for name in GROUPS[GROUPS.index(column) :]]
    newest = F.max_by(F.coalesce(*groups), F.struct(F.col("updated_at"), F.coalesce(*groups)))
    rows = products.where("product_id is not null")
    return rows.groupBy("product_id").agg(newest.alias("category"))


def mentions(
    reviews: DataFrame, sentiment: DataFrame | None, groups: DataFrame | None, windows: Calendar | None
) -> DataFrame:
    """Return one row per review and thing that it mentions, and one of the aspect `satisfaction` per review.

    The columns are those of a cell (product_id, category, aspect, start), the counts, `clarity` (how well the review
    shows the thing, 0 to 1), `side` (-1 negative, 1 positive, 0 neither) and review_id.

    Args:
        reviews: Rows of review_aspects.
        sentiment: Rows of review_sentiment; None: there are none.
        groups: What `categories` returns; None: there are no products.
        windows: The windows; None: no review is in one.
    """
    rows = reviews
    if sentiment is None:
        rows = rows.withColumns({"label": F.lit(None).cast("string"), "p_label": F.lit(0.0)})
    else:
        p = F.greatest("p_negative", "p_positive").cast("double")
        rows = rows.join(sentiment.select("review_id", "label", p.alias("p_label")), "review_id", "left")
    if groups is None:
        rows = rows.withColumn("category", F.lit(None).cast("string"))
    else:
        rows = rows.join(groups, "product_id", "left")
    day = F.to_date("created_at")
    start = F.lit(None).cast("date") if windows is None else windows.start_of(day)
    things = F.concat(_aspects(), _remarks(day), F.array(_satisfaction()))
    return rows.select(
        "product_id", "category", start.alias("start"), "review_id", "rating", F.explode(things).alias("thing")
    ).select(
        *("product_id", "category", "start", "review_id", "thing.aspect", "thing.clarity", "thing.side"),
        F.lit(1).alias("rows"),
        F.col("thing.counted").alias("mentions"),
        F.when(F.col("thing.side") == -1, 1).otherwise(0).alias("negatives"),
        F.when(F.col("thing.side") == 1, 1).otherwise(0).alias("positives"),
        F.coalesce(F.col("rating").cast("int"), F.lit(0)).alias("stars"),
        F.col("rating").isNotNull().cast("int").alias("rated"),
        F.col("thing.apart").alias("apart"),
    )


def _thing(aspect: Column, counted: Column, side: Column, clarity: Column, apart: Column) -> Column:
    return F.struct(
        aspect.alias("aspect"),
        counted.cast("int").alias("counted"),
        side.cast("int").alias("side"),
        clarity.cast("double").alias("clarity"),
        apart.cast("int").alias("apart"),
    )


def _side(polarity: Column) -> Column:
    return F.when(polarity == "negative", -1).when(polarity == "positive", 1).otherwise(0)


def _aspects() -> Column:
    """The aspects; the clearest mentions are certain, and neither a word nor a story."""

    def of(entry: Column) -> Column:
        length = entry["end"] - entry["start"]
        fits = F.when(length.between(_ENOUGH, _LONG), 1.0).otherwise(0.5)
        certain = entry["probability"] * F.greatest(entry["p_negative"], entry["p_positive"])
        return _thing(entry["aspect"], F.lit(1), _side(entry["polarity"]), certain * fits, F.lit(0))

    return F.transform("aspects", of)


def _remarks(day: Column) -> Column:
    """The kinds of remarks, each once; the newest ones are quoted first."""
    newness = F.coalesce(F.unix_date(day), F.lit(0)) / 1e6
    kinds = F.array_distinct(F.transform("remarks", lambda remark: remark["kind"]))
    return F.transform(kinds, lambda kind: _thing(kind, F.lit(1), F.lit(0), newness, F.lit(0)))


def _satisfaction() -> Column:
    """The review as a whole."""
    bad = (F.col("rating") <= 2) & (F.col("label") == "positive")
    good = (F.col("rating") >= 4) & (F.col("label") == "negative")
    apart = F.coalesce((bad | good).cast("int"), F.lit(0))
    return _thing(
        F.lit(SATISFACTION), F.col("label").isNotNull(), _side(F.col("label")), F.coalesce("p_label", F.lit(0.0)), apart
    )


def cells(mentioned: DataFrame, quotes: int, remarks: tuple[str, ...]) -> DataFrame:
    """Sum up by level, name, aspect and window: KEY, `start`, COUNTS, `reviews`, `quotes` and `praise` (lists of ids).

    Args:
        mentioned: What `mentions` returns.
        quotes: How many reviews are named to be quoted, at most.
        remarks: The kinds of remarks, of which those of either side are quoted.
    """
    best = F.struct("clarity", "review_id")
    is_quote = (F.col("side") == -1) | F.col("aspect").isin(*remarks)
    small = mentioned.groupBy(*_CELL).agg(
        *(F.sum(name).alias(name) for name in COUNTS),
        F.max_by(best, F.when(is_quote, best), quotes).alias("quotes"),
        F.max_by(best, F.when(F.col("side") == 1, best), quotes).alias("praise"),
    )
    rolled = _roll_up(small, quotes)
    whole = Window.partitionBy("level", "name", "window")
    reviews = F.max(F.when(F.col("aspect") == SATISFACTION, F.col("rows"))).over(whole)
    return rolled.withColumn("reviews", reviews)


def _roll_up(small: DataFrame, quotes: int) -> DataFrame:
    """Sum the cells of products up to all levels and to the window `all`."""
    nothing = F.lit(None).cast("struct<clarity:double,review_id:string>")

    def part(counts: bool, quote: Column, praise: Column) -> Column:
        numbers = [(F.col(name) if counts else F.lit(0)).cast("bigint").alias(name) for name in COUNTS]
        return F.struct(*numbers, quote.alias("quote"), praise.alias("good"))

    empty = F.array().cast("array<struct<clarity:double,review_id:string>>")
    parts = F.concat(
        F.array(part(True, nothing, nothing)),
        F.transform(F.coalesce("quotes", empty), lambda q: part(False, q, nothing)),
        F.transform(F.coalesce("praise", empty), lambda q: part(False, nothing, q)),
    )
    levels = F.array_compact(
        F.array(
            F.when(F.col("product_id").isNotNull(), _place("product", F.col("product_id"))),
            F.when(F.col("category").isNotNull(), _place("category", F.col("category"))),
            _place("all", F.lit("")),
        )
    )
    times = F.array_distinct(F.array(F.col("start"), F.lit(None).cast("date")))
    rows = (
        small.withColumn("level", F.explode(levels))
        .withColumn("start", F.explode(times))
        .select("level.*", "aspect", "start", F.explode(parts).alias("part"))
        .select("level", "name", "aspect", "start", "part.*")
    )
    first = F.coalesce(F.col("start").cast("string"), F.lit(EVERY))
    return (
        rows.groupBy("level", "name", "aspect", "start")
        .agg(
            *(F.sum(name).alias(name) for name in COUNTS),
            F.max_by("quote.review_id", "quote", quotes).alias("quotes"),
            F.max_by("good.review_id", "good", quotes).alias("praise"),
        )
        .withColumn("window", first)
    )


def _place(level: str, name: Column) -> Column:
    return F.struct(F.lit(level).alias("level"), name.alias("name"))


def with_former(counted: DataFrame, windows: Calendar | None) -> DataFrame:
    """Add `former`, the row of the same thing in the window before; null where there is none, and for `all`."""
    kind = "struct<start:date,mentions:bigint,negatives:bigint,labelled:array<bigint>>"
    if windows is None:
        return counted.withColumn("former", F.lit(None).cast(kind))
    same = Window.partitionBy("level", "name", "aspect").orderBy(F.col("start").asc_nulls_first())
    last = F.lag(F.struct("start", "mentions", "negatives", "labelled")).over(same)
    before = windows.look_up(F.col("start"), (None, *windows.starts[:-1]))
    return counted.withColumn("former", last).withColumn(
        "former", F.when(F.col("former.start") == before, F.col("former"))
    )
