"""Generated experiments whose truth is known: one campaign that works, and one that does nothing.

Users 2k and 2k + 1 are a pair: chance says which of the two is addressed, so every user has a probability of one half.
The campaign that works moves baskets: in its four weeks, `MOVED` of the baskets of a control are bought by the other
user of the pair instead. So treated users buy (1 + MOVED) times as often as without it, and controls (1 - MOVED) times;
the effect on baskets per user is 2 x MOVED x what both do otherwise.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.sample.draws import Mask, Numbers, below, chance, draw, from_seconds, names
from shopbatch.sample.shop import START, Shop
from shopbatch.tables.experiments import CONTROL, EXPERIMENTS

WORKS, IDLE = "g-reminder", "g-placebo"  # names of the experiments
MOVED, DAYS = 0.35, 28
_DAY = 86_400
BEGIN = {IDLE: START + 365 * _DAY, WORKS: START + 480 * _DAY}  # seconds since 1970 UTC
_NAMES = (IDLE, WORKS)


def experiments(shop: Shop, first: int, count: int) -> pa.Table:
    """Rows [first, first + count) of (experiment, user), experiment by experiment; a user without a pair has none."""
    rows = np.arange(first, first + count, dtype=np.int64)
    number, user = np.divmod(rows, shop.users)
    number, user = number[user ^ 1 < shop.users], user[user ^ 1 < shop.users]
    treated = np.zeros(len(user), bool)
    for place, name in enumerate(_NAMES):
        treated[number == place] = is_treated(shop, name, user[number == place])
    chosen = pa.array(_NAMES).take(pa.array(number))
    columns = {
        "experiment_id": chosen,
        "user_id": names("g-", user),
        "arm": pa.array(np.where(treated, "email", CONTROL)),
        "probability": pa.repeat(0.5, len(user)),
        "assigned_at": from_seconds(np.array([BEGIN[name] for name in _NAMES])[number]),
        "channel": pa.repeat("email", len(user)),
        "source": pa.repeat("generated", len(user)),
    }
    return EXPERIMENTS.fill(len(user), **columns)


def is_treated(shop: Shop, name: str, user: Numbers) -> Mask:
    """Whether each user is addressed; of a pair one is."""
    first = draw(shop.seed, f"arm of {name}", (user // 2).astype(np.uint64)) % np.uint64(2)
    return np.asarray(first.astype(np.int64) == user % 2)


def buyers(shop: Shop, basket: np.ndarray, moment: Numbers) -> Numbers:
    """Who buys each basket, after the campaign that works has had its effect.

    Args:
        shop: The shop.
        basket: Numbers of the baskets, uint64 [n].
        moment: When they are bought, in seconds since 1970 UTC, int64 [n].

    Returns:
        Numbers of the users, int64 [n].
    """
    user = below(shop.seed, "buyer", basket, shop.users)
    inside = (moment >= BEGIN[WORKS]) & (moment < BEGIN[WORKS] + DAYS * _DAY) & (user ^ 1 < shop.users)
    moves = inside & ~is_treated(shop, WORKS, user) & chance(shop.seed, "moved basket", basket, MOVED)
    return np.where(moves, user ^ 1, user)
