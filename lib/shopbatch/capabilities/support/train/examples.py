"""Collects the examples of `train_intents`: distinct questions with their intents, and who wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.support.config_intents import ExampleConfig
from shopbatch.capabilities.support.intents import OTHER
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128
from shopbatch.evaluation.near_duplicates import near_duplicate_groups, near_duplicates
from shopbatch.text.language import guess_language
from shopbatch.warehouse.store import Snapshot

SOURCES = ("support_dialogs", "intent_examples", "ticket_feedback", "tickets")
_COLUMNS = ("key", "text", "intent", "language", "person", "ticket")


@dataclass(frozen=True)
class Examples:
    """The examples, people's questions first, in an order that depends on the texts alone.

    Attributes:
        intents: Names of the known intents, sorted.
        texts: The questions, [n].
        label: Index of the intent, int64 [n]; len(intents) for a question about none of them.
        language: ISO 639-1 code or null, string [n].
        people: Number of questions that a person wrote; the others are generated.
        ticket: True where the question is a ticket that an agent labelled, bool [n].
        group: Group number of people's questions, int64 [people]; near duplicates share a group.
        keys: Keys of the source rows from which the examples were made; the model's manifest records their hashes.
        left_out: Intents with too few examples, with their numbers of examples.
    """

    intents: tuple[str, ...]
    texts: list[str]
    label: np.ndarray
    language: pa.Array
    people: int
    ticket: np.ndarray
    group: np.ndarray
    keys: list[str]
    left_out: Mapping[str, int]

    @property
    def other(self) -> int:
        """Return the label of a question about none of the known intents."""
        return len(self.intents)


def read_examples(tables: Mapping[str, Snapshot], config: ExampleConfig) -> Examples:
    """Read the examples from the tables that exist: dialogs, intent examples, and tickets labelled by agents.

    Generated questions that nearly repeat a person's question are left out.

    Args:
        tables: Snapshots by table name (SOURCES); any may be missing.
        config: Settings that choose the questions to use.

    Raises:
        UserError: Fewer than two intents have enough examples.
    """
    parts = [_dialogs(tables, config), _examples(tables), _tickets(tables)]
    rows = pl.concat([part.select(_COLUMNS) for part in parts if part is not None] or [_nothing()])
    rows = rows.with_columns(pl.col("text").str.strip_chars(), pl.col("intent").str.strip_chars())
    rows = rows.filter(
        (pl.col("text") != "") & (pl.col("intent") != "") & (pl.col("text").str.len_bytes() <= config.max_bytes)
    )
    folded = pl.col("text").str.to_lowercase().str.replace_all(r"\s+", " ")
    rows = rows.with_columns(folded.alias("folded"))
    once = _once(rows)
    people = _first(once.filter("person"), config.most_people)
    generated = _first(once.filter(~pl.col("person")), config.most)
    copied = near_duplicates(people["text"].to_list(), generated["text"].to_list())
    whole = pl.concat([people, generated.filter(~pl.Series(copied, dtype=pl.Boolean))])
    sizes = dict(whole.filter(pl.col("intent") != OTHER).group_by("intent").len().iter_rows())
    known = tuple(sorted(name for name, size in sizes.items() if size >= config.min_rows))
    if len(known) < 2:
        raise UserError(
            f"{len(known)} intents have examples.min_rows={config.min_rows} examples or more, but two are needed: fill "
            "support_dialogs, or intent_examples (`shopbatch load intent_examples FILE`); labelled tickets count too"
        )
    whole = whole.filter(pl.col("intent").is_in([*known, OTHER]))
    number = {name: place for place, name in enumerate(known)} | {OTHER: len(known)}
    texts = whole["text"].to_list()
    count = int(whole["person"].sum())
    return Examples(
        known,
        texts,
        np.array([number[name] for name in whole["intent"].to_list()], np.int64),
        _languages(whole),
        count,
        whole["ticket"].to_numpy(),
        near_duplicate_groups(texts[:count]),
        rows.join(whole.select("folded", "intent"), on=["folded", "intent"])["key"].unique().sort().to_list(),
        {name: size for name, size in sorted(sizes.items()) if name not in known},
    )


def _dialogs(tables: Mapping[str, Snapshot], config: ExampleConfig) -> pl.DataFrame | None:
    """Read the questions of `support_dialogs` with the columns _COLUMNS; None if the table is missing."""
    rows = _read(tables, "support_dialogs", ("dialog_id", "question", "intent", "language"))
    if rows is None:
        return None
    return rows.select(
        pl.col("dialog_id").alias("key"),
        pl.col("question").alias("text"),
        "intent",
        "language",
        pl.lit(config.dialogs == "person").alias("person"),
        pl.lit(False).alias("ticket"),
    )


def _examples(tables: Mapping[str, Snapshot]) -> pl.DataFrame | None:
    """Read `intent_examples` with the columns _COLUMNS; None if the table is missing."""
    rows = _read(tables, "intent_examples", ("example_id", "text", "intent", "language", "origin"))
    if rows is None:
        return None
    return rows.select(
        pl.col("example_id").alias("key"),
        "text",
        "intent",
        "language",
        (pl.col("origin").fill_null("person") == "person").alias("person"),
        pl.lit(False).alias("ticket"),
    )


def _tickets(tables: Mapping[str, Snapshot]) -> pl.DataFrame | None:
    """Join `ticket_feedback` with `tickets` into the columns _COLUMNS; None if either table is missing."""
    labels = _read(tables, "ticket_feedback", ("ticket_id", "intent"))
    tickets = _read(tables, "tickets", ("ticket_id", "text", "language"))
    if labels is None or tickets is None:
        return None
    return labels.join(tickets, on="ticket_id").select(
        pl.col("ticket_id").alias("key"),
        "text",
        "intent",
        "language",
        pl.lit(True).alias("person"),
        pl.lit(True).alias("ticket"),
    )


def _read(tables: Mapping[str, Snapshot], name: str, columns: tuple[str, ...]) -> pl.DataFrame | None:
    snapshot = tables.get(name)
    return None if snapshot is None else pl.DataFrame(snapshot.read(columns))


def _nothing() -> pl.DataFrame:
    kinds = dict.fromkeys(_COLUMNS[:4], pl.String) | dict.fromkeys(_COLUMNS[4:], pl.Boolean)
    return pl.DataFrame(schema=kinds)


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep each text once, in the order of its hash; a person's copy is preferred to a generated one.

    A text that has two intents among people's (or among generated) questions is left out.
    """
    rows = rows.filter(pl.col("intent").n_unique().over("folded", "person") == 1)
    order = ["person", "ticket", "text", "key"]
    rows = rows.sort(order, descending=[True, True, False, False]).unique("folded", keep="first", maintain_order=True)
    high, low = hash128([rows["folded"].to_arrow(compat_level=pl.CompatLevel.oldest())])
    return rows.with_columns(pl.Series("high", high), pl.Series("low", low)).sort("high", "low", "folded")


def _first(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the first `most` rows."""
    return rows.head(most)


def _languages(rows: pl.DataFrame) -> pa.Array:
    """Return the language of each row: as stated, else recognised from the text; string [n]."""
    stated = rows["language"].to_list()
    unknown = [place for place, language in enumerate(stated) if language is None]
    texts = pa.array([rows["text"][place] for place in unknown], pa.string())
    for place, language in zip(unknown, guess_language(texts).to_pylist(), strict=True):
        stated[place] = language
    return pa.array(stated, pa.string())
