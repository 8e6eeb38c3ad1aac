"""Measure how long the job answer_tickets takes on N generated tickets.

    python -m bench.answers 100000 .warehouse

Policies, orders and the model of intents come from an existing warehouse, which is read and not changed; prepare it
with `shopbatch sample` and `shopbatch run train_intents`. Prints the seconds of a first run and of a second run, which
has nothing to compute, with the load of the machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from bench.side_by_side import benchmark

import shopbatch as sb
from shopbatch.sample.dialogs import dialogs
from shopbatch.tables.tickets import TICKETS
from shopbatch.warehouse.store import Store

KEPT = ("policies", "orders", "_models")
DAY = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)


def write_tickets(store: Store, rows: int) -> None:
    """Write generated tickets into the table `tickets` of a warehouse, half English and half Chinese."""
    asked = dialogs(rows, 11)
    columns = {"ticket_id": pa.array([f"t{n}" for n in range(rows)]), "text": asked["question"]}
    columns |= {"user_id": asked["user_id"], "language": asked["language"]}
    columns["created_at"] = pa.array([DAY] * rows, TICKETS.schema().field("created_at").type)
    flat = {name: c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for name, c in columns.items()}
    table = TICKETS.fill(rows, **{name: c.cast(TICKETS.schema().field(name).type) for name, c in flat.items()})
    store.commit(TICKETS, [store.write_file(TICKETS, table, "bench", 0)], "replace", "bench")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run answer_tickets twice on the generated tickets, and print the seconds and computed rows of each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("warehouse")
    given = parser.parse_args(argv)
    rows, warehouse = given.rows, given.warehouse
    with tempfile.TemporaryDirectory(prefix="shopbatch-answers-") as folder:
        for name in KEPT:
            if (Path(warehouse) / name).is_dir():
                shutil.copytree(Path(warehouse) / name, Path(folder) / name)
        os.environ["SHOPBATCH_WAREHOUSE"] = folder
        write_tickets(Store(folder), rows)
        for run in ("first", "second"):
            began = time.monotonic()
            report = sb.run("answer_tickets")
            seconds, load = time.monotonic() - began, os.getloadavg()[0]
            done = f"{report.rows.computed:,} computed, {dict(report.highlights)}"
            print(f"{run} run: {rows:,} tickets in {seconds:.0f} s at load {load:.1f}; {done}", flush=True)


if __name__ == "__main__":
    main()
