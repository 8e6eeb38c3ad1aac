"""Declares the tables that `search_products` publishes: `query_embeddings`, `search_results` and their rejects.

`query_embeddings` holds the vector of each query, `search_results` the products found for it.
"""

from dataclasses import replace

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import Column, Nobody, Person, Table, View

HIT = pa.struct(
    [
        ("product_id", pa.string()),
        ("score", pa.float32()),
        ("lexical", pa.float32()),
        ("dense", pa.float32()),
        ("reason", pa.string()),
    ]
)
CONSTRAINT = pa.struct(
    [
        ("kind", pa.string()),
        ("op", pa.string()),
        ("value", pa.string()),
        ("currency", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)
_QUERY = (
    Column("query_id", pa.string(), "The query (queries.query_id).", nullable=False),
    Column("query", pa.string(), "What the shopper typed.", free_text=True),
    Column("language", pa.string(), "ISO 639-1 code of the query: given, else recognised."),
    Column("filters", pa.string(), "Conditions on products, as the query has them; null if none."),
    Column("k", pa.int32(), "Most products that the query asks for; null: as the job is configured."),
    Column("user_id", pa.string(), "Who asked (users.user_id); null where unknown.", personal=True),
)

QUERY_EMBEDDINGS = Table(
    name="query_embeddings",
    meaning="One row per query that can be answered: its vector. Published by search_products.",
    key=("query_id",),
    person=Person(user="user_id", hashes=("content_hash",)),
    columns=(
        *_QUERY,
        Column(
            "vector", pa.binary(), "The vector of length 1, float16, two bytes a number.", nullable=False, personal=True
        ),
        *provenance("the query's text", "the vector (model, engine, ...)", "it was computed"),
    ),
    job="search_products",
    view=View(("query", "language")),
)
QUERY_EMBEDDINGS_REJECTS = replace(
    rejects_of(
        QUERY_EMBEDDINGS,
        "One row per query that has no answer, with its reason. Published by search_products.",
        "no_key, duplicate_key, empty, too_long, control_characters, unknown_script, invalid_utf8, bad_filter",
    ),
    person=Nobody("It names queries by their ids, and neither who asked nor what."),
)
SEARCH_RESULTS = Table(
    name="search_results",
    meaning="One row per query that could be answered: the products, best first. Published by search_products.",
    key=("query_id",),
    person=Person(user="user_id", hashes=("content_hash",)),
    columns=(
        *_QUERY,
        Column(
            "products",
            pa.list_(HIT),
            "The products, best first: product_id, score, lexical (BM25; null if no word of the query stands there), "
            "dense (cosine after centring; null if the product is not near), and the reason in words.",
            nullable=False,
        ),
        Column(
            "constraints",
            pa.list_(CONSTRAINT),
            "What the query itself demands, and no product shown breaks: kind, op (=, !=, <=, >=), value, currency, "
            "and where the query says it.",
            personal=True,
        ),
        Column(
            "unknown",
            pa.list_(pa.string()),
            "What it demands and no product could be checked for, since the catalogue states nothing of that kind.",
            personal=True,
        ),
        Column("index", pa.string(), "The index that answered (manifest `key`).", nullable=False, machinery=True),
        Column("content_hash", pa.string(), "128-bit hash of the query's text.", nullable=False, machinery=True),
        Column("run_id", pa.string(), "The run that answered.", nullable=False, machinery=True),
    ),
    job="search_products",
    view=View(("query", "products")),
)
