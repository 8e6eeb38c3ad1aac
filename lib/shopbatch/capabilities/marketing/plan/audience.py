"""Who is addressed: arrays in, choices out. Nothing here reads a table, so every promise can be tested by itself.

The promises: only users who agreed to the channel, no user beyond a cap, messages that together cost no more than the
budget, and a hold-out that is exact to one user.
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
    """A campaign for all users.

    Attributes:
        name: Names it with its day; the hold-out is drawn by it.
        channel: How users are addressed.
        cost, budget: Of a message and of all, in the shop's currency.
        holdout: Share of the audience that is left out.
        gain: Expected gain of a message to each user, float64 [n].
        min_gain: What it has to be above.
        allowed: Whether the campaign does not exclude the user, bool [n].
        reachable: Whether there is a time at which the user may be addressed, bool [n].
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
    """At most so many messages of a channel (None: of all) in so many days."""

    messages: int
    days: int
    channel: str | None


@dataclass(frozen=True)
class Audience:
    """Who a campaign is for.

    Attributes:
        users: Numbers of the users, by falling gain, int64 [m].
        held: Which of them are held out, bool [m].
        left: Why how many others are left out, by REASONS; the first reason counts.
    """

    users: np.ndarray
    held: np.ndarray
    left: Mapping[str, int]

    @property
    def sent(self) -> np.ndarray:
        """Numbers of the users who are addressed."""
        return np.asarray(self.users[~self.held])


def plan_day(
    ids: Sequence[str],
    offers: Sequence[Offer],
    consent: Mapping[str, np.ndarray],
    caps: Sequence[Cap],
    before: Sequence[np.ndarray],
) -> list[Audience]:
    """Choose the audiences of a day, in the order of the campaigns.

    Args:
        ids: The users' ids [n], each once.
        offers: The campaigns; an earlier one comes first where a cap allows only one of two.
        consent: By channel, who agreed to it, bool [n].
        caps: The caps.
        before: By cap, how many messages that count for it each user has got already, int64 [n] each.
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
    """Choose the users of one campaign by their expected gain, as many as the budget allows.

    The hold-out is drawn from those who would be addressed, so that both arms are of one kind.

    Args:
        ids: The users' ids [n].
        offer: The campaign.
        consent: Who agreed to its channel, bool [n].
        below_caps: Who may still get a message, bool [n].
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
    """Return how many messages the budget pays for; None if they cost nothing."""
    return None if cost == 0 else int(budget // cost)


def audience_size(users: int, holdout: float, messages: int | None) -> int:
    """Return the greatest audience whose addressed part is not more than so many messages.

    Args:
        users: Those who could be addressed.
        holdout: Share of the audience that is held out; `held_out` rounds it half up.
        messages: Most messages; None for any number.
    """
    if messages is None:
        return users
    low, high = 0, users
    while low < high:  # the addressed part never falls as the audience grows
        middle = (low + high + 1) // 2
        if middle - int(holdout * middle + 0.5) <= messages:
            low = middle
        else:
            high = middle - 1
    return low
