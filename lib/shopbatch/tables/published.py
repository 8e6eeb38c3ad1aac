"""Declares the columns that all published tables of inference jobs share, and their rejects tables.

The other files of this folder call `provenance` for the columns and `rejects_of` for the rejects tables.
"""

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
        personal=True,  # keeps it out of file statistics, where the bounds of a vector are useless
    ),
    Column("scale", pa.float32(), "What the numbers of `vector` are multiplied with.", nullable=False),
)


def memo_name(job: str, step: str = "") -> str:
    """Return the name of the memo table of an inference job ("score_reviews" -> "score_reviews_memo").

    Args:
        job: Name of the job.
        step: Name of one of its inference steps, which then has a memo of its own; empty: the job has a single step.
    """
    return f"{job}_{step}_memo" if step else f"{job}_memo"


def provenance(
    content: str = "the columns read",
    recipe: str = "the result (model, engine, ...)",
    moment: str = "the result was computed",
    run: str = "computed it",
) -> tuple[Column, ...]:
    """Return the columns content_hash, recipe, scored_at and run_id, which say how a published row was computed.

    The arguments are parts of the sentences that describe these columns in the Delta schema.

    Args:
        content: "128-bit hash of CONTENT": the columns or texts from which the content hash is computed.
        recipe: "Digest of all that can change RECIPE": the result, with examples of its settings in brackets.
        moment: "When MOMENT, UTC": the event whose time is `scored_at`.
        run: "The run that RUN": what the run named by `run_id` did.
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
    """Return the declaration of `<sink>_rejects`: one row per source row that is not in the sink, with its reason.

    Args:
        sink: The published table. Its first key column identifies the source row.
        meaning: What a row of the rejects is.
        reasons: Examples of reasons, separated by commas.
        scope: {partition column of the sink: its meaning for a rejected row}; None if the sink has no partitions.
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
    """Return how `shopbatch erase` finds a person in a rejects table.

    It is the declaration of the published table, without the columns that the rejects table does not have.

    Args:
        sink: The published table.
        columns: Columns of the published table that its rejects table has as well.
    """
    person = sink.person
    if not isinstance(person, Person):
        return person

    def there(name: str) -> str:
        return name if name in columns else ""

    quoted = tuple(name for name in person.quoted if name in columns)
    return replace(person, user=there(person.user), review=there(person.review), quoted=quoted)
