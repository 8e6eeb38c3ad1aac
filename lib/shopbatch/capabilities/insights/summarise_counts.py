"""Counts the mentions of aspects in reviews and chooses reviews to quote, in Spark, for `summarise.Summary`.

There is one row of counts per level (product, category or the whole shop), name, aspect and time window. One pass over
the reviews counts by product, category, aspect and window. The sums for categories, for the shop and for the window
`all` (all reviews) are made from these few counts. The result does not depend on the clock or the order of rows.
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
_ENOUGH, _LONG = 12, 200  # shortest and longest clause, in characters, that make a good quote
_CELL = ("product_id", "category", "aspect", "start")


def categories(products: DataFrame, column: str) -> DataFrame:
    """Return the category of each product: columns product_id and category (null where no grouping is known).

    Args:
        products: Rows of `products`; of several rows of one product, the latest is used.
        column: Column of `products` to use as category, one of `page_data.GROUPS`. Where it is null, the next larger
            grouping in GROUPS is used.
    """
    groups = [F.nullif(F.trim(name), F.lit("")) for name in GROUPS[GROUPS.index(column) :]]
    newest = F.max_by(F.coalesce(*groups), F.struct(F.col("updated_at"), F.coalesce(*groups)))
    rows = products.where("product_id is not null")
    return rows.groupBy("product_id").agg(newest.alias("category"))


def mentions(
    reviews: DataFrame, sentiment: DataFrame | None, groups: DataFrame | None, windows: Calendar | None
) -> DataFrame:
    """Return one row per review and aspect or kind of remark that it mentions, and one per review for `satisfaction`.

    `satisfaction` is a reserved aspect that stands for the review as a whole. The columns are product_id, category,
    aspect, start (first day of the time window, null for none), the counts in COUNTS, review_id, `side` (-1 negative, 1
    positive, 0 neither), and `clarity`, a score by which quotes are chosen (higher is better; comparable within an
    aspect only).

    Args:
        reviews: Rows of `review_aspects`.
        sentiment: Rows of `review_sentiment`; None if there are none.
        groups: Category of each product, as `categories` returns it; None if there are no products.
        windows: The time windows; None puts no review into a window.
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
    """Return a struct column for one aspect or kind of remark of a review; `mentions` turns each struct into a row.

    Args:
        aspect: Name of the aspect or kind of remark.
        counted: 1 if it counts as a mention, else 0.
        side: -1 negative, 1 positive, 0 neither.
        clarity: Score by which quotes are chosen; higher is better.
        apart: 1 if stars and sentiment of the review contradict each other, else 0.
    """
    return F.struct(
        aspect.alias("aspect"),
        counted.cast("int").alias("counted"),
        side.cast("int").alias("side"),
        clarity.cast("double").alias("clarity"),
        apart.cast("int").alias("apart"),
    )


def _side(polarity: Column) -> Column:
    """Return -1 for the polarity `negative`, 1 for `positive`, 0 for all others and null."""
    return F.when(polarity == "negative", -1).when(polarity == "positive", 1).otherwise(0)


def _aspects() -> Column:
    """Return the aspects of a review as a list of structs (see `_thing`).

    The clarity is the product of the probabilities of aspect and polarity, halved if the clause is too short (under 12
    characters) or too long (over 200) for a good quote.
    """

    def of(entry: Column) -> Column:
        length = entry["end"] - entry["start"]
        fits = F.when(length.between(_ENOUGH, _LONG), 1.0).otherwise(0.5)
        certain = entry["probability"] * F.greatest(entry["p_negative"], entry["p_positive"])
        return _thing(entry["aspect"], F.lit(1), _side(entry["polarity"]), certain * fits, F.lit(0))

    return F.transform("aspects", of)


def _remarks(day: Column) -> Column:
    """Return the kinds of remark of a review, each once, as a list of structs (see `_thing`).

    The clarity grows with the day of the review, so that the newest remarks are quoted first.
    """
    newness = F.coalesce(F.unix_date(day), F.lit(0)) / 1e6
    kinds = F.array_distinct(F.transform("remarks", lambda remark: remark["kind"]))
    return F.transform(kinds, lambda kind: _thing(kind, F.lit(1), F.lit(0), newness, F.lit(0)))


def _satisfaction() -> Column:
    """Return the struct (see `_thing`) of the aspect `satisfaction`, which stands for the review as a whole.

    `side` is the sentiment of the review. `apart` is 1 if the sentiment is positive with 1 or 2 stars, or negative with
    4 or 5 stars.
    """
    bad = (F.col("rating") <= 2) & (F.col("label") == "positive")
    good = (F.col("rating") >= 4) & (F.col("label") == "negative")
    apart = F.coalesce((bad | good).cast("int"), F.lit(0))
    return _thing(
        F.lit(SATISFACTION), F.col("label").isNotNull(), _side(F.col("label")), F.coalesce("p_label", F.lit(0.0)), apart
    )


def cells(mentioned: DataFrame, quotes: int, remarks: tuple[str, ...]) -> DataFrame:
    """Sum the mentions up to one row per level, name, aspect and time window (the columns of KEY).

    The level is product, category or all (the whole shop); the name is the product's id, the category, or "".

    Args:
        mentioned: Rows of `mentions`.
        quotes: Maximum number of reviews in each of the lists `quotes` and `praise`.
        remarks: The kinds of remark; reviews with a remark are listed in `quotes`, whatever their `side`.

    Returns:
        The columns of KEY, `start` (first day of the window; null for the window `all`), the sums of COUNTS, `reviews`
        (number of reviews with this level, name and window), and two lists of review ids, the clearest first: `quotes`
        (negative, or with a remark) and `praise` (positive). A list is null if it has no review.
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
    """Sum counts per product and window into counts per product, category and shop, by window and over all time.

    Args:
        small: Counts and the best quotes, with clarity, per product, category, aspect and window.
        quotes: Maximum number of reviews in each list of quotes.
    """
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
    """Return a struct column with the fields `level` (a constant) and `name` (a product's id, a category, or "")."""
    return F.struct(F.lit(level).alias("level"), name.alias("name"))


def with_former(counted: DataFrame, windows: Calendar | None) -> DataFrame:
    """Add the struct column `former`: the counts of the same product, category or shop and aspect in the window before.

    Its fields are start, mentions, negatives and labelled. It is null where the window before has no row, in the first
    window, and in the window `all` (all reviews).

    Args:
        counted: Rows of `cells` with the column `labelled` of `Summary._with_labels`.
        windows: The time windows; None makes `former` null everywhere.
    """
    kind = "struct<start:date,mentions:bigint,negatives:bigint,labelled:array<bigint>>"
    if windows is None:
        return counted.withColumn("former", F.lit(None).cast(kind))
    same = Window.partitionBy("level", "name", "aspect").orderBy(F.col("start").asc_nulls_first())
    last = F.lag(F.struct("start", "mentions", "negatives", "labelled")).over(same)
    before = windows.look_up(F.col("start"), (None, *windows.starts[:-1]))
    return counted.withColumn("former", last).withColumn(
        "former", F.when(F.col("former.start") == before, F.col("former"))
    )
