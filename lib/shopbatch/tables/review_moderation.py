"""Declares `review_moderation` and its rejects: whether each review may be shown, as `moderate_reviews` decides."""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import TEXT_LIST, Column, Lookup, Person, Table, View

FINDING = pa.struct(
    [
        ("kind", pa.string()),
        ("column", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("rule", pa.string()),
    ]
)
REVIEW_MODERATION = Table(
    name="review_moderation",
    meaning="One row per review with text: whether it may be shown, and what speaks against it. Published by "
    "moderate_reviews; no review is deleted or changed.",
    key=("review_id",),
    person=Person(
        review="review_id",
        quoted=("masked_title", "masked_text"),
        hashes=("content_hash",),
        hashed=("title", "text"),
    ),
    columns=(
        Column("review_id", pa.string(), "The review (reviews.review_id).", nullable=False, personal=True),
        Column("product_id", pa.string(), "The product reviewed (products.product_id); null where unknown."),
        Column("language", pa.string(), "ISO 639-1 code stated by the source; und where it states none."),
        Column(
            "action",
            pa.string(),
            "publish: may be shown as it is; mask: show masked_title and masked_text; hold: for a person to decide.",
            nullable=False,
            one_of=("publish", "mask", "hold"),
        ),
        Column(
            "kinds",
            TEXT_LIST,
            "What was found: advert, contact, insult, profanity, slander, threat; empty where nothing was.",
            nullable=False,
        ),
        Column(
            "findings",
            pa.list_(FINDING),
            "Every finding: its kind, the column (title or text), where it stands there (start and end in characters), "
            "and the rule that found it.",
            nullable=False,
        ),
        Column(
            "masked_title",
            pa.string(),
            "The title with the name of the kind where something was; null unless the action is mask.",
            free_text=True,
        ),
        Column(
            "masked_text",
            pa.string(),
            "The text with the name of the kind where something was; null unless the action is mask.",
            free_text=True,
        ),
        *provenance("title and text", "the findings (rules and words)", "the findings were computed"),
    ),
    job="moderate_reviews",
    view=View(("action", "kinds", "text"), about=Lookup("reviews", "text")),
)
REVIEW_MODERATION_REJECTS = rejects_of(
    REVIEW_MODERATION,
    "One row per review that could not be looked at. Published by moderate_reviews.",
    "empty, too_long, invalid_utf8",
)
