"""Declares the source table `policies`: the shop's policies (returns, refunds, ...), one row per section.

Filled by `shopbatch load policies FOLDER` or `shopbatch sample`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TEXT_LIST, Column, Nobody, Table, View

VALUE = pa.struct([("role", pa.string()), ("text", pa.string()), ("start", pa.int32()), ("end", pa.int32())])

POLICIES = Table(
    name="policies",
    meaning="One row per section of a policy: a Markdown file with front matter, in one language, for one market.",
    key=("policy_id", "section"),
    must_have=("language", "text", "intents"),
    person=Nobody("The shop's own words to all of its customers."),
    columns=(
        Column("policy_id", pa.string(), "Name of the policy's file in the front matter (`id`).", nullable=False),
        Column("section", pa.int32(), "The section of the file, from 0 on.", nullable=False),
        Column("language", pa.string(), "ISO 639-1 code of the text (en, zh, ...).", nullable=False),
        Column("market", pa.string(), "The market that it holds for (US, CN, ...); null: for every market."),
        Column("intents", TEXT_LIST, "What a question is about that the section answers.", nullable=False),
        Column("title", pa.string(), "The section's heading; null where it has none."),
        Column("text", pa.string(), "The section's text without its heading.", nullable=False, free_text=True),
        Column(
            "values",
            pa.list_(VALUE),
            "What the section states as a value, by role (return_days, refund_days, ...): the words of the text, such "
            "as `30 days`, and where in `text` they stand, in characters.",
            nullable=False,
            free_text=True,
        ),
        Column("valid_from", pa.date32(), "First day on which it holds; null: since ever."),
        Column("valid_to", pa.date32(), "Last day on which it holds; null: until further notice."),
        Column(
            "version",
            pa.string(),
            "Digest of the file's text: a changed policy has another one.",
            nullable=False,
            machinery=True,
        ),
        Column(
            "source_file",
            pa.string(),
            "The file, relative to the folder that was loaded.",
            nullable=False,
            machinery=True,
        ),
        Column(
            "start",
            pa.int32(),
            "Where the text begins in the file, in characters (CRLF are two).",
            nullable=False,
            machinery=True,
        ),
        Column("end", pa.int32(), "Where the text ends in the file, in characters.", nullable=False, machinery=True),
    ),
    loaded_from="FOLDER",
    view=View(("text", "intents", "title", "language")),
)
