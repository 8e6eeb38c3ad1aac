"""Declares the source table `synonyms`: a shopper's word ("sneakers") with a word of the catalogue ("trainers").

A search for the first word also looks for the second one. Filled by `shopbatch load synonyms FILE`.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Nobody, Table, View

SYNONYMS = Table(
    name="synonyms",
    sample="",
    meaning="One row per word or phrase of shoppers and another one that the catalogue uses for it.",
    key=("language", "term", "synonym"),
    must_have=("term", "synonym"),
    person=Nobody("Words of a language."),
    columns=(
        Column("language", pa.string(), "ISO 639-1 code of the queries that it is for; null: of all."),
        Column("term", pa.string(), "What shoppers type: 充电宝, sneakers.", nullable=False),
        Column(
            "synonym",
            pa.string(),
            "What is then looked up as well, in any language: power bank, trainers. It holds in this direction only.",
            nullable=False,
        ),
        Column("source", pa.string(), "Where the row came from: the file that was loaded.", personal=True),
    ),
    view=View(("term", "synonym")),
)
