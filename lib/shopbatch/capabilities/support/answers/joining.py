"""Writes `tickets_with_facts`: the tickets whose questions are known, with the facts of the shop."""

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
    """What every task gets: the table's root, the run, and from the configuration the day and the time zone."""

    root: str
    run_id: str
    as_of: dt.date | None
    zone: str


def join_facts(config: AnswerTicketsConfig, store: Store, report: Report, tickets: Snapshot) -> str:
    """Join the tickets with policies and orders and show the rows, unless that was done already.

    Args:
        config: The job's configuration.
        store: The warehouse.
        report: Is filled.
        tickets: A version of `ticket_intents`.

    Returns:
        What others had done to the table and was undone; "" for nothing.

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
    """What the rows are made from."""
    conf = config.model_dump(mode="json", include={"as_of", "timezone", "holidays", "fallback_language"})
    made_from = {s.name: {"table_id": s.table_id, "version": s.version} for s in sources}
    return {"version": [facts.VERSION, deadlines.VERSION], "conf": conf, "sources": made_from}


def shop_of(
    config: AnswerTicketsConfig,
    sources: tuple[Snapshot, Snapshot | None, Snapshot | None],
    tickets: pa.Table,
    remote: bool = True,
) -> Shop:
    """Read what tickets are joined with.

    Args:
        config: The job's configuration.
        sources: The policies, the orders and their lines; None for a table that is not there.
        tickets: Columns order_id, user_id, subject and text of all tickets.
        remote: Whether Ray reads orders and lines, a task a file.
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
    """Subject and text of each ticket: an order's number may stand in either."""
    subjects, texts = (pc.fill_null(rows[name], "").to_pylist() for name in ("subject", "text"))
    return [f"{subject}\n{text}" for subject, text in zip(subjects, texts, strict=True)]


def _of_orders(
    source: Snapshot, columns: Sequence[str], wanted: set[str], remote: bool, users: Collection[str] = ()
) -> pl.DataFrame:
    """The rows of some orders, by `order_key`, and of all orders of some users."""
    schema = source.select(columns)
    names = pa.array(sorted(wanted), pa.string()), pa.array(sorted(users), pa.string())
    if remote:
        task, there = ray.remote(read_orders), ray.put(names)
        pieces = ray.get([task.remote(file, schema, there) for file in source.files])
    else:
        pieces = [read_orders(file, schema, names) for file in source.files]
    return pl.DataFrame(pa.concat_tables([schema.empty_table(), *pieces]))


def _orders(rows: pl.DataFrame) -> dict[str, Mapping[str, Any]]:
    """The newest row of each order, by `order_key`."""
    newest = rows.sort("updated_at", nulls_last=False, maintain_order=True).unique("order_id", keep="last")
    return {order_key(row["order_id"]): row for row in newest.sort("order_id").iter_rows(named=True)}


def _lines(rows: pl.DataFrame) -> dict[str, list[Mapping[str, Any]]]:
    """The lines of each order, in their order, by `order_key`."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows.sort("order_id", "line_number", "name", nulls_last=True).iter_rows(named=True):
        lines.setdefault(order_key(row["order_id"]), []).append(row)
    return lines


def read_orders(file: FileRef, schema: pa.Schema, wanted: tuple[pa.Array, pa.Array]) -> pa.Table:
    """Read the wanted orders of a file, by their keys or their users, one row group at a time."""
    keys, users = wanted
    pieces = [schema.empty_table()]
    for group in range(len(files.row_group_rows(file.uri))):
        rows = files.read(file.uri, schema, file.partition, [group])
        asked = pc.is_in(pc.utf8_lower(pc.utf8_ltrim(pc.utf8_trim_whitespace(rows["order_id"]), SIGNS)), keys)
        pieces.append(rows.filter(pc.or_(asked, pc.is_in(rows["user_id"], users)) if len(users) else asked))
    return pa.concat_tables(pieces)


def _positions(tickets: Snapshot) -> dict[str, int]:
    """Which message of its thread each ticket is, from 2 on, by ticket."""
    rows = pl.DataFrame(tickets.read(["ticket_id", "thread_id", "created_at"])).drop_nulls("thread_id")
    rows = rows.sort("created_at", "ticket_id", nulls_last=False)
    rows = rows.with_columns(nth=pl.int_range(1, pl.len() + 1).over("thread_id")).filter(pl.col("nth") > 1)
    return dict(zip(rows["ticket_id"].to_list(), rows["nth"].to_list(), strict=True))


def _written(tickets: Snapshot, shop: Shop, target: Target) -> list[DataFile]:
    """Join the tickets in tasks, one a part, each of which writes a file where it will stay."""
    there, positions = ray.put(shop), ray.put(_positions(tickets))
    schema = tickets.select(_READ)
    tasks = [write_part.remote(target, part, schema, there, positions) for part in plan_parts(tickets)]
    return [file for file in ray.get(tasks) if file is not None]


@ray.remote
def write_part(
    target: Target, part: Part, schema: pa.Schema, shop: Shop, positions: Mapping[str, int]
) -> DataFile | None:
    """Join a part of the tickets and write its rows."""
    pieces = [joined(rows, shop, target, positions) for _, rows in part.read(schema)]
    rows = pa.concat_tables(pieces) if pieces else None
    if rows is None or not rows.num_rows:
        return None
    path = f"{target.run_id}/part-{part.number:05d}.parquet"
    files.write(f"{target.root}/{path}", rows)
    return files.describe(target.root, path, TICKETS_WITH_FACTS.file_schema())


def joined(rows: pa.Table, shop: Shop, target: Target, positions: Mapping[str, int]) -> pa.Table:
    """Add the day and the facts to rows of `ticket_intents`."""
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
