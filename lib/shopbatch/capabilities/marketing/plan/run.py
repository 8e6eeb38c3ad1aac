"""The job `plan_campaigns`: chooses the audiences of the campaigns of a day and publishes them in `campaign_plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.marketing.campaigns.outcomes import deeds, last_day
from shopbatch.capabilities.marketing.plan.audience import Cap, Offer, plan_day
from shopbatch.capabilities.marketing.plan.config import LATEST, CampaignConfig, PlanConfig
from shopbatch.capabilities.marketing.plan.coupons import Coupons, read_coupons
from shopbatch.capabilities.marketing.plan.figures import Planned, figures
from shopbatch.capabilities.marketing.plan.quiet import Span, zone
from shopbatch.capabilities.marketing.plan.reading import (
    People,
    basket_values,
    check_lists,
    left_out,
    messages_before,
    read_people,
    spans,
)
from shopbatch.capabilities.marketing.uplift.features import features
from shopbatch.capabilities.marketing.uplift.model import UpliftModel
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped, UserError
from shopbatch.core.hashing import digest
from shopbatch.models import registry
from shopbatch.models.folder import local
from shopbatch.runs.report import Report
from shopbatch.tables.campaign_plan import CAMPAIGN_PLAN
from shopbatch.tables.campaigns import CAMPAIGNS, REDEMPTIONS
from shopbatch.tables.experiments import CONTROL
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.tables.user_scores import USER_SCORES
from shopbatch.tables.users import USERS
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, publish_anew
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.foreign import put_right
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed, shrunken_sources
from shopbatch.warehouse.publish import Publication, Superseded, rows_of, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSION = 2  # of the planning: raising it makes the next run plan again
_READ = {USERS.name: "users", USER_DAILY.name: "daily", CAMPAIGNS.name: "campaigns"}


@dataclass(frozen=True)
class Sources:
    """The tables that a run reads, each pinned to one version; None for a table that does not exist.

    `scores` (`user_scores`) and `redemptions` are read only if a campaign has coupons; else they are None, too.
    """

    users: Snapshot
    daily: Snapshot
    campaigns: Snapshot | None
    plan: Snapshot | None
    scores: Snapshot | None = None
    redemptions: Snapshot | None = None


def plan_campaigns(config: PlanConfig, store: Store, report: Report) -> None:
    """Plan the campaigns of a day and publish the plan in `campaign_plan`. Nothing is sent.

    A day whose tables, model, exclusion lists and settings have not changed is not planned again. Raises UserError if
    no campaign is declared, there is no model or an exclusion list cannot be read; GateRefused if no effect of a
    message is proven or a table has shrunk too far; Stopped if another run planned the same day meanwhile.
    """
    report.unit = "messages"
    check_plan(config, store)
    undone = put_right(store, CAMPAIGN_PLAN)
    store.check_targets([CAMPAIGN_PLAN], "replace")
    sources = _pin(config, store, report)
    day = last_day(sources.daily) + timedelta(days=1) if config.day == LATEST else date.fromisoformat(str(config.day))
    scope = {"day": day.isoformat()}
    damaged, said = publish_anew(store, CAMPAIGN_PLAN, report.run_id, ("origin",), scope)
    published = registry.resolve(f"{store.root}/_models", config.model)
    report.models["uplift"] = published.digest
    model = UpliftModel.load(local(published.path))
    people = read_people(sources.users)
    excluded = {
        campaign.name: left_out([*config.exclude, *campaign.exclude], people, store) for campaign in config.campaigns
    }
    origin = _origin(config, sources, day, published.digest, excluded)
    live = store.find(CAMPAIGN_PLAN.name)
    shown = live.part(scope) if live is not None else None
    if shown is not None and not said and shown.metadata.get("origin") == origin:
        report.outcome, report.message = "published" if undone else "nothing to do", undone
        return
    read = rows_of({name: getattr(sources, field) for name, field in _READ.items()})
    report.gates += [_proven(config, model), *shrunken_sources(config.gates.rows, read, {USERS.name: 1})]
    refuse_if_failed(report.gates)
    with report.stage("plan") as stage:
        coupons = _coupons(config, sources, model, people, day)
        report.metrics |= {"coupons": coupons.source} if coupons else {}
        planned, when = _planned(config, sources, model, people, excluded, day, coupons)
        stage.rows = len(people.ids)
    report.figures += figures(planned, model, _spread(sources, people, model, day))
    _describe(report, planned, model, people, config)
    rows = pa.concat_tables(
        [_rows(p, w, people, day, published.digest, report.run_id) for p, w in zip(planned, when, strict=True)]
    )
    with Publication(store, report.run_id) as publication:
        publication.add(CAMPAIGN_PLAN, _write(store, rows, report.run_id, scope))
        former = live.part_or_newest(scope) if live is not None else None
        report.gates += publication.judge(CAMPAIGN_PLAN, config.gates.rows, read, former, sized=False)
        refuse_if_failed(report.gates)
        crash_point("plan_written")
        metadata = {"job": report.job, "run_id": report.run_id, "origin": origin, "scope": scope}
        check = unless_changed(shown.files if shown is not None else (), scope)
        try:
            done = publication.commit(CAMPAIGN_PLAN, metadata, check=check)
        except Superseded as error:
            raise Stopped(f"{error}; start this run again") from None
    move_away(store, CAMPAIGN_PLAN, damaged)
    report.tables[CAMPAIGN_PLAN.name] = {"written": done.version}
    report.rows.published = rows.num_rows
    report.outcome = "published"
    report.message = "; ".join(filter(None, [undone, said, report.message]))


def check_plan(config: PlanConfig, store: Store) -> None:
    """Refuse settings that cannot work, before any table is changed or any user is read.

    Args:
        config: Settings of the job.
        store: The warehouse, in which tables of excluded users are looked up.

    Raises:
        UserError: No campaign is declared, a time zone is unknown, or an exclusion list (file or table) cannot be read.
    """
    if not config.campaigns:
        raise UserError("no campaign is declared: list them under `campaigns` in conf/base/plan_campaigns.yaml")
    for name in filter(None, (config.timezone, config.default_time_zone)):
        if zone(name) is None:
            raise UserError(f"there is no time zone {name!r}; expected an IANA name such as Europe/Berlin")
    check_lists([*config.exclude, *(name for campaign in config.campaigns for name in campaign.exclude)], store)


def _pin(config: PlanConfig, store: Store, report: Report) -> Sources:
    users = store.require(USERS, ("user_id",))
    daily = store.require(USER_DAILY, ("user_id", "day", "baskets", "sales_cents", "purchase_cents"))
    campaigns, plan = store.find(CAMPAIGNS.name), store.find(CAMPAIGN_PLAN.name)
    with_coupons = any(campaign.coupon for campaign in config.campaigns)
    scores, redemptions = (store.find(t.name) if with_coupons else None for t in (USER_SCORES, REDEMPTIONS))
    for snapshot in (users, daily, campaigns, scores, redemptions):
        if snapshot is not None:
            report.tables[snapshot.name] = {"read": snapshot.version}
    return Sources(users, daily, campaigns, plan, scores, redemptions)


def _origin(config: PlanConfig, sources: Sources, day: date, model: str, excluded: dict[str, np.ndarray]) -> str:
    """Return the digest of everything that a day's plan depends on; while it is the same, the plan is up to date."""
    read = (sources.users, sources.daily, sources.campaigns, sources.scores, sources.redemptions)
    tables = [[s.table_id, s.version] if s else None for s in read]
    others = [f.path for f in sources.plan.files if f.partition["day"] != day.isoformat()] if sources.plan else []
    settings = config.model_dump(mode="json", exclude={"platform", "wait", "exclude", "day"})
    lists = {name: digest(np.flatnonzero(rows).tolist()) for name, rows in excluded.items()}
    made_of = [VERSION, tables, sorted(others), day.isoformat(), model, settings, lists]
    return digest({"plan": made_of})


