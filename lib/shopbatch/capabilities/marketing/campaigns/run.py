"""The job `measure_campaigns`: reads experiments and `user_daily`, and publishes the effects in `campaign_effects`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.marketing.campaigns import figures
from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.capabilities.marketing.campaigns.judge import Judged, judge
from shopbatch.capabilities.marketing.campaigns.outcomes import Sources, deeds, last_day, pin, scan, subjects
from shopbatch.capabilities.marketing.campaigns.unassigned import Unassigned, unassigned
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped, UserError
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.campaign_effects import CAMPAIGN_EFFECTS
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Store

VERSION = 1  # of the measuring: raising it makes the next run measure again
_DRAWN = 4  # most experiments with a chart of weekly sales


def measure_campaigns(config: MeasureConfig, store: Store, report: Report) -> None:
    """Measure all experiments and publish their effects with 95 % intervals in the table `campaign_effects`.

    Nothing is done if neither the tables nor the settings have changed since the last run.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run; it also lists refused experiments and campaigns without an experiment.

    Raises:
        UserError: There is nothing to measure, or the settings name an unknown experiment.
        GateRefused: No campaign has a randomised control, no experiment passes its checks, or a table has shrunk too
            far.
        Stopped: Another run published the table meanwhile.
    """
    report.unit = "effects"
    damaged, undone = put_in_order(store, CAMPAIGN_EFFECTS, report.run_id)
    sources = pin(store)
    report.tables |= sources.versions
    settings = config.model_dump(mode="json", exclude={"platform", "wait", "listed"})
    origin = {"version": VERSION, "tables": sources.identity, "settings": settings}
    before = store.find(CAMPAIGN_EFFECTS.name)
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.outcome = "nothing to do"
        report.tables[CAMPAIGN_EFFECTS.name] = {"read": before.version}
        return
    with report.stage("measure") as stage:
        assessed = assess(config, sources)
        stage.rows = len(assessed.people)
    judged = assessed.judged
    _describe(config, report, assessed)
    _refuse(config, report, assessed)
    rows = [row | {"run_id": report.run_id} for one in judged for row in one.rows]
    with Publication(store, report.run_id) as publication:
        data = pa.Table.from_pylist(rows, CAMPAIGN_EFFECTS.schema())
        publication.add(CAMPAIGN_EFFECTS, [store.write_file(CAMPAIGN_EFFECTS, data, report.run_id, 0)])
        report.gates += publication.judge(CAMPAIGN_EFFECTS, config.gates.rows, sources.rows, before)
        refuse_if_failed(report.gates)
        crash_point("effects_written")
        metadata = {"job": report.job, "run_id": report.run_id, "origin": origin}
        check = unless_changed(before.files if before is not None else ())
        try:
            done = publication.commit(CAMPAIGN_EFFECTS, metadata, check=check)
        except Superseded as error:
            raise Stopped(f"{error}; start this run again") from None
    move_away(store, CAMPAIGN_EFFECTS, damaged)
    report.tables[CAMPAIGN_EFFECTS.name] = {"written": done.version}
    report.rows.published = len(rows)
    report.outcome, report.message = "published", undone


@dataclass(frozen=True)
class Assessed:
    """Everything that `assess` found, before anything is published.

    Attributes:
        people: One row per experiment and user with the arm; see `outcomes.subjects`.
        judged: The result for each experiment, measured or refused.
        without: The campaigns without a randomised control; empty if the settings name single experiments.
        drawn: Charts of the weekly sales before and after, for the first few experiments that were measured.
    """

    people: pl.DataFrame
    judged: list[Judged]
    without: list[Unassigned]
    drawn: list[Figure]


def assess(config: MeasureConfig, sources: Sources) -> Assessed:
    """Judge every experiment, and describe the campaigns without an experiment. `train_uplift` calls this, too.

    Args:
        config: Settings: which experiments, the windows and the limits.
        sources: The pinned tables.

    Raises:
        UserError: The settings name an unknown experiment, or there is neither an experiment nor a campaign to
            describe.
    """
    last = last_day(sources.daily)
    people = subjects(sources, config.timezone, config.experiments)
    names = people["experiment_id"].unique(maintain_order=True).to_list()
    if missing := sorted(set(config.experiments) - set(names)):
        raise UserError(f"experiments: there is no experiment {missing[0]!r}")
    judged: list[Judged] = []
    drawn: list[Figure] = []
    for name in names:
        one = people.filter(pl.col("experiment_id") == name)
        frame = deeds(sources.daily, one, config.before_days, config.window_days, weekly=True)
        over = max(one["day"]) + timedelta(days=config.window_days) <= last + timedelta(days=1)
        judged.append(judge(name, frame, config, over))
        if judged[-1].rows and len(drawn) < _DRAWN:
            drawn.append(figures.before_and_after(name, frame, config.before_days, config.window_days))
    known = set(names)
    if sources.experiments is not None:
        of = scan(sources.experiments).select("campaign_id").unique().collect()
        known |= {name for name in of["campaign_id"].to_list() if name}
    without = [] if config.experiments else unassigned(sources, config.timezone, config.before_days, known, last)
    if not judged and not without:
        raise UserError(
            "there is no experiment, and no campaign whose window is over and before which two more are known: "
            "shopbatch load experiments FILE, or shopbatch load campaigns FILE"
        )
    return Assessed(people, judged, without, drawn)


def _describe(config: MeasureConfig, report: Report, assessed: Assessed) -> None:
    """Write the counts, the reasons of refusal and the figures into the report."""
    judged, without = assessed.judged, assessed.without
    report.figures = [*figures.effects(judged, config.listed), *assessed.drawn]
    if judged:
        report.figures.append(figures.checks(judged, config.listed))
    report.figures += figures.refused(without, config.listed)
    measured = [one for one in judged if one.rows]
    report.metrics["experiments"] = {"measured": len(measured), "refused": len(judged) - len(measured)}
    report.metrics["refused"] = {one.name: list(one.reasons) for one in judged if one.reasons}
    report.metrics["campaigns without an experiment"] = {
        one.name: {
            "users": one.users,
            "others": one.others,
            "gap before": one.gap.tree(),
            "difference in differences": one.change.tree(),
            "placebo": one.placebo.tree(),
        }
        for one in without
    }
    report.highlights = {"measured": str(len(measured)), "refused": str(len(judged) - len(measured) + len(without))}


def _refuse(config: MeasureConfig, report: Report, assessed: Assessed) -> None:
    """Add the gate "experiments measured" to the report, which needs at least one measured experiment.

    If there is no experiment at all, the gate "drawn by chance" is added instead, which always fails.

    Raises:
        GateRefused: The gate failed.
    """
    judged = assessed.judged
    measured = sum(bool(one.rows) for one in judged)
    if judged:
        what = "; ".join(f"{one.name}: {'; '.join(one.reasons)}" for one in judged if one.reasons)
        do = "see the checks in the report; an experiment whose window is over and whose rows are whole can be measured"
        passed = measured > 0
        detail = explain(passed, what or "none was measured", "an effect of it would be a guess", do)
        report.gates.append(Gate("experiments measured", measured, 1, passed, detail))
    else:
        report.gates.append(no_chance(config, assessed.without))
    refuse_if_failed(report.gates)


def no_chance(config: MeasureConfig, without: Sequence[Unassigned]) -> Gate:
    """Return the failed gate for the case that no campaign has a randomised control; its text gives the evidence.

    Args:
        config: Settings of the job.
        without: The campaigns without an experiment, at least one.
    """
    surely = [one for one in without if one.gap.low > 0 or one.gap.high < 0]
    failing = [one for one in without if one.placebo.low > 0 or one.placebo.high < 0]
    gaps = sorted(one.gap.value for one in without)
    what = (
        f"nobody was drawn by chance for any of {len(without)} campaigns: in the {config.before_days} days before, "
        f"those who got one had already spent {gaps[0]:+,.0f} to {gaps[-1]:+,.0f} more per user than others (surely so "
        f"in {len(surely)}), and a placebo before the campaign finds an effect of nothing in {len(failing)}"
    )
    why = "what these users spend afterwards says nothing of the campaign"
    do = "draw a control by chance (plan_campaigns holds users out) and load it: shopbatch load experiments FILE"
    return Gate("drawn by chance", 0, 1, passed=False, detail=explain(False, what, why, do))
