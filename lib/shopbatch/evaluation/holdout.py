"""Who is left out of a plan, so that its effect can be measured: an exact share, drawn by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def held_out(user_ids: Sequence[str], plan: str, share: float) -> npt.NDArray[np.bool_]:
    """Choose the users who are left out of a plan.

    The users are ordered by a hash of the plan's name and their id, and the first `share` of them are left out. So the
    order of the rows does not matter, two plans leave out different users, and a plan that is made again leaves out the
    same users but for those at the edge, which moves as users come and go.

    Args:
        user_ids: The users who could be addressed [n]; each stands once.
        plan: The name of the plan, campaign or experiment.
        share: The share that is left out, 0 to 1.

    Returns:
        Whether each user is left out [n]; true for exactly `share * n` of them, rounded half up.

    Raises:
        ValueError: A user stands twice, or the share is not from 0 to 1.
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