def _proven(config: PlanConfig, model: UpliftModel) -> Gate:
    """Return the gate "effect proven": it fails if nothing shows that messages have any effect."""
    effect = model.effect
    passed = effect.low > 0 or model.kind == "uplift" or config.gates.unproven
    what = (
        f"no effect of a message is proven: the mean effect on {model.outcome} is {effect.value:+.4g} "
        f"[{effect.low:+.4g}, {effect.high:+.4g}], and no uplift model was found"
    )
    do = "measure a larger experiment; or set gates.unproven=true to spend money on a guess, with a large hold-out"
    why = "the plan would pay for messages that may do nothing"
    return Gate("effect proven", round(effect.low, 6), 0, passed, explain(passed, what, why, do))


def _coupons(config: PlanConfig, sources: Sources, model: UpliftModel, people: People, day: date) -> Coupons | None:
    """Return the estimate of who will redeem coupons; None if no campaign has a coupon."""
    if not any(campaign.coupon for campaign in config.campaigns):
        return None
    former = (sources.scores, sources.campaigns, sources.redemptions)
    return read_coupons(people.ids, day, model.window, sources.daily, *former)


def _planned(
    config: PlanConfig,
    sources: Sources,
    model: UpliftModel,
    people: People,
    excluded: dict[str, np.ndarray],
    day: date,
    coupons: Coupons | None,
) -> tuple[list[Planned], list[list[Span | None]]]:
    """Choose the audience of every campaign.

    Returns:
        The campaigns with their audiences; and for each campaign the period in which its messages may be sent, by the
        position in `people.places`.
    """
    frame = pl.DataFrame({"user_id": people.ids}, schema={"user_id": pl.String}).with_columns(pl.lit(day).alias("day"))
    uplift = model.predict(features(sources.daily, frame))
    baskets = basket_values(sources.daily, people, day)
    offers, values, when = [], [], []
    for campaign in config.campaigns:
        open_ = spans(people, config, campaign.channel, campaign.hours, day)
        reachable = np.array([span is not None for span in open_], bool)[people.place]
        value = _value(campaign, model, baskets)
        gain = uplift * value - float(campaign.cost)
        if coupons is not None:
            gain -= float(campaign.coupon) * coupons.redeemed(uplift if model.outcome == "bought" else 0.0 * uplift)
        offers.append(
            Offer(
                f"{campaign.name}-{day.isoformat()}",
                campaign.channel,
                campaign.cost,
                campaign.budget,
                campaign.holdout,
                gain,
                campaign.min_gain,
                ~excluded[campaign.name],
                reachable,
            )
        )
        values.append(value)
        when.append(open_)
    caps = [Cap(cap.messages, cap.days, cap.channel) for cap in config.caps]
    before = messages_before(people.ids, caps, day, config.timezone, sources.campaigns, sources.plan)
    audiences = plan_day(people.ids, offers, people.consent, caps, before)
    planned = [Planned(o, a, uplift, v) for o, a, v in zip(offers, audiences, values, strict=True)]
    return planned, when


