"""Chooses the hold-out group of a campaign: users who are left out so that its effect can be measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def held_out(user_ids: Sequence[str], plan: str, share: float) -> npt.NDArray[np.bool_]:
    """Choose the users who are left out of a plan: an exact share of them, selected by hash.

    The users are ordered by a hash of the plan's name and their id, and the first `share` of them are left out. So the
    order of the rows does not matter, two plans leave out different users, and a repeated plan leaves out the same
    users; only a few at the edge of the share change as users come and go.

    Args:
        user_ids: Ids of the users who could be addressed, [n], without duplicates.
        plan: Name of the plan, campaign or experiment.
        share: Share of users to leave out, 0 to 1.

    Returns:
        A mask, bool [n]: True for users who are left out; exactly `share * n` of them, rounded half up.

    Raises:
        ValueError: A user id occurs twice, or the share is not from 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share is from 0 to 1, and this is {share}")
    if len(set(user_ids)) != len(user_ids):
        raise ValueError("a user stands twice")
    key = hashlib.blake2b(plan.encode(), digest_size=16).digest()
    ranks = [hashlib.blake2b(user.encode(), digest_size=16, key=key).digest() for user in user_ids]
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    chosen = np.zeros(len(ranks), dtype=np.bool_)
    chosen[order[: int(share * len(ranks) + 0.5)]] = True
    return chosen
