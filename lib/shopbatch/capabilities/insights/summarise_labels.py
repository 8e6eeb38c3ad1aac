"""Compares the polarity that the model found for aspects with people's labels, to correct the counted shares.

The unit is a mention: a review in which `analyse_reviews` found an aspect, with the clause where it found it. The label
of a mention comes from labelled sentences of the same review that contain this clause (or are a part of it). It is
negative if one of these sentences is labelled with the aspect as negative or mixed. Otherwise it is not negative, also
if the aspect is not labelled at all.

Therefore the estimated share answers this question: of the mentions that the model found, how many would a person call
negative? A mention that the model found by mistake is treated as not negative; a mention that it did not find has no
influence. The labels should be of a random sample of sentences, or of all sentences of a random sample of reviews.

TABLE_OF names the four groups of labelled mentions by label and prediction: `both` (label and prediction are negative),
`missed` (only the label is), `false` (only the prediction is) and `neither`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from shopbatch.capabilities.insights.config_summary import Labels
from shopbatch.inference.samples import content_of, rows_with
from shopbatch.models import erasure, registry
from shopbatch.tables.product_aspects import EVERY

if TYPE_CHECKING:
    from shopbatch.capabilities.insights.windows import Calendar
    from shopbatch.warehouse.store import Snapshot, Store

# Counts of labelled mentions that are negative: by truth and prediction, by truth only, by prediction only, by neither.
TABLE_OF = ("both", "missed", "false", "neither")
_COLUMNS = ("review_id", "product_id", "created_at", "taxonomy", "content_hash", "aspects")
_PAIRS = {"aspect": pl.String, "product_id": pl.String, "day": pl.Date, "truth": pl.Boolean, "found": pl.Boolean}


@dataclass
class Labelled:
    """Mentions of aspects that a person has labelled, beside the model's prediction.

    A mention is a review in which the model found an aspect, with the clause where it found it (see the module).

    Attributes:
        pairs: One row per labelled mention: aspect, product_id, day (null where unknown), and two booleans: `truth` (a
            person calls it negative) and `found` (the model calls it negative).
        said: Numbers of labels for the report, by description, such as "labels" (read), "without a review" (left out)
            and "mentions with a label" (used).
        errors: {aspect: [both, missed, false, neither]}: numbers of mentions by label and prediction, as TABLE_OF names
            them, measured in training on labels that the model had not seen. {} if the model's manifest does not have
            them.
    """

    pairs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_PAIRS))
    said: dict[str, int] = field(default_factory=dict)
    errors: dict[str, list[int]] = field(default_factory=dict)

    def pooled(self, least: int) -> pl.DataFrame:
        """Return one row per aspect with its numbers of labelled mentions by label and prediction.

        Args:
            least: If an aspect has fewer labelled mentions than this, its numbers are taken from `errors` instead,
                provided that `errors` has more labels of the aspect.

        Returns:
            The columns aspect, and four numbers of mentions: both (label and prediction are negative), missed (only the
            label is), false (only the prediction is) and neither; sorted by aspect.
        """
        counted = self.pairs.group_by("aspect").agg(table_counts())
        known = {row["aspect"]: [row[c] for c in TABLE_OF] for row in counted.iter_rows(named=True)}
        for aspect, table in self.errors.items():
            if sum(known.get(aspect, [0])) < least and sum(table) > sum(known.get(aspect, [0])):
                known[aspect] = table
        schema = {"aspect": pl.String, **dict.fromkeys(TABLE_OF, pl.Int64)}
        return pl.DataFrame([(a, *t) for a, t in sorted(known.items())], schema=schema, orient="row")

    def by_cell(self, categories: dict[str, str | None], windows: Calendar | None) -> pl.DataFrame:
        """Count the labelled mentions for each row of `product_aspects`: by level, name, aspect and time window.

        Args:
            categories: {product_id: category}, for the products that have one.
            windows: The time windows. None: each mention is counted only in the window `all`, which covers all time.

        Returns:
            The columns level ("product", "category" or "all"), name (product id, category or ""), aspect and window
            (first day of the window, or "all"), and four numbers of mentions. They compare the person's label with the
            model's prediction: both (both are negative), missed (only the label is negative), false (only the
            prediction is) and neither.
        """
        rows: list[dict[str, Any]] = []
        for pair in self.pairs.iter_rows(named=True):
            product, start = pair["product_id"], windows.find(pair["day"]) if windows else None
            places = [("product", product), ("category", categories.get(product)), ("all", "")]
            times = [EVERY] if start is None else [EVERY, start.isoformat()]
            truth, negative = pair["truth"], pair["found"]
            for level, name in places:
                if name is not None:
                    rows += [
                        {
                            "level": level,
                            "name": name,
                            "aspect": pair["aspect"],
                            "window": time,
                            "truth": truth,
                            "found": negative,
                        }
                        for time in times
                    ]
        kinds = {
            **dict.fromkeys(("level", "name", "aspect", "window"), pl.String),
            "truth": pl.Boolean,
            "found": pl.Boolean,
        }
        table = pl.DataFrame(rows, schema=kinds)
        return (
            table.group_by("level", "name", "aspect", "window")
            .agg(table_counts())
            .sort("level", "name", "aspect", "window")
        )


def table_counts() -> list[pl.Expr]:
    """Return Polars expressions that count a group's labelled mentions: the columns both, missed, false and neither."""
    truth, negative = pl.col("truth"), pl.col("found")
    cells = (truth & negative, truth & ~negative, ~truth & negative, ~truth & ~negative)
    return [cell.sum().cast(pl.Int64).alias(name) for name, cell in zip(TABLE_OF, cells, strict=True)]


