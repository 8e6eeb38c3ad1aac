"""Generates the columns of `events` about visits (session, channel, position in a list) and searches."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from shopbatch.sample.draws import Numbers, Rows, below, chance, names, nulled, pick, skewed
from shopbatch.sample.offers import colour_of, noun_of
from shopbatch.sample.review_banks import phrases
from shopbatch.sample.shop import START, Shop, consents
from shopbatch.sample.shop_words import shop_words

TYPES = ("view", "cart", "search", "invitation")
_VISIT, _INVITATION = ("web", "app", "store"), ("email", "sms", "push", "post")
_CHANNELS = (*_VISIT, *_INVITATION)
_CHANNEL_SHARES = (0.55, 0.35, 0.10)  # shares of _VISIT among the visits
_FROM_A_LIST = 0.6  # share of the views that came from a list of products
_IN_COLOUR = 0.4  # share of the searches that name a colour
_SHOWN = 5  # products that a search shows at most
_DAY = 86_400


def visits(shop: Shop, rows: Rows, user: Numbers, kind: Numbers, moment: Numbers) -> dict[str, pa.Array]:
    """Return the columns session_id, channel and position of events, [n] each.

    All that a user does on one day is one visit. An invitation belongs to no visit; it is sent by a channel that the
    user has agreed to, or else by post.

    Args:
        shop: The shop.
        rows: Row numbers of the events, uint64 [n].
        user: Row numbers of their users, int64 [n].
        kind: Indices of their types in `TYPES`, int64 [n].
        moment: When they happened, in seconds since 1970 UTC, int64 [n].
    """
    seed, invited = shop.seed, kind == TYPES.index("invitation")
    visit = user * 10_000 + (moment - START) // _DAY
    channel = pick(seed, "channel", visit.astype(np.uint64), _CHANNEL_SHARES)
    place = np.flatnonzero(invited)
    channel[place] = len(_VISIT) + _invited_by(shop, user[place].astype(np.uint64))
    seen = (kind == TYPES.index("view")) & chance(seed, "listed", rows, _FROM_A_LIST)
    return {
        "session_id": nulled(names("s-", visit), invited),
        "channel": pa.array(_CHANNELS).take(pa.array(channel)),
        "position": nulled(pa.array(1 + skewed(seed, "position", rows, 40)), ~seen),
    }


def _invited_by(shop: Shop, users: Rows) -> Numbers:
    """Return the index in `_INVITATION` of the first channel that each user has agreed to; post needs no consent."""
    agreed = [consents(shop, channel, users)[1] for channel in _INVITATION[:-1]]
    first: Numbers = np.argmax(np.column_stack([*agreed, np.ones(len(users), bool)]), axis=1)
    return first


def searches(shop: Shop, rows: Rows, places: Numbers, product: Numbers) -> dict[str, pa.Array]:
    """Return the columns query and results_shown of events, [n] each; null for events that are no searches.

    A user types the noun of the wanted product, sometimes with its colour, and is shown products with this noun; the
    wanted product is among them.

    Args:
        shop: The shop.
        rows: Row numbers of the events, uint64 [n].
        places: Indices of the searches among the events.
        product: Row number of the product that the user of each event wants, int64 [n].
    """
    seed, searched, meant = shop.seed, rows[places], product[places]
    noun = noun_of(seed, meant.astype(np.uint64))
    colours = shop_words().products.colours
    colour = np.where(chance(seed, "in colour", searched, _IN_COLOUR), 1 + colour_of(seed, meant.astype(np.uint64)), 0)
    queries = pa.array([f"{c} {n}".strip() for n in phrases("en").nouns for c in ("", *colours)])
    query = queries.take(pa.array(noun * (1 + len(colours)) + colour))
    back = np.full(len(rows), -1)
    back[places] = np.arange(len(places))
    taken = pa.array(back, mask=back < 0)
    return {"query": query.take(taken), "results_shown": _results(shop, searched, meant, noun, back >= 0)}


def _results(shop: Shop, searched: Rows, meant: Numbers, noun: Numbers, is_search: np.ndarray) -> pa.Array:
    """Return the column results_shown: up to five product ids around the wanted product, null for other events, [n].

    Args:
        shop: The shop.
        searched: Row numbers of the searches among the events.
        meant: Row numbers of the wanted products.
        noun: Indices of their nouns.
        is_search: Mask of the searches among all events, [n].
    """
    order, place, first, size = _shelves(shop)
    shown = np.minimum(size[noun], _SHOWN)
    start = place[meant] - first[noun] - below(shop.seed, "shown at", searched, 2**32) % shown
    step = np.arange(_SHOWN)
    on_shelf = (start[:, None] + step) % size[noun][:, None] + first[noun][:, None]
    products = names("g-", order[on_shelf[step < shown[:, None]]])
    lengths = np.zeros(len(is_search) + 1, np.int32)
    lengths[1:][is_search] = shown
    offsets = pa.array(np.cumsum(lengths, dtype=np.int32), mask=np.append(~is_search, False))
    return pa.ListArray.from_arrays(offsets, products)


@lru_cache(maxsize=2)
def _shelves(shop: Shop) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return all products grouped by noun, as if on shelves.

    Returns:
        (products in the order of their nouns [p], position of each product in that order [p], position of each noun's
        first product, number of products of each noun).
    """
    noun = noun_of(shop.seed, np.arange(shop.products, dtype=np.uint64))
    order = np.argsort(noun, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    size = np.bincount(noun, minlength=len(phrases("en").nouns))
    return order, place, np.cumsum(size) - size, size
