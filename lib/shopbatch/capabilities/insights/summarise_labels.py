"""What labels say of the mentions that were found: for each of them whether a person, too, finds something negative.

The unit is a mention: a review in which `analyse_reviews` found an aspect. Its truth is that of the clause for which it
was found: 1 if a labelled sentence of the review that holds this clause is labelled with the aspect, and with something
negative about it (negative or mixed); 0 if such a sentence is labelled otherwise, also if it does not mention the
aspect at all. Labels should be of a random sample of sentences, or all sentences of a random sample of reviews. So the
share that is estimated is that of the found mentions that a person would call negative, and a
mention that was found by mistake counts as one that is not negative. Mentions that were missed count nowhere.
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

TABLE_OF = ("both", "missed", "false", "neither")  # of truth and prediction, in the order of the estimators
_COLUMNS = ("review_id", "product_id", "created_at", "taxonomy", "content_hash", "aspects")
_PAIRS = {"aspect": pl.String, "product_id": pl.String, "day": pl.Date, "truth": pl.Boolean, "found": pl.Boolean}


@dataclass
class Labelled:
    """The labelled mentions.

    Attributes:
        pairs: One row per mention: aspect, product_id, day (null where unknown), truth and found (whether negative).
        said: How many labels there were, and what became of them.
        errors: What the model's training found of its own errors, with labels that it had not seen: the columns of
            TABLE_OF by aspect.
    """

    pairs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_PAIRS))
    said: dict[str, int] = field(default_factory=dict)
    errors: dict[str, list[int]] = field(default_factory=dict)

    def pooled(self, least: int) -> pl.DataFrame:
        """Count by aspect: aspect, and the columns of TABLE_OF.

        Args:
            least: An aspect with fewer pairs takes the errors that training found instead, if these are more.
        """
        counted = self.pairs.group_by("aspect").agg(table_counts())
        known = {row["aspect"]: [row[c] for c in TABLE_OF] for row in counted.iter_rows(named=True)}
        for aspect, table in self.errors.items():
            if sum(known.get(aspect, [0])) < least and sum(table) > sum(known.get(aspect, [0])):
                known[aspect] = table
        schema = {"aspect": pl.String, **dict.fromkeys(TABLE_OF, pl.Int64)}
        return pl.DataFrame([(a, *t) for a, t in sorted(known.items())], schema=schema, orient="row")

    def by_cell(self, categories: dict[str, str | None], windows: Calendar | None) -> pl.DataFrame:
        """Count by level, name, aspect and window, and the columns of TABLE_OF.

        Args:
            categories: The category of each product that has one.
            windows: The windows.
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
    """The columns of TABLE_OF, of pairs in groups."""
    truth, negative = pl.col("truth"), pl.col("found")
    cells = (truth & negative, truth & ~negative, ~truth & negative, ~truth & ~negative)
    return [cell.sum().cast(pl.Int64).alias(name) for name, cell in zip(TABLE_OF, cells, strict=True)]


def read_labels(
    store: Store, labels: Snapshot | None, analysed: Snapshot, reviews: Snapshot, config: Labels
) -> Labelled:
    """Compare the labels with what was found in the same clauses.

    Args:
        store: The warehouse, whose models say which labels they were trained on.
        labels: The table aspect_labels; None: there is none.
        analysed: The table review_aspects.
        reviews: The table reviews, for the texts of the labelled reviews.
        config: Which labels count.
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
    """The errors that the live model's manifest holds: by taxonomy and aspect, the counts of TABLE_OF.

    They are those of cross-fitted predictions: each label is predicted by a model that did not learn from it. The rows
    are labelled sentences in which the aspect was found. A manifest need not have them.
    """
    live = registry.find_live(f"{store.root}/_models", name)
    total: dict[str, list[int]] = {}
    for aspects in (live.manifest.get("errors", {}) if live is not None else {}).values():
        for aspect, table in aspects.items():
            before = total.get(aspect, [0] * len(TABLE_OF))
            total[aspect] = [a + int(b) for a, b in zip(before, table, strict=True)]
    return total


def _trained_on(store: Store, model: str, rows: pl.DataFrame) -> pl.Series:
    """Tell which labels a model of this name was trained on, by the hashes of its manifest (by text or by sentence)."""
    manifests = [m for m, _ in registry.listed(f"{store.root}/_models") if m.get("name") == model]
    known = {row for manifest in manifests for row in manifest.get("rows", ())}
    if not known:
        return pl.Series([False] * rows.height, dtype=pl.Boolean)
    hashed = erasure.hasher(store)
    texts = erasure.text_names(rows["text"].to_arrow())
    names = zip(texts, rows["sentence_id"].to_list(), strict=True)
    return pl.Series([hashed(text) in known or hashed(key) in known for text, key in names], dtype=pl.Boolean)


def _pairs(labels: pl.DataFrame, analysed: Snapshot, reviews: Snapshot) -> pl.DataFrame:
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
    """Whether the labels of a sentence say something negative about an aspect; mixed (no polarity) does."""
    return any(name == aspect and polarity in ("negative", None) for name, polarity in said)


def flat(text: str) -> str:
    """Collapse white space."""
    return " ".join(text.split())
