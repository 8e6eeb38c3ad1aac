"""review_sentiment and review_sentiment_rejects: what `score_reviews` publishes, and why a row is missing."""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Table

REVIEW_SENTIMENT = Table(
    name="review_sentiment",
    meaning="One row per review that could be scored: its calibrated sentiment. Published by score_reviews.",
    key=("review_id",),
    columns=(
        Column("review_id", pa.string(), "The review (reviews.review_id).", nullable=False),
        Column("product_id", pa.string(), "The product reviewed (products.product_id); null where unknown."),
        Column("language", pa.string(), "ISO 639-1 code: the source's, else read off the script; und = unknown."),
        Column("label", pa.string(), "The most probable of negative, neutral, positive.", nullable=False),
        Column("p_negative", pa.float32(), "Calibrated probability of negative, 0 to 1.", nullable=False),
        Column("p_neutral", pa.float32(), "Calibrated probability of neutral, 0 to 1.", nullable=False),
        Column("p_positive", pa.float32(), "Calibrated probability of positive, 0 to 1.", nullable=False),
        Column("content_hash", pa.string(), "128-bit hash of the scored columns, 32 hex digits.", nullable=False),
        Column("recipe", pa.string(), "Digest of all that can change a score (model, engine, ...).", nullable=False),
        Column("scored_at", TIMESTAMP, "When the score was computed, UTC.", nullable=False),
        Column("run_id", pa.string(), "The run that computed it (its report is under _runs/).", nullable=False),
    ),
)

REVIEW_SENTIMENT_REJECTS = Table(
    name="review_sentiment_rejects",
    meaning="One row per source row that has no score, with its reason. Published by score_reviews.",
    key=("source_file", "source_row"),
    columns=(
        Column("review_id", pa.string(), "The review (reviews.review_id); null where the source has none."),
        Column("reason", pa.string(), "Why: no_key, duplicate_key, empty, too_long, crash, ...", nullable=False),
        Column("kind", pa.string(), "row: the row's own fault; infra: tried again by later runs.", nullable=False),
        Column("attempt", pa.int8(), "How many attempts were made (0: none was needed).", nullable=False),
        Column("content_hash", pa.string(), "128-bit hash of the scored columns, 32 hex digits.", nullable=False),
        Column("recipe", pa.string(), "The recipe under which it was rejected.", nullable=False),
        Column("source_file", pa.string(), "Data file of the source snapshot that holds the row.", nullable=False),
        Column("source_row", pa.int64(), "The row's position in that file, from 0.", nullable=False),
        Column("run_id", pa.string(), "The run that rejected it.", nullable=False),
    ),
)
