"""Declares the tables of `guide_shoppers`, the job that answers shoppers' requests for advice with products.

`requests_with_history` joins each request with the shopper's earlier purchases. `guided_products` holds the answers
with reasons and evidence, and `guided_products_rejects` the requests without an answer.
"""

from dataclasses import replace

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import TIMESTAMP, Column, Nobody, Person, Table, View
from shopbatch.tables.search_results import CONSTRAINT

EVIDENCE = pa.struct(
    [
        ("claim", pa.string()),
        ("column", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("text", pa.string()),
    ]
)
GUIDED = pa.struct(
    [
        ("product_id", pa.string()),
        ("score", pa.float32()),
        ("lexical", pa.float32()),
        ("dense", pa.float32()),
        ("reason", pa.string()),
        ("evidence", pa.list_(EVIDENCE)),
    ]
)
_HISTORY = Column(
    "history",
    pa.string(),
    "JSON: what the shopper bought before (sizes, brands, price_level), if guide_shoppers was asked to look; null: not "
    "known, or not looked at.",
    personal=True,
)
OUTCOMES = ("products", "nothing_fits", "question")

REQUESTS_WITH_HISTORY = Table(
    name="requests_with_history",
    meaning="One row per shopper's request, with what the shopper bought before. Written by guide_shoppers.",
    key=("request_id",),
    person=Person(user="user_id"),
    latest_by="asked_at",
    columns=(
        Column("request_id", pa.string(), "The request (shopper_requests.request_id).", nullable=False),
        Column("text", pa.string(), "What the shopper wrote.", free_text=True),
        Column("user_id", pa.string(), "Who asked (users.user_id); null where unknown.", personal=True),
        Column("language", pa.string(), "ISO 639-1 code of the request; null: recognised from its text."),
        Column("asked_at", TIMESTAMP, "When it was asked, UTC; of several rows of a request the latest counts."),
        _HISTORY,
        Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True),
    ),
    job="guide_shoppers",
    view=View(("text", "history")),
)
GUIDED_PRODUCTS = Table(
    name="guided_products",
    meaning="One row per shopper's request: products that meet it, each with its reason. Published by guide_shoppers.",
    key=("request_id",),
    person=Person(user="user_id", hashes=("content_hash",)),
    columns=(
        Column("request_id", pa.string(), "The request (shopper_requests.request_id).", nullable=False),
        Column("text", pa.string(), "What the shopper wrote.", free_text=True),
        Column("user_id", pa.string(), "Who asked (users.user_id); null where unknown.", personal=True),
        Column("language", pa.string(), "ISO 639-1 code of the answer: zh, or that of the request.", nullable=False),
        Column("type", pa.string(), "Type of product that is asked for; null where none is named."),
        Column(
            "constraints",
            pa.list_(CONSTRAINT),
            "What must hold: kind, op (=, !=, <=, >=), value, currency, and where the request says it.",
            nullable=False,
            personal=True,
        ),
        Column(
            "unknown",
            pa.list_(pa.string()),
            "Constraints that no product could be checked for, since the catalogue states nothing of that kind.",
            nullable=False,
            personal=True,
        ),
        Column("outcome", pa.string(), f"One of {', '.join(OUTCOMES)}.", nullable=False, one_of=OUTCOMES),
        Column(
            "message",
            pa.string(),
            "What to say beside the products: the question back, what left nothing, what the catalogue does not say.",
            free_text=True,
        ),
        Column(
            "products",
            pa.list_(GUIDED),
            "The products, best first: product_id, score, lexical and dense (null where a part does not know it), the "
            "reason, and its evidence: each claim with the column of the product's row, and start, end and text in it.",
            nullable=False,
            personal=True,
        ),
        _HISTORY,
        Column("catalogue", pa.string(), "Catalogue and index that answered.", nullable=False, machinery=True),
        *provenance("the request's text", "what the request's vector is (encoder, engine, ...)", "it was computed"),
    ),
    job="guide_shoppers",
    view=View(("text", "outcome", "products")),
)
GUIDED_PRODUCTS_REJECTS = replace(
    rejects_of(
        GUIDED_PRODUCTS,
        "One row per request without an answer, with its reason. Published by guide_shoppers.",
        "no_key, duplicate_key, empty, too_long, control_characters, unknown_script, injected, invalid_utf8",
    ),
    person=Nobody("It names requests by their ids, and neither who asked nor what."),
)