def _value(campaign: CampaignConfig, model: UpliftModel, baskets: np.ndarray) -> np.ndarray:
    """Return the worth of one unit of the model's outcome for each user, in the shop's currency, float64 [n]."""
    if campaign.value is not None:
        return np.full(len(baskets), campaign.value)
    return np.full(len(baskets), campaign.margin) if model.outcome == "sales" else campaign.margin * baskets


def _spread(sources: Sources, people: People, model: UpliftModel, day: date) -> float:
    """Return the standard deviation, over users, of the model's outcome in the window before the day; 0 without users.

    The outcome (bought, sales or baskets) and the length of the window are those that the uplift model predicts.
    """
    frame = pl.DataFrame({"user_id": people.ids}, schema={"user_id": pl.String}).with_columns(pl.lit(day).alias("day"))
    past = deeds(sources.daily, frame, model.window, 1)[f"before_{model.outcome}"]
    return float(np.std(past.to_numpy())) if len(past) else 0.0


def _describe(
    report: Report, planned: Sequence[Planned], model: UpliftModel, people: People, config: PlanConfig
) -> None:
    """Write the number of users, the sums of the plan, and warnings into the report.

    The warnings name campaigns that would lose money at worst, and say if no effect of a message is proven.
    """
    report.rows.read = len(people.ids)
    unknown = np.array([not market and not own for own, market in people.places], bool)
    report.metrics["users"] = {
        "users": len(people.ids),
        "without time zone and market": int(unknown[people.place].sum()) if len(people.ids) else 0,
        **{f"agreed to {channel}": int(agreed.sum()) for channel, agreed in people.consent.items()},
    }
    report.metrics["plan"] = {
        one.offer.name: {
            "audience": len(one.audience.users),
            "held out": int(one.audience.held.sum()),
            "messages": len(one.audience.sent),
            "cost": round(one.spent, 4),
            "expected gain": round(one.expected, 2),
            "gain at worst": round(one.at_worst(model), 2),
            "left out": dict(one.audience.left),
        }
        for one in planned
    }
    report.highlights = {
        "messages": f"{sum(len(one.audience.sent) for one in planned):,}",
        "cost": f"{sum(one.spent for one in planned):,.2f}",
        "expected gain": f"{sum(one.expected for one in planned):,.2f}",
        "gain at worst": f"{sum(one.at_worst(model) for one in planned):,.2f}",
    }
    risks = [one.offer.name for one in planned if len(one.audience.users) and one.at_worst(model) < 0]
    notes = [f"at worst, {', '.join(risks)} would lose money"] if risks else []
    if config.gates.unproven and model.kind != "uplift" and model.effect.low <= 0:
        notes.append("no effect of a message is proven")
    report.message = "; ".join([*notes, "nothing has been sent"])


