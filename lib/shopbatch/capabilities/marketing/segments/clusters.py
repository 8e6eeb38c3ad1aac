"""Clusters of users by the scheme's measures, kept only if they are stable, under names that stay from day to day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.marketing.segments.config import Clusters
from shopbatch.evaluation.clustering import k_means, match, stability
from shopbatch.evaluation.purchases import Floats

_FAR = 1.0  # standard deviations: a centre further from every former one is a new cluster
_TINY = 1e-9


@dataclass(frozen=True)
class Centres:
    """The clusters of a day, in logarithms of the measures.

    Attributes:
        measures: Names of the measures.
        scale: Standard deviation of each, by which distances are measured.
        names: Name of each cluster.
        centres: Its centre, float64 [k, measures].
        newest: The highest number that a name has had.
    """

    measures: tuple[str, ...]
    scale: tuple[float, ...]
    names: tuple[str, ...]
    centres: tuple[tuple[float, ...], ...]
    newest: int

    def tree(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dict(vars(self))

    @staticmethod
    def of(tree: Mapping[str, Any] | None) -> Centres | None:
        """Read what `tree` made."""
        if not tree:
            return None
        lists = (tuple(tree["measures"]), tuple(tree["scale"]), tuple(tree["names"]))
        return Centres(*lists, tuple(map(tuple, tree["centres"])), int(tree["newest"]))


def find_clusters(
    valued: DataFrame, measures: tuple[str, ...], before: Centres | None, config: Clusters
) -> tuple[Centres | None, dict[str, float]]:
    """Find the number of clusters that is most stable, and name them after those of before.

    A greater number would do, too, if it only had to be stable enough: to halve one of several clear clusters at random
    costs little.

    Args:
        valued: Users with `value_<measure>`.
        measures: The measures.
        before: The clusters of the newest earlier day.
        config: What is tried.

    Returns:
        The clusters, None if none are stable; and the stability of each number that was tried.
    """
    x = _sample(valued, measures, config) if config.most else np.zeros((0, 0))
    if len(x) < 20 * max(1, config.most):
        return None, {}
    scale = np.maximum(x.std(axis=0), _TINY)
    numbers = range(config.least, config.most + 1)
    tried = {str(k): round(stability(x / scale, k, config.seed), 4) for k in numbers}
    best = max(numbers, key=lambda k: (tried[str(k)], k))
    if tried[str(best)] < config.stable:
        return None, tried
    return _named(measures, scale, k_means(x / scale, best, config.seed) * scale, before), tried


def _sample(valued: DataFrame, measures: tuple[str, ...], config: Clusters) -> Floats:
    columns = [_log(name).alias(name) for name in measures]
    known = valued.where(" and ".join(f"value_{name} is not null" for name in measures))
    drawn = known.orderBy(F.xxhash64("user_id"), "user_id").limit(config.users).select(*columns).toArrow()
    return np.column_stack([drawn[name].to_numpy() for name in measures]).astype(np.float64)


def _log(name: str) -> Column:
    return F.log1p(F.greatest(F.col(f"value_{name}"), F.lit(0.0)))


def _named(measures: tuple[str, ...], scale: Floats, centres: Floats, before: Centres | None) -> Centres:
    same = before is not None and before.measures == measures
    former = np.array(before.centres) if before is not None and same else np.zeros((0, len(measures)))
    names, newest = [], before.newest if before is not None else 0
    for old in match(former / scale, centres / scale, _FAR):
        if before is not None and old >= 0:
            names.append(before.names[old])
        else:
            newest += 1
            names.append(f"c{newest}")
    rounded = tuple(tuple(round(float(v), 6) for v in centre) for centre in centres)
    return Centres(measures, tuple(round(float(s), 6) for s in scale), tuple(names), rounded, newest)


def cluster_of(centres: Centres | None, margin: float) -> Column:
    """The cluster of a user: `was_cluster` unless another centre is nearer by the margin; null without clusters."""
    none = F.lit(None).cast("string")
    if centres is None:
        return none
    distances = dict[str, Column]()
    for name, centre in zip(centres.names, centres.centres, strict=True):
        parts = zip(centres.measures, centre, centres.scale, strict=True)
        distances[name] = F.sqrt(sum((F.pow((_log(m) - F.lit(c)) / F.lit(s), 2) for m, c, s in parts), F.lit(0.0)))
    pairs = [F.struct(d.alias("distance"), F.lit(name).alias("name")) for name, d in distances.items()]
    best = F.array_min(F.array(*pairs))
    own: Column = F.lit(None).cast("double")
    for name, distance in distances.items():
        own = F.when(F.col("was_cluster") == name, distance).otherwise(own)
    stays = F.coalesce(own * F.lit(1 - min(margin, 1.0)) <= best["distance"], F.lit(False))
    known = F.col(f"value_{centres.measures[0]}").isNotNull()
    for name in centres.measures[1:]:
        known = known & F.col(f"value_{name}").isNotNull()
    return F.when(known, F.when(stays, F.col("was_cluster")).otherwise(best["name"]))
