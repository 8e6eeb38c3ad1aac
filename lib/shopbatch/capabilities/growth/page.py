"""Write the HTML page of `measure_growth` beside its report, and the same numbers as CSV files.

The page shows K (the number of users whom one user brings) by channel and by week of joining, with intervals; the
retention, the forecast of joins, and a picture of the largest cascade. It names no user.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.growth import drawing
from shopbatch.capabilities.growth.rows import Measured, cohort_rows, forecast_rows
from shopbatch.core.spreadsheet_cells import protect
from shopbatch.runs.report import Figure, Report, run_folder
from shopbatch.runs.templates import template
from shopbatch.tables.growth import ALL
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

PAGE, COHORTS, FORECAST = "growth.html", "cohorts.csv", "forecast.csv"
_NODES, _HISTORY = 250, 60  # most users in the tree; days shown before the forecast


def write_page(store: Store, report: Report, measured: Measured, users: DataFrame) -> None:
    """Write the page and the CSV files beside the run's report, and add links and figures to the report.

    Args:
        store: The warehouse.
        report: The report of the run.
        measured: The numbers of users and the growth factors, forecast and retention of the run.
        users: The users, as in `tree.Forest.users`.
    """
    folder = run_folder(store.root, report.job, report.run_id)
    cohorts = cohort_rows(measured, report.run_id).drop_columns(["run_id", "retention"])
    ahead = forecast_rows(measured, report.run_id).drop_columns(["run_id"])
    for name, data in ((COHORTS, cohorts), (FORECAST, ahead)):
        files.write_bytes(f"{folder}/{name}", to_csv(data.column_names, (row.values() for row in data.to_pylist())))
    files.write_bytes(f"{folder}/{PAGE}", render(report, measured, _largest(users)).encode())
    report.links |= {
        "The growth page": PAGE,
        "All numbers by channel and cohort as a CSV file": COHORTS,
        "The forecast as a CSV file": FORECAST,
    }
    report.figures += figures(measured)


def to_csv(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV: UTF-8 with a byte order mark (for Excel), floats with 4 decimals, formulas made harmless.

    Args:
        names: Names of the columns.
        rows: The values of each row, in the order of `names`.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        cells = [round(cell, 4) if isinstance(cell, float) else cell for cell in row]
        writer.writerow([protect(cell) if isinstance(cell, str) else cell for cell in cells])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _largest(users: DataFrame) -> list[dict[str, Any]]:
    """Return the users of the largest cascade nearest to its root, at most 250; [] without users."""
    row = users.groupBy("root_id").count().orderBy(F.desc("count"), "root_id").first()
    if row is None:
        return []
    own = users.where(F.col("root_id") == F.lit(row["root_id"])).orderBy("depth", "joined_at", "user_id").limit(_NODES)
    rows: list[dict[str, Any]] = own.select("user_id", "inviter_id", "joined_at", "channel").toArrow().to_pylist()
    return rows


def render(report: Report, measured: Measured, largest: Sequence[dict[str, Any]]) -> str:
    """Return the page as HTML text. No user is named on it.

    Args:
        report: The report of the run.
        measured: The numbers of users and the growth factors, forecast and retention of the run.
        largest: Users of the largest cascade: user_id, inviter_id, joined_at, channel.
    """
    rows = cohort_rows(measured, report.run_id).to_pylist()
    by_channel = [row for row in rows if row["cohort"] == ALL]
    whole = by_channel[-1]
    cohorts = [row for row in rows if row["channel"] == ALL and row["cohort"] != ALL and row["users"]]
    best = max((share for row in cohorts for share in row["retention"]), default=1.0)
    history = measured.joins.sum(axis=1)[-_HISTORY:]
    return template("capabilities/growth/page.html.j2").render(
        run={"run_id": report.run_id, "started": report.started_at},
        as_of=measured.cells.as_of,
        whole=whole,
        channels=by_channel[:-1],
        invited=list(measured.invited),
        names=list(measured.names),
        matrix=measured.factors.matrix.tolist(),
        cohorts=cohorts,
        weeks=max((len(row["retention"]) for row in cohorts), default=0),
        best=best or 1.0,
        most=max((row["k"] or 0.0 for row in cohorts), default=1.0) or 1.0,
        fan=drawing.fan(history, measured.fan.joins, measured.fan.daily),
        expected={
            "days": len(measured.fan.joins),
            "total": float(measured.fan.total[-1]),
            "low": float(measured.fan.totals[0, -1]),
            "high": float(measured.fan.totals[3, -1]),
        },
        tree=drawing.tree(largest, measured.names),
        files={"All numbers (CSV)": COHORTS, "Forecast (CSV)": FORECAST},
        left_out=report.metrics.get("left out", {}),
    )


def figures(measured: Measured) -> list[Figure]:
    """Return two figures for the run's report: a chart of K by channel with intervals, and the funnel as a table.

    K is the number of users whom one user brings. The funnel counts persons invited, joined and bought by channel of
    invitation.
    """
    f = measured.factors

    def ends(estimate: Any, place: int) -> list[float]:
        return [float(v[place]) for v in (estimate.value, estimate.low, estimate.high)]

    channels = {name: ends(f.channels, a) for a, name in enumerate(measured.names) if measured.counts.users[0, a].sum()}
    panels = {"K by the channel by which users came": channels | {"all users": ends(f.whole, 0)}}
    panels["system"] = {"greatest eigenvalue": ends(f.system, 0)}
    funnel = [[name, *measured.funnel_of(name, ALL)] for name in [*measured.invited, ALL]]
    columns = ["channel", "invited", "joined", "bought"]
    return [
        Figure("intervals", "Users whom one user brings", {"panels": panels}),
        Figure("table", "From the invitation to the first purchase", {"columns": columns, "rows": funnel}),
    ]
