"""Tunes the fusion weights on judged queries: one for all, one per query language, one per pair of languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from shopbatch.capabilities.search.fusion import fuse
from shopbatch.capabilities.search.index import AGAIN, SearchIndex
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.settings import FusionSettings
from shopbatch.evaluation.judged import DEPTH, list_quality, mean
from shopbatch.vectors.ranking import best

SHARES = tuple(round(0.05 * n, 2) for n in range(21))
_OWN = 0.05  # least share of the products in a language for it to get its own weight
_SURE = 1e-9
_List = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Lists:
    """The lexical and the dense list of each query, from which any fusion is computed without searching again.

    Attributes:
        index: The index.
        prepared: The queries, [n].
        lexical: For each query the products found by words (as row numbers of the index) and their scores, best first,
            [n].
        dense: For each query the products found by vectors (as row numbers of the index) and their scores, best first,
            [n].
    """

    index: SearchIndex
    prepared: Prepared
    lexical: list[_List]
    dense: list[_List]

    @cached_property
    def parts(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each query: the products of both lists, and their fused scores for the dense weights 0 and 1.

        A fused score is linear in the weight, so that the scores for any other weight follow from these without `fuse`.
        """
        out = []
        for lexical, dense in zip(self.lexical, self.dense, strict=True):
            ends = []
            for weight in (0.0, 1.0):
                settings = FusionSettings(method="convex", depth=self.index.fusion.depth)
                size = len(lexical[0]) + len(dense[0])
                ranked = fuse(lexical, dense, settings, partial(_constant, weight), size)
                order = np.argsort(ranked.products)
                ends.append((ranked.products[order], ranked.scores[order]))
            out.append((ends[0][0], ends[0][1], ends[1][1]))
        return out

    def quality(self, settings: FusionSettings, rows: np.ndarray) -> float:
        """Return the mean nDCG@10 of the queries with numbers `rows` under a convex fusion with these settings."""
        names, codes = self.index.languages
        values = []
        for row in rows.tolist():
            language = self.prepared.languages[row]
            shares = np.array([settings.share(language, name) for name in names] or [0.5], np.float32)
            products, lexical, dense = self.parts[row]
            weight = shares[codes[products]]
            chosen = best((1 - weight) * lexical + weight * dense, products, DEPTH)
            values.append(list_quality(products[chosen], self.prepared.queries[row].judged).ndcg)
        return mean(np.array(values))


def _constant(weight: float, products: np.ndarray) -> np.ndarray:
    return np.full(len(products), weight, np.float32)


def dense_lists(index: SearchIndex, prepared: Prepared, depth: int) -> list[_List]:
    """Return the nearest products of each query by vectors (as row numbers of the index) and their scores, best first.

    Args:
        index: The index.
        prepared: The queries.
        depth: Number of products of a query, at most.
    """
    if not prepared.queries:
        return []
    vectors = index.spoken.of_queries(prepared.vectors, prepared.languages, index.shares)
    out: list[_List] = []
    for start in range(0, len(vectors), 256):
        masks = [plan.mask for plan in prepared.plans[start : start + 256]]
        if all(mask is None for mask in masks):
            out += index.dense.top(vectors[start : start + 256], depth, None, AGAIN * DEPTH)
        else:
            some = zip(vectors[start : start + 256], masks, strict=True)
            out += [index.dense.top(v[None], depth, mask, AGAIN * DEPTH)[0] for v, mask in some]
    return out


def both_lists(index: SearchIndex, prepared: Prepared) -> Lists:
    """Search for queries by words and by vectors separately, as input of `tuned_fusion`."""
    depth = index.fusion.depth
    terms = index.lexical.look_up(prepared.texts)
    lexical = [index.lexical.top(t, depth, plan.mask) for t, plan in zip(terms, prepared.plans, strict=True)]
    return Lists(index, prepared, lexical, dense_lists(index, prepared, depth))


def tuned_fusion(lists: Lists, least: int, origin: str) -> FusionSettings | None:
    """Tune the weight of the dense score for the best mean nDCG@10.

    Args:
        lists: The queries to tune on.
        least: Least number of queries with a useful product, overall and per language.
        origin: Version of the judgements, which the settings record.

    Returns:
        The settings (convex fusion); None if there are too few queries.
    """
    useful = np.array([query.judged.useful > 0 for query in lists.prepared.queries], bool)
    rows = np.flatnonzero(useful)
    if len(rows) < least:
        return None
    base = FusionSettings(
        method="convex", depth=lists.index.fusion.depth, queries=len(rows), judgements=origin, dense={"*": 0.5}
    )
    dense = {"*": _best(lists, rows, base, "*")}
    languages = np.asarray(lists.prepared.languages, object)
    for language in sorted(set(lists.prepared.languages)):
        own = rows[languages[rows] == language]
        if len(own) < least:
            continue
        dense[f"{language}-*"] = _best(lists, own, _with(base, dense), f"{language}-*")
        large = [name for name, share in lists.index.shares.items() if share >= _OWN]
        for product in sorted(large, key=lambda name: (-lists.index.shares[name], name)) if len(large) > 1 else ():
            dense[f"{language}-{product}"] = dense[f"{language}-*"]
            dense[f"{language}-{product}"] = _best(lists, own, _with(base, dense), f"{language}-{product}")
    return _with(base, dense)


def _best(lists: Lists, rows: np.ndarray, settings: FusionSettings, pair: str) -> float:
    """Try the weights 0, 0.05, ..., 1 for one pair of languages, and return the one with the best mean nDCG@10.

    If several are equally good, the one nearest to the pair's weight in `settings` (0.5 if it has none) is returned.

    Args:
        lists: The queries.
        rows: Numbers of the queries to measure.
        settings: The weights of all other pairs, which stay as they are.
        pair: The pair of languages, such as "zh-en" or "zh-*".
    """
    now = settings.dense.get(pair, 0.5)
    quality = {s: lists.quality(_with(settings, {**settings.dense, pair: s}), rows) for s in SHARES}
    most = max(quality.values())
    return min((s for s in SHARES if quality[s] >= most - _SURE), key=lambda s: (abs(s - now), s))


def _with(settings: FusionSettings, dense: Mapping[str, float]) -> FusionSettings:
    return settings.model_copy(update={"dense": dict(dense)})
