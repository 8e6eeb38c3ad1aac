"""Choose the audience of each campaign, from arrays alone, so that every guarantee can be tested without tables.

The guarantees: only users who consented to the channel, no user above a cap on messages, messages that together cost at
most the budget, and a hold-out whose size is exact to one user. `plan_campaigns` calls `plan_day`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from shopbatch.evaluation.holdout import held_out

REASONS = ("excluded", "no consent", "no time", "cap", "no gain", "budget")


@dataclass(frozen=True)
class Offer:
    """A campaign with its terms, and its expected gain for each of the n users of the shop.

    Attributes:
        name: The campaign with its day (`spring-2026-04-01`); the hold-out is drawn by a hash of it.
        channel: How users are addressed: email, sms or push.
        cost: Cost of one message, in the shop's currency.
        budget: Greatest cost of all messages, in the shop's currency.
        holdout: Share of the audience that gets no message, 0..1, so that the effect can be measured.
        gain: Expected gain of sending a message to each user, its cost subtracted, in the shop's currency, float64 [n].
        min_gain: A user is chosen only if the gain is greater than this.
        allowed: False for users whom an exclusion list names, bool [n].
        reachable: True if there is a time on that day at which the user may be addressed, bool [n].
    """

    name: str
    channel: str
    cost: Decimal
    budget: Decimal
    holdout: float
    gain: np.ndarray
    min_gain: float
    allowed: np.ndarray
    reachable: np.ndarray


@dataclass(frozen=True)
class Cap:
    """A limit on messages per user: at most `messages` of a channel (None: of all channels together) in `days` days."""

    messages: int
    days: int
    channel: str | None


@dataclass(frozen=True)
class Audience:
    """The users chosen for one campaign: those who get a message and those who are held out.

    Attributes:
        users: Positions of the chosen users among all users, by falling gain, int64 [m].
        held: True for the users who are held out, bool [m].
        left: Number of users who were not chosen, by reason (see REASONS); a user is counted under the first reason
            that applies.
    """

    users: np.ndarray
    held: np.ndarray
    left: Mapping[str, int]

    @property
    def sent(self) -> np.ndarray:
        """Return the positions of the users who get a message: the audience without the held-out users."""
        return np.asarray(self.users[~self.held])


def plan_day(
    ids: Sequence[str],
    offers: Sequence[Offer],
    consent: Mapping[str, np.ndarray],
    caps: Sequence[Cap],
    before: Sequence[np.ndarray],
) -> list[Audience]:
    """Choose the audiences of all campaigns of a day, one campaign after the other.

    Args:
        ids: The users' ids [n], each once.
        offers: The campaigns. Where a cap allows a user only one more message, the earlier campaign gets the user.
        consent: By channel, True for the users who consented to it, bool [n].
        caps: The limits on messages per user.
        before: For each cap, how many messages each user has already had that count towards it, int64 [n] each.

    Returns:
        One audience per campaign, in the order of `offers`.
    """
    counts = [count.copy() for count in before]
    audiences = []
    for offer in offers:
        matching = [number for number, cap in enumerate(caps) if cap.channel in (None, offer.channel)]
        below = np.ones(len(ids), bool)
        for number in matching:
            below &= counts[number] < caps[number].messages
        audience = choose_audience(ids, offer, consent[offer.channel], below)
        for number in matching:
            counts[number][audience.sent] += 1
        audiences.append(audience)
    return audiences


def choose_audience(ids: Sequence[str], offer: Offer, consent: np.ndarray, below_caps: np.ndarray) -> Audience:
    """Choose the users of one campaign by falling expected gain, as many as the budget pays for.

    The hold-out is drawn from the chosen users, so that held-out and addressed users are comparable.

    Args:
        ids: The users' ids [n]; users of equal gain are ordered by id.
        offer: The campaign.
        consent: True for the users who consented to its channel, bool [n].
        below_caps: True for the users who may get one more message, bool [n].
    """
    conditions = (offer.allowed, consent, offer.reachable, below_caps, offer.gain > offer.min_gain)
    open_ = np.ones(len(ids), bool)
    left = {}
    for reason, condition in zip(REASONS, conditions, strict=False):
        left[reason] = int((open_ & ~condition).sum())
        open_ &= condition
    able = np.flatnonzero(open_)
    order = np.array(sorted(able.tolist(), key=lambda user: (-offer.gain[user], ids[user])), np.int64)
    size = audience_size(len(order), offer.holdout, most_messages(offer.cost, offer.budget))
    left["budget"] = len(order) - size
    users = order[:size]
    held = held_out([ids[user] for user in users.tolist()], offer.name, offer.holdout)
    return Audience(users, held, left)


def most_messages(cost: Decimal, budget: Decimal) -> int | None:
    """Return how many messages the budget pays for; None (no limit) if a message costs nothing."""
    return None if cost == 0 else int(budget // cost)


def audience_size(users: int, holdout: float, messages: int | None) -> int:
    """Return the greatest size of an audience that, after its hold-out is taken out, needs at most `messages` messages.

    Args:
        users: Number of users who could be addressed; the result is at most this.
        holdout: Share of the audience that is held out, 0..1; the number is rounded half up, as by `held_out`.
        messages: Most messages; None: no limit.
    """
    if messages is None:
        return users
    low, high = 0, users
    while low < high:  # bisection: the number of messages never falls as the audience grows
        middle = (low + high + 1) // 2
        if middle - int(holdout * middle + 0.5) <= messages:
            low = middle
        else:
            high = middle - 1
    return low
