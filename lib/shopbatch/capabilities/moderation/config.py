"""The configuration of moderate_reviews. Cheap to import."""

from __future__ import annotations

from typing import Literal

from shopbatch.core.config import Strict
from shopbatch.inference.config import InferenceConfig

Action = Literal["publish", "mask", "hold"]


class Actions(Strict):
    """What becomes of a review in which something of a kind is found. Of several kinds the strictest action counts."""

    insult: Action = "hold"
    """A person is demeaned: the seller, staff, a courier, another customer."""
    threat: Action = "hold"
    """Violence, damage, stalking or the publication of private data is announced."""
    slander: Action = "hold"
    """A group of people is demeaned: by origin, religion, sex, orientation, disability."""
    contact: Action = "mask"
    """A way to be reached outside of the shop: a number, an address, an id, a link."""
    advert: Action = "hold"
    """Something else is promoted: another shop, jobs, loans, games of chance, coupons, bought reviews."""
    profanity: Action = "mask"
    """Swear words, whoever they are aimed at."""


class ModerateReviewsConfig(InferenceConfig):
    """Configuration of the job moderate_reviews."""

    actions: Actions = Actions()
    """The action by kind. A changed one publishes again from what is kept, and computes nothing."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)
