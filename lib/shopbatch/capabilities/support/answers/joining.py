"""Writes the table `tickets_with_facts`: tickets with known intents, joined with the shop's policies and orders.

It is the second step of `answer_tickets`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import ray

from shopbatch.capabilities.support.answers import deadlines, facts
from shopbatch.capabilities.support.answers.config import AnswerTicketsConfig
from shopbatch.capabilities.support.answers.facts import LINE_COLUMNS, ORDER_COLUMNS, Shop, Ticket, day_of
from shopbatch.capabilities.support.answers.order_numbers import SIGNS, numbers_of, order_key
from shopbatch.capabilities.support.answers.policies import COLUMNS, Policies
from shopbatch.core.crash_points import crash_point
from shopbatch.inference.parts import Part, plan_parts
from shopbatch.runs.report import Report
from shopbatch.tables.orders import ORDER_LINES, ORDERS
from shopbatch.tables.policies import POLICIES
from shopbatch.tables.ticket_answers import TICKETS_WITH_FACTS
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, rows_of, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_READ = tuple(name for name in TICKETS_WITH_FACTS.names if name not in ("as_of", "facts", "run_id"))
_JOINED = ("facts", "as_of", "run_id")


@dataclass(frozen=True)
class Target:
    """Settings of the table and the run that every join task gets.

    Attributes:
        root: Root folder of the table `tickets_with_facts`.
        run_id: The run.
        as_of: Date of all replies; None for the date of each ticket.
        zone: Time zone of the shop.
    """

    root: str
    run_id: str
    as_of: dt.date | None
    zone: str


def join_facts(config: AnswerTicketsConfig, store: Store, report: Report, tickets: Snapshot) -> str:
    """Publish `tickets_with_facts`, unless it was already made from the same tables and settings.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which is filled in.
        tickets: A version of `ticket_intents`.

    Returns:
        A sentence for the report that says which changes by other programs to `tickets_with_facts` were undone; "" if
        there were none.

    Raises:
        UserError: There are no policies.
        GateRefused: One of the tables has shrunk too far.
        Superseded: Another run wrote the table meanwhile.
    """
    policies = store.require(POLICIES, COLUMNS)
    orders, lines = store.find(ORDERS.name), store.find(ORDER_LINES.name)
    sources = [tickets, policies, *(source for source in (orders, lines) if source is not None)]
    report.tables |= {source.name: {"read": source.version} for source in sources[1:]}
    damaged, undone = put_in_order(store, TICKETS_WITH_FACTS, report.run_id)
    before = store.find(TICKETS_WITH_FACTS.name)
    origin = _origin(config, sources)
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.tables[TICKETS_WITH_FACTS.name] = {"read": before.version}
        return undone
    with report.stage("join") as stage, Publication(store, report.run_id) as publication:
        target = Target(store.uri(TICKETS_WITH_FACTS.name), report.run_id, config.as_of, config.timezone)
        named = tickets.read(["order_id", "user_id", "subject", "text"])
        written = _written(tickets, shop_of(config, (policies, orders, lines), named), target)
        stage.rows = sum(file.rows for file in written)
        publication.add(TICKETS_WITH_FACTS, written)
        read = rows_of({s.name: s for s in (tickets, policies)} | {ORDERS.name: orders, ORDER_LINES.name: lines})
        refuse_if_failed(publication.judge(TICKETS_WITH_FACTS, config.gates.rows, read, before, sized=False))
        crash_point("facts_written")
        check = unless_changed(before.files if before is not None else ())
        metadata = {"job": report.job, "run_id": report.run_id, "origin": origin}
        done = publication.commit(TICKETS_WITH_FACTS, metadata, check=check)
    move_away(store, TICKETS_WITH_FACTS, damaged)
    report.tables[TICKETS_WITH_FACTS.name] = {"written": done.version}
    return undone


def _origin(config: AnswerTicketsConfig, sources: Sequence[Snapshot]) -> dict[str, Any]:
    """Return what the rows depend on: settings, versions of code and of source tables."""
    conf = config.model_dump(mode="json", include={"as_of", "timezone", "holidays", "fallback_language"})
    made_from = {s.name: {"table_id": s.table_id, "version": s.version} for s in sources}
    return {"version": [facts.VERSION, deadlines.VERSION], "conf": conf, "sources": made_from}


def shop_of(
    config: AnswerTicketsConfig,
    sources: tuple[Snapshot, Snapshot | None, Snapshot | None],
    tickets: pa.Table,
    remote: bool = True,
) -> Shop:
    """Read the policies, and the orders that the tickets may be about.

    Args:
        config: Settings of the job.
        sources: The policies, the orders and the order lines; None for a table that does not exist.
        tickets: Columns order_id, user_id, subject and text of all tickets.
        remote: True to read orders and order lines by Ray tasks, one per file; False to read them in this process.
    """
    policies, orders, lines = sources
    wanted = numbers_of(tickets["order_id"].to_pylist(), _read_text(tickets))
    users = set(tickets["user_id"].to_pylist()) - {None}
    owned = {}
    if orders is not None and (wanted or users):
        owned = _orders(_of_orders(orders, ORDER_COLUMNS, wanted, remote, users))
    goods = _lines(_of_orders(lines, LINE_COLUMNS, set(owned), remote)) if lines is not None and owned else {}
    return Shop(
        policies=Policies(policies.read(list(COLUMNS)).to_pylist()),
        orders=owned,
        lines=goods,
        zone=config.timezone,
        fallback_language=config.fallback_language,
        holidays=frozenset(config.holidays),
    )


def _read_text(rows: pa.Table) -> list[str]:
    """Return subject and text of each ticket in one string, since an order number may stand in either."""
    subjects, texts = (pc.fill_null(rows[name], "").to_pylist() for name in ("subject", "text"))
    return [f"{subject}\n{text}" for subject, text in zip(subjects, texts, strict=True)]


def _of_orders(
    source: Snapshot, columns: Sequence[str], wanted: set[str], remote: bool, users: Collection[str] = ()
) -> pl.DataFrame:
    """Read the rows of some orders, and of all orders of some users.

    Args:
        source: The table `orders` or `order_lines`.
        columns: Columns to read.
        wanted: Keys of orders, as `order_key` writes them.
        remote: True to read by Ray tasks, one per file.
        users: Ids of users.
    """
    schema = source.select(columns)
    names = pa.array(sorted(wanted), pa.string()), pa.array(sorted(users), pa.string())
    if remote:
        task, there = ray.remote(read_orders), ray.put(names)
        pieces = ray.get([task.remote(file, schema, there) for file in source.files])
    else:
        pieces = [read_orders(file, schema, names) for file in source.files]
    return pl.DataFrame(pa.concat_tables([schema.empty_table(), *pieces]))


def _orders(rows: pl.DataFrame) -> dict[str, Mapping[str, Any]]:
    """Return the newest row of each order, by `order_key`."""
    newest = rows.sort("updated_at", nulls_last=False, maintain_order=True).unique("order_id", keep="last")
    return {order_key(row["order_id"]): row for row in newest.sort("order_id").iter_rows(named=True)}


def _lines(rows: pl.DataFrame) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rows of `order_lines` by `order_key`, sorted by line number."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows.sort("order_id", "line_number", "name", nulls_last=True).iter_rows(named=True):
        lines.setdefault(order_key(row["order_id"]), []).append(row)
    return lines


def read_orders(file: FileRef, schema: pa.Schema, wanted: tuple[pa.Array, pa.Array]) -> pa.Table:
    """Read the wanted rows of one file of `orders` or `order_lines`, one row group at a time.

    Args:
        file: The file.
        schema: Schema with the columns to read.
        wanted: Keys of orders (as `order_key` writes them), and ids of users; a row with either is read.
    """
    keys, users = wanted
    pieces = [schema.empty_table()]
    for group in range(len(files.row_group_rows(file.uri))):
        rows = files.read(file.uri, schema, file.partition, [group])
        asked = pc.is_in(pc.utf8_lower(pc.utf8_ltrim(pc.utf8_trim_whitespace(rows["order_id"]), SIGNS)), keys)
        pieces.append(rows.filter(pc.or_(asked, pc.is_in(rows["user_id"], users)) if len(users) else asked))
    return pa.concat_tables(pieces)


def _positions(tickets: Snapshot) -> dict[str, int]:
    """Return the position of each ticket in its thread, by ticket id; first messages (position 1) are left out."""
    rows = pl.DataFrame(tickets.read(["ticket_id", "thread_id", "created_at"])).drop_nulls("thread_id")
    rows = rows.sort("created_at", "ticket_id", nulls_last=False)
    rows = rows.with_columns(nth=pl.int_range(1, pl.len() + 1).over("thread_id")).filter(pl.col("nth") > 1)
    return dict(zip(rows["ticket_id"].to_list(), rows["nth"].to_list(), strict=True))


def _written(tickets: Snapshot, shop: Shop, target: Target) -> list[DataFile]:
    """Join the tickets in Ray tasks, one per part (see `plan_parts`), and return the files that the tasks wrote.

    The files are in the table's folder, but readers do not see them before the commit.
    """
    there, positions = ray.put(shop), ray.put(_positions(tickets))
    schema = tickets.select(_READ)
    tasks = [write_part.remote(target, part, schema, there, positions) for part in plan_parts(tickets)]
    return [file for file in ray.get(tasks) if file is not None]


@ray.remote
def write_part(
    target: Target, part: Part, schema: pa.Schema, shop: Shop, positions: Mapping[str, int]
) -> DataFile | None:
    """Join one part of the tickets with their facts, and write the rows into a file.

    Args:
        target: Settings of the run.
        part: The part of `ticket_intents`.
        schema: Schema with the columns to read.
        shop: Policies and orders.
        positions: Position of each ticket in its thread.

    Returns:
        The file; None if the part has no rows.
    """
    pieces = [joined(rows, shop, target, positions) for _, rows in part.read(schema)]
    rows = pa.concat_tables(pieces) if pieces else None
    if rows is None or not rows.num_rows:
        return None
    path = f"{target.run_id}/part-{part.number:05d}.parquet"
    files.write(f"{target.root}/{path}", rows)
    return files.describe(target.root, path, TICKETS_WITH_FACTS.file_schema())


def joined(rows: pa.Table, shop: Shop, target: Target, positions: Mapping[str, int]) -> pa.Table:
    """Add the columns `facts`, `as_of` and `run_id` to rows of `ticket_intents`.

    Args:
        rows: Rows of `ticket_intents`.
        shop: Policies and orders.
        target: Settings of the run.
        positions: Position of each ticket in its thread; 1 if it is missing.

    Returns:
        Rows of `tickets_with_facts`.
    """
    texts = _read_text(rows)
    made, days = [], []
    for row, text in zip(rows.drop_columns(["text", "subject"]).to_pylist(), texts, strict=True):
        created = row["created_at"]
        day = target.as_of or (None if created is None else day_of(created, target.zone))
        ticket = Ticket(
            user_id=row["user_id"],
            order_id=row["order_id"],
            text=text,
            language=row["language"],
            market=row["market"],
            intents=tuple(question["intent"] for question in row["questions"]),
            day=day,
            message=positions.get(row["ticket_id"], 1),
        )
        days.append(day)
        made.append(shop.facts(ticket).text())
    joined_columns = {
        "facts": pa.array(made, pa.string()),
        "as_of": pa.array(days, pa.date32()),
        "run_id": pa.repeat(pa.scalar(target.run_id), rows.num_rows),
    }
    columns = [joined_columns[n] if n in _JOINED else rows[n] for n in TICKETS_WITH_FACTS.names]
    return pa.table(columns, schema=TICKETS_WITH_FACTS.file_schema())