def _rows(one: Planned, open_: list[Span | None], people: People, day: date, model: str, run_id: str) -> pa.Table:
    """Return the rows of `campaign_plan` of one campaign, by falling gain.

    Args:
        one: The campaign with its audience.
        open_: For each entry of `people.places`, the period in which messages may be sent; None if there is none.
        people: The users of the shop.
        day: The day that is planned.
        model: Digest of the uplift model, for the column `model`.
        run_id: The run, for the column `run_id`.
    """
    users, held, offer = one.audience.users, one.audience.held, one.offer
    times = [open_[place] for place in people.place[users].tolist()]
    share = float(held.mean()) if len(held) else 0.0
    columns: dict[str, Any] = {
        "campaign_id": [offer.name] * len(users),
        "user_id": [people.ids[user] for user in users],
        "channel": [offer.channel] * len(users),
        "send": ~held,
        "arm": [CONTROL if out else offer.channel for out in held],
        "probability": np.where(held, share, 1 - share),
        "send_from": [span.begin if span else None for span in times],
        "send_until": [span.end if span else None for span in times],
        "uplift": one.uplift[users],
        "value": one.value[users],
        "cost": [offer.cost] * len(users),
        "gain": offer.gain[users],
        "model": [model] * len(users),
        "run_id": [run_id] * len(users),
    }
    schema = CAMPAIGN_PLAN.file_schema()
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _write(store: Store, rows: pa.Table, run_id: str, scope: dict[str, str]) -> list[DataFile]:
    """Write the rows of the day into one file, which stays invisible until it is committed; [] without rows."""
    if not rows.num_rows:
        return []
    root, path = store.uri(CAMPAIGN_PLAN.name), f"day={scope['day']}/{run_id}/part-00000.parquet"
    files.write(f"{root}/{path}", rows)
    return [files.describe(root, path, CAMPAIGN_PLAN.file_schema(), scope)]
