"""Runs the job `judge_by_clicks`: learns relevance judgements from clicks, corrected for the products' positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from shopbatch.capabilities.search.clicks.config import JudgeByClicksConfig
from shopbatch.capabilities.search.clicks.counts import Counted, count
from shopbatch.capabilities.search.clicks.model import Fitted, forecasts, judgements
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.evaluation.classification import Interval
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.search_events import SEARCH_EVENTS
from shopbatch.tables.search_judgements import SEARCH_JUDGEMENTS
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSION = 1  # of the learning rules; after a change the judgements are learnt again
_NEEDED, _OPTIONAL = ("query", "product_id", "position"), ("event_id", "clicked", "purchased", "session_id", "user_id")


def judge_by_clicks(config: JudgeByClicksConfig, store: Store, report: Report) -> None:
    """Run the job: fit the click model to `search_events`, check it by the gates, and publish its judgements.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.

    Raises:
        UserError: No query was typed often enough.
        GateRefused: Too few products were shown at several positions, or the model forecasts clicks worse than simple
            click rates do.
    """
    events = store.require(SEARCH_EVENTS, _NEEDED, optional=_OPTIONAL)
    report.unit, report.tables[SEARCH_EVENTS.name] = "judgements", {"read": events.version}
    damaged, undone = put_in_order(store, SEARCH_JUDGEMENTS, report.run_id)
    report.message = undone
    origin = _origin(config, events)
    before = store.find(SEARCH_JUDGEMENTS.name)
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.tables[SEARCH_JUDGEMENTS.name] = {"read": before.version}
        report.outcome = "nothing to do"
        return
    with report.stage("clicks") as stage:
        counted = count(events, config)
        stage.rows = counted.events
    if not counted.rows.height:
        raise UserError(
            f"no query of search_events was typed in least_visits={config.least_visits} visits: load more of them, "
            "with query, product_id and position"
        )
    with report.stage("click model") as stage:
        fitted, against = Fitted.of(counted.clicks(), config.prior), forecasts(counted, config)
        stage.rows = fitted.clicks.pairs
    _describe(config, report, counted, fitted, against)
    refuse_if_failed(report.gates, SEARCH_JUDGEMENTS.name)
    _publish(config, store, report, (counted, fitted), (before, origin))
    move_away(store, SEARCH_JUDGEMENTS, damaged)


def _origin(config: JudgeByClicksConfig, events: Snapshot) -> dict[str, Any]:
    settings = config.model_dump(mode="json", exclude={"platform", "wait"})
    return {
        "version": VERSION,
        "events": {"table_id": events.table_id, "version": events.version},
        "settings": settings,
    }


def _describe(
    config: JudgeByClicksConfig, report: Report, counted: Counted, fitted: Fitted, against: dict[str, Interval]
) -> None:
    """Add to the report the counts, the gates, and a chart of how often each position is clicked and looked at."""
    known = np.flatnonzero(~np.isnan(fitted.examined))
    rates = fitted.click_rates
    report.metrics["clicks"] = {
        "events": counted.events,
        "queries": counted.queries[0],
        "queries that too few visits typed": counted.queries[1],
        "pairs of a query and a product": fitted.clicks.pairs,
        "showings": int(fitted.clicks.shown.sum()),
        "clicks": int(fitted.clicks.clicked.sum()),
        "purchases": int(counted.pairs["purchased"].sum()),
        "places": {str(place + 1): round(float(fitted.examined[place]), 4) for place in known.tolist()},
        "log likelihood of a showing against click rates of": {name: gap.tree() for name, gap in against.items()},
    }
    report.gates += _gates(config, fitted, against)
    if len(known) > 1:
        places = [int(place) + 1 for place in known]
        first = np.nanmax(rates[known]) or 1.0
        series = {
            "clicked": [places, (rates[known] / first).round(4).tolist()],
            "looked at": [places, fitted.examined[known].round(4).tolist()],
        }
        caption = "Both as shares of the greatest. Where the lines part, good products stand in good places."
        labels = ["place in the list", "share of the greatest"]
        report.figures.append(Figure("lines", "Places", {"series": series, "labels": labels}, caption))


def _gates(config: JudgeByClicksConfig, fitted: Fitted, against: dict[str, Interval]) -> list[Gate]:
    share, least = fitted.moved_share, config.gates.min_moved
    passed = share >= least and bool((~np.isnan(fitted.examined)).sum() > 1)
    gates = [
        Gate(
            "products at several places",
            round(share, 5),
            least,
            passed,
            explain(
                passed,
                f"{share:.1%} of the showings are of products that a query showed at several places, "
                f"gates.min_moved={least}",
                "nobody can tell a good place from a good product",
                "let the search swap neighbours in a small share of its lists, and load more visits",
            ),
        )
    ]
    for name, what in (("products", "each product"), ("places", "each place")) if config.gates.better else ():
        gap = against[name]
        passed = gap.high >= 0 if name == "products" else gap.low > 0
        measured = (
            f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] log likelihood a showing against rates of {what}"
        )
        why = "the model does not forecast the clicks of visits that it has not seen"
        do = "load more visits, or set gates.better=false"
        detail = explain(passed, measured, why, do, measured)
        gates.append(Gate(f"clicks forecast against rates of {what}", round(gap.value, 5), 0, passed, detail))
    return gates


def _publish(
    config: JudgeByClicksConfig,
    store: Store,
    report: Report,
    learnt: tuple[Counted, Fitted],
    live: tuple[Snapshot | None, dict[str, Any]],
) -> None:
    """Publish the judgements in one commit; the outcome is "superseded" if another run published meanwhile.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        learnt: The impressions and clicks, and the click model fitted to them.
        live: The version of `search_judgements` that was live when the run began (None: none), and the origin of the
            new judgements (source version and settings), which the commit stores.
    """
    rows, (before, origin) = judgements(*learnt, config, report.run_id), live
    with Publication(store, report.run_id) as publication:
        written = [store.write_file(SEARCH_JUDGEMENTS, rows, report.run_id, 0)] if rows.num_rows else []
        publication.add(SEARCH_JUDGEMENTS, written)
        read = {SEARCH_EVENTS.name: learnt[0].events}
        report.gates += publication.judge(SEARCH_JUDGEMENTS, config.gates.rows, read, before)
        refuse_if_failed(report.gates)
        crash_point("clicks_written")
        metadata = {"job": "judge_by_clicks", "origin": origin, "digest": digest(origin)}
        check = unless_changed(before.files if before is not None else ())
        try:
            done = publication.commit(SEARCH_JUDGEMENTS, metadata, check=check)
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return
    report.tables[SEARCH_JUDGEMENTS.name] = {"written": done.version}
    report.outcome = "published"
    useful = int(np.count_nonzero(np.array(rows["grade"].to_pylist(), float)))
    queries = len(set(rows["query"].to_pylist()))
    report.highlights = {"judgements": f"{rows.num_rows:,}", "queries": f"{queries:,}", "useful": f"{useful:,}"}
