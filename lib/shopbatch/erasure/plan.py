"""What an erasure has to do: the rows of each table, in all files that still lie there, and the names of texts.

Nothing is written here. Files that are in no version of a table count as well: those of killed runs, and those that an
earlier version had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.core.hashing import all_names
from shopbatch.erasure.wanted import USER_COLUMNS, Wanted, columns_of, flat, trimmed
from shopbatch.models.erasure import user_names
from shopbatch.tables import TABLES, declared, job_of_memo
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import FREE_TEXT, Column, Nobody, Person, Table
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.tables.training_vectors import TRAINING_VECTORS
from shopbatch.tables.user_sequences import USER_SEQUENCES
from shopbatch.warehouse import files, utf8
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

LOG = "_delta_log/"
CACHES = {table.name: table for table in (TRAINING_BLOCKS, TRAINING_VECTORS)}  # not listed: nobody asks for them
TextOf = Callable[[pa.Table], pa.Array]


@dataclass
class TablePlan:
    """One table of the warehouse.

    Attributes:
        snapshot: Its newest version.
        person: Where a person stands in it.
        rows: For each visible file with rows to erase their number.
        strays: Files that the newest version does not show, relative to the table, and whether they hold such rows
            (also if they cannot be read).
        logged: Whether the table's log may name a person.
    """

    snapshot: Snapshot
    person: Person
    rows: dict[str, int] = field(default_factory=dict)
    strays: dict[str, bool] = field(default_factory=dict)
    logged: bool = False

    @property
    def name(self) -> str:
        """The table's name."""
        return self.snapshot.name

    @property
    def total(self) -> int:
        """Number of rows to erase that readers see."""
        return sum(self.rows.values())

    @property
    def is_touched(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.rows) or any(self.strays.values()) or self.logged


def person_of(snapshot: Snapshot) -> Person | Nobody:
    """Say where a person stands in a table; one that is not declared is judged by the names of its columns."""
    table = CACHES.get(snapshot.name) or declared(snapshot.name)
    if table is not None and table.person is not None:
        return table.person
    if snapshot.name.endswith("_memo"):
        job = job_of_memo(snapshot.name)
        if any(t.job == job and isinstance(t.person, Person) and t.person.hashes for t in TABLES.values()):
            return Person(hashes=("hash_hi", "hash_lo"))
    names = set(snapshot.schema.names)
    user, other, *_ = [*(name for name in USER_COLUMNS if name in names), "", ""]
    review = "review_id" if "review_id" in names else ""
    return (
        Person(user=user, other_user=other, review=review)
        if user or review
        else Nobody("No column names a user or a review.")
    )


def as_it_stands(snapshot: Snapshot) -> Table:
    """Declare a table just as it stands in the warehouse."""
    columns = tuple(Column(f.name, f.type, "", f.nullable) for f in snapshot.schema)
    return Table(snapshot.name, "", (), columns, partition_by=snapshot.demands.partition_by)


def tables_of(store: Store) -> list[TablePlan]:
    """List the tables of the warehouse. Where no person stands in the rows, one may still be named in the log."""
    plans = []
    for name in store.names():
        snapshot = store.snapshot(name)
        person = person_of(snapshot)
        plans.append(TablePlan(snapshot, person if isinstance(person, Person) else Person()))
    return plans