def read_labels(
    store: Store, labels: Snapshot | None, analysed: Snapshot, reviews: Snapshot, config: Labels
) -> Labelled:
    """Read people's labels, and match them with the mentions that the model found in the same clauses.

    Args:
        store: The warehouse, whose models' manifests say which labels they were trained on.
        labels: The table `aspect_labels`; None if there is none.
        analysed: The table `review_aspects`.
        reviews: The table `reviews`, for the texts of the labelled reviews.
        config: Settings that say which labels are used.
    """
    if config.use == "none":
        return Labelled()
    errors = _errors(store, config.model)
    if labels is None:
        return Labelled(errors=errors)
    rows = pl.DataFrame(labels.read(["sentence_id", "aspect", "review_id", "text", "taxonomy", "polarity"]))
    said = {"labels": rows.height, "without a review": rows["review_id"].null_count()}
    rows = rows.filter(pl.col("review_id").is_not_null())
    if config.use == "held_out" and rows.height:
        trained = _trained_on(store, config.model, rows)
        said["the model was trained on them"] = int(trained.sum())
        rows = rows.filter(~trained)
    pairs = _pairs(rows, analysed, reviews)
    said["mentions with a label"] = pairs.height
    return Labelled(pairs, said, errors)


def _errors(store: Store, name: str) -> dict[str, list[int]]:
    """Read from the live model's manifest how often its predictions for each aspect agreed with labels.

    The numbers are the entry `errors` of the manifest, which is optional. They count labelled sentences in which the
    aspect was found, and are cross-fitted: each label is compared with the prediction of a model that did not learn
    from it. An aspect of several taxonomies gets the sum of their numbers.

    Returns:
        {aspect: [both, missed, false, neither]}, as TABLE_OF names them; {} if the manifest has no such numbers.
    """
    live = registry.find_live(f"{store.root}/_models", name)
    total: dict[str, list[int]] = {}
    for aspects in (live.manifest.get("errors", {}) if live is not None else {}).values():
        for aspect, table in aspects.items():
            before = total.get(aspect, [0] * len(TABLE_OF))
            total[aspect] = [a + int(b) for a, b in zip(before, table, strict=True)]
    return total


def _trained_on(store: Store, model: str, rows: pl.DataFrame) -> pl.Series:
    """Return a boolean per label: True if any registered version of the model was trained on it.

    A label is recognised by the hash of its text or of its sentence_id in the models' manifests.
    """
    manifests = [m for m, _ in registry.listed(f"{store.root}/_models") if m.get("name") == model]
    known = {row for manifest in manifests for row in manifest.get("rows", ())}
    if not known:
        return pl.Series([False] * rows.height, dtype=pl.Boolean)
    hashed = erasure.hasher(store)
    texts = erasure.text_names(rows["text"].to_arrow())
    names = zip(texts, rows["sentence_id"].to_list(), strict=True)
    return pl.Series([hashed(text) in known or hashed(key) in known for text, key in names], dtype=pl.Boolean)


def _pairs(labels: pl.DataFrame, analysed: Snapshot, reviews: Snapshot) -> pl.DataFrame:
    """Match labels with the mentions found in the same reviews; return the rows of `Labelled.pairs`.

    Reviews whose text has changed since they were analysed are left out.
    """
    ids = labels["review_id"].unique().sort().to_list()
    results = pl.DataFrame(rows_with(analysed, "review_id", ids, _COLUMNS))
    if results.is_empty():
        return pl.DataFrame(schema=_PAIRS)
    results = results.unique("review_id", keep="first", maintain_order=True)
    texts = content_of(reviews, "review_id", ("title", "text"), results).unique(
        "review_id", keep="first", maintain_order=True
    )
    both = results.join(texts, on=["review_id", "content_hash"], how="inner", maintain_order="left")
    labelled: dict[tuple[str, str], dict[str, list[tuple[str, str | None]]]] = {}
    for row in labels.sort("sentence_id", "aspect").iter_rows(named=True):
        sentences = labelled.setdefault((row["review_id"], row["taxonomy"]), {})
        sentences.setdefault(flat(row["text"]), []).append((row["aspect"], row["polarity"]))
    pairs = []
    for row in both.iter_rows(named=True):
        sentences = labelled.get((row["review_id"], row["taxonomy"]), {})
        day = None if row["created_at"] is None else row["created_at"].date()
        for entry in row["aspects"]:
            clause = flat((row[entry["column"]] or "")[entry["start"] : entry["end"]])
            holding = [said for text, said in sentences.items() if clause and (clause in text or text in clause)]
            if holding:
                truth = any(is_negative(said, entry["aspect"]) for said in holding)
                found_so = entry["polarity"] == "negative"
                pairs.append((entry["aspect"], row["product_id"], day, truth, found_so))
    return pl.DataFrame(pairs, schema=_PAIRS, orient="row")


def is_negative(said: Sequence[tuple[str, str | None]], aspect: str) -> bool:
    """Return True if a sentence is labelled as negative or mixed about an aspect.

    Args:
        said: (aspect, polarity) of each label of the sentence; polarity None means mixed.
        aspect: The aspect.
    """
    return any(name == aspect and polarity in ("negative", None) for name, polarity in said)


def flat(text: str) -> str:
    """Replace each run of white space by one blank, and strip the ends."""
    return " ".join(text.split())
