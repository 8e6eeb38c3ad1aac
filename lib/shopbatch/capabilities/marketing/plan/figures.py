"""Tables and charts in the report of `plan_campaigns`, which a person reads before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.marketing.plan.audience import REASONS, Audience, Offer
from shopbatch.capabilities.marketing.uplift.model import UpliftModel
from shopbatch.runs.report import Figure

_SEEN = 2.8  # an effect of so many standard errors is found in 80 of 100 experiments at the 5 % level
_BINS = 20


@dataclass(frozen=True)
class Planned:
    """A campaign of the plan, with its audience and the numbers from which cost and gain follow.

    The outcome is what the uplift model predicts: a purchase, the sales, or the number of baskets
    (`UpliftModel.outcome`).

    Attributes:
        offer: The campaign and its expected gain for all users.
        audience: The users who were chosen.
        uplift: What a message is expected to add to each user's outcome, float64 [n].
        value: Worth of one unit of the outcome for each user, in the shop's currency, float64 [n].
    """

    offer: Offer
    audience: Audience
    uplift: np.ndarray
    value: np.ndarray

    @property
    def spent(self) -> float:
        """Return the cost of all messages, in the shop's currency."""
        return float(self.offer.cost * len(self.audience.sent))

    @property
    def expected(self) -> float:
        """Return the expected gain of all messages, their cost subtracted, in the shop's currency."""
        return float(self.offer.gain[self.audience.sent].sum())

    def at_worst(self, model: UpliftModel) -> float:
        """Return the gain of all messages if the mean effect is at the lower end of its 95 % interval.

        Args:
            model: The uplift model, which knows that interval.
        """
        lost = model.effect.value - model.effect.low
        return self.expected - float((self.value[self.audience.sent] * lost).sum())

    def detectable(self, spread: float) -> float:
        """Return the smallest mean effect that this hold-out detects with a power of 80 % at the 5 % level.

        Args:
            spread: Standard deviation of the outcome between users.

        Returns:
            The effect in units of the outcome; infinite if nobody is held out or nobody is addressed.
        """
        held, sent = int(self.audience.held.sum()), len(self.audience.sent)
        return _SEEN * spread * math.sqrt(1 / held + 1 / sent) if held and sent else math.inf


def figures(planned: Sequence[Planned], model: UpliftModel, spread: float) -> list[Figure]:
    """Return the plan as a table, the reasons why users are left out as bars, and histograms of the expected gain.

    Args:
        planned: The campaigns of the plan.
        model: The uplift model that scored the users.
        spread: Standard deviation of the outcome between users.
    """
    columns = [
        "campaign", "channel", "audience", "held out", "messages", "cost", "budget", "expected gain",
        "gain at worst", "smallest effect that the hold-out shows", "expected effect",
    ]  # fmt: skip
    rows = []
    for one in planned:
        sent, smallest = one.audience.sent, one.detectable(spread)
        rows.append(
            [
                one.offer.name,
                one.offer.channel,
                len(one.audience.users),
                int(one.audience.held.sum()),
                len(sent),
                f"{one.spent:,.2f}",
                f"{one.offer.budget:,.2f}",
                f"{one.expected:,.2f}",
                f"{one.at_worst(model):,.2f}",
                "none" if math.isinf(smallest) else f"{smallest:.3g}",
                f"{one.uplift[sent].mean():.3g}" if len(sent) else "",
            ]
        )
    caption = (
        "Nothing has been sent. Gain at worst: if the mean effect is at the lower end of its 95 % interval. An "
        "expected effect below the smallest one that the hold-out shows cannot be measured by this campaign alone."
    )
    reasons = {reason: [one.audience.left.get(reason, 0) for one in planned] for reason in REASONS}
    sizes = [len(one.audience.users) for one in planned]
    bars = {"groups": [one.offer.name for one in planned], "series": {**reasons, "audience": sizes}}
    panels = {one.offer.name: panel for one in planned if (panel := _gains(one)) is not None}
    figures = [Figure("table", "The plan", {"columns": columns, "rows": rows}, caption)]
    if planned:
        figures.append(Figure("bars", "Who is left out, and why", bars, "The first reason of each user counts."))
    if panels:
        figures.append(Figure("histograms", "Expected gain of a message", {"panels": panels}))
    return figures


def _gains(one: Planned) -> dict[str, object] | None:
    gains = one.offer.gain[one.audience.users]
    if not len(gains) or float(gains.max()) <= float(gains.min()):
        return None
    counts, edges = np.histogram(gains, _BINS)
    return {"low": float(edges[0]), "high": float(edges[-1]), "counts": counts.tolist()}