def widen(store: Store, plans: Sequence[TablePlan], wanted: Wanted, texts: Mapping[str, TextOf]) -> list[str]:
    """Add to `wanted` what the erased rows of the sources say: reviews, texts, content hashes.

    Args:
        store: The warehouse.
        plans: Its tables.
        wanted: Whom to erase. It is added to.
        texts: As for `models.erasure.trained_on`.

    Returns:
        The names by which models know these rows.
    """
    names: list[str] = []
    for plan in plans:
        if plan.person.user and plan.person.review:
            for rows in _all_erased(store, plan, wanted):
                wanted.reviews |= {r for r in trimmed(rows[plan.person.review]).to_pylist() if r}
    for plan in plans:
        if plan.person.user and plan.person.review:  # what somebody else has written under the same id is theirs
            for rows in _others(plan, wanted):
                wanted.reviews -= set(trimmed(rows[plan.person.review]).to_pylist()) - wanted.asked
    for plan in plans:
        free = _free_text(plan.snapshot)
        if (plan.person.user or plan.person.review) and free:
            for rows in _all_erased(store, plan, wanted):
                wanted.texts |= {t for name in free for t in utf8.blank(rows[name]).to_pylist() if t}
                names += _names(plan.name, rows, free, texts)
        elif plan.name == USER_SEQUENCES.name:  # blocks are made of them as well
            wanted.wrote = wanted.wrote or any(rows.num_rows for rows in _all_erased(store, plan, wanted))
    wanted.wrote = wanted.wrote or bool(names)
    _add_hashes(store, plans, wanted)
    wanted.choose_quotes(other_texts(plans, wanted))
    return [*names, *user_names(sorted(wanted.users))]


def _names(table: str, rows: pa.Table, free: Sequence[str], texts: Mapping[str, TextOf]) -> list[str]:
    """The names of rows in the manifests of models: their keys, and their texts, each alone and as models read them."""
    declaration = declared(table)
    keys = [
        name for name in (declaration.key if declaration else ()) if pa.types.is_string(rows.schema.field(name).type)
    ]
    names = [key for name in keys for key in rows[name].to_pylist() if key]
    read = [utf8.blank(rows[name]) for name in free if pa.types.is_string(rows.schema.field(name).type)]
    for column in (*read, *([texts[table](rows)] if table in texts else ())):
        own = pc.fill_null(column, "")
        names += [*all_names([own]), *all_names([pc.utf8_trim_whitespace(own)])]
    if table == SUPPORT_DIALOGS.name:
        names += [
            f"{q}\n{reply}" for q, reply in zip(*(rows[n].to_pylist() for n in ("question", "reply")), strict=True)
        ]
    return names


def _add_hashes(store: Store, plans: Sequence[TablePlan], wanted: Wanted) -> None:
    """Add the content hashes of what is erased, without those that rows of others have as well."""
    sinks = {t.person.hashed for t in TABLES.values() if isinstance(t.person, Person) and t.person.hashed}
    own: set[str] = set()
    for plan in plans:
        if (plan.person.review or plan.person.user) and len(plan.person.hashes) == 1:
            for rows in _all_erased(store, plan, wanted):
                own |= {h for h in rows[plan.person.hashes[0]].to_pylist() if h}
    for plan in plans:
        if plan.person.user and len(plan.person.hashes) == 1:  # two users may have one history
            for rows in _others(plan, wanted) if own else ():
                own -= set(rows[plan.person.hashes[0]].to_pylist())
    for plan in plans:
        if plan.name == REVIEWS.name:
            for rows in _all_erased(store, plan, wanted):
                own |= _content(rows, sinks)
            for rows in _others(plan, wanted) if own else ():
                own -= _content(rows, sinks)
    wanted.hashes |= own


def _content(rows: pa.Table, sinks: set[tuple[str, ...]]) -> set[str]:
    return {name for columns in sinks for name in all_names([rows[c] for c in columns])}


def other_texts(plans: Sequence[TablePlan], wanted: Wanted) -> Iterator[list[str]]:
    """Yield what everybody else wrote, in batches."""
    for plan in plans:
        free = _free_text(plan.snapshot)
        if (plan.person.user or plan.person.review) and free:
            for rows in _others(plan, wanted):
                for name in free:
                    yield [flat(t) for t in utf8.blank(rows[name]).to_pylist() if t]


def _free_text(snapshot: Snapshot) -> list[str]:
    return [f.name for f in snapshot.schema if f.metadata and FREE_TEXT.encode() in f.metadata]


def _others(plan: TablePlan, wanted: Wanted) -> Iterator[pa.Table]:
    """The visible rows of a table that stay, file by file."""
    for file in plan.snapshot.files:
        rows = files.read(file.uri, plan.snapshot.schema, file.partition)
        yield rows.filter(pc.invert(wanted.rows(plan.person, rows)))


