"""Declares `review_aspects` (aspects that reviews mention, from `analyse_reviews`), its rejects, and `aspect_labels`.

`aspect_labels` is a source table: sentences labelled by people, from which `train_aspects` learns.
"""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import TIMESTAMP, Column, Lookup, Person, Table, View

POLARITIES = ("negative", "neutral", "positive")
OTHER = "other"  # sentences about no aspect of the taxonomy; not `none`, which spreadsheets read as null
REMARKS = ("wish", "comparison", "usage")
CLAUSE = pa.struct([("column", pa.string()), ("start", pa.int32()), ("end", pa.int32())])
ASPECT = pa.struct(
    [
        ("aspect", pa.string()),
        ("probability", pa.float32()),
        ("polarity", pa.string()),
        ("p_negative", pa.float32()),
        ("p_neutral", pa.float32()),
        ("p_positive", pa.float32()),
        ("column", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)
REMARK = pa.struct([("kind", pa.string()), ("column", pa.string()), ("start", pa.int32()), ("end", pa.int32())])

REVIEW_ASPECTS = Table(
    name="review_aspects",
    meaning="One row per review with text: what it says about which aspect, and where. Published by analyse_reviews.",
    key=("review_id",),
    person=Person(user="user_id", review="review_id", hashes=("content_hash",), hashed=("title", "text")),
    columns=(
        Column("review_id", pa.string(), "The review (reviews.review_id).", nullable=False, personal=True),
        Column("product_id", pa.string(), "The product reviewed (products.product_id); null where unknown."),
        Column("user_id", pa.string(), "The author (users.user_id); null where unknown.", personal=True),
        Column("rating", pa.int8(), "Stars of the review, 1 to 5; null where not given."),
        Column("created_at", TIMESTAMP, "When the review was written, UTC; null where unknown."),
        Column("language", pa.string(), "ISO 639-1 code of the review; und where unknown.", nullable=False),
        Column(
            "taxonomy",
            pa.string(),
            "The taxonomy whose aspects were looked for (clothing, hotels, ...).",
            nullable=False,
        ),
        Column(
            "aspects",
            pa.list_(ASPECT),
            "One entry per aspect that is mentioned: its probability, the polarity of the clauses that are about it "
            "with the probabilities of negative, neutral and positive, and where the clause stands that says it most "
            "clearly: the column (title or text), and start and end in it, in characters.",
            nullable=False,
        ),
        Column(
            "remarks",
            pa.list_(REMARK),
            f"What else it says: kind ({', '.join(REMARKS)}), and where the clause stands.",
            nullable=False,
        ),
        Column(
            "other",
            pa.list_(CLAUSE),
            "The clauses that are about none of the aspects: where themes outside the taxonomy are looked for.",
            nullable=False,
        ),
        Column("clauses", pa.int32(), "How many clauses the review has.", nullable=False),
        *provenance("title and text", "the result (taxonomy, model, engine, ...)", "the result was computed"),
    ),
    job="analyse_reviews",
    view=View(("language", "aspects"), about=Lookup("reviews", "text")),
)
REVIEW_ASPECTS_REJECTS = rejects_of(
    REVIEW_ASPECTS,
    "One row per review without a result. Published by analyse_reviews.",
    "empty, too_long, invalid_utf8",
)
ASPECT_LABELS = Table(
    name="aspect_labels",
    sample="",
    meaning="One row per sentence and aspect that a person has labelled: what train_aspects learns from.",
    key=("sentence_id", "aspect"),
    person=Person(review="review_id", quoted=("text",)),
    must_have=("text",),
    columns=(
        Column("sentence_id", pa.string(), "Name of the sentence.", nullable=False, personal=True),
        Column(
            "aspect",
            pa.string(),
            f"An aspect of the taxonomy; `{OTHER}`: it has none.",
            nullable=False,
        ),
        Column("review_id", pa.string(), "The review that it is from (reviews.review_id), or null.", personal=True),
        Column("text", pa.string(), "The sentence.", nullable=False, free_text=True),
        Column("language", pa.string(), "ISO 639-1 code (en, zh, ...); null: recognised from the text."),
        Column("taxonomy", pa.string(), "The taxonomy whose aspects were looked for.", nullable=False),
        Column(
            "polarity",
            pa.string(),
            "What it says about the aspect; null for `other`, or where it is mixed.",
            one_of=POLARITIES,
        ),
        Column("source", pa.string(), "Where the row came from: a sample's name, or a loaded file.", personal=True),
    ),
    view=View(("aspect", "polarity", "text")),
)
