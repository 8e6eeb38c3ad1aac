"""Declares the source tables `glossary` and `translation_references`, filled by `shopbatch load`.

`glossary` holds the required and the forbidden translations of terms, `translation_references` good translations by
people, against which translation models are measured.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Nobody, Table, View

_PAIR = (
    Column("source_language", pa.string(), "ISO 639-1 code of the language that is translated from.", nullable=False),
    Column("target_language", pa.string(), "ISO 639-1 code of the language that is translated into.", nullable=False),
)
_SOURCE = Column("source", pa.string(), "Where the row came from: the file that was loaded.", personal=True)

GLOSSARY = Table(
    name="glossary",
    sample="",
    meaning="One row per term and pair of languages: what a translation says for it, or may not say.",
    key=("source_language", "target_language", "term"),
    must_have=("source_language", "target_language", "term"),
    person=Nobody("Words of a language."),
    columns=(
        *_PAIR,
        Column("term", pa.string(), "The term as texts hold it; case makes no difference.", nullable=False),
        Column("translation", pa.string(), "What a translation says for it; null: nothing is demanded."),
        Column(
            "forbidden", pa.string(), "What a translation of a text with the term may not say; several joined by |."
        ),
        _SOURCE,
    ),
    view=View(("term", "translation", "forbidden")),
)
TRANSLATION_REFERENCES = Table(
    name="translation_references",
    sample="",
    meaning="One row per text and pair of languages: a translation by a person, to measure models with.",
    key=("source_language", "target_language", "text"),
    must_have=("source_language", "target_language", "text", "reference"),
    person=Nobody("Texts of a shop with good translations; no customer's text belongs here."),
    columns=(
        *_PAIR,
        Column("text", pa.string(), "The text, as the products or replies hold it.", nullable=False, free_text=True),
        Column("reference", pa.string(), "A good translation.", nullable=False, free_text=True),
        _SOURCE,
    ),
    view=View(("text", "reference")),
)
