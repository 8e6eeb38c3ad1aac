"""Run the job `train_recommender`: reads `user_sequences`, publishes the model `recommender` and `product_neighbours`.

Time is split at the same days for all users. All settings are chosen on the validation days and judged on the held-out
days after them; then the chosen recommender is fitted to all days.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from shopbatch.capabilities.recommendations import evaluate
from shopbatch.capabilities.recommendations.fit import Choice, choose, fitted
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.recommender import NAME, Recommender
from shopbatch.capabilities.recommendations.train import parts, shop
from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.capabilities.recommendations.train.figures import Findings, fill_report
from shopbatch.capabilities.recommendations.train.live import Live
from shopbatch.capabilities.recommendations.train.parts import Added
from shopbatch.capabilities.recommendations.train.sequence import SequenceTraining, check_loop
from shopbatch.capabilities.recommendations.train.shop import Shop
from shopbatch.capabilities.recommendations.train.texts import encoder_of
from shopbatch.capabilities.recommendations.train.together import publish_neighbours
from shopbatch.core.crash_points import crash_point
from shopbatch.core.hashing import digest
from shopbatch.models import erasure, registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import Report
from shopbatch.tables.product_neighbours import PRODUCT_NEIGHBOURS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.user_sequences import USER_SEQUENCES
from shopbatch.tables.users import USERS
from shopbatch.training import runs
from shopbatch.training.config import identity
from shopbatch.training.workers import check_devices
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.store import Store

VERSION = 1  # of reading, choosing and fitting; if it is raised, the next run trains again


@dataclass
class Training:
    """One run of `train_recommender`: reads the shop, chooses, judges, fits and publishes.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The report to fill.
        notes: Remarks that are added to the report's message.
    """

    config: TrainRecommenderConfig
    store: Store
    report: Report
    notes: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Train the model and publish the table `product_neighbours`, each only if it is not up to date.

        Raises:
            UserError: A table is missing, or settings or data do not allow training.
            GateRefused: A gate refuses the model or the table.
            Stopped: Another run published the table meanwhile.
        """
        check_devices(self.config.workers, self.config.platform)
        check_loop(self.config)
        self.report.unit = "users"
        damaged, undone = put_in_order(self.store, PRODUCT_NEIGHBOURS, self.report.run_id)
        table = self.store.find(PRODUCT_NEIGHBOURS.name)
        has_model = runs.already_live(self.models, NAME, self.origin, self.report)
        has_table = table is not None and table.metadata.get("origin") == self.origin
        self.report.outcome = "nothing to do" if has_model and has_table and not undone else "published"
        if not has_model:
            self._train()
        crash_point("recommender_registered")
        if not has_table:
            with self.report.stage("neighbours") as stage:
                stage.rows = publish_neighbours(self.shop, self.config, self.origin, self.store, self.report, table)
            move_away(self.store, PRODUCT_NEIGHBOURS, damaged)
        self.report.message = "; ".join(filter(None, [undone, *self.notes, self.report.message]))

    @property
    def models(self) -> str:
        """Root folder of the model registry."""
        return f"{self.store.root}/_models"

    @cached_property
    def origin(self) -> str:
        """Digest of everything that model and table are made from; if it is unchanged, there is nothing to do."""
        config = self.config
        made_of = [config.source, config.items, config.habit, config.neighbours, config.sequence, config.loop]
        windows = [config.holdout_days, config.validation_days]
        snapshot = self._snapshot
        return digest(
            {
                "version": VERSION,
                "sequences": [snapshot.table_id, snapshot.version],
                "catalogue": self._catalogue.digest,
                "encoder": encoder.digest if (encoder := encoder_of(config.text, self.models)) else None,
                "config": [*identity(*made_of, config.text), *windows],
            }
        )

    @cached_property
    def _snapshot(self) -> Any:
        snapshot = shop.find_sequences(self.store)
        self.report.tables[USER_SEQUENCES.name] = {"read": snapshot.version}
        return snapshot

    @cached_property
    def _catalogue(self) -> shop.Catalogue:
        snapshot = shop.find_catalogue(self.store)
        if snapshot is not None:
            self.report.tables[PRODUCTS.name] = {"read": snapshot.version}
        elif self.config.items.exclude:
            self.notes.append("there is no table products, so items.exclude leaves out nothing")
        return shop.read_catalogue(snapshot, self.config)

    @cached_property
    def shop(self) -> Shop:
        """The purchases and products to train on, read at first use."""
        with self.report.stage("read") as stage:
            read = shop.read_shop(self._snapshot, self._catalogue, self.config)
            stage.rows = len(read.history.item)
        return read

    def _train(self) -> None:
        """Choose settings, judge the recommender, fit it to all days and register it. Raises GateRefused."""
        config, report, whole = self.config, self.report, self.shop.history
        validation, held, end = self.shop.cut(config)
        first = int(whole.day.min())
        early, window = whole.between(first, validation), whole.between(validation, held)
        before, after = whole.between(first, held), whole.between(held, end)
        report.rows.read = self.shop.history.users
        refuse_if_failed([enough := self._enough(after)])
        with report.stage("choose"):
            least = config.items.min_users
            choice, counted = choose(early, window, config.habit.half_life_days, shop.ways_of(config), least)
        training = SequenceTraining(config, self.store, report)
        counting = fitted(early, self.shop.products, choice, least, counted)
        added = parts.choose(training, self.shop, counting, early, window)
        with report.stage("judge") as stage:
            candidate = added.onto(fitted(before, self.shop.products, choice, least), self.shop, before, least)
            live = Live.find(self.models, self.shop, held, before, least)
            quality = evaluate.held_out(candidate, before, after, live.others)
            stage.rows = int((after.owned().sizes > 0).sum())
        seed, worse = config.loop.seed, config.gates.worse
        report.gates = [enough, *evaluate.gates(quality, worse, seed, config.gates.certain, live.exists)]
        report.gates += evaluate.live_gates(quality, worse, seed)
        fill_report(report, Findings(quality, before, after, self._groups(before), choice, added, live, seed))
        refuse_if_failed(report.gates)
        added = parts.refit(training, added, whole)
        with report.stage("fit") as stage:
            final = added.onto(fitted(whole, self.shop.products, choice, least), self.shop, whole, least)
            final = replace(final, actions=tuple(sorted(shop.ACTIONS[name] for name in config.source.actions)))
            stage.rows = len(whole.item)
        with report.stage("register"):
            model = self._register(final, choice, added, end)
        training.delete_checkpoints()
        report.models[NAME] = model.digest
        report.rows.published = report.rows.computed = whole.users

    def _enough(self, after: History) -> Gate:
        """Return the gate that enough users bought something on the held-out days."""
        count, limit = int((after.owned().sizes > 0).sum()), self.config.gates.users
        what = f"{count:,} users bought something on the held-out days, less than gates.users={limit}"
        passed = count >= limit
        detail = explain(passed, what, "no list can be judged", "load more users, or set a smaller limit")
        return Gate("users to judge by", count, limit, passed, detail)

    def _groups(self, before: History) -> dict[str, np.ndarray]:
        """Return each user's groups for the report, by attribute; see `groups.groups_of`."""
        from shopbatch.capabilities.recommendations.train.groups import groups_of

        snapshot = self.store.find(USERS.name)
        if snapshot is not None:
            self.report.tables[USERS.name] = {"read": snapshot.version}
        return groups_of(snapshot, self.shop.users, before)

    def _register(self, final: Recommender, choice: Choice, added: Added, end: int) -> Model:
        """Publish the model in the registry as the live one, with its metrics and settings."""
        chosen = {**asdict(choice), "way": {"kind": type(choice.way).__name__, **asdict(choice.way)}}
        about = {
            "metrics": self.report.metrics["quality"],
            "origin": self.origin,
            "choice": {name: value for name, value in chosen.items() if name != "validation"},
            "parts": added.weights,
            "until": end,
            **erasure.record(self.store, erasure.user_names(self.shop.users)),
            "config": self.report.config,
            "tables": {USER_SEQUENCES.name: self._snapshot.version},
            "licence": "your own",
        }
        return registry.publish(self.models, NAME, final.save, live=True, **about)


def train_recommender(config: TrainRecommenderConfig, store: Store, report: Report) -> None:
    """Train, judge and publish the recommender, and publish `product_neighbours`, unless they are up to date.

    Raises:
        UserError: A table is missing, or settings or data do not allow training.
        GateRefused: A gate refuses the model or the table.
        Stopped: Another run published the table meanwhile.
    """
    Training(config, store, report).run()
