"""Run the job `recommend_products`, which makes each list with a separate inference job.

All these jobs share one memo (stored results) of candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import ray

from shopbatch.capabilities.recommendations.recommend.catalogue import (
    Catalogue,
    Learned,
    learn,
    read_catalogue,
    read_markets,
)
from shopbatch.capabilities.recommendations.recommend.config import ListConfig, RecommendConfig
from shopbatch.capabilities.recommendations.recommend.exposure import ListGates
from shopbatch.capabilities.recommendations.recommend.lists import Rules
from shopbatch.capabilities.recommendations.recommend.report import add_figures
from shopbatch.capabilities.recommendations.recommend.stage import RecommendStage, Shop
from shopbatch.capabilities.recommendations.recommender import LISTS, Recommender
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.core.hashing import digest
from shopbatch.inference.scopes import Scopes
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.models.folder import local
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.recommendations import RECOMMENDATIONS, RECOMMENDATIONS_REJECTS
from shopbatch.tables.user_sequences import PURCHASE, USER_SEQUENCES
from shopbatch.tables.users import USERS
from shopbatch.warehouse.foreign import put_all_right
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

JOB = "recommend_products"


def recommend(config: RecommendConfig, store: Store, report: Report) -> None:
    """Make the lists of all users and publish each list that passes its gates. Raises the errors of `run_inference`.

    If the gates refuse one list, the other is still published; the run then ends with GateRefused.
    """
    report.unit, report.engine = "lists", EngineUse("recommender")
    undone = put_all_right(store, [RECOMMENDATIONS_REJECTS, RECOMMENDATIONS], anew=True)
    specs = list_specs(config, store, report)
    run = Scopes(specs, config, store, report)
    try:
        run.run()
    finally:
        report.samples.clear()  # samples hold user ids; `add_figures` shows some lists without ids
        report.message = "; ".join(filter(None, [*undone, report.message]))
    if any(each.outcome == "published" for each in run.reports):
        with report.stage("figures"):
            add_figures(store, report, _products(specs))
    if run.refused:
        raise GateRefused("; ".join(run.refused))


def recommend_specs(config: RecommendConfig, store: Store, report: Report) -> list[Spec]:
    """Return the inference jobs that `recommend_products` consists of, one per list."""
    return list(list_specs(config, store, report).values())


def list_specs(config: RecommendConfig, store: Store, report: Report) -> dict[str, Spec]:
    """Return the inference job of each list, by list name.

    First it loads the recommender, reads the catalogue, and learns from all users which products are bought again.

    Raises:
        UserError: A table or the model is missing.
        ModelError: The model is damaged.
    """
    sequences = store.require(USER_SEQUENCES, USER_SEQUENCES.names)
    products = store.require(PRODUCTS, ("product_id",))
    model = _model(store, config.model)
    report.models["recommender"] = model.digest
    report.tables[PRODUCTS.name] = {"read": products.version}
    with report.stage("rules") as stage:
        recommender = Recommender.load(Path(local(model.path)))
        catalogue = read_catalogue(products, recommender.product_ids, config)
        learned = learn(sequences, catalogue, config.repeatable.group)
        users = store.find(USERS.name) if catalogue.markets else None
        markets = None if users is None else read_markets(users, catalogue)
        stage.rows = sequences.rows
    made_from = [products] if users is None else [products, users]
    beside = rows_of({PRODUCTS.name: products} | ({USERS.name: users} if catalogue.markets else {}))
    specs = {}
    for name in LISTS:
        made = getattr(config.lists, name)
        only_bought = recommender.actions == (PURCHASE,)
        shop = Shop(catalogue, _rules(config, made, catalogue, learned), markets, only_bought)
        stage_of = RecommendStage(
            model=model.path,
            digest=model.digest,
            list=name,
            size=config.candidates,
            entries=config.batch_entries,
            identity=_identity(config, name, learned, made_from),
            shop=ray.put(shop) if ray.is_initialized() else shop,
        )
        gates = ListGates(name, made.most_empty, config.gates.exposure, len(catalogue.ids))
        specs[name] = Spec(
            JOB,
            USER_SEQUENCES,
            stage_of,
            RECOMMENDATIONS,
            RECOMMENDATIONS_REJECTS,
            {"list": name},
            gates,
            beside=beside,
        )
    return specs


def _model(store: Store, reference: str) -> registry.Model:
    try:
        return registry.resolve(f"{store.root}/_models", reference)
    except registry.NoLiveModel as error:
        raise UserError(f"{error}; train one: shopbatch run train_recommender") from None


def _products(specs: Mapping[str, Spec]) -> int:
    return next(spec.gates.products for spec in specs.values() if isinstance(spec.gates, ListGates))


def _rules(config: RecommendConfig, made: ListConfig, catalogue: Catalogue, learned: Learned) -> Rules:
    group, least = config.repeatable.group, config.repeatable.min_share
    seldom = np.array([learned.shares.get(value, 1.0) < least for value in catalogue.values[group]] + [False])
    return Rules(
        size=made.size,
        mmr=made.mmr,
        most_per_group=made.most_per_group,
        returned_days=config.exclude.returned_days,
        seldom=seldom[catalogue.groups[group]],
        seldom_days=config.repeatable.days,
        today=learned.newest or 0,
    )


def _identity(config: RecommendConfig, name: str, learned: Learned, made_from: list[Snapshot]) -> str:
    """Return a digest of all settings, tables and learned numbers that decide how candidates become lists.

    If it changes, a run publishes new lists from the stored candidates. It does not cover the candidates themselves.
    """
    conf: dict[str, Any] = config.model_dump(mode="json", include={"exclude", "repeatable"})
    made = getattr(config.lists, name).model_dump(mode="json")
    versions = {s.name: [s.table_id, s.version] for s in made_from}
    return digest([conf, made, learned.newest, dict(learned.shares), versions])
