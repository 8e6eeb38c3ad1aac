"""The smallest job: a stage that is one function, from reviews to a table of word counts."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.inference.simple_stage import SimpleStage
from shopbatch.inference.spec import Spec
from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Column, Table

REVIEW_WORDS = Table(
    name="review_words",
    meaning="One row per review: how many words it has.",
    key=("review_id",),
    columns=(
        Column("review_id", pa.string(), "The review (reviews.review_id).", nullable=False),
        Column("language", pa.string(), "As in reviews."),
        Column("words", pa.int32(), "Words of title and text.", nullable=False),
        Column("length", pa.string(), "short (up to 4 words) or long.", nullable=False),
        *provenance(),
    ),
)
REVIEW_WORDS_REJECTS = rejects_of(REVIEW_WORDS, "One row per review whose words were not counted.", "no_key, empty")
OUTPUTS = pa.schema([("words", pa.int32()), ("length", pa.string())])


def count_words(content: pa.Table) -> pa.Table:
    """Count the words of title and text."""
    both = pc.binary_join_element_wise(pc.fill_null(content["title"], ""), pc.fill_null(content["text"], ""), " ")
    words = pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(both)))
    return pa.table({"words": words.cast(pa.int32()), "length": pc.if_else(pc.greater(words, 4), "long", "short")})


def stage(version: int = 1, drift_columns: tuple[str, str] | None = ("language", "length")) -> SimpleStage:
    """The stage; without drift columns it has no drift gate."""
    return SimpleStage(("title", "text"), OUTPUTS, count_words, version, ("language",), drift_columns)


def spec(version: int = 1, drift_columns: tuple[str, str] | None = ("language", "length")) -> Spec:
    """The job."""
    return Spec("count_words", REVIEWS, stage(version, drift_columns), REVIEW_WORDS, REVIEW_WORDS_REJECTS)
