"""Audit the sentiment model in the job audit_bias: measure its bias and publish all audit rows as the table bias_audit.

The model scores counterfactual sentences, which differ only in the person named in them. A row of bias_audit says by
how much naming one person shifts the probability of positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.sentiment.bias.measure import Measured, measure_all
from shopbatch.capabilities.sentiment.bias.probe import identity, probes, sentences
from shopbatch.capabilities.sentiment.config import AuditBiasConfig
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.model import sentiment
from shopbatch.core.hashing import digest
from shopbatch.runs.report import EngineUse, Figure, Report
from shopbatch.tables.bias_audit import BIAS_AUDIT, OUTLOOK, SENTIMENT
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.training.vectors import embed
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of the measurement; raise it to have everything measured again
_SHOWN = 12  # terms in the chart: those that shift the score most
_COLUMNS = tuple(column.name for column in BIAS_AUDIT.columns if column.name != "run_id")


@dataclass(frozen=True)
class Before:
    """The state of the table bias_audit at the start of a run, as `look` returns it for `publish_audit`.

    Attributes:
        live: The published snapshot of the table; None if no audit has been published yet.
        damaged: Damaged files of that snapshot.
        origin: Digest of everything that the new audit will be made from.
    """

    live: Snapshot | None
    damaged: Sequence[FileRef]
    origin: str


def look(config: AuditBiasConfig, store: Store, report: Report) -> Before | None:
    """Repair the table bias_audit if needed, and return its state; None if it is already up to date.

    It is up to date if the published audit was made from the same model, tables and settings as the new one would be.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Receives a message about repairs and, if the table is up to date, the run's outcome.

    Raises:
        ModelError: The model is missing or damaged.
    """
    damaged, report.message = put_in_order(store, BIAS_AUDIT, report.run_id)
    used, _ = sentiment(store.root, config.model, config.engine.kind)
    there = [store.find(table.name) for table in (USER_PROFILES, USER_DAILY)] if config.outlook else []
    tables = [None if each is None else [each.table_id, each.version] for each in there]
    made_of = [VERSION, identity(), config.engine.identity(), used.digests, tables, config.least_users, config.seed]
    before = Before(store.find(BIAS_AUDIT.name), damaged, digest(made_of))
    if before.live is None or before.live.metadata.get("origin") != before.origin:
        return before
    report.outcome = "published" if report.message else "nothing to do"
    report.tables[BIAS_AUDIT.name] = {"read": before.live.version}
    return None


def audit_sentiment(config: AuditBiasConfig, store: Store, report: Report) -> list[dict[str, Any]]:
    """Measure the bias of the sentiment model, write figures and charts to the report, and return the rows to publish.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Gets the figures and charts.

    Returns:
        Rows of bias_audit (subject `sentiment`) without the column `run_id`.

    Raises:
        ModelError: The model is missing or damaged.
    """
    used, _ = sentiment(store.root, config.model, config.engine.kind)
    report.unit, report.engine, report.models = "sentences", EngineUse(config.engine.kind), dict(used.digests)
    head = SentimentHead.load(used.head) if used.head else SentimentHead.fake()
    with report.stage("embed") as stage:
        encoded = embed(sentences(probes()), config.engine, used.encoder or None, config.workers)
        report.engine.tokens_in, stage.rows = int(encoded.tokens.sum()), len(encoded.tokens)
    with report.stage("measure"):
        measured = measure_all(head, probes(), encoded.vectors, config.seed)
    report.metrics["bias"] = {each.probe.language: each.tree() for each in measured}
    for each in measured:
        language = each.probe.language
        report.highlights[f"greatest gap, {language}"] = f"{each.gap:.2f}"
        report.highlights[f"neutral sentences whose label depends, {language}"] = str(each.neutral_labels)
        report.figures.append(_picture(each))
    return [row for each in measured for row in _rows(each, used.digests["head"])]


def publish_audit(store: Store, report: Report, rows: Sequence[dict[str, Any]], before: Before) -> None:
    """Replace the content of the table bias_audit by the rows of a new audit, in one commit.

    If another run has published an audit meanwhile, nothing is published and the outcome is `superseded`.

    Args:
        store: The warehouse.
        report: The run's report. If `rows` has rows with the subject `outlook` (errors of the purchase forecasts by
            group of users), a chart of them is added.
        rows: Rows of bias_audit without the column `run_id`.
        before: The state of the table at the start of the run, from `look`.
    """
    outlook = [row for row in rows if row["subject"] == OUTLOOK]
    if outlook:
        report.figures.append(_outlook_picture(outlook))
    schema = BIAS_AUDIT.schema()
    columns = {name: pa.array([row.get(name) for row in rows], schema.field(name).type) for name in _COLUMNS}
    columns["run_id"] = pa.repeat(pa.scalar(report.run_id), len(rows))
    with Publication(store, report.run_id) as publication:
        written = store.write_file(BIAS_AUDIT, BIAS_AUDIT.fill(len(rows), **columns), report.run_id, 0)
        publication.add(BIAS_AUDIT, [written])
        check = unless_changed(before.live.files if before.live is not None else ())
        try:
            done = publication.commit(BIAS_AUDIT, {"job": "audit_bias", "origin": before.origin}, check=check)
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return
    move_away(store, BIAS_AUDIT, before.damaged)
    report.tables[BIAS_AUDIT.name] = {"written": done.version}
    report.outcome, report.rows.published = "published", len(rows)


def _rows(measured: Measured, model: str) -> list[dict[str, Any]]:
    moved = measured.shifts
    return [
        {
            "subject": SENTIMENT,
            "language": measured.probe.language,
            "group": group,
            "term": term,
            "count": measured.probe.shape[0],
            "shift": float(moved.mean[row]),
            "low": float(moved.low[row]),
            "high": float(moved.high[row]),
            "p": float(moved.p[row]),
            "greatest": float(moved.greatest[row]),
            "labels_apart": int(measured.apart[row]),
            "model": model,
        }
        for row, (group, term, _) in enumerate(measured.probe.terms)
    ]


def _picture(measured: Measured) -> Figure:
    moved = measured.shifts
    order = sorted(range(len(moved.mean)), key=lambda row: -abs(moved.mean[row]))[:_SHOWN]
    order.sort(key=lambda row: moved.mean[row])
    panel = {
        measured.probe.terms[row][1]: [float(x[row]) for x in (moved.mean, moved.low, moved.high)] for row in order
    }
    frames, terms = measured.probe.shape
    caption = (
        f"How far a term moves the probability of positive from the mean of all {terms} terms, over the same {frames} "
        f"frames, with 95 % intervals over frames; the {len(panel)} terms that move it most. The greatest range in one "
        f"frame is {measured.gap:.2f}. Not all of it is prejudice: some terms also say something of how a product fits."
    )
    return Figure(
        "intervals", f"Who stands in a sentence: {measured.probe.language}", {"panels": {"shift": panel}}, caption
    )


def _outlook_picture(rows: Sequence[dict[str, Any]]) -> Figure:
    panels: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        panels.setdefault(row["group"], {})[f"{row['term']} ({row['count']:,})"] = [
            row["shift"],
            row["low"],
            row["high"],
        ]
    caption = (
        "Mean forecast of buying within 30 days minus the share that did, by group (number of users), with 95 % "
        "intervals. Above 0: the forecast is too high."
    )
    return Figure("intervals", "Forecast minus what happened, by group", {"panels": panels}, caption)
