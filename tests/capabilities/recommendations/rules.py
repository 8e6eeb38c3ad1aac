"""The rules of a list for one user and one product at a time: what the arrays of `recommend.lists` must say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.recommend.repeated import repeat_counts, shares_of

Similarity = Callable[[str, str], float]  # of two products, between 0 and 1


@dataclass(frozen=True)
class Candidate:
    """A product that a part of the recommender proposes to a user; the score is 0 or above."""

    product_id: str
    score: float
    kind: str  # repeat, new, cold or popular
    source: str  # habit, neighbours, text or popular
    because: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Product:
    """What the rules need of a product. `groups` holds its values by column, such as department or brand."""

    product_id: str
    available: bool = True
    market: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Owned:
    """What the rules need of a user's purchases of a product: days since the last one, and since it was returned."""

    days_ago: int
    returned_days_ago: int | None = None


@dataclass(frozen=True)
class Rules:
    """The rules of a list.

    Attributes:
        size: Places of the list.
        excluded_products: Products that no list may hold.
        excluded_groups: Values that no product of a list may have, by column ({"department": {"FUEL"}}).
        returned_days: A product that the user returned is not proposed for this many days.
        repeatable_group: The column that repeatability was learned by.
        repeatable: Shares of that column's values, from `repeat_shares`.
        repeatable_least: A product of a group with a smaller share is not proposed again ...
        repeatable_days: ... for this many days after its purchase.
        mmr: Weight of the score against likeness to what the list holds: 1 leaves the order by score.
        most_per_group: Most products of one value in a list, by column ({"product_type": 3}).
    """

    size: int = 20
    excluded_products: Collection[str] = ()
    excluded_groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    returned_days: int = 365
    repeatable_group: str = "category"
    repeatable: Mapping[str, float] = field(default_factory=dict)
    repeatable_least: float = 0.1
    repeatable_days: int = 180
    mmr: float = 1.0
    most_per_group: Mapping[str, int] = field(default_factory=dict)


def repeat_shares(history: History, groups: Sequence[str | None], least_pairs: int = 20) -> dict[str, float]:
    """Return for each group the share of (user, product) pairs that were bought on two days or more.

    Args:
        history: Everything known.
        groups: Group of each item, such as its category; None where it has none.
        least_pairs: Groups with fewer pairs are left out: nothing was learned about them.
    """
    names = sorted({group for group in groups if group is not None})
    number = {name: n for n, name in enumerate(names)}
    numbers = np.array([-1 if g is None else number[g] for g in groups], np.int64)
    return shares_of(names, repeat_counts(history, numbers, len(names)), least_pairs)


def allowed(product: Product | None, owned: Owned | None, rules: Rules, market: str | None = None) -> bool:
    """Return whether a list may hold a product.

    Args:
        product: The product as the catalogue has it today; None if it has it no more.
        owned: The user's purchases of it; None if there are none.
        rules: The rules.
        market: The user's market; None: unknown, which excludes nothing.
    """
    if product is None or not product.available or product.product_id in rules.excluded_products:
        return False
    if any(product.groups.get(column) in values for column, values in rules.excluded_groups.items()):
        return False
    if market is not None and product.market not in (None, market):
        return False
    if owned is None:
        return True
    if owned.returned_days_ago is not None and owned.returned_days_ago < rules.returned_days:
        return False
    share = rules.repeatable.get(product.groups.get(rules.repeatable_group, ""), 1.0)
    return share >= rules.repeatable_least or owned.days_ago >= rules.repeatable_days


def listed(
    candidates: Sequence[Candidate],
    products: Mapping[str, Product],
    owned: Mapping[str, Owned],
    rules: Rules,
    market: str | None = None,
    alike: Similarity | None = None,
) -> list[Candidate]:
    """Make a user's list.

    Args:
        candidates: Any number, in any order. Of several candidates of one product the best counts.
        products: The catalogue of today.
        owned: The user's purchases by product.
        rules: The rules.
        market: The user's market; None if unknown.
        alike: Likeness of two products for `mmr`; None: 1 for products of one `product_type`, else 0.

    Returns:
        At most `rules.size` candidates. With mmr 1 they are ordered by score, of equal scores by product id.
    """
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.product_id, c.source)):
        name = candidate.product_id
        if name not in best and allowed(products.get(name), owned.get(name), rules, market):
            best[name] = candidate
    return _diverse(list(best.values()), products, rules, alike or _same_type(products))


def _diverse(
    candidates: list[Candidate], products: Mapping[str, Product], rules: Rules, alike: Similarity
) -> list[Candidate]:
    """Fill the places one by one (maximal marginal relevance, Carbonell and Goldstein 1998), within the caps."""
    top = candidates[0].score if candidates and candidates[0].score > 0 else 1.0
    nearest = [0.0] * len(candidates)  # likeness to what the list holds
    out: list[Candidate] = []
    held: dict[tuple[str, str], int] = {}
    rest = list(range(len(candidates)))
    while rest and len(out) < rules.size:
        worth = [rules.mmr * candidates[n].score / top - (1 - rules.mmr) * nearest[n] for n in rest]
        chosen = rest.pop(int(np.argmax(worth)))
        values = products[candidates[chosen].product_id].groups
        capped = [(column, values[column]) for column in rules.most_per_group if column in values]
        if any(held.get(group, 0) >= rules.most_per_group[group[0]] for group in capped):
            continue
        for group in capped:
            held[group] = held.get(group, 0) + 1
        out.append(candidates[chosen])
        if rules.mmr < 1:
            for n in rest:
                likeness = alike(candidates[chosen].product_id, candidates[n].product_id)
                nearest[n] = max(nearest[n], likeness)
    return out


def _same_type(products: Mapping[str, Product]) -> Similarity:
    def alike(first: str, second: str) -> float:
        kinds = [products[name].groups.get("product_type") for name in (first, second)]
        return float(kinds[0] is not None and kinds[0] == kinds[1])

    return alike
