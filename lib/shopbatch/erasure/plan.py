"""Finds out what an erasure has to remove from the tables, and the names under which models record these rows.

With these names `models.erasure.models_of` finds the models that were trained on the rows. Nothing is written here.
Files that the newest version of a table does not contain are searched as well: files of killed runs and of earlier
versions.
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
CACHES = {table.name: table for table in (TRAINING_BLOCKS, TRAINING_VECTORS)}  # internal, so not in TABLES
TextOf = Callable[[pa.Table], pa.Array]


@dataclass
class TablePlan:
    """What to erase from one table.

    Attributes:
        snapshot: Newest version of the table.
        person: Which columns name or quote a person.
        rows: {file of the newest version: number of its rows to erase}, only files with such rows.
        strays: {file that is not part of the newest version, relative to the table: whether it holds rows to erase}. A
            file that cannot be read counts as holding some.
        logged: Whether the table's Delta log may name a person.
    """

    snapshot: Snapshot
    person: Person
    rows: dict[str, int] = field(default_factory=dict)
    strays: dict[str, bool] = field(default_factory=dict)
    logged: bool = False

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.snapshot.name

    @property
    def total(self) -> int:
        """Number of rows to erase that readers can see."""
        return sum(self.rows.values())

    @property
    def is_touched(self) -> bool:
        """True if anything of the table has to be erased: rows, invisible files or log entries."""
        return bool(self.rows) or any(self.strays.values()) or self.logged


def person_of(snapshot: Snapshot) -> Person | Nobody:
    """Return which columns of a table name or quote a person; `Nobody` if none does.

    The table's declaration says so. A memo is recognised by its name, any other undeclared table by the names of its
    columns (user_id, review_id and the like).
    """
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
    """Build a table declaration (`Table`) from the columns and partitioning that a table has in the warehouse now."""
    columns = tuple(Column(f.name, f.type, "", f.nullable) for f in snapshot.schema)
    return Table(snapshot.name, "", (), columns, partition_by=snapshot.demands.partition_by)


def tables_of(store: Store) -> list[TablePlan]:
    """Return an empty plan for each table of the warehouse.

    Tables without personal columns are included, because their log may still name a person.
    """
    plans = []
    for name in store.names():
        snapshot = store.snapshot(name)
        person = person_of(snapshot)
        plans.append(TablePlan(snapshot, person if isinstance(person, Person) else Person()))
    return plans


def widen(store: Store, plans: Sequence[TablePlan], wanted: Wanted, texts: Mapping[str, TextOf]) -> list[str]:
    """Read the rows to erase, and add their review ids, texts and content hashes to `wanted`.

    Args:
        store: The warehouse.
        plans: Plans of its tables.
        wanted: Whom to erase; it is changed.
        texts: {table: function that returns the training text of each row}, see `erase.foretell`.

    Returns:
        The names under which the manifests of models record these rows as training rows, for
        `models.erasure.models_of`.
    """
    names: list[str] = []
    for plan in plans:
        if plan.person.user and plan.person.review:
            for rows in _all_erased(store, plan, wanted):
                wanted.reviews |= {r for r in trimmed(rows[plan.person.review]).to_pylist() if r}
    for plan in plans:
        if plan.person.user and plan.person.review:  # another person's review may have the same id, and stays
            for rows in _others(plan, wanted):
                wanted.reviews -= set(trimmed(rows[plan.person.review]).to_pylist()) - wanted.asked
    for plan in plans:
        free = _free_text(plan.snapshot)
        if (plan.person.user or plan.person.review) and free:
            for rows in _all_erased(store, plan, wanted):
                wanted.texts |= {t for name in free for t in utf8.blank(rows[name]).to_pylist() if t}
                names += _names(plan.name, rows, free, texts)
        elif plan.name == USER_SEQUENCES.name:  # training blocks are made of user sequences as well
            wanted.wrote = wanted.wrote or any(rows.num_rows for rows in _all_erased(store, plan, wanted))
    wanted.wrote = wanted.wrote or bool(names)
    _add_hashes(store, plans, wanted)
    wanted.choose_quotes(other_texts(plans, wanted))
    return [*names, *user_names(sorted(wanted.users))]


def _names(table: str, rows: pa.Table, free: Sequence[str], texts: Mapping[str, TextOf]) -> list[str]:
    """Return the names under which the manifests of models record rows as training rows.

    These are the keys of the rows, the hash of each of their texts, and the hash of their training text (`texts`).
    Models record a support dialog also by question and reply, joined by a line break.

    Args:
        table: Name of the table.
        rows: Rows to erase.
        free: Columns with free text.
        texts: {table: function that returns the training text of each row}, see `erase.foretell`.
    """
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
    """Add to `wanted.hashes` the content hashes of the rows to erase, except those that other people's rows share."""
    sinks = {t.person.hashed for t in TABLES.values() if isinstance(t.person, Person) and t.person.hashed}
    own: set[str] = set()
    for plan in plans:
        if (plan.person.review or plan.person.user) and len(plan.person.hashes) == 1:
            for rows in _all_erased(store, plan, wanted):
                own |= {h for h in rows[plan.person.hashes[0]].to_pylist() if h}
    for plan in plans:
        if plan.person.user and len(plan.person.hashes) == 1:  # two users may have equal histories
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
    """Return the content hashes of rows of `reviews`, as the published tables store them.

    Args:
        rows: Rows of `reviews`.
        sinks: Lists of columns (`Person.hashed` of the tables): each table stores the hash of a review over its list.
    """
    return {name for columns in sinks for name in all_names([rows[c] for c in columns])}


