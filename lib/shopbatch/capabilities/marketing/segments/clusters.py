"""Cluster users by the numbers that the scheme of segments measures, beside the named segments (job `segment_users`).

Such a number (a measure) is, for example, visits a month. Clusters are kept only if they are stable, and keep their
names (`c1`, `c2`, ...) from day to day.
"""

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

_FAR = 1.0  # standard deviations: a centre farther than this from every former one gets a new name
_TINY = 1e-9


@dataclass(frozen=True)
class Centres:
    """The clusters of a day. Coordinates are log(1 + value) of the measures.

    Attributes:
        measures: Names of the measures: the coordinates of a centre.
        scale: Standard deviation of each coordinate, by which distances are divided.
        names: Name of each cluster (`c1`).
        centres: Centre of each cluster, [k, measures].
        newest: The highest number that a cluster's name has ever had, so that no name is used again.
    """

    measures: tuple[str, ...]
    scale: tuple[float, ...]
    names: tuple[str, ...]
    centres: tuple[tuple[float, ...], ...]
    newest: int

    def tree(self) -> dict[str, Any]:
        """Return the clusters as JSON values, for the metadata of the day."""
        return dict(vars(self))

    @staticmethod
    def of(tree: Mapping[str, Any] | None) -> Centres | None:
        """Decode the JSON values that `tree` produced; None for None or {}."""
        if not tree:
            return None
        lists = (tuple(tree["measures"]), tuple(tree["scale"]), tuple(tree["names"]))
        return Centres(*lists, tuple(map(tuple, tree["centres"])), int(tree["newest"]))


def find_clusters(
    valued: DataFrame, measures: tuple[str, ...], before: Centres | None, config: Clusters
) -> tuple[Centres | None, dict[str, float]]:
    """Find the most stable number of clusters, and name them after the nearest clusters of the day before.

    Stability says how alike the clusterings of two random halves of the users are. The most stable number is taken
    rather than the greatest one that is stable enough, because one cluster too many only splits one of several clear
    clusters, which hardly lowers the stability.

    Args:
        valued: Users with the columns `value_<measure>`.
        measures: Names of the measures.
        before: The clusters of the newest earlier day; None if there are none.
        config: How many clusters are tried, and how stable they must be.

    Returns:
        The clusters, None if none are stable or there are too few users; and the stability (adjusted Rand index) by
        number of clusters ("3") that was tried.
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
    """Return a Spark column with the name of each user's cluster.

    A user stays in the former cluster (`was_cluster`) unless another centre is nearer by the margin.

    Args:
        centres: The clusters; None gives null for every user.
        margin: By how much another centre must be nearer, as a share of the distance to the former cluster's centre.

    Returns:
        The name; null for a user without a value in any of the measures.
    """
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
