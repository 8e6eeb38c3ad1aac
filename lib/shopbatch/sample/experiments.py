"""Generates `experiments` with a known effect: one campaign that works, and one without any effect.

Users 2k and 2k + 1 form a pair. A random draw puts one of them into the treated arm and the other one into the control
arm, so every user is treated with a probability of one half. The working campaign moves baskets: in its four weeks, a
share `MOVED` (0 to 1) of the control user's baskets is bought by the treated user of the pair instead. Treated users
therefore buy (1 + MOVED) times as many baskets as without the campaign, control users (1 - MOVED) times as many. The
true effect, the difference of the arms, is 2 x MOVED x the usual number of baskets per user.
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
    """Return the rows of `experiments` for the (experiment, user) pairs [first, first + count).

    The pairs are numbered experiment by experiment. If the number of users is odd, the last user has no row, because
    users are assigned to the arms two by two.
    """
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
    """Return a mask [n]: True for users in the treated arm; of users 2k and 2k + 1, exactly one is treated.

    Args:
        shop: The shop.
        name: Name of the experiment (`WORKS` or `IDLE`).
        user: Row numbers of the users, int64 [n].
    """
    first = draw(shop.seed, f"arm of {name}", (user // 2).astype(np.uint64)) % np.uint64(2)
    return np.asarray(first.astype(np.int64) == user % 2)


def buyers(shop: Shop, basket: np.ndarray, moment: Numbers) -> Numbers:
    """Return the user who buys each basket, with the effect of the working campaign applied.

    Args:
        shop: The shop.
        basket: Index of each basket, from 0, uint64 [n].
        moment: When they are bought, in seconds since 1970 UTC, int64 [n].

    Returns:
        Row number of the user who buys each basket, int64 [n].
    """
    user = below(shop.seed, "buyer", basket, shop.users)
    inside = (moment >= BEGIN[WORKS]) & (moment < BEGIN[WORKS] + DAYS * _DAY) & (user ^ 1 < shop.users)
    moves = inside & ~is_treated(shop, WORKS, user) & chance(shop.seed, "moved basket", basket, MOVED)
    return np.where(moves, user ^ 1, user)
