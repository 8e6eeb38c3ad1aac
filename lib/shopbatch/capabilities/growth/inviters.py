"""The job `choose_inviters`: plans whom to ask to invite friends, by the new users that asking is expected to bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from shopbatch.capabilities.growth import choose, reach
from shopbatch.capabilities.growth.choose import Candidates, Choice, Limits
from shopbatch.capabilities.growth.config import LATEST, InviterConfig
from shopbatch.capabilities.growth.contacts import COLUMNS, Contacts, contacts, read_events
from shopbatch.capabilities.growth.fraud import suspects
from shopbatch.capabilities.growth.inviter_plan import MadeOf, Plan, publish
from shopbatch.capabilities.growth.moments import moment_before
from shopbatch.capabilities.growth.worth import Known, uplift_of_asking, value_of_a_user
from shopbatch.evaluation.holdout import held_out
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.growth import INVITER_PLAN
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.tables.users import USERS
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, publish_anew
from shopbatch.warehouse.foreign import put_right
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of the rows; raised when their meaning changes
REACH, SUM = "reach", "sum of probabilities"


@dataclass
class InviterRun:
    """One run of `choose_inviters`.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which `run` fills.
    """

    config: InviterConfig
    store: Store
    report: Report

    def run(self) -> None:
        """Make the plan and publish it, unless it is up to date.

        A plan of the same name that was made from other tables or settings is replaced only if the setting `remake` is
        true.

        Raises:
            UserError: No referral event has a time, or a table is missing.
            GateRefused: A gate did not pass.
            Stopped: Another run published the same plan meanwhile.
        """
        report, store, config = self.report, self.store, self.config
        report.unit = "users"
        sources = self._sources()
        as_of = moment_before(config.as_of, sources[REFERRAL_EVENTS.name], 1)
        name = as_of.strftime("%Y-%m") if config.plan == LATEST else config.plan
        scope = {"plan": name}
        undone = put_right(store, INVITER_PLAN)
        store.check_targets([INVITER_PLAN], "replace")
        damaged, broken = publish_anew(store, INVITER_PLAN, report.run_id, ("origin",), scope)
        undone = "; ".join(filter(None, [undone, broken]))
        live = store.find(INVITER_PLAN.name)
        there = live.part(scope) if live is not None else None
        origin = self._origin(sources, as_of)
        if live is not None and there is not None and there.files and there.metadata.get("origin"):
            same = there.metadata["origin"] == origin
            if same or not config.remake:
                report.outcome = "published" if undone else "nothing to do"
                there_already = "" if same else f"the plan {name} is there already; remake=true makes it anew"
                report.message = "; ".join(filter(None, [undone, there_already]))
                report.tables[INVITER_PLAN.name] = {"read": live.version}
                return
        plan = self._plan(sources, live, as_of, name)
        publish(store, report, plan, MadeOf(origin, rows_of(sources)), live, config.gates)
        move_away(store, INVITER_PLAN, damaged)
        report.message = "; ".join(filter(None, [undone, report.message]))

    def _sources(self) -> dict[str, Snapshot]:
        store, consent = self.store, f"{self.config.channel}_consent"
        sources = {
            REFERRAL_EVENTS.name: store.require(REFERRAL_EVENTS, COLUMNS),
            USERS.name: store.require(USERS, ("user_id", consent)),
        }
        if (scores := store.find("user_scores")) is not None:
            sources["user_scores"] = scores
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in sources.items()}
        return sources

    def _origin(self, sources: Mapping[str, Snapshot], as_of: datetime) -> dict[str, Any]:
        made_from = {name: {"table_id": s.table_id, "version": s.version} for name, s in sorted(sources.items())}
        settings = self.config.model_dump(mode="json", exclude={"platform", "wait", "gates", "as_of", "remake"})
        return {"version": VERSION, "settings": settings, "as_of": as_of.isoformat(), "tables": made_from}

    def _plan(self, sources: Mapping[str, Snapshot], live: Snapshot | None, as_of: datetime, name: str) -> Plan:
        config, report = self.config, self.report
        with report.stage("read") as stage:
            events = read_events(sources[REFERRAL_EVENTS.name], as_of)
            known = contacts(events)
            former = _former(live, name)
            stage.rows = len(events)
        value = value_of_a_user(sources.get("user_scores"), config.money)
        uplift, compared = uplift_of_asking(former, events, as_of, config.uplift)
        with report.stage("leave out") as stage:
            rows = self._candidates(known, events, sources[USERS.name], former, as_of)
            stage.rows = len(rows)
        with report.stage("reach") as stage:
            rows, said = self._choose(known, rows, uplift, value, name)
            stage.rows = config.reach.sets
        report.metrics |= {
            "value of a new user": {"value": round(value.value, 4), "from": value.source},
            "uplift of asking": {"value": round(uplift.value, 4), "from": uplift.source, "compared": compared},
            "accepted by channel": {n: round(p, 4) for n, p in known.accepted.items()},
            "method": said,
        }
        return Plan(name, as_of, rows)

    def _candidates(
        self, known: Contacts, events: pl.DataFrame, users: Snapshot, former: pl.DataFrame, as_of: datetime
    ) -> pl.DataFrame:
        """Return all users of the graph: node, user_id, and reason (why not to ask the user; null if allowed).

        The reasons are those of `fraud.suspects`, no_consent, and asked_lately: one of the other plans (`former`) has
        asked the user within the last `caps.rest_days` days.
        """
        node = np.flatnonzero(known.is_user)
        rows = pl.DataFrame({"node": node, "user_id": known.names[node]})
        consent = f"{self.config.channel}_consent"
        agreed = pl.DataFrame(schema={"user_id": pl.String, consent: pl.Boolean})
        if users.files:
            scan = files.scan([f.uri for f in users.files], users.schema)
            agreed = scan.select("user_id", consent).unique("user_id", keep="last").collect()
        rest = as_of - timedelta(days=self.config.caps.rest_days)
        lately = former.filter((pl.col("decision") == "ask") & (pl.col("planned_at") > rest)).select("user_id").unique()
        rows = (
            rows.join(suspects(events, self.config.fraud), "user_id", "left")
            .join(agreed, "user_id", "left")
            .join(lately.with_columns(lately=pl.lit(True)), "user_id", "left")
        )
        reason = (
            pl.when(pl.col("reason").is_not_null()).then("reason")
            .when(~pl.col(consent).fill_null(False)).then(pl.lit("no_consent"))
            .when("lately").then(pl.lit("asked_lately"))
        )  # fmt: skip
        return rows.select("node", "user_id", reason.alias("reason")).sort("user_id")

    def _choose(
        self, known: Contacts, rows: pl.DataFrame, uplift: Known, value: Known, name: str
    ) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Choose users by reach and by sum, keep the choice that brings more new users, and fill the plan's rows.

        The two ways are `choose.by_reach` and `choose.by_sum`. The choices are compared on reverse reachable sets that
        were used for neither of them.

        Args:
            known: The graph of contacts.
            rows: All users: node, user_id, and the reason why the user must not be asked, or null.
            uplift: Probability that a user invites because of being asked.
            value: Worth of a new user, in money.
            name: Name of the plan; users are held out by a hash of it.

        Returns:
            The rows of the plan, and the figures of the choice for the report.
        """
        config, arcs = self.config, known.arcs
        free = rows.filter(pl.col("reason").is_null())
        node = free["node"].to_numpy()
        asked = Candidates(node, np.full(len(node), uplift.value), known.root[node])
        budget = np.inf if config.money.budget is None else config.money.budget
        limits = Limits(config.caps.users, config.caps.per_cascade, budget, config.money.of_asking)
        seeds = [config.reach.seed + n for n in range(3)]
        samples = [reach.draw_sets(arcs, known.others, config.reach.sets, seed) for seed in seeds]
        direct = reach.direct_reach(arcs, known.others)
        by_node = reach.index(samples[0], arcs.nodes)
        choices = {
            SUM: choose.by_sum(asked, direct[node], value.value, limits),
            REACH: choose.by_reach(asked, by_node, direct[node], value.value, limits),
        }
        more = choose.difference(samples[1], asked, choices[REACH], choices[SUM], arcs.nodes)
        method = REACH if more.users > 0 else SUM
        expected = {n: choose.expected(samples[2], asked, c, arcs.nodes) for n, c in choices.items()}
        self._figures(choices, expected, method)
        alone, fresh = reach.single_reach(samples[2], direct), reach.index(samples[2], arcs.nodes)
        best = choices[method]
        gains = choose.gains_of(best, asked, fresh, direct[node], value.value, limits.cost)
        choice = Choice(best.places, gains)
        said = {
            "chosen": method,
            "reach more than sum": round(more.users, 3),
            "standard error": round(more.error, 3),
            "new users expected": round(expected[method].users, 2),
        }
        return self._rows(known, rows, asked, choice, (direct, alone, limits, name)), said

    def _rows(
        self, known: Contacts, rows: pl.DataFrame, asked: Candidates, choice: Choice, rest: tuple[Any, ...]
    ) -> pl.DataFrame:
        """Return `rows` with the columns of the plan: decision, reason, place, uplift, direct, reach, gain, root_id.

        `direct` is the expected number of persons whom the user reaches in one step, `reach` that in any number of
        steps.

        Args:
            known: The graph of contacts.
            rows: All users with the reason why one must not be asked, or null.
            asked: The users who may be asked.
            choice: The users who were chosen among them.
            rest: Reach in one step of each node, whole reach of each node, the limits, and the name of the plan.
        """
        direct, alone, limits, name = rest
        chosen = asked.node[choice.places]
        users = known.names[chosen].to_list()
        held = held_out(users, name, self.config.hold_out)
        taken = pl.DataFrame(
            {
                "node": chosen,
                "place": np.arange(1, len(chosen) + 1, dtype=np.int32),
                "gain": choice.gains,
                "decision": np.where(held, "hold_out", "ask"),
            },
            schema={"node": pl.Int64, "place": pl.Int32, "gain": pl.Float64, "decision": pl.String},
        )
        node = rows["node"].to_numpy()
        full = len(chosen) >= limits.most
        over = "budget" if limits.most < limits.users else "too_many"
        roots, users_of = np.unique(known.root[chosen], return_counts=True)
        capped = np.isin(known.root[node], roots[users_of >= limits.per_cascade])
        # a plan with places left took everyone who is worth the cost, but for the cap of a cascade
        why = np.where(capped, "same_cascade", over if full else "worth_nothing")
        uplift = float(asked.uplift[0]) if len(asked.uplift) else 0.0
        worthless = pl.col("reach") <= 0
        left = pl.col("reason").is_not_null()
        return (
            rows.with_columns(
                uplift=pl.lit(uplift),
                direct=pl.Series(direct[node]),
                reach=pl.Series(alone[node]),
                root_id=known.names[known.root[node]],
            )
            .join(taken, "node", "left")
            .with_columns(
                decision=pl.when(left).then(pl.lit("left_out")).otherwise(pl.col("decision").fill_null("not_chosen"))
            )
            .with_columns(
                reason=pl.when(left).then("reason")
                .when((pl.col("decision") == "not_chosen") & worthless).then(pl.lit("worth_nothing"))
                .when(pl.col("decision") == "not_chosen").then(pl.Series(why)),
                reach=pl.when(~left).then("reach"),
            )
        )  # fmt: skip

    def _figures(self, choices: Mapping[str, Choice], expected: Mapping[str, choose.Expected], method: str) -> None:
        rows = [
            [n, len(c.places), f"{expected[n].users:,.2f}", f"{expected[n].error:,.2f}", "used" if n == method else ""]
            for n, c in choices.items()
        ]
        columns = ["method", "users", "new users expected", "standard error", ""]
        self.report.figures.append(
            Figure("table", "Two ways to choose, judged by fresh sets", {"columns": columns, "rows": rows})
        )


def _former(live: Snapshot | None, name: str) -> pl.DataFrame:
    """Return the rows of all plans but the one called `name`: plan, user_id, decision, planned_at."""
    wanted = pl.Schema(
        {"plan": pl.String(), "user_id": pl.String(), "decision": pl.String(), "planned_at": pl.Datetime("us", "UTC")}
    )
    parts = [pl.DataFrame(schema=wanted)]
    for file in live.files if live is not None else ():
        if file.partition["plan"] != name:
            rows = files.scan([file.uri]).select("user_id", "decision", "planned_at").collect()
            parts.append(rows.with_columns(plan=pl.lit(file.partition["plan"])).select(*wanted.names()))
    return pl.concat(parts)


def choose_inviters(config: InviterConfig, store: Store, report: Report) -> None:
    """Plan whom to ask to invite friends, and publish the plan in `inviter_plan`. Nobody is asked by the job.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run.

    Raises:
        UserError: No referral event has a time, or a table is missing.
        GateRefused: A gate did not pass.
        Stopped: Another run published the same plan meanwhile.
    """
    InviterRun(config, store, report).run()
