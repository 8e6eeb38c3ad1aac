"""product_descriptions and its rejects: what `describe_products` publishes, and why a product has no copy."""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Table

PRODUCT_DESCRIPTIONS = Table(
    name="product_descriptions",
    meaning="One row per product and language with copy that passed all checks. Published by describe_products.",
    key=("product_id", "language"),
    partition_by=("language",),
    columns=(
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column("language", pa.string(), "ISO 639-1 code of the copy (en, zh, ...).", nullable=False),
        Column("department", pa.string(), "The product's department when the copy was published; null if none."),
        Column("headline", pa.string(), "One line that names the product.", nullable=False),
        Column("description", pa.string(), "Two or three sentences.", nullable=False),
        Column("bullets", pa.list_(pa.string()), "Two to four short facts.", nullable=False),
        Column(
            "evidence", pa.string(), "JSON: attribute -> the words of the copy that say it, or null.", nullable=False
        ),
        Column("coverage", pa.float32(), "Share of the product's attributes that the copy mentions, 0 to 1."),
        Column("tokens_in", pa.int32(), "Tokens of the prompt.", nullable=False),
        Column("tokens_out", pa.int32(), "Tokens of the answer.", nullable=False),
        Column("content_hash", pa.string(), "128-bit hash of the attributes, 32 hex digits.", nullable=False),
        Column("recipe", pa.string(), "Digest of all that can change the text (model, prompt, ...).", nullable=False),
        Column("scored_at", TIMESTAMP, "When the text was written, UTC.", nullable=False),
        Column("run_id", pa.string(), "The run that wrote it (its report is under _runs/).", nullable=False),
    ),
)

PRODUCT_DESCRIPTIONS_REJECTS = Table(
    name="product_descriptions_rejects",
    meaning="One row per product and language without copy, with its reason. Published by describe_products.",
    key=("language", "source_file", "source_row"),
    partition_by=("language",),
    columns=(
        Column("product_id", pa.string(), "The product (products.product_id); null where the source has none."),
        Column("language", pa.string(), "ISO 639-1 code of the copy that is missing.", nullable=False),
        Column("reason", pa.string(), "Why: empty, invalid_json, ungrounded_size, leaked_prompt, ...", nullable=False),
        Column("kind", pa.string(), "row: the row's own fault; infra: tried again by later runs.", nullable=False),
        Column("attempt", pa.int8(), "How many attempts were made (0: none was needed).", nullable=False),
        Column("content_hash", pa.string(), "128-bit hash of the attributes, 32 hex digits.", nullable=False),
        Column("recipe", pa.string(), "The recipe under which it was rejected.", nullable=False),
        Column("source_file", pa.string(), "Data file of the source snapshot that holds the row.", nullable=False),
        Column("source_row", pa.int64(), "The row's position in that file, from 0.", nullable=False),
        Column("run_id", pa.string(), "The run that rejected it.", nullable=False),
    ),
)