def _all_erased(store: Store, plan: TablePlan, wanted: Wanted) -> Iterator[pa.Table]:
    """The rows to erase of every file of a table that can be read, whether a version has it or not."""
    for path in data_files(store, plan.name):
        if (rows := _erased(store, plan, path, wanted)) is not None and rows.num_rows:
            yield rows


def _erased(store: Store, plan: TablePlan, path: str, wanted: Wanted) -> pa.Table | None:
    """The rows of one file that are to be erased; None if it cannot be read or is no file of this table."""
    uri, schema = f"{store.uri(plan.name)}/{path}", plan.snapshot.schema
    try:
        chosen = wanted.rows(plan.person, files.read(uri, columns_of(plan.person, schema), partition_of(path)))
        if not pc.any(chosen).as_py():
            return schema.empty_table()
        return files.read(uri, schema, partition_of(path)).filter(chosen)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, DamagedFile):
        if path in plan.snapshot.by_path:
            raise
        return None


def partition_of(path: str) -> dict[str, str | None]:
    """Read the values of the partition columns from a file's folders."""
    pairs = [folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder]
    return {name: None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for name, _, value in pairs}


def file_schema(snapshot: Snapshot, path: str) -> pa.Schema:
    """Return the columns that a file of a table has, as the table declares them; other clients write other forms."""
    table = declared(snapshot.name)
    known = {f.name: f for f in snapshot.schema}
    if table is not None:  # the newest declaration knows best of which columns no statistics may be shown
        known |= {f.name: f for f in table.schema() if f.name in known and f.type == known[f.name].type}
    return pa.schema([known.get(f.name, f) for f in files.read_schema(f"{snapshot.uri}/{path}")])


def data_files(store: Store, name: str) -> list[str]:
    """List every file of a table outside its log, relative to the table, whether a version has it or not."""
    fs, base = files.filesystem(store.uri(name))
    infos = fs.get_file_info(pafs.FileSelector(base, recursive=True))
    paths = sorted(i.path[len(base) + 1 :] for i in infos if i.type == pafs.FileType.File)
    return [path for path in paths if not path.startswith(LOG)]


def fill(store: Store, plan: TablePlan, wanted: Wanted) -> TablePlan:
    """Count the rows of each file that are to be erased."""
    visible = plan.snapshot.by_path
    plan.logged = _is_logged(plan, wanted)
    for path in data_files(store, plan.name) if plan.person != Person() else ():
        rows = _erased(store, plan, path, wanted)
        if path not in visible:
            plan.strays[path] = rows is None or rows.num_rows > 0
        elif rows is not None and rows.num_rows:
            plan.rows[path] = rows.num_rows
        if rows is not None:
            wanted.note(plan.person, rows)
    return plan


def _is_logged(plan: TablePlan, wanted: Wanted) -> bool:
    """Whether the log may name a person, in statistics or in what another client did: rather yes than no."""
    names = set(wanted.names)
    if plan.person.user or plan.person.review:
        names = wanted.users | wanted.reviews  # also those that could be any number
    names = {form.replace("\\", "") for name in names for form in (name, json.dumps(name)[1:-1])}
    fs, base = files.filesystem(f"{plan.snapshot.uri}/_delta_log")
    for info in fs.get_file_info(pafs.FileSelector(base, recursive=True)):
        if info.type == pafs.FileType.File:
            with fs.open_input_file(info.path) as stream:
                if info.path.endswith(".parquet"):
                    text = json.dumps(pq.read_table(stream).to_pylist(), default=str, ensure_ascii=False)
                else:
                    text = stream.read().decode("utf-8", "replace")
            if not names.isdisjoint(_words(text)):
                return True
    return False


def _words(text: str) -> set[str]:
    """The strings of a log, which is JSON with JSON in its strings, and with SQL in those of other clients."""
    return set(text.replace("\\", "").replace("'", '"').split('"'))
