"""The columns that every table of an inference job has, and the table of the rows that it could not publish."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Nobody, Person, Table, View

PROVENANCE = ("content_hash", "recipe", "scored_at", "run_id")
REJECTS = ("reason", "kind", "attempt", "content_hash", "recipe", "source_file", "source_row", "run_id")

VECTOR = (
    Column(
        "vector",
        pa.binary(),
        "The vector of length 1 in 8 bits: signed integers, one byte each; times `scale`.",
        nullable=False,
        personal=True,  # no statistics, since neither bound of a vector says anything
    ),
    Column("scale", pa.float32(), "What the numbers of `vector` are multiplied with.", nullable=False),
)


def memo_name(job: str, step: str = "") -> str:
    """Name the memo of an inference job, or of one of its steps."""
    return f"{job}_{step}_memo" if step else f"{job}_memo"


def provenance(
    content: str = "the columns read",
    recipe: str = "the result (model, engine, ...)",
    moment: str = "the result was computed",
    run: str = "computed it",
) -> tuple[Column, ...]:
    """Declare where a published row comes from: content_hash, recipe, scored_at and run_id.

    Args:
        content: What the content hash is of.
        recipe: What the recipe can change, and examples of what is in it.
        moment: What happened at `scored_at`.
        run: What the run did.
    """
    return (
        Column(
            "content_hash", pa.string(), f"128-bit hash of {content}, 32 hex digits.", nullable=False, machinery=True
        ),
        Column("recipe", pa.string(), f"Digest of all that can change {recipe}.", nullable=False, machinery=True),
        Column("scored_at", TIMESTAMP, f"When {moment}, UTC.", nullable=False, machinery=True),
        Column(
            "run_id", pa.string(), f"The run that {run} (its report is under _runs/).", nullable=False, machinery=True
        ),
    )


def rejects_of(sink: Table, meaning: str, reasons: str, scope: dict[str, str] | None = None) -> Table:
    """Declare `<sink>_rejects`: one row per source row that is not in the sink, with its reason.

    Args:
        sink: The published table. Its first key column names the source's row.
        meaning: What a row of the rejects is.
        reasons: Examples of reasons, separated by commas.
        scope: Meaning of each column that the sink is partitioned by, for a rejected row.
    """
    columns = {column.name: column for column in sink.columns}
    name = columns[sink.key[0]]
    parts = tuple(Column(part, columns[part].type, text, nullable=False) for part, text in (scope or {}).items())
    return Table(
        name=f"{sink.name}_rejects",
        meaning=meaning,
        key=(*sink.partition_by, "source_file", "source_row"),
        person=_person_of(sink, {name.name, "content_hash"}),
        partition_by=sink.partition_by,
        columns=(
            replace(name, meaning=f"{name.meaning.removesuffix('.')}; null where the source has none.", nullable=True),
            *parts,
            Column("reason", pa.string(), f"Why: {reasons}, ...", nullable=False),
            Column("kind", pa.string(), "row: the row's own fault; infra: tried again by later runs.", nullable=False),
            Column("attempt", pa.int8(), "How many attempts were made (0: none was needed).", nullable=False),
            columns["content_hash"],
            *(
                Column(name, kind, meaning, nullable=False, machinery=True)
                for name, kind, meaning in (
                    ("recipe", pa.string(), "The recipe under which it was rejected."),
                    ("source_file", pa.string(), "Data file of the source snapshot that holds the row."),
                    ("source_row", pa.int64(), "The row's position in that file, from 0."),
                    ("run_id", pa.string(), "The run that rejected it."),
                )
            ),
        ),
        job=sink.job,
        view=View(first=(name.name, "reason"), about=sink.view.about),
    )


def _person_of(sink: Table, columns: set[str]) -> Person | Nobody | None:
    """Where a person stands in the rejects of a table: in what they share with it."""
    person = sink.person
    if not isinstance(person, Person):
        return person

    def there(name: str) -> str:
        return name if name in columns else ""

    quoted = tuple(name for name in person.quoted if name in columns)
    return replace(person, user=there(person.user), review=there(person.review), quoted=quoted)
