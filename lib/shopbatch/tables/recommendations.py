"""Declares `recommendations`, the lists of products per user from `recommend_products`, and `recommendations_rejects`.

The rejects say which users could get no list, and why.
"""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import TEXT_LIST, Column, Person, Table, View

ITEM = pa.struct(
    [
        ("product_id", pa.string()),
        ("score", pa.float32()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("because", TEXT_LIST),
        ("reason", pa.string()),
    ]
)

RECOMMENDATIONS = Table(
    name="recommendations",
    meaning="One row per user with a history and list. Published by recommend_products.",
    key=("user_id", "list"),
    person=Person(user="user_id", hashes=("content_hash",)),
    partition_by=("list",),
    columns=(
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("list", pa.string(), "buy_again: what the user had; discover: what is new to the user.", nullable=False),
        Column(
            "items",
            pa.list_(ITEM),
            "The products, best first. product_id: products.product_id. score: only orders the list. kind: repeat (the "
            "user had it), new, cold (hardly anybody had it) or popular (nothing of the user's own led to it). source: "
            "what the score comes from: habit, neighbours, sequence, text or popular. because: up to three products of "
            "the user that led to it. reason: the same for a person to read; null for a popular product.",
            nullable=False,
            personal=True,
        ),
        Column("top_source", pa.string(), "Source of the first product; none: the list is empty.", nullable=False),
        Column(
            "as_of",
            pa.date32(),
            "The newest day that is known of any user. Rules that count days count them to this day.",
            nullable=False,
        ),
        Column("tokens_in", pa.int32(), "Entries of the user's history that were read.", machinery=True),
        *provenance("products, days and actions of the user", "the candidates (model, their number, ...)"),
    ),
    job="recommend_products",
    view=View(("top_source", "items")),
)

RECOMMENDATIONS_REJECTS = rejects_of(
    RECOMMENDATIONS,
    "One row per user and list that could not be published, with its reason. Published by recommend_products.",
    "empty, broken_lists",
    {"list": "The list that is missing."},
)
