"""Generated campaigns: who received them, their coupons, and who redeemed coupons.

Whether user u received campaign c, and what u did with it, is a function of only the seed and the row c * users + u.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import Numbers, Rows, below, chance, from_seconds, names, skewed
from shopbatch.sample.shop import START, YEARS, Shop
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS

CAMPAIGNS_SENT, DAYS = 12, 30  # number of campaigns, and how long each one lasts
RECEIVED, REDEEMED = 0.25, 0.05  # share of the users who receive a campaign, and share of those who use it
COUPONS_EACH, PRODUCTS_EACH = 20, 5
COUPON_ROWS = CAMPAIGNS_SENT * COUPONS_EACH * PRODUCTS_EACH
_DAY = 86_400
_TYPES = ("Type A", "Type B", "Type C")


def campaigns(shop: Shop, first: int, count: int) -> pa.Table:
    """The campaigns sent among the rows [first, first + count) of (campaign, user), campaign by campaign."""
    rows = _received(shop, first, count)
    campaign, user = _pair(shop, rows)
    begin = _begin(shop, campaign)
    columns = {
        "campaign_id": names("g-", campaign),
        "user_id": names("g-", user),
        "campaign_type": pc.take(pa.array(_TYPES), pa.array(campaign % len(_TYPES))),
        "starts_at": from_seconds(begin),
        "ends_at": from_seconds(begin + DAYS * _DAY),
        "source": pa.repeat("generated", len(rows)),
    }
    return pa.table(columns, schema=CAMPAIGNS.schema())


def coupons(shop: Shop, first: int, count: int) -> pa.Table:
    """Rows [first, first + count) of the coupons: each is valid for neighbouring products of one taste."""
    rows = np.arange(first, first + count, dtype=np.int64)
    coupon, place = np.divmod(rows, PRODUCTS_EACH)
    any_product = skewed(shop.seed, "coupon product", coupon.astype(np.uint64), shop.products)
    columns = {
        "campaign_id": names("g-", coupon // COUPONS_EACH),
        "coupon_id": names("g-", coupon),
        "product_id": names("g-", (any_product + place * shop.clusters) % shop.products),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=COUPONS.schema())


def redemptions(shop: Shop, first: int, count: int) -> pa.Table:
    """The redemptions of the rows [first, first + count) of (campaign, user): none, one or two coupons each."""
    seed, received = shop.seed, _received(shop, first, count)
    using = received[chance(seed, "redeems", received, REDEEMED)]
    chosen = below(seed, "coupon chosen", using, COUPONS_EACH)
    other = (chosen + 1 + below(seed, "other coupon", using, COUPONS_EACH - 1)) % COUPONS_EACH
    redeemed = np.column_stack([np.ones(len(using), bool), chance(seed, "redeems two", using, 0.5)])
    nth = np.column_stack([chosen, other])[redeemed]
    rows = np.column_stack([using, using])[redeemed]
    draws = np.column_stack([using * np.uint64(2), using * np.uint64(2) + np.uint64(1)])[redeemed]
    campaign, user = _pair(shop, rows)
    moment = _begin(shop, campaign) + 1 + below(seed, "redeemed", draws, DAYS * _DAY - 1)
    columns = {
        "user_id": names("g-", user),
        "campaign_id": names("g-", campaign),
        "coupon_id": names("g-", campaign * COUPONS_EACH + nth),
        "redeemed_at": from_seconds(moment),
        "source": pa.repeat("generated", len(rows)),
    }
    return pa.table(columns, schema=REDEMPTIONS.schema())


def _received(shop: Shop, first: int, count: int) -> Rows:
    rows = np.arange(first, first + count, dtype=np.uint64)
    return rows[chance(shop.seed, "received", rows, RECEIVED)]


def _pair(shop: Shop, rows: Rows) -> tuple[Numbers, Numbers]:
    """The campaign and the user of each row."""
    campaign, user = np.divmod(rows.astype(np.int64), shop.users)
    return campaign, user


def _begin(shop: Shop, campaign: Numbers) -> Numbers:
    """When each campaign starts (seconds since 1970 UTC): a midnight; it ends before the next one starts."""
    days = YEARS * 365
    drawn = below(shop.seed, "campaign start", campaign.astype(np.uint64), days // CAMPAIGNS_SENT - DAYS)
    return START + (campaign * days // CAMPAIGNS_SENT + drawn) * _DAY
