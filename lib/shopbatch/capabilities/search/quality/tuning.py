"""The weights of the fusion, tuned on judged queries: one for all, one for each language, one for each pair of them."""

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
_OWN = 0.05  # share of the products in a language from which a pair with it has a weight of its own
_SURE = 1e-9
_List = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Lists:
    """The two lists of each query, from which any fusion is made without searching again.

    Attributes:
        index: The index.
        prepared: The queries.
        lexical, dense: Product numbers and scores, best first, [queries].
    """

    index: SearchIndex
    prepared: Prepared
    lexical: list[_List]
    dense: list[_List]

    @cached_property
    def parts(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each query the products of either list, and what the two lists add to their scores at full weight.

        A fused score is linear in the weight, so that `fuse` is needed at its two ends only.
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
        """Return the mean nDCG@10 of some queries under a convex fusion."""
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
    """Return the nearest products of each query with their scores, best first."""
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
    """Search for queries in both ways."""
    depth = index.fusion.depth
    terms = index.lexical.look_up(prepared.texts)
    lexical = [index.lexical.top(t, depth, plan.mask) for t, plan in zip(terms, prepared.plans, strict=True)]
    return Lists(index, prepared, lexical, dense_lists(index, prepared, depth))


def tuned_fusion(lists: Lists, least: int, origin: str) -> FusionSettings | None:
    """Tune the share of the dense score.

    Args:
        lists: The queries to tune on.
        least: Fewest queries with a useful product, in all and in a language.
        origin: What the weights come from, as the settings remember it.

    Returns:
        The settings; None if there are too few queries.
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
    """The share of one pair with the best quality; of equal ones the nearest to what it is now, else to a half."""
    now = settings.dense.get(pair, 0.5)
    quality = {s: lists.quality(_with(settings, {**settings.dense, pair: s}), rows) for s in SHARES}
    most = max(quality.values())
    return min((s for s in SHARES if quality[s] >= most - _SURE), key=lambda s: (abs(s - now), s))


def _with(settings: FusionSettings, dense: Mapping[str, float]) -> FusionSettings:
    return settings.model_copy(update={"dense": dict(dense)})