def other_texts(plans: Sequence[TablePlan], wanted: Wanted) -> Iterator[list[str]]:
    """Yield the texts of all people who are not erased, in batches, with white space collapsed."""
    for plan in plans:
        free = _free_text(plan.snapshot)
        if (plan.person.user or plan.person.review) and free:
            for rows in _others(plan, wanted):
                for name in free:
                    yield [flat(t) for t in utf8.blank(rows[name]).to_pylist() if t]


def _free_text(snapshot: Snapshot) -> list[str]:
    """Return the names of a table's columns with free text."""
    return [f.name for f in snapshot.schema if f.metadata and FREE_TEXT.encode() in f.metadata]


def _others(plan: TablePlan, wanted: Wanted) -> Iterator[pa.Table]:
    """Yield the visible rows of a table that are not erased, file by file."""
    for file in plan.snapshot.files:
        rows = files.read(file.uri, plan.snapshot.schema, file.partition)
        yield rows.filter(pc.invert(wanted.rows(plan.person, rows)))


def _all_erased(store: Store, plan: TablePlan, wanted: Wanted) -> Iterator[pa.Table]:
    """Yield the rows to erase of each readable file of a table, also of files outside the newest version."""
    for path in data_files(store, plan.name):
        if (rows := _erased(store, plan, path, wanted)) is not None and rows.num_rows:
            yield rows


def _erased(store: Store, plan: TablePlan, path: str, wanted: Wanted) -> pa.Table | None:
    """Return the rows to erase of one file; None if it cannot be read or is no file of this table.

    A damaged file that the newest version shows is an error, not None.
    """
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
    """Read the partition values from a file's path ("day=2026-01-31/x.parquet" -> {"day": "2026-01-31"}).

    A null value is None.
    """
    pairs = [folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder]
    return {name: None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for name, _, value in pairs}


def file_schema(snapshot: Snapshot, path: str) -> pa.Schema:
    """Return the columns that a file of a table has, with the types and metadata of the table's declaration.

    The file's own types are not used where the table knows the column, because other clients write other types.
    """
    table = declared(snapshot.name)
    known = {f.name: f for f in snapshot.schema}
    if table is not None:  # the declaration says which columns may have no statistics
        known |= {f.name: f for f in table.schema() if f.name in known and f.type == known[f.name].type}
    return pa.schema([known.get(f.name, f) for f in files.read_schema(f"{snapshot.uri}/{path}")])


def data_files(store: Store, name: str) -> list[str]:
    """Return every file of a table outside its log, sorted, with paths relative to the table.

    Files that no version of the table shows are included.
    """
    fs, base = files.filesystem(store.uri(name))
    infos = fs.get_file_info(pafs.FileSelector(base, recursive=True))
    paths = sorted(i.path[len(base) + 1 :] for i in infos if i.type == pafs.FileType.File)
    return [path for path in paths if not path.startswith(LOG)]


def fill(store: Store, plan: TablePlan, wanted: Wanted) -> TablePlan:
    """Count the rows to erase in each file of a table, enter them into its plan, and return the plan.

    The given ids that occur in the rows are added to `wanted.known`.
    """
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
    """Return True if the table's Delta log may name a person, in statistics or in another client's commands.

    In doubt it is True, and the log is then replaced by a checkpoint.
    """
    names = set(wanted.names)
    if plan.person.user or plan.person.review:
        names = wanted.users | wanted.reviews  # also ids that could be ordinary numbers
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
    """Return the quoted strings of a log, also those inside nested JSON and inside the SQL of other clients."""
    return set(text.replace("\\", "").replace("'", '"').split('"'))
